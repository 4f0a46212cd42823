"""GrOWL: the norms of a layer's inputs, sorted, each with a weight of its own.

    P(W)    = sum_i lambda_i v_[i],     v_j the norm of row j,  v_[1] >= v_[2] >= ...
    prox(W) = rows of W times x_j / v_j (0 where v_j = 0), where x minimises
              |x - v|^2 / 2 + rate sum_i lambda_i |x|_[i]

Sources: Zhang et al., ICLR 2018; Bogdan et al., arXiv 1407.3824, algorithm 4.
"""

from math import floor, sqrt

import numpy as np

from reference.core import numbers


def lambdas(n: int, strength: float, slope: float, part: float) -> list[float]:
    """lambda_i = strength + slope max(T - i, 0),  T = floor(part n),  i = 1 .. n.

    >>> lambdas(4, 1.0, 0.5, 0.75)
    [2.0, 1.5, 1.0, 1.0]
    """
    top = floor(part * n)
    return [strength + slope * max(top - i, 0) for i in range(1, n + 1)]


def sorted_norm(rows: np.ndarray, weights: list[float]) -> float:
    """sum_i lambda_i ||w_[i]||.

    >>> sorted_norm([[1.0], [-3.0]], [2.0, 1.0])
    7.0
    """
    norms = sorted((_norm(row) for row in numbers(rows)), reverse=True)
    return float(sum(a * b for a, b in zip(weights, norms, strict=True)))


def never_rising(z: np.ndarray) -> list[float]:
    """The closest sequence to z, in least squares, that never rises: pool adjacent violators.

    A pool is joined to the one before it as long as that has a smaller mean.

    >>> [round(x, 4) for x in never_rising([2.0, 3.9, 3.8])]
    [3.2333, 3.2333, 3.2333]
    """
    pools: list[tuple[float, int]] = []  # sum, size
    for entry in z:
        total, size = float(entry), 1
        while pools and pools[-1][0] / pools[-1][1] < total / size:
            more, others = pools.pop()
            total, size = total + more, size + others
        pools.append((total, size))
    return [total / size for total, size in pools for _ in range(size)]


def sorted_prox(v: np.ndarray, weights: list[float]) -> np.ndarray:
    """The x that minimises |x - v|^2 / 2 + sum_i lambda_i |x|_[i], of v that is not negative.

    >>> sorted_prox([4.9, 5.0, 4.8], [3.0, 1.0, 1.0]).round(4)
    array([3.2333, 3.2333, 3.2333])
    """
    order = sorted(range(len(v)), key=lambda j: -v[j])
    z = [v[j] - weight for j, weight in zip(order, weights, strict=True)]
    x = np.zeros(len(v))
    for j, entry in zip(order, never_rising(z), strict=True):
        x[j] = max(entry, 0.0)
    return x


def growl_prox(rows: np.ndarray, rate: float, weights: list[float]) -> np.ndarray:
    """Each row times its new norm over its old one.

    >>> growl_prox([[3.0, 4.0], [0.0, 0.0]], 1.0, [1.0, 1.0])
    array([[2.4, 3.2],
           [0. , 0. ]])
    """
    rows = numbers(rows)
    norms = [_norm(row) for row in rows]
    new = sorted_prox(norms, [rate * weight for weight in weights])
    return numbers(
        [
            [entry * x / norm if norm else 0.0 for entry in row]
            for row, x, norm in zip(rows, new, norms, strict=True)
        ]
    )


def _norm(row: np.ndarray) -> float:
    return sqrt(sum(entry**2 for entry in row))
