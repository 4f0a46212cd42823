"""Pictures, which no screen shows. matplotlib is imported when one is made, and not before."""

import io
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from minihash.experiments.claims import by_sparsity
from minihash.experiments.results import Row, metric, value
from minihash.files.atomic import atomic_write

DOTS = 150  # an inch


def can_draw() -> bool:
    """Whether matplotlib is here."""
    return find_spec("matplotlib") is not None


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


def empty(path: Path, size: tuple[float, float]) -> Any:
    """A figure of so many inches, which no screen shows. Raises as `suffix` does."""
    suffix(path)
    from matplotlib.figure import Figure

    return Figure(figsize=size, dpi=DOTS, layout="constrained")


def write(path: Path, figure: Any) -> None:
    """Write a figure, atomically; the SVG files of equal ones are equal. A PNG has 256 colours: a
    third of the bytes. Raises OSError as `atomic_write` does."""
    import matplotlib
    from PIL import Image  # which matplotlib needs, too

    kind, content = suffix(path), io.BytesIO()
    plain = {"metadata": {"Date": None}} if kind == "svg" else {}
    with matplotlib.rc_context({"svg.hashsalt": "minihash", "svg.fonttype": "none"}):
        figure.savefig(content, format=kind, **plain)
    if kind == "png":
        drawn, content = Image.open(content).convert("RGB"), io.BytesIO()
        drawn.quantize().save(content, "png", optimize=True)
    atomic_write(path, content.getvalue())


def families(
    axes: Any,
    groups: dict[str, list[dict]],
    place: Callable[[dict], float],
    height: Callable[[dict], float] = value,
) -> None:
    """A curve a group: the mean over runs at one place, and every run as a point beside it.

    place, height: where a record stands on the axes. Means are over seeds that share a place;
    where each run has its own, points alone are drawn.
    """
    for k, (name, records) in enumerate(groups.items()):
        x = np.array([place(record) for record in records])
        y = np.array([height(record) for record in records])
        colour = f"C{k % 10}"
        axes.scatter(x, y, s=16, color=colour, alpha=0.6, linewidths=0)
        places = np.unique(x)
        if len(places) < len(x):
            at = [y[x == here] for here in places]
            spread = [part.std(ddof=1) if len(part) > 1 else 0.0 for part in at]
            means = [part.mean() for part in at]
            axes.errorbar(places, means, spread, color=colour, capsize=2, label=name)
        else:
            axes.plot([], [], color=colour, marker="o", linestyle="", label=name)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def strips(axes: Any, records: Sequence[dict], label: Callable[[dict], str]) -> None:
    """A column a label: every run as a point, and their mean as a bar."""
    names = list(dict.fromkeys(map(label, records)))
    for k, name in enumerate(names):
        y = np.array([value(record) for record in records if label(record) == name])
        x = k + np.linspace(-0.25, 0.25, len(y)) if len(y) > 1 else [k]
        axes.scatter(x, y, s=16, color=f"C{k % 10}", alpha=0.6, linewidths=0)
        axes.plot([k - 0.35, k + 0.35], [np.mean(y)] * 2, color=f"C{k % 10}")
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right", fontsize=7)
    axes.grid(alpha=0.3)


def panels_of(figure: Any, records: Sequence[dict], label: Callable[[dict], str]) -> None:
    """A panel a sparsity, a column a label."""
    groups = by_sparsity(records)
    panels = figure.subplots(1, len(groups), squeeze=False)[0]
    for axes, (name, runs) in zip(panels, groups.items(), strict=True):
        strips(axes, runs, label)
        axes.set_title(name, fontsize=10)
    panels[0].set(ylabel=metric(records[0]).replace("_", " "))


def curves(path: Path, rows: Sequence[Row], metric: str) -> None:
    """Learning curves side by side: mean over seeds, a band of one standard deviation. Raises as
    `suffix` does."""
    figure = empty(path, (9, 5.5))
    axes = figure.subplots()
    for row in rows:
        mean, spread = row.curve(metric), row.curve(metric, np.std)
        epochs = np.arange(1, len(mean) + 1)
        (line,) = axes.plot(epochs, mean, marker=".", label=row.name)
        if len(row.records) > 1:
            axes.fill_between(
                epochs, mean - spread, mean + spread, color=line.get_color(), alpha=0.15
            )
    axes.set(xlabel="epoch", ylabel=metric.replace("_", " "))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    write(path, figure)
