"""Tests by permutation: exact at any number of runs, and no distribution is assumed.

Under the null hypothesis what is permuted could as well have come in any other order. With B
permutations of which b reach the statistic that was seen, p = (1 + b) / (1 + B), which is a valid
p-value for any B. The permutations are drawn by XXH32: the same data give the same p.

    rises      Spearman's rho of x and y, the correlation of their ranks; ties have mean ranks
    bends      y = a + b x + c x^2: the part of y's rest after a line that c x^2 explains. Rests are
               permuted (Freedman & Lane 1983)
    differs    the slope of y on x in group 1 minus that in group 0, y less its group's mean; labels
               are permuted among runs of equal x
    exceeds    the mean of y in group 1 minus that in group 0, y less its place's mean; labels are
               permuted among runs of equal x
    paired     the mean of differences d, each of one pair: their signs are flipped. All 2^n flips
               of few pairs are taken, which is exact: p = how many reach the mean / 2^n

`bends` and `paired` are two-sided; the others are one-sided: p is small where the statistic is
large.
"""

from collections.abc import Callable

import numpy as np

from minihash.hashes.xxh32 import stream, xxh32

PERMUTATIONS = 9999
ALL_FLIPS = 13  # of so many pairs at most
Tested = tuple[float, float]  # statistic, p


def orders(count: int) -> np.ndarray:
    """(PERMUTATIONS, count): permutations of 0 .. count - 1.

    >>> sorted(orders(4)[7].tolist())
    [0, 1, 2, 3]
    """
    ids = np.arange(PERMUTATIONS * count, dtype=np.uint64).reshape(PERMUTATIONS, count)
    return np.argsort(xxh32(ids, stream(count, "permutation")), axis=1, kind="stable")


