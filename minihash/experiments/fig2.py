"""ArbNets, figure 2: accuracy by alpha of the Dirichlet hash, a curve a sparsity.

The paper finds that accuracy rises with alpha; on CIFAR-10, that the effect is small when the
network is sparse and large when it is not. It gives no grid, no epochs and no repeats: those here
are our own. Small alpha is bimodal over seeds: every run is drawn, not the mean alone.
"""

import math

from minihash.experiments.claims import Claim, by_sparsities, by_sparsity, rising, steeper
from minihash.experiments.drawing import families
from minihash.experiments.grid import Axes

FILE = "dirichlet"
TITLE = "accuracy by alpha"
GRIDS: dict[str, list[Axes]] = {
    "mnist": [
        {
            "dataset": ["mnist"],
            "hash": ["dirichlet"],
            "compression": [0.01, 0.03, 0.1, 0.3],
            "alpha": [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0],
            "epochs": [12],
            "seed": range(5),
        }
    ],
    "cifar10": [
        {
            "dataset": ["cifar10"],
            "hidden": [(2000,) * 5],
            "hash": ["dirichlet"],
            "compression": [0.01, 0.1],
            "alpha": alphas,
            "epochs": [4],
            "seed": seeds,
        }
        for alphas, seeds in (([0.01, 0.1, 1.0, 10.0], [0]), ([0.01, 10.0], [1, 2]))
    ],
    "digits": [
        {
            "dataset": ["digits"],
            "hash": ["dirichlet"],
            "compression": [0.0200001, 0.2],  # at 0.02 rows repeat under radius 0 (repeats.py)
            "alpha": [0.01, 0.1, 1.0, 10.0],
            "epochs": [6],
            "seed": range(8),
        }
    ],
}


def alpha(record: dict) -> float:
    """log10 of alpha."""
    return math.log10(record["config"]["alpha"])


def label(record: dict) -> str:
    """What is varied."""
    return f"alpha {record['config']['alpha']:g}"


def claims(records: list[dict], dataset: str) -> list[Claim]:
    """That accuracy rises with alpha; of CIFAR-10, that it does more so when it is not sparse."""
    found = rising("accuracy rises with alpha", records, alpha)
    if dataset == "cifar10":
        found += steeper("alpha matters little when sparse, much when not", records, alpha)
    return found


def table(records: list[dict]) -> str:
    """Mean and spread over seeds, in Markdown."""
    return by_sparsities(records, label)


def draw(figure: object, records: list[dict]) -> None:
    """Accuracy by log10 of alpha."""
    axes = figure.subplots()
    families(axes, by_sparsity(records), alpha)
    axes.set(xlabel="log10 of alpha", ylabel="test accuracy")
