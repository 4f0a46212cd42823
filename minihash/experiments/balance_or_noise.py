"""Is it balance, or is it noise? Two questions of the ArbNets paper, taken apart.

The uniform hash is worse than the modulus hash, and differs from it twice: its loads are uneven,
and it places at random. Here each stands alone. With n entries for N weights, m = N / n:

                  even                    uneven as uniform's        much more uneven
    at random     balanced                uniform                    dirichlet, alpha 1
    in runs       quantile, alpha inf     quantile, alpha m          quantile, alpha 1 / (1 + 1 / m)
    in turns      modulus

In turns: neighbours have neighbouring entries, which come again after n. In runs: neighbours share
an entry. Both are free of noise, and differ in what they tie: the balance of runs is judged among
runs.

Loads of random draws have the relative variance 1 / alpha + 1 / m (the second is of the draws,
and all that the uniform hash has), those of runs 1 / alpha alone: hence the alphas of the quantile
hash, which give a column equal loads. Runs that share a seed share the order of examples: they are
compared in pairs.

At sparsity 0.01 the table has an entry more than 0.01 N: without it rows of MNIST's first layer
repeat in turns, which is another question (repeats.py).
"""

import math

from minihash.experiments.claims import Claim, by_sparsities, by_sparsity, in_pairs
from minihash.experiments.drawing import panels_of
from minihash.experiments.grid import Axes

FILE = "balance-or-noise"
TITLE = "balance or noise: accuracy by hash"
UNEVEN = 1.0  # alpha of the most uneven random draws


def grid(dataset: str, compressions: list[float], epochs: int, seeds: range) -> list[Axes]:
    """The table above at each compression 1 / m."""
    common = {"dataset": [dataset], "epochs": [epochs], "seed": seeds}
    return [
        {"hash": [hash_], "alpha": alphas, "compression": [c], **common} if alphas
        else {"hash": [hash_], "compression": [c], **common}
        for c in compressions
        for hash_, alphas in (
            ("modulus", []),
            ("balanced", []),
            ("uniform", []),
            ("dirichlet", [UNEVEN]),
            ("quantile", [math.inf, 1 / c, 1 / (c + 1 / UNEVEN)]),
        )
    ]  # fmt: skip


GRIDS: dict[str, list[Axes]] = {
    "mnist": grid("mnist", [0.0100001, 0.03, 0.1, 0.3], 4, range(10)),
    "digits": grid("digits", [0.0200001, 0.2], 3, range(10)),
}


def label(record: dict) -> str:
    """The cell of the table that a run is in."""
    hash_, alpha = (record["config"][name] for name in ("hash", "alpha"))
    if hash_ == "quantile":
        if isinstance(alpha, dict):  # as infinity is written
            return "quantile, even"
        return "quantile, very uneven" if alpha < UNEVEN else "quantile, uneven"
    return "dirichlet, very uneven" if hash_ == "dirichlet" else hash_


def claims(records: list[dict], dataset: str) -> list[Claim]:
    """Balance, and order, each with the other held fast."""
    found = []
    for name, runs in by_sparsity(records).items():
        cells: dict[str, list[dict]] = {}
        for run in runs:
            cells.setdefault(label(run), []).append(run)
        for says, ours, theirs in (
            ("balance helps at random", "balanced", "uniform"),
            ("balance helps in runs", "quantile, even", "quantile, uneven"),
            ("much balance helps at random", "balanced", "dirichlet, very uneven"),
            ("much balance helps in runs", "quantile, even", "quantile, very uneven"),
            ("turns are better than noise", "modulus", "balanced"),
            ("runs are better than noise, even", "quantile, even", "balanced"),
            ("runs are better than noise, uneven", "quantile, uneven", "uniform"),
            ("turns are better than runs", "modulus", "quantile, even"),
        ):
            found.append(in_pairs(says, name, cells[ours], cells[theirs]))
    return found


def table(records: list[dict]) -> str:
    """Mean and spread over seeds, in Markdown."""
    return by_sparsities(records, label)


def draw(figure: object, records: list[dict]) -> None:
    """A panel a sparsity, a column a hash."""
    panels_of(figure, records, label)
