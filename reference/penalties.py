"""Penalties P(w): gradients of those that have one, proximal steps of those that have none.

    prox(v) = the w that minimises (w - v)^2 / 2 + rate P(w)

Sources: Tibshirani, JRSS B 58 (1996), the lasso; Yuan & Lin, JRSS B 68 (2006), group lasso;
Parikh & Boyd, Proximal Algorithms (2014), section 6.5; Loshchilov & Hutter, arXiv 1711.05101,
algorithm 2.
"""

from math import sqrt

import numpy as np

from reference.core import numbers, zeros


def l2(w: np.ndarray, strength: float) -> float:
    """strength / 2 sum w^2.

    >>> l2([1.0, 2.0], 3.0)
    7.5
    """
    return float(sum(strength / 2 * entry**2 for entry in numbers(w)))


def l2_gradient(w: np.ndarray, strength: float) -> np.ndarray:
    """strength w.

    >>> l2_gradient([1.0, 2.0], 3.0)
    array([3., 6.])
    """
    return numbers([strength * entry for entry in numbers(w)])


def decayed(before: np.ndarray, after: np.ndarray, rate: float, strength: float) -> np.ndarray:
    """Weight decay apart from the gradient: what an optimiser made of `before` is moved on to

    after - rate strength before

    >>> decayed([2.0], [1.0], rate=0.5, strength=0.5)
    array([0.5])
    """
    pairs = zip(numbers(before), numbers(after), strict=True)
    return numbers([new - rate * strength * old for old, new in pairs])


def l1(w: np.ndarray, strength: float) -> float:
    """strength sum |w|.

    >>> l1([1.0, -2.0], 3.0)
    9.0
    """
    return float(sum(strength * abs(entry) for entry in numbers(w)))


def l1_prox(v: np.ndarray, rate: float, strength: float) -> np.ndarray:
    """sign(v) max(|v| - rate strength, 0).

    >>> l1_prox([1.0, -0.25], rate=0.5, strength=1.0)
    array([0.5, 0. ])
    """
    w = zeros((len(v),), np.asarray(v))
    for k, entry in enumerate(numbers(v)):
        size = max(abs(entry) - rate * strength, 0)
        w[k] = size if entry > 0 else 0 - size
    return w


def group_lasso(w: np.ndarray, groups: list[list[int]], strength: float) -> float:
    """strength sum over groups of sqrt(size of the group) ||w over the group||.

    >>> group_lasso([3.0, 4.0, 9.0], [[0, 1]], 1.0) == 5 * sqrt(2)
    True
    """
    w, total = numbers(w), 0.0
    for group in groups:
        total += sqrt(len(group)) * sqrt(sum(w[k] ** 2 for k in group))
    return strength * total


def group_lasso_prox(
    v: np.ndarray, groups: list[list[int]], rate: float, strength: float
) -> np.ndarray:
    """v times max(1 - rate strength sqrt(size) / norm, 0) in each group; what is in none stays.

    >>> group_lasso_prox([1.0, 1.0, 1.0, 1.0, 9.0], [[0, 1, 2, 3]], rate=0.5, strength=1.0)
    array([0.5, 0.5, 0.5, 0.5, 9. ])
    """
    w = numbers(v).copy()
    for group in groups:
        norm = sqrt(sum(w[k] ** 2 for k in group))
        least = rate * strength * sqrt(len(group))
        for k in group:
            w[k] = w[k] * (1 - least / norm) if norm > least else 0.0
    return w


def squared_distance(a: np.ndarray, b: np.ndarray, strength: float) -> float:
    """strength / 2 sum (a - b)^2, between two tables: parameters softly shared.

    >>> squared_distance([1.0, 2.0], [1.0, 0.0], 3.0)
    6.0
    """
    pairs = zip(numbers(a), numbers(b), strict=True)
    return float(sum(strength / 2 * (p - q) ** 2 for p, q in pairs))


def squared_distance_gradient(
    a: np.ndarray, b: np.ndarray, strength: float
) -> tuple[np.ndarray, np.ndarray]:
    """(da, db) = (strength (a - b), strength (b - a)).

    >>> squared_distance_gradient([1.0], [3.0], 0.5)
    (array([-1.]), array([1.]))
    """
    pairs = list(zip(numbers(a), numbers(b), strict=True))
    da = [strength * (p - q) for p, q in pairs]
    return numbers(da), numbers([strength * (q - p) for p, q in pairs])
