"""What a penalty is, and what those on whole tables have in common."""

import math
from collections.abc import Collection

import numpy as np

from minihash.checks import parameter, real_field

Params = dict[str, np.ndarray]


class Penalty:
    """Base of all penalties. `names` are the tables that it is on, `owned` those of the parameters
    that it trains for itself."""

    strength: float
    names: tuple[str, ...]

    @property
    def owned(self) -> Collection[str]:
        return ()

    def own(self, params: Params) -> Params:
        """What it owns, before the first step; params: of the network."""
        return {}

    def value(self, params: Params) -> float:
        """P, in float64."""
        raise NotImplementedError

    def gradients(self, params: Params) -> Params:
        """The gradient of P in each table, and in what the penalty owns, if P is smooth; else
        nothing."""
        return {}

    def shrink(self, before: Params, after: Params, rate: float) -> Params:
        """The parameters that the penalty changes, once the optimiser has gone from `before` to
        `after`."""
        return {}

    def check(self, params: Params) -> None:
        """Raise ValueError or TypeError unless its tables are there and fit."""
        for name in self.names:
            parameter(params, name, None)


class OnTables(Penalty):
    """Base of penalties that are on each of their tables by itself."""

    tables: tuple[str, ...]

    def __post_init__(self) -> None:
        real_field(self, "strength", 0, math.inf)
        if not isinstance(self.tables, (tuple, list)) or not all(
            isinstance(name, str) for name in self.tables
        ):
            raise TypeError(
                f"tables of {type(self).__name__} must be a tuple of names, got {self.tables!r}; "
                'write ("table",)'
            )
        object.__setattr__(self, "tables", tuple(self.tables))

    @property
    def names(self) -> tuple[str, ...]:
        return self.tables


def square_sum(w: np.ndarray) -> float:
    """sum w^2, in float64."""
    return float(np.square(w, dtype=np.float64).sum())
