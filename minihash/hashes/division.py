"""Division by a constant, in operations for which there is SIMD.

    q = round(x / n),   r = x - q n,   corrected by one where r shows that q is

A product with 1 / n stands for the quotient. It is off by less than one if the quotient is below
2^50; what is left then tells, since products of 64 bits wrap.
"""

import numpy as np

from minihash.hashes.xxh32 import U64


def divisor(n: int) -> tuple[np.uint64, np.float64]:
    """What `divided` needs of n >= 1.

    >>> [float(part) for part in divisor(4)]
    [4.0, 0.25]
    """
    return U64(n), np.float64(1.0 / n)


def divided(x, n):
    """(quotient, remainder) of x < 2^63, if the quotient is below 2^50; n: a `divisor`. A body.

    >>> divided(np.array([7, 8], np.uint64), divisor(4))
    (array([1, 2], dtype=uint64), array([3, 0], dtype=uint64))
    """
    whole, inverse = n
    q = U64(np.int64(np.float64(np.int64(x)) * inverse))
    r = x - q * whole
    low = r >> U64(63)
    q, r = q - low, r + low * whole
    high = U64(r >= whole)
    return q + high, r - high * whole
