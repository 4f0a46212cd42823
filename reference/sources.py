"""What generates a weight V beside one hashed table: forward, and the adjoint below it.

Rows of V are its first axis; all other axes are one here. Parts are matrices that `gather` made;
the gradient of a table is the sum of scatter_add over all the parts that read it.
"""

from math import cos, log, pi, sqrt

import numpy as np

from reference.core import numbers, zeros
from reference.streams import stream, u


def gaussian(count: int, deviation: float, seed: int) -> np.ndarray:
    """Fixed normal numbers, by Box & Muller, rounded to float32.

    V[i] = deviation sqrt(-2 ln u(a, i)) cos(2 pi u(b, i)), a and b the streams below

    >>> [round(float(v), 2) for v in gaussian(2, 1.0, 0)]
    [-2.09, -0.56]
    """
    V = np.zeros(count, np.float32)
    for i in range(count):
        r = sqrt(-2 * log(u(stream(seed, "gaussian/radius"), i)))
        V[i] = deviation * r * cos(2 * pi * u(stream(seed, "gaussian/angle"), i))
    return V


def low_rank(L: np.ndarray, R: np.ndarray) -> np.ndarray:
    """V[o, i] = sum_k L[o, k] R[k, i].

    >>> low_rank([[1.0], [10.0]], [[1.0, 2.0]])
    array([[ 1.,  2.],
           [10., 20.]])
    """
    L, R = numbers(L), numbers(R)
    V = zeros((len(L), R.shape[1]), L, R)
    for o in range(len(L)):
        for i in range(R.shape[1]):
            for k in range(len(R)):
                V[o, i] += L[o, k] * R[k, i]
    return V


def low_rank_backward(
    dV: np.ndarray, L: np.ndarray, R: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """dL[o, k] = sum_i dV[o, i] R[k, i],  dR[k, i] = sum_o L[o, k] dV[o, i].

    >>> low_rank_backward([[1.0, 1.0]], [[2.0]], [[3.0, 4.0]])
    (array([[7.]]), array([[2., 2.]]))
    """
    dV, L, R = numbers(dV), numbers(L), numbers(R)
    dL, dR = zeros(L.shape, dV, R), zeros(R.shape, dV, L)
    for o in range(len(L)):
        for i in range(R.shape[1]):
            for k in range(len(R)):
                dL[o, k] += dV[o, i] * R[k, i]
                dR[k, i] += L[o, k] * dV[o, i]
    return dL, dR
