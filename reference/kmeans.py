"""k-means in one dimension, in loops: Lloyd's steps, and the optimum by trying every partition.

    minimise  sum over clusters k, w in k, of (w - c_k)^2

Source: Han, Mao & Dally, Deep Compression (arXiv 1510.00149), equation 2 and section 3.2.
"""

from itertools import combinations


def nearest(w: float, centroids: list[float]) -> int:
    """The cluster of a weight: one on the midpoint of two is the lower's. Centroids rise.

    >>> nearest(1.0, [0.0, 2.0, 5.0])
    0
    """
    k = 0
    while k + 1 < len(centroids) and w > (centroids[k] + centroids[k + 1]) / 2:
        k += 1
    return k


def cost(weights: list[float], centroids: list[float]) -> float:
    """The sum of squares.

    >>> cost([0.0, 1.0, 4.0], [0.5, 4.0])
    0.5
    """
    return sum((w - centroids[nearest(w, centroids)]) ** 2 for w in weights)


def lloyd(weights: list[float], centroids: list[float]) -> list[float]:
    """Lloyd's steps until no weight changes its cluster; an empty cluster keeps its centroid.

    >>> lloyd([0.0, 1.0, 5.0, 6.0], [0.0, 2.0])
    [0.5, 5.5]
    """
    clusters = None
    while True:
        now = [nearest(w, centroids) for w in weights]
        if now == clusters:
            return centroids
        clusters = now
        new = []
        for k, c in enumerate(centroids):
            own = [w for w, cluster in zip(weights, clusters, strict=True) if cluster == k]
            new.append(sum(own) / len(own) if own else c)
        centroids = new


def optimum(weights: list[float], k: int) -> float:
    """The least sum of squares of k clusters: each is a run of the sorted weights.

    >>> optimum([0.0, 4.0, 1.0], 2)
    0.5
    """
    ordered, best = sorted(weights), float("inf")
    for cuts in combinations(range(1, len(ordered)), k - 1):
        total = 0.0
        for i, j in zip((0, *cuts), (*cuts, len(ordered)), strict=True):
            mean = sum(ordered[i:j]) / (j - i)
            total += sum((w - mean) ** 2 for w in ordered[i:j])
        best = min(best, total)
    return best
