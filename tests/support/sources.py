"""Sources of every kind with a few entries, and what the loops say that they are."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minihash import core
from minihash.hashes import Identity, Lookup, Uniform
from minihash.sources import (
    Cosine,
    Gaussian,
    Hypernetwork,
    LowRank,
    Product,
    Rows,
    Scaled,
    Source,
    Sum,
    hash_embedding,
    quotient_remainder,
)
from minihash.weights import VirtualWeight
from reference import sources as loops
from reference.hashes import uniform
from reference.streams import stream


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


def flat(part):
    return part.reshape(len(part), -1)


def lrd(L):
    return loops.low_rank(L, loops.gaussian(18, 0.5, 9).reshape(3, 6))


def lrd_backward(dV, L):
    return loops.low_rank_backward(dV, L, loops.gaussian(18, 0.5, 9).reshape(3, 6))[:1]


def hyper(z, W, B, U, C):
    return loops.hypernetwork(z, W, B, U.reshape(-1, U.shape[-1]), C.reshape(-1))


def hyper_backward(dV, z, W, B, U, C):
    return loops.hypernetwork_backward(dV, z, W, B, U.reshape(-1, U.shape[-1]), C.reshape(-1))


def kernels(*bands):
    """Of bands (out, channels, count): those of each pair of channels."""
    return loops.cosine(*(band.reshape(-1, band.shape[-1]) for band in bands))


def kernels_backward(dV, *bands):
    f = (len(bands) + 1) // 2
    return loops.cosine_backward(
        dV.reshape(-1, f * f), *(b.reshape(-1, b.shape[-1]) for b in bands)
    )


def summed(count):
    return loops.total, lambda dV, *parts: [dV] * count


def of_rows(*maps):
    """Loops of a sum of rows of parts by (bucket, sign) of every row."""

    def forward(*parts):
        return loops.total(*(loops.rows(E, *m) for E, m in zip(parts, maps, strict=True)))

    def backward(dV, *parts):
        pairs = zip(parts, maps, strict=True)
        return [loops.rows_backward(dV, len(E), *m) for E, m in pairs]

    return forward, backward


def uniform_rows(count, buckets, seed):
    """(bucket, sign) of each row, unsigned."""
    return tuple(zip(*(uniform(i, buckets, seed) for i in range(count)), strict=True))


QUOTIENT = [i // 3 for i in range(7)], [1] * 7
REMAINDER = [i % 3 for i in range(7)], [1] * 7


def multiplied(Q, R):
    return loops.entrywise(loops.rows(Q, *QUOTIENT), loops.rows(R, *REMAINDER))


def multiplied_backward(dV, Q, R):
    parts = loops.rows(Q, *QUOTIENT), loops.rows(R, *REMAINDER)
    dQ, dR = loops.entrywise_backward(dV, *parts)
    return (
        loops.rows_backward(dQ, len(Q), *QUOTIENT),
        loops.rows_backward(dR, len(R), *REMAINDER),
    )


PLACES = np.array([1, 0, 2, 2, 1]), np.array([1, -1, 0, -1, 1], np.int8)
CASES = {
    "low rank": Case(
        LowRank(virtual((5, 3), "t", 1), virtual((3, 5), "t", 2)),
        loops.low_rank,
        loops.low_rank_backward,
        LowRank.plain("w", (100, 80), 60),
    ),
    "low rank of a kernel": Case(
        LowRank(virtual((4, 2), "left"), virtual((2, 3, 2, 2), "right")),
        lambda L, R: loops.low_rank(L, flat(R)),
        lambda dV, L, R: loops.low_rank_backward(dV, L, flat(R)),
        None,
    ),
    "a fixed factor": Case(
        LowRank(VirtualWeight((4, 3), Identity(12), "left"), Gaussian((3, 6), 0.5, 9)),
        lrd,
        lrd_backward,
        LowRank.random("w", (100, 80), 60),
        exact=False,
    ),
    "scaled": Case(
        Scaled(virtual((4, 3), "t"), 0.25),
        lambda W: loops.scaled(W, 0.25),
        lambda dV, W: [loops.scaled(dV, 0.25)],
        Scaled(virtual((100, 80), "t", buckets=4000), 7.0),
    ),
    "count sketch": Case(
        Sum((virtual((4, 4), "t"), virtual((4, 4), "t", 1), virtual((4, 4), "s", 2))),
        *summed(3),
        Sum((virtual((100, 80), "t", 0, 4000), virtual((100, 80), "t", 1, 4000))),
    ),
    "product": Case(
        Product((virtual((4, 4), "t"), virtual((4, 4), "t", 1), virtual((4, 4), "s", 2))),
        loops.entrywise,
        loops.entrywise_backward,
        Product((virtual((100, 80), "t", 0, 4000), virtual((100, 80), "s", 1, 4000))),
    ),
    "rows": Case(
        Rows(virtual((3, 5), "t"), Lookup(3, *PLACES), height=5),
        *of_rows(PLACES),
        None,
    ),
    "sum of a sum": Case(
        Sum((Scaled(Sum((virtual((3, 3), "t"),)), 0.5), virtual((3, 3), "t", 3))),
        lambda a, b: loops.total(loops.scaled(a, 0.5), b),
        lambda dV, a, b: (loops.scaled(dV, 0.5), dV),
        None,
    ),
    "hash embedding": Case(
        hash_embedding("E", (6, 4), 3, 2, seed=5),
        *of_rows(*(uniform_rows(6, 3, stream(5, f"embedding/{k}")) for k in range(2))),
        hash_embedding("E", (400, 80), 200, 2),
    ),
    "quotient and remainder": Case(
        quotient_remainder("E", (7, 4), 3),
        *of_rows(QUOTIENT, REMAINDER),
        quotient_remainder("E", (400, 80), 20),
    ),
    "quotient times remainder": Case(
        quotient_remainder("E", (7, 4), 3, multiply=True),
        multiplied,
        multiplied_backward,
        quotient_remainder("E", (400, 80), 20, multiply=True),
    ),
    "hypernetwork": Case(
        Hypernetwork.plain("h", (6, 6), embedding=2, hidden=3, tile=(3, 2)),
        hyper,
        hyper_backward,
        Hypernetwork.plain("h", (120, 80), embedding=30, hidden=40, tile=(60, 20)),
    ),
    "hypernetwork of a kernel": Case(
        Hypernetwork(
            virtual((2, 1, 2), "t"),
            virtual((2, 3, 2), "t", 1),
            virtual((2, 3), "t", 2),
            virtual((2, 3, 2, 3), "t", 3),
            virtual((2, 3, 2), "t", 4),
        ),
        hyper,
        hyper_backward,
        None,
    ),
    "cosines": Case(
        Cosine(tuple(virtual((3, 2, n), f"t{n}", n) for n in (1, 2, 3, 2, 1))),
        kernels,
        kernels_backward,
        Cosine.hashed("c", (30, 20, 4, 4), (20, 40, 60, 80, 60, 40, 20)),
        exact=False,
    ),
}


def whole_params(source, rng):
    """Whole numbers for its tables."""
    tables = {w.table: w.hash.buckets for w in source.weights()}
    return {name: rng.integers(-3, 4, n).astype(np.float64) for name, n in tables.items()}


def by_loops(case, params, dV):
    """V and the gradient of each table; V with all axes but the first as one."""
    weights = case.source.weights()
    parts = [core.gather(params[w.table], w) for w in weights]
    grads = {w.table: np.zeros(w.hash.buckets) for w in weights}
    dparts = case.backward(flat(dV), *parts)
    for w, dpart in zip(weights, dparts, strict=True):
        grads[w.table] += core.scatter_add(np.reshape(dpart, w.shape), w)
    return case.forward(*parts), grads