def ranks(x: np.ndarray) -> np.ndarray:
    """From 1; ties have the mean of theirs.

    >>> ranks(np.array([3, 1, 3]))
    array([2.5, 1. , 2.5])
    """
    _, which, counts = np.unique(x, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[which.reshape(-1)]


def rises(x: np.ndarray, y: np.ndarray) -> Tested:
    """Spearman's rho, and p of one as large by chance. Of a constant rho is 0.

    >>> rho, p = rises(np.arange(8), np.arange(8) ** 2)
    >>> round(rho, 3), p < 0.001
    (1.0, True)
    """
    a, b = _unit(ranks(np.asarray(x))), _unit(ranks(np.asarray(y)))
    return _tested(float(a @ b), lambda order: b[order] @ a, len(a))


def bends(x: np.ndarray, y: np.ndarray) -> Tested:
    """The coefficient of x^2 (negative: concave), and p of one as far from 0.

    >>> x = np.arange(12) / 12
    >>> c, p = bends(x, x - 2 * x**2)
    >>> round(c, 6), p < 0.001
    (-2.0, True)
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    line = np.linalg.qr(np.stack((np.ones_like(x), x), axis=1))[0]  # an orthonormal basis

    def rest(v: np.ndarray) -> np.ndarray:
        return v - (v @ line) @ line.T

    square, left = rest(x**2), rest(y)
    size = float(square @ square)
    if size <= 1e-12 * max(float((x**2) @ (x**2)), 1e-300):
        raise ValueError("a curve needs three different places at least; run more of them")

    def share(order: np.ndarray) -> np.ndarray:
        shuffled = rest(left[order])
        norms = np.linalg.norm(shuffled, axis=-1)
        return np.abs(shuffled @ square) / np.where(norms > 0, norms, 1.0)

    return float(square @ left) / size, _p(float(share(np.arange(len(x)))), share, len(x))


def differs(x: np.ndarray, y: np.ndarray, group: np.ndarray) -> Tested:
    """The slope in group 1 minus that in group 0, and p of a difference as large.

    >>> x, group = np.tile(np.arange(6.0), 4), np.arange(24) // 6 % 2
    >>> difference, p = differs(x, x * group, group)
    >>> round(difference, 6), p < 0.01
    (1.0, True)
    """
    x, group = np.asarray(x, float), np.asarray(group, bool)
    y = np.array(y, float)
    for which in (group, ~group):
        y[which] -= y[which].mean()

    def difference(labels: np.ndarray) -> np.ndarray:
        return _slope(x, y, labels) - _slope(x, y, ~labels)

    return _of_labels(difference, x, group)


def exceeds(x: np.ndarray, y: np.ndarray, group: np.ndarray) -> Tested:
    """How much larger y is in group 1 than in group 0 at equal x, and p of a difference as large.

    >>> x, group = np.arange(12) // 6, np.arange(12) % 2
    >>> difference, p = exceeds(x, 100 * x + 3 * group, group)
    >>> round(difference, 6), p < 0.01
    (3.0, True)
    """
    group, y = np.asarray(group, bool), np.array(y, float)
    for place in np.unique(x):
        y[x == place] -= y[x == place].mean()

    def difference(labels: np.ndarray) -> np.ndarray:
        return _mean(y, labels) - _mean(y, ~labels)

    return _of_labels(difference, x, group)


def _of_labels(difference: Callable, x: np.ndarray, group: np.ndarray) -> Tested:
    """A statistic of the labels, which are permuted among runs of equal x."""
    place = np.unique(x, return_inverse=True)[1].reshape(-1)

    def shuffled(order: np.ndarray) -> np.ndarray:
        # Each place's own labels, in a random order: sorted by place, the random order within.
        inside = np.take_along_axis(order, np.argsort(place[order], axis=1, kind="stable"), axis=1)
        labels = np.empty(order.shape, bool)
        np.put_along_axis(labels, inside, group[np.argsort(place, kind="stable")][None], axis=1)
        return difference(labels)

    return _tested(float(difference(group)), shuffled, len(place))


def _mean(y: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Of y among the chosen; chosen may have an axis more."""
    return (y * chosen).sum(-1) / chosen.sum(-1)


def paired(d: np.ndarray) -> Tested:
    """The mean of the differences d, and p of one as far from 0.

    >>> paired(np.array([1.0, 2.0, 3.0, 2.0]))
    (2.0, 0.125)
    """
    d = np.asarray(d, float)
    if len(d) <= ALL_FLIPS:
        flips = np.arange(2 ** len(d))[:, None] >> np.arange(len(d)) & 1
    else:
        ids = np.arange(PERMUTATIONS * len(d), dtype=np.uint64).reshape(PERMUTATIONS, len(d))
        flips = xxh32(ids, stream(len(d), "flip")) & 1
    sums = np.abs((1.0 - 2.0 * flips) @ d)
    reached = int((sums >= abs(d.sum()) * (1 - 1e-9)).sum())
    whole = len(d) <= ALL_FLIPS  # the flip of none is among them
    p = reached / len(flips) if whole else (1 + reached) / (1 + PERMUTATIONS)
    return float(d.mean()), p


def _slope(x: np.ndarray, y: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Of y on x, among the chosen; chosen may have an axis more."""
    count = chosen.sum(axis=-1, keepdims=True)
    away = (x - (x * chosen).sum(-1, keepdims=True) / count) * chosen
    return (away * y).sum(-1) / (away * away).sum(-1)


def _unit(x: np.ndarray) -> np.ndarray:
    """x less its mean, of length 1; 0 for a constant."""
    away = x - x.mean()
    return away / max(float(np.linalg.norm(away)), 1e-300)


def _tested(seen: float, statistic: Callable[[np.ndarray], np.ndarray], count: int) -> Tested:
    return seen, _p(seen, statistic, count)


def _p(seen: float, statistic: Callable[[np.ndarray], np.ndarray], count: int) -> float:
    """Of `seen` among the statistic of all permutations; equal within rounding counts."""
    by_chance = statistic(orders(count))
    reached = int((by_chance >= seen - 1e-9 * max(abs(seen), 1e-300)).sum())
    return (1 + reached) / (1 + PERMUTATIONS)
