"""A soft tie: two tables are drawn to each other.

    P = strength / 2 sum (a - b)^2            gradients strength (a - b), strength (b - a)

Source: Duong et al., ACL 2015, soft sharing between two models.
"""

from dataclasses import dataclass

import numpy as np

from minihash.training.penalties.penalty import OnTables, Params, Penalty, square_sum


@dataclass(frozen=True)
class SoftTie(Penalty):
    """strength / 2 sum (a - b)^2: two tables of one size are drawn to each other.

    Raises TypeError or ValueError unless `tables` are two different names.

    >>> SoftTie(0.5, ("a", "b")).gradients({"a": np.array([1.0]), "b": np.array([3.0])})
    {'a': array([-1.]), 'b': array([1.])}
    """

    strength: float
    tables: tuple[str, str]

    def __post_init__(self) -> None:
        OnTables.__post_init__(self)
        if len(self.tables) != 2 or self.tables[0] == self.tables[1]:
            raise ValueError(
                f"SoftTie must have two different tables, got {self.tables!r}; one that is shared "
                "needs no penalty"
            )

    @property
    def names(self) -> tuple[str, ...]:
        return self.tables

    def value(self, params: Params) -> float:
        a, b = (params[name] for name in self.tables)
        return self.strength / 2 * square_sum(a - b)

    @np.errstate(invalid="ignore", over="ignore")
    def gradients(self, params: Params) -> Params:
        a, b = (params[name] for name in self.tables)
        da = self.strength * (a - b)
        return {self.tables[0]: da, self.tables[1]: -da}

    def check(self, params: Params) -> None:
        super().check(params)
        a, b = (params[name] for name in self.tables)
        if a.shape != b.shape:
            raise ValueError(
                f"tables that SoftTie ties must have one shape, got {a.shape} of "
                f"{self.tables[0]!r} and {b.shape} of {self.tables[1]!r}; give both one size"
            )
