"""Pictures of a run: its learning curves, and what a classifier takes its test set for.

A panel a quantity (loss, accuracy ...), a line a set of examples. matplotlib is imported when a
picture is made, and not before.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from minihash.experiments.drawing import empty, write

SETS = ("train", "validation", "test")
LINES = 600  # values that are drawn one by one
WRITTEN = 20  # classes whose counts are written into their fields


def series(metrics: Sequence[dict]) -> dict[str, dict[str, list[float]]]:
    """quantity -> set of examples -> a value an epoch, NaN where there is none.

    >>> series([{"epoch": 1, "loss": 0.5, "test_loss": None, "rate": 0.1, "seconds": 2.0}])
    {'loss': {'train': [0.5], 'test': [nan]}}
    """
    found: dict[str, dict[str, list[float]]] = {}
    for name in dict.fromkeys(name for line in metrics for name in line):
        if name in ("epoch", "rate", "seconds"):
            continue
        first, _, rest = name.partition("_")
        held = "train" if name == "loss" else "test"  # bits_per_character is of the test set
        which, quantity = (first, rest) if first in SETS else (held, name)
        values = [line.get(name) for line in metrics]
        found.setdefault(quantity, {})[which] = [math.nan if v is None else v for v in values]
    return found


def curves(path: Path, metrics: Sequence[dict], best: int = 0) -> None:
    """Draw learning curves; best: the epoch of the model, 0 for the last. Raises as `suffix`
    does, and ValueError for a run without a whole epoch."""
    if not metrics:
        raise ValueError("no epoch of the run is over yet: there is no curve to draw")
    figure = empty(path, (11, 4.5))
    found = series(metrics)
    panels = figure.subplots(1, len(found), squeeze=False)[0]
    epochs = [line["epoch"] for line in metrics]
    for axes, (quantity, lines) in zip(panels, found.items(), strict=True):
        for name in (name for name in SETS if name in lines):
            axes.plot(epochs, lines[name], marker=".", label=name)
        if best:
            axes.axvline(best, color="grey", linestyle=":", label=f"kept: epoch {best}")
        axes.set(xlabel="epoch", title=quantity.replace("_", " "))
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    write(path, figure)


def weights(path: Path, before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> None:
    """Draw a panel a layer: the histogram of the weights as they were trained, on a scale of
    powers, and a line for each value that is left. Raises as `suffix` does."""
    figure = empty(path, (4 * len(after), 4))
    panels = figure.subplots(1, len(after), squeeze=False)[0]
    for axes, (name, V) in zip(panels, after.items(), strict=True):
        found, loads = np.unique(V[V != 0], return_counts=True)
        axes.hist(before[name].reshape(-1), 101, color="lightgrey", label="as it was trained")
        if found.size <= LINES:
            axes.vlines(found, 0.5, loads, color="tab:red", linewidth=1, label="values, and loads")
        else:
            axes.hist(V[V != 0], 101, color="tab:red", alpha=0.5, label="what is left")
        axes.set(
            yscale="log", xlabel="weight", title=f"{name}, {found.size} values", ylim=(0.5, None)
        )
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    write(path, figure)


def matrix(path: Path, counts: np.ndarray, names: Sequence[str]) -> None:
    """Draw a confusion matrix, a row a class, coloured by its share of the row. Raises as
    `suffix` does."""
    figure = empty(path, (8, 7))
    axes, classes = figure.subplots(), range(len(names))
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="taken for", ylabel="class")
    if len(names) <= WRITTEN:
        axes.set_xticks(classes, names, rotation=45, ha="right")
        axes.set_yticks(classes, names)
        for i, j in np.argwhere(counts):
            colour = "white" if share[i, j] > 0.5 else "black"
            axes.text(j, i, counts[i, j], ha="center", va="center", color=colour, fontsize=8)
    write(path, figure)
