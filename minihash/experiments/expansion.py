"""HashedNets, section 6: test error at fixed storage, as the virtual network grows.

The hidden layer has 50 x units under compression 1 / x, so that the tables have the entries of a
dense network of 50 hidden units; at x = 1 it is that network. The paper finds that the error about
halves up to x = 8 (3 % to 1.61 %). Hash and protocol are those of hashednets.py.
"""

import math
from collections.abc import Sequence
from fractions import Fraction

from minihash.experiments.claims import Claim, lower, rising
from minihash.experiments.drawing import families
from minihash.experiments.grid import Axes
from minihash.experiments.hashednets import COMMON, HASHED, SEEDS, error, spread

FILE = "expansion"
TITLE = "test error by virtual width, at fixed storage"
WIDTH = 50
TIMES = (1, 2, 4, 8, 16)


def _grids(dataset: str, width: int, times: Sequence[int], **own: list) -> list[Axes]:
    """A network for each x."""
    common = {"dataset": [dataset], **COMMON, **own}
    plain = common | {"hash": ["identity"], "hidden": [(width,)]} | SEEDS
    return [plain] + [
        common | HASHED | {"hidden": [(width * x,)], "compression": [Fraction(1, x)]} | SEEDS
        for x in times[1:]
    ]


GRIDS: dict[str, list[Axes]] = {
    "mnist": _grids("mnist", WIDTH, TIMES),
    "digits": _grids("digits", 10, TIMES, lr=[0.03], epochs=[15]),
}


def times(record: dict) -> float:
    """x, by the hidden units."""
    narrow = 10 if record["config"]["dataset"] == "digits" else WIDTH
    return record["config"]["hidden"][0] / narrow


def claims(records: list[dict], dataset: str) -> list[Claim]:
    """That the error falls with the width; that eight times the width (of digits, 16) is better
    than none."""
    wide = 8 if dataset == "mnist" else TIMES[-1]
    ours, others = ([r for r in records if times(r) == x] for x in (wide, 1))
    return [
        *rising("the error falls with the virtual width", records, times, whole=True),
        lower(f"{wide} times as wide is better", ours, others, lambda _: 0.0, error),
    ]


def table(records: Sequence[dict]) -> str:
    """Markdown: a row a width; mean and standard deviation over seeds."""
    lines = ["| width | test error, % |", "| --- | --- |"]
    for x in sorted({times(r) for r in records}):
        lines.append(f"| x {x:g} | {spread([error(r) for r in records if times(r) == x])} |")
    return "\n".join(lines)


def draw(figure: object, records: list[dict]) -> None:
    """Error by log2 of x."""
    axes = figure.subplots()
    families(axes, {"fixed storage": records}, lambda r: math.log2(times(r)), error)
    axes.set(xlabel="log2 of virtual width / stored width", ylabel="test error, %")
