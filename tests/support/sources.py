"""Sources of every kind with a few entries, and what the loops say that they are."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minihash import core
from minihash.hashes import Identity, Uniform
from minihash.sources import Gaussian, LowRank, Source
from minihash.weights import VirtualWeight
from reference import sources as loops


class Case(NamedTuple):
    """A source; the loops that give V of its parts, and of dV and its parts their gradients.

    exact: whether all is exact on whole numbers. large: one of its kind with many entries, or None.
    """

    source: Source
    forward: Callable
    backward: Callable
    large: Source | None
    exact: bool = True


def virtual(shape, table, seed=0, buckets=5):
    """A hashed part: few buckets, so that entries are shared, and both signs."""
    return VirtualWeight(shape, Uniform(buckets, seed, signed=True), table, first_id=seed)


def lrd(L):
    return loops.low_rank(L, loops.gaussian(18, 0.5, 9).reshape(3, 6))


def lrd_backward(dV, L):
    return loops.low_rank_backward(dV, L, loops.gaussian(18, 0.5, 9).reshape(3, 6))[:1]


CASES = {
    "low rank": Case(
        LowRank(virtual((5, 3), "t", 1), virtual((3, 5), "t", 2)),
        loops.low_rank,
        loops.low_rank_backward,
        LowRank.plain("w", (100, 80), 60),
    ),
    "low rank of a kernel": Case(
        LowRank(virtual((4, 2), "left"), virtual((2, 3, 2, 2), "right")),
        loops.low_rank,
        loops.low_rank_backward,
        None,
    ),
    "a fixed factor": Case(
        LowRank(VirtualWeight((4, 3), Identity(12), "left"), Gaussian((3, 6), 0.5, 9)),
        lrd,
        lrd_backward,
        LowRank.random("w", (100, 80), 60),
        exact=False,
    ),
}


def whole_params(source, rng):
    """Whole numbers for its tables."""
    tables = {w.table: w.hash.buckets for w in source.weights()}
    return {name: rng.integers(-3, 4, n).astype(np.float64) for name, n in tables.items()}


def by_loops(case, params, dV):
    """V and the gradient of each table; every array with all axes but the first as one."""
    weights = case.source.weights()
    parts = [core.gather(params[w.table], w).reshape(w.shape[0], -1) for w in weights]
    grads = {w.table: np.zeros(w.hash.buckets) for w in weights}
    dparts = case.backward(dV.reshape(len(dV), -1), *parts)
    for w, dpart in zip(weights, dparts, strict=True):
        grads[w.table] += core.scatter_add(np.reshape(dpart, w.shape), w)
    return case.forward(*parts), grads
