"""Products in blocks that BLAS multiplies without packing.

BLAS first copies both factors of a product into packed panels, a tenth of the time where the
product has a side of at most `SIDE`. On CPUs with AVX-512, OpenBLAS has kernels without packing for
products of at most `SMALL` multiplications: there such a product is faster as a stack of blocks of
that size. All others are left whole.
"""

from collections.abc import Iterator
from functools import cache

import numpy as np
from threadpoolctl import ThreadpoolController

SMALL = 10**6  # multiplications
SIDE = 64
WIDE, NARROW = 64, 32  # columns of a block where the product is wide, and where it is tall
ROWS = 8  # rows of a block are a multiple
LEAST = 16  # rows of a block below which the whole is better
KERNELS = ("SkylakeX", "Cooperlake", "SapphireRapids")  # for which OpenBLAS has them


@cache
def without_packing() -> bool:
    """Whether the BLAS of this process has kernels for small products."""
    libraries = ThreadpoolController().select(internal_api="openblas").lib_controllers
    return any(library.architecture in KERNELS for library in libraries)


def multiply(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> np.ndarray:
    """out = a b: a (stack, m, k), b (stack, k, n), out (stack, m, n), views of any strides. The cut
    depends on the sizes alone.

    >>> multiply(np.ones((1, 2, 3)), np.ones((1, 3, 1)), np.empty((1, 2, 1)))
    array([[[3.],
            [3.]]])
    """
    (stack, m, k), n = a.shape, b.shape[2]
    width = min(n, WIDE if n >= m else NARROW)
    height = SMALL // max(width * k, 1) // ROWS * ROWS
    if m * k * n <= SMALL or min(m, k, n) > SIDE or height < LEAST or not without_packing():
        return np.matmul(a, b, out=out)
    for rows, p, h in _cut(m, min(height, m)):
        left = a[:, rows].reshape(stack, p, 1, h, k)
        for columns, q, w in _cut(n, width):
            right = b[:, :, columns].reshape(stack, 1, k, q, w).swapaxes(2, 3)
            into = out[:, rows, columns].reshape(stack, p, h, q, w).swapaxes(2, 3)
            np.matmul(left, right, out=into)
    return out


def _cut(size: int, most: int) -> Iterator[tuple[slice, int, int]]:
    """As many parts of size `most` as there are, then the rest: (where, parts, size of each)."""
    parts = size // most
    yield slice(0, parts * most), parts, most
    if parts * most < size:
        yield slice(parts * most, size), 1, size - parts * most
