"""Penalties on each entry of a table by itself.

    L2            P = strength / 2 sum w^2             gradient strength w
    L1            P = strength sum |w|                 prox  sign(v) max(|v| - rate strength, 0)
    WeightDecay   no part of the loss:  w' = w* - rate strength w

Sources: Tibshirani, JRSS B 58 (1996), L1; WeightDecay: Loshchilov & Hutter, arXiv 1711.05101,
algorithm 2.
"""

from dataclasses import dataclass

import numpy as np

from minihash.training.penalties.penalty import OnTables, Params, square_sum


@dataclass(frozen=True)
class L2(OnTables):
    """strength / 2 sum w^2, as a part of the loss; with SGD it is weight decay too.

    >>> L2(0.5, ("W",)).gradients({"W": np.array([2.0, -4.0])})
    {'W': array([ 1., -2.])}
    """

    strength: float
    tables: tuple[str, ...]

    def value(self, params: Params) -> float:
        return self.strength / 2 * sum(square_sum(params[name]) for name in self.tables)

    @np.errstate(invalid="ignore", over="ignore")  # a diverged run shows in its loss
    def gradients(self, params: Params) -> Params:
        return {name: self.strength * params[name] for name in self.tables}


@dataclass(frozen=True)
class WeightDecay(OnTables):
    """Decay that stays out of the optimiser's moments: with Adam it is AdamW.

    >>> before, after = {"W": np.array([2.0])}, {"W": np.array([1.0])}
    >>> WeightDecay(0.5, ("W",)).shrink(before, after, rate=0.5)
    {'W': array([0.5])}
    """

    strength: float
    tables: tuple[str, ...]

    def value(self, params: Params) -> float:
        """0: it is no part of the loss."""
        return 0.0

    @np.errstate(invalid="ignore", over="ignore")
    def shrink(self, before: Params, after: Params, rate: float) -> Params:
        return {name: after[name] - rate * self.strength * before[name] for name in self.tables}


@dataclass(frozen=True)
class L1(OnTables):
    """strength sum |w|, which makes entries 0.

    >>> L1(1.0, ("W",)).shrink({}, {"W": np.array([1.0, -0.25])}, rate=0.5)
    {'W': array([ 0.5, -0. ])}
    """

    strength: float
    tables: tuple[str, ...]

    def value(self, params: Params) -> float:
        return self.strength * sum(
            float(np.abs(params[name]).sum(dtype=np.float64)) for name in self.tables
        )

    def shrink(self, before: Params, after: Params, rate: float) -> Params:
        new = {}
        for name in self.tables:
            size = np.maximum(np.abs(after[name]) - rate * self.strength, 0)
            new[name] = np.copysign(size, after[name])
        return new
