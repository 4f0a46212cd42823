"""The picture of `minihash explain`: virtual matrices, a colour a bucket, over the table."""

from pathlib import Path

import numpy as np

from minihash.cli.explain import Specimen, page, specimens
from minihash.experiments import drawing

SHOWN = ("MLP", "CNN", "RNN")


def draw(path: Path, rows: list[dict]) -> None:
    """Write the picture of `explain`. rows: what it has found.

    Raises as `drawing.suffix` does, and OSError as `atomic_write`.
    """
    figure = drawing.empty(path, (13, 8.5))
    above, below = figure.subfigures(2, 1, height_ratios=(1.4, 1))
    shown = [specimen for specimen in specimens() if specimen.name in SHOWN]
    for axes, specimen in zip(above.subplots(1, len(shown)), shown, strict=True):
        _matrix(above, axes, specimen)
    text = page(rows, columns=150)
    below.text(0.06, 0.95, text, family="monospace", fontsize=10, va="top")
    drawing.write(path, figure)


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
