"""k-means in one dimension: the codebook of a tensor's weights.

    minimise      sum over clusters k, w in k, of (w - c_k)^2
    Lloyd         boundaries = midpoints of the sorted centroids;  a weight on one is the lower's
                  c_k = mean of the weights between two boundaries; without any it stays
                  until no weight changes its cluster: the sum never rises
    starts        linear    k points evenly from the least weight to the greatest
                  density   the quantiles (j + 1/2) / k
                  random    k of the distinct weights, drawn by a seed
                  optimal   the minimum itself, by dynamic programming

    D_m(j) = min over i of D_{m-1}(i) + cost(i, j),     cost(i, j) of the sorted weights i .. j - 1

The best i never falls as j grows, so that the middle j halves the range of both sides: O(k n log n)
in all. cost comes from prefix sums of the weights less their mean, since a mean that is large
beside the spread would eat the digits.

Sources: Han, Mao & Dally, Deep Compression, arXiv 1510.00149, section 3.2 (starts); Wang & Song,
Ckmeans.1d.dp, The R Journal 3/2 (2011) (dynamic programming); Gronlund et al., arXiv 1701.07204.
"""

from collections.abc import Callable

import numpy as np

from minihash.hashes.xxh32 import stream, xxh32


def codebook(
    weights: np.ndarray, k: int, start: str = "optimal", seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """At most k centroids, rising, float64, each with a weight; and the cluster of each weight.

    weights: finite floats (n,), n at least 1. start: one of `STARTS`.
    Raises ValueError for another start, or k below 1.

    >>> codebook(np.array([0.0, 0.1, 2.0, 2.2, 9.0]), 3)
    (array([0.05, 2.1 , 9.  ]), array([0, 0, 1, 1, 2]))
    """
    if start not in STARTS:
        raise ValueError(f"start must be one of {', '.join(STARTS)}, got {start!r}")
    if k < 1:
        raise ValueError(f"a codebook has at least 1 value, got {k}")
    weights = np.asarray(weights, np.float64)
    distinct = np.unique(weights)
    if distinct.size <= k:
        return distinct, np.searchsorted(distinct, weights)
    ordered = np.sort(weights)
    centroids, ends = lloyd(ordered, STARTS[start](ordered, k, seed))
    full = np.diff(ends, prepend=0) > 0
    last = ordered[ends[full] - 1]  # the greatest weight of each cluster
    return centroids[full], np.searchsorted(last, weights)


def lloyd(
    ordered: np.ndarray, centroids: np.ndarray, told: Callable[[float], None] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Centroids where no step changes a cluster, and where the cluster of each ends.

    ordered: rising weights (n,). centroids: rising (k,). told: called with the sum of squares after
    each assignment.

    >>> lloyd(np.array([0.0, 1.0, 5.0, 6.0]), np.array([0.0, 2.0]))
    (array([0.5, 5.5]), array([2, 4]))
    """
    ends = None
    while True:
        midpoints = (centroids[1:] + centroids[:-1]) / 2
        now = np.append(np.searchsorted(ordered, midpoints, side="right"), ordered.size)
        if told is not None:
            near = np.repeat(centroids, np.diff(now, prepend=0))
            told(float(np.square(ordered - near).sum()))
        if ends is not None and np.array_equal(now, ends):
            return centroids, ends
        ends, starts = now, np.append(0, now[:-1])
        full = ends > starts
        centroids = centroids.copy()
        sums = np.add.reduceat(ordered, starts[full])  # of whole numbers exact, as ties need it
        centroids[full] = sums / (ends - starts)[full]


def linear(ordered: np.ndarray, k: int, seed: int) -> np.ndarray:
    return np.linspace(ordered[0], ordered[-1], k)


def density(ordered: np.ndarray, k: int, seed: int) -> np.ndarray:
    return np.quantile(ordered, (np.arange(k) + 0.5) / k)


def random(ordered: np.ndarray, k: int, seed: int) -> np.ndarray:
    distinct = np.unique(ordered)
    drawn = xxh32(np.arange(distinct.size, dtype=np.uint64), stream(seed, "codebook"))
    return np.sort(distinct[np.argsort(drawn, kind="stable")[:k]])


def optimal(ordered: np.ndarray, k: int, seed: int) -> np.ndarray:
    """The means of the best clusters: `lloyd` leaves them as they are, but for rounding."""
    distinct, counts = np.unique(ordered, return_counts=True)  # equal weights are one point
    mean = np.average(distinct, weights=counts)
    moments = [np.cumsum(counts * (distinct - mean) ** p) for p in range(3)]
    weight, first, second = (np.concatenate(([0.0], m)) for m in moments)

    def cost(i: np.ndarray, j: np.ndarray) -> np.ndarray:
        n, s = weight[j] - weight[i], first[j] - first[i]
        return np.maximum(second[j] - second[i] - s * s / np.maximum(n, 1), 0.0)

    size = distinct.size
    best = cost(np.zeros(size + 1, int), np.arange(size + 1))
    cuts = []
    for m in range(1, k):
        best, cut = _layer(best, cost, m, size)
        cuts.append(cut)
    ends = [size]
    for cut in reversed(cuts):
        ends.append(cut[ends[-1]])
    i, j = np.array([0, *ends[:0:-1]]), np.array(ends[::-1])
    return mean + (first[j] - first[i]) / (weight[j] - weight[i])


def _layer(before: np.ndarray, cost: Callable, m: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """D_{m+1} of D_m, and where its last cluster begins: for all j of one depth of the halving at
    once, each with a range of i of its own."""
    best = np.full(size + 1, np.inf)
    cut = np.zeros(size + 1, int)
    low, high = np.array([m + 1]), np.array([size])  # of j
    least, most = np.array([m]), np.array([size - 1])  # of i
    while low.size:
        middle = (low + high) // 2
        top = np.minimum(most, middle - 1)
        counts = top - least + 1
        begins = np.cumsum(counts) - counts
        i = np.arange(counts.sum()) - np.repeat(begins - least, counts)
        found = before[i] + cost(i, np.repeat(middle, counts))
        smallest = np.minimum.reduceat(found, begins)
        first = np.flatnonzero(found == np.repeat(smallest, counts))
        at = first[np.searchsorted(first, begins)]
        best[middle], cut[middle] = smallest, i[at]
        low, high = np.concatenate((low, middle + 1)), np.concatenate((middle - 1, high))
        least, most = np.concatenate((least, i[at])), np.concatenate((i[at], most))
        left = low <= high
        low, high, least, most = low[left], high[left], least[left], most[left]
    return best, cut


STARTS: dict[str, Callable] = {f.__name__: f for f in (linear, density, random, optimal)}
