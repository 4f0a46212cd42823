"""Group lasso: whole groups of entries become 0.

    P = strength sum_g sqrt(n_g) ||w_g||
    prox                                    v_g max(1 - rate strength sqrt(n_g) / ||v_g||, 0)

Source: Yuan & Lin, JRSS B 68 (2006).
"""

import math
from dataclasses import dataclass

import numpy as np

from minihash import core
from minihash.checks import parameter, real_field
from minihash.derived import derived
from minihash.hashes.balance import BLOCK
from minihash.training.penalties.penalty import Params, Penalty
from minihash.weights import VirtualWeight


@dataclass(frozen=True)
class GroupLasso(Penalty):
    """strength sum over groups of sqrt(n_g) ||w_g||, which makes whole groups 0.

    weight: a matrix. Its rows are the groups, of n_g entries of its table each; no entry is in two.
    Under Identity the groups are the rows of a dense layer (its outputs), or with `.T` its columns
    (its inputs). Under Lookup they are any groups, filled up with sign 0 where one is shorter.
    Raises TypeError or ValueError for anything else; for an entry in two groups when it is used.

    >>> from minihash.hashes import Identity
    >>> penalty = GroupLasso(1.0, VirtualWeight((2, 4), Identity(8), "W"))
    >>> table = np.array([1.0, 1.0, 1.0, 1.0, 0.1, 0.2, 0.1, 0.2])
    >>> penalty.shrink({}, {"W": table}, rate=0.5)
    {'W': array([0.5, 0.5, 0.5, 0.5, 0. , 0. , 0. , 0. ])}
    """

    strength: float
    weight: VirtualWeight

    def __post_init__(self) -> None:
        real_field(self, "strength", 0, math.inf)
        w = self.weight
        if not isinstance(w, VirtualWeight):
            raise TypeError(f"the weight of GroupLasso must be a VirtualWeight, got {w!r}")
        if len(w.shape) != 2:
            raise ValueError(
                f"the weight of GroupLasso must have shape (groups, entries), got {w.shape}"
            )

    @property
    def names(self) -> tuple[str, ...]:
        return (self.weight.table,)

    @derived
    def least(self) -> np.ndarray:
        """strength sqrt(n_g) of each group: float64 (groups,)."""
        self._refuse_overlap()
        ones = core.gather(np.ones(self.weight.hash.buckets), self.weight)
        return self.strength * np.sqrt(np.abs(ones).sum(axis=1))

    def value(self, params: Params) -> float:
        least = self.least  # before V is made: it refuses a weight that is far too large
        return float(least @ _row_norms(core.gather(params[self.weight.table], self.weight)))

    @np.errstate(invalid="ignore", over="ignore", divide="ignore")
    def shrink(self, before: Params, after: Params, rate: float) -> Params:
        table, least = after[self.weight.table], rate * self.least
        V = core.gather(table, self.weight)
        norms = _row_norms(V)
        lost = np.where(norms <= least, 1, least / norms)
        V *= lost[:, None].astype(V.dtype)
        return {self.weight.table: table - core.scatter_add(V, self.weight)}

    def check(self, params: Params) -> None:
        parameter(params, self.weight.table, (self.weight.hash.buckets,))
        self._refuse_overlap()

    def _refuse_overlap(self) -> None:
        """Ends at the first entry that is in two, however large the weight is."""
        w = self.weight
        met = np.zeros(w.hash.buckets, bool)
        for start in range(w.first_id, w.first_id + w.size, BLOCK):
            ids = np.arange(start, min(start + BLOCK, w.first_id + w.size), dtype=np.uint64)
            buckets = w.hash.bucket(ids)[w.hash.sign(ids) != 0]
            if met[buckets].any() or np.unique(buckets).size < buckets.size:
                raise ValueError(
                    f"no entry of the table {w.table!r} may be in two groups, as it is under "
                    f"{type(w.hash).__name__}; group the entries of the table with an Identity hash"
                )
            met[buckets] = True


def _row_norms(V: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("gi,gi->g", V, V, dtype=np.float64))
