"""ArbNets, figure 4: accuracy by the radius of the Neighborhood hash, a curve a sparsity.

Radius 0 is the modulus hash, which is even; the larger the radius, the nearer the uniform hash. The
paper finds that accuracy falls with the radius, noisily, and on MNIST less so when the network is
sparse. Its grid is not given: radii here are spread evenly in their logarithm.
"""

import math

from minihash.experiments.claims import Claim, by_sparsities, by_sparsity, rising, steeper
from minihash.experiments.drawing import families
from minihash.experiments.fig2 import GRIDS as OF_ALPHA
from minihash.experiments.grid import Axes

FILE = "neighborhood"
TITLE = "accuracy by radius"
RADII = {
    "mnist": [[0, 1, 3, 10, 30, 100, 300, 900]],
    "cifar10": [[0, 10, 1000, 100000], [0, 100000]],
    "digits": [[0, 10, 100, 1900]],
}


def _grid(axes: Axes, radii: list[int]) -> Axes:
    """As figure 2 has it, in its order, with radii for alphas."""
    return {
        **{name: values for name, values in axes.items() if name not in ("alpha", "hash", "seed")},
        "hash": ["neighborhood"],
        "radius": radii,
        "seed": axes["seed"],
    }


GRIDS: dict[str, list[Axes]] = {
    dataset: [_grid(axes, radii) for axes, radii in zip(grids, RADII[dataset], strict=True)]
    for dataset, grids in OF_ALPHA.items()
}


def radius(record: dict) -> float:
    """log10 of 1 + radius."""
    return math.log10(1 + record["config"]["radius"])


def label(record: dict) -> str:
    """What is varied."""
    return f"radius {record['config']['radius']}"


def claims(records: list[dict], dataset: str) -> list[Claim]:
    """That accuracy falls with the radius; not of CIFAR-10, that it does less so when sparse."""

    def near(record: dict) -> float:
        return -radius(record)

    found = rising("accuracy falls with the radius", records, near)
    if dataset != "cifar10":
        found += steeper("it falls less when sparse", records, near)
    return found


def table(records: list[dict]) -> str:
    """Mean and spread over seeds, in Markdown."""
    return by_sparsities(records, label)


def draw(figure: object, records: list[dict]) -> None:
    """Accuracy by log10 of 1 + radius."""
    axes = figure.subplots()
    families(axes, by_sparsity(records), radius)
    axes.set(xlabel="log10 of 1 + radius", ylabel="test accuracy")
