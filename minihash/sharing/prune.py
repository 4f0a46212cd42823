"""Pruning: which weights of a tensor stay.

    threshold    |w| > t,   t = quality * standard deviation of the tensor
    density      the round(density n) largest |w|; of equal ones those of the smallest identifiers

A density is met exactly, whatever ties there are.

Sources: Han, Pool, Tran & Dally, arXiv 1506.02626 (threshold by the standard deviation); Han, Mao &
Dally, Deep Compression, arXiv 1510.00149, section 2.
"""

import numpy as np


def above(W: np.ndarray, quality: float) -> np.ndarray:
    """The mask of |w| > quality * standard deviation.

    >>> above(np.array([3.0, -1.0, 0.5, -3.5]), 0.5).tolist()
    [True, False, False, True]
    """
    return np.abs(W) > quality * W.std(dtype=np.float64)


def densest(W: np.ndarray, density: float) -> np.ndarray:
    """The mask of the largest part of the weights; at least one stays.

    >>> densest(np.array([[2.0, -1.0], [1.0, 1.0]]), 0.5).tolist()
    [[True, True], [False, False]]
    """
    order = np.argsort(-np.abs(W.reshape(-1)), kind="stable")
    mask = np.zeros(W.size, bool)
    mask[order[: max(round(density * W.size), 1)]] = True
    return mask.reshape(W.shape)
