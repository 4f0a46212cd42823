"""The picture of `minihash explain`: virtual matrices, a colour a bucket, over the table.

matplotlib is imported when a picture is made, and not before.
"""

import io
from pathlib import Path

import numpy as np

from minihash.cli.explain import Specimen, page, specimens
from minihash.files.atomic import atomic_write

SHOWN = ("MLP", "CNN", "RNN")
DOTS = 150  # an inch


def suffix(path: Path) -> str:
    """The format of a picture, by the end of its name; asked before the work.

    Raises ImportError without matplotlib, ValueError for a format that it does not write,
    FileNotFoundError without the folder.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install 'minihash[plot]'") from error
    kind = path.suffix[1:].lower()
    if kind not in FigureCanvasAgg.filetypes:
        known = ", ".join(sorted(FigureCanvasAgg.filetypes))
        raise ValueError(f"--plot {path} must end with one of {known}; name it FILE.png")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent}: make it, or name another")
    return kind


def draw(path: Path, rows: list[dict]) -> None:
    """Write the picture, atomically. rows: what `explain` has found.

    Raises as `suffix` does, and OSError as `atomic_write`.
    """
    kind = suffix(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 8.5), dpi=DOTS, layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(1.4, 1))
    shown = [specimen for specimen in specimens() if specimen.name in SHOWN]
    for axes, specimen in zip(above.subplots(1, len(shown)), shown, strict=True):
        _matrix(above, axes, specimen)
    text = page(rows, columns=150)
    below.text(0.06, 0.95, text, family="monospace", fontsize=10, va="top")
    content = io.BytesIO()
    figure.savefig(content, format=kind)
    atomic_write(path, content.getvalue())


def _matrix(figure: object, axes: object, specimen: Specimen) -> None:
    buckets = specimen.buckets()
    shown = np.ma.masked_less(buckets, 0)  # white: no connection
    image = axes.imshow(shown, cmap="turbo", interpolation="nearest", aspect="auto")
    name = "unrolled RNN" if specimen.name == "RNN" else specimen.name
    axes.set_title(
        f"{name}: {type(specimen.hashes[0]).__name__}, {' x '.join(map(str, buckets.shape))}"
    )
    axes.set(xlabel=specimen.columns, ylabel=specimen.rows, xticks=[], yticks=[])
    figure.colorbar(image, ax=axes, label="bucket", location="bottom")
