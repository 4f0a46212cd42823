"""The cross-entropy in compiled loops.

z = y - max,   s = sum of exp(z) in float64,   nats = log(s) - z[label],   p = exp(z) / s
"""

from collections.abc import Callable

import numpy as np

from minihash.compile.jit import quietly
from minihash.core.numba.loops import kernel


@quietly
def cross_entropy(y: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    nats, p = np.empty(len(y)), np.empty_like(y)
    loop_of(y.dtype)(y, labels, np.empty_like(y), p, nats)
    return nats, p


def loop_of(dtype: np.dtype) -> Callable:
    """The loop for one dtype."""
    return kernel(over_rows, dtype, exponentials=exponentials)


def over_rows(y, labels, z, p, nats):
    """z is memory of y's shape."""
    for k in range(len(y)):
        z_k = z[k]
        top = y[k, 0]
        for c in range(1, z_k.size):
            top = larger(top, y[k, c])
        for c in range(z_k.size):
            z_k[c] = y[k, c] - top
    exponentials(z.reshape(-1), p.reshape(-1))
    for k in range(len(y)):
        p_k, total = p[k], np.float64(0)
        for c in range(p_k.size):
            total += p_k[c]
        nats[k] = np.log(total) - z[k, labels[k]]
        for c in range(p_k.size):
            p_k[c] /= p.dtype.type(total)


def exponentials(z, p):
    for c in range(z.size):
        p[c] = exp(z[c])
