"""Room 6: penalties on tables, the alternatives that sharing is compared with.

    L2            P = strength / 2 sum w^2             gradient strength w
    SoftTie       P = strength / 2 sum (a - b)^2       gradients strength (a - b), strength (b - a)
    L1            P = strength sum |w|                 prox  sign(v) max(|v| - rate strength, 0)
    GroupLasso    P = strength sum_g sqrt(n_g) ||w_g||
                                      prox  v_g max(1 - rate strength sqrt(n_g) / ||v_g||, 0)
    WeightDecay   no part of the loss:  w' = w* - rate strength w

A training step adds the gradients of the smooth ones to those of the loss. Then the optimiser goes
from w to w*, and the others `shrink` that:

    w' = prox(w*),   prox(v) = the w that minimises |w - v|^2 / 2 + rate P(w)

which makes entries exactly 0, as no gradient does. Under SGD with momentum a gradient moves w by
rate / (1 - momentum) in all, and that is the rate here: then training comes to rest where the sum
of the loss and P is least. Under Adam the rate is Adam's, and the distance is still Euclidean.
Nothing is kept from step to step.

Sources: Tibshirani, JRSS B 58 (1996), L1; Yuan & Lin, JRSS B 68 (2006), groups; proximal steps:
Parikh & Boyd, Proximal Algorithms (2014), sections 4.2 and 6.5; WeightDecay: Loshchilov & Hutter,
arXiv 1711.05101, algorithm 2; SoftTie: Duong et al., ACL 2015, soft sharing between two models.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from minihash import core
from minihash.checks import parameter, real_field
from minihash.derived import derived
from minihash.hashes.balance import BLOCK
from minihash.weights import VirtualWeight

Params = dict[str, np.ndarray]


class Penalty:
    """Base of all penalties. `names` are the tables that it is on."""

    strength: float
    names: tuple[str, ...]

    def value(self, params: Params) -> float:
        """P, in float64."""
        raise NotImplementedError

    def gradients(self, params: Params) -> Params:
        """The gradient of P in each table, if P is smooth; else nothing."""
        return {}

    def shrink(self, before: Params, after: Params, rate: float) -> Params:
        """The tables that the penalty changes, once the optimiser has gone from `before` to
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


@dataclass(frozen=True)
class L2(OnTables):
    """strength / 2 sum w^2, as a part of the loss; with SGD it is weight decay too.

    >>> L2(0.5, ("W",)).gradients({"W": np.array([2.0, -4.0])})
    {'W': array([ 1., -2.])}
    """

    strength: float
    tables: tuple[str, ...]

    def value(self, params: Params) -> float:
        return self.strength / 2 * sum(_square(params[name]) for name in self.tables)

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
        return self.strength / 2 * _square(a - b)

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


def checked(penalties: Iterable[Penalty], params: Params, trained: Iterable[str]) -> None:
    """Raise ValueError or TypeError unless all penalties are on parameters that are trained."""
    trained = set(trained)
    for penalty in penalties:
        penalty.check(params)
        if other := set(penalty.names) - trained:
            raise ValueError(
                f"{type(penalty).__name__} is on {', '.join(sorted(other))}, which is not trained; "
                f"name one of {', '.join(sorted(trained))}"
            )


def add_gradients(penalties: Iterable[Penalty], params: Params, grads: Params) -> Params:
    """grads, with those of the penalties added."""
    grads = dict(grads)
    for penalty in penalties:
        for name, more in penalty.gradients(params).items():
            grads[name] = grads[name] + more
    return grads


def shrink(penalties: Iterable[Penalty], before: Params, after: Params, rate: float) -> Params:
    """The parameters after the optimiser's step and then the penalties', in their order."""
    for penalty in penalties:
        after = after | penalty.shrink(before, after, rate)
    return after


def _square(w: np.ndarray) -> float:
    return float(np.square(w, dtype=np.float64).sum())


def _row_norms(V: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("gi,gi->g", V, V, dtype=np.float64))
