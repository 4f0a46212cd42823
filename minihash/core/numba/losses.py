"""The cross-entropy in compiled loops.

z = y - max,   s = sum of exp(z) in float64,   p = exp(z) / s,   loss = sum of log(s) - z[label]
"""

import numpy as np

from minihash.compile.jit import quietly
from minihash.core.numba.loops import kernel


@quietly
def cross_entropy(y: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    p = np.empty_like(y)
    loss = loop_of(y.dtype)(y, labels, np.empty_like(y), p)
    return float(loss) / len(y), p


def loop_of(dtype: np.dtype):
    """The loop for one dtype."""
    return kernel(over_rows, dtype, exponentials=exponentials)


def over_rows(y, labels, z, p):
    """The summed loss; z is memory of y's shape."""
    loss = np.float64(0)
    for k in range(len(y)):
        z_k, p_k = z[k], p[k]
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
        loss += np.log(total) - z[k, labels[k]]
        for c in range(p_k.size):
            p_k[c] /= p.dtype.type(total)
    return loss


def exponentials(z, p):
    for c in range(z.size):
        p[c] = exp(z[c])
