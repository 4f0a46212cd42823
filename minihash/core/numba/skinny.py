"""Products with one matrix again and again, a few rows at a time, in kernels of loops.py.

    y = x W        x (rows, depth), any view; W (depth, columns); y (rows, columns), contiguous

BLAS packs the matrix anew in each call, which for few rows takes about as long as the product. Here
W is laid out once, by `pack`: where registers allow (registers.py) in panels as wide as a tile, the
last of which ends with the last column; elsewhere it is left to BLAS as it is.
"""

from collections.abc import Callable
from functools import cache

import numpy as np

from minihash.compile.body import compiled
from minihash.compile.jit import njit
from minihash.core.numba import registers
from minihash.core.numba.registers import TALL, WIDE, Place


def pack(W: np.ndarray) -> np.ndarray:
    """W as the products want it: as it is, or (panels, depth, columns of a tile); zeros where W has
    fewer columns.

    >>> x, W, y = np.ones((4, 3)), np.ones((3, 5)), np.empty((4, 5))
    >>> multiply(x, pack(W), y)
    >>> bool((y == 3).all())
    True
    """
    if not registers.available():
        return np.ascontiguousarray(W)
    (depth, columns), wide = W.shape, WIDE * registers.lanes(W.dtype)
    packed, whole = np.empty((-(-columns // wide), depth, wide), W.dtype), columns // wide
    packed[:whole] = W[:, : whole * wide].reshape(depth, whole, wide).swapaxes(0, 1)
    if whole:
        packed[-1] = W[:, -wide:]
    else:
        packed[:, :, :columns], packed[:, :, columns:] = W, 0
    return packed


def multiply(x: np.ndarray, W: np.ndarray, y: np.ndarray) -> None:
    """y = x W, W from `pack`. On the calling thread, but for BLAS."""
    if registers.available():
        _compiled()(x if x.strides[1] == x.itemsize else np.ascontiguousarray(x), W, y)
    else:
        np.matmul(x, W, out=y)


def inner_product() -> Callable:
    """by_tiles or by_blas: `multiply` for kernels, where x is contiguous."""
    return by_tiles if registers.available() else by_blas


@cache
def _compiled() -> Callable:
    return compiled(by_tiles, njit)


def by_blas(x, W, y):
    np.dot(x, W, y)


def by_tiles(x, W, y):
    (rows, depth), columns, wide = x.shape, y.shape[1], W.shape[2]
    if rows >= TALL and columns >= wide:
        go_through_panels(x, W, y)
    else:
        shape = max(rows, TALL), max(columns, wide)
        own_x, own_y = np.zeros((shape[0], depth), x.dtype), np.empty(shape, x.dtype)
        own_x[:rows] = x
        go_through_panels(own_x, W, own_y)
        y[:] = own_y[:rows, :columns]


def go_through_panels(x, W, y):
    """y of a tile at least. Tiles and panels that would end beyond it begin earlier."""
    (rows, columns), (panels, depth, wide) = y.shape, W.shape
    blocks, lanes = (rows + TALL - 1) // TALL, wide // WIDE
    at, along = wide * np.arange(depth), lanes * np.arange(WIDE)
    outer = blocks > panels  # what there is less of stays in the cache
    for first in range(blocks if outer else panels):
        for second in range(panels if outer else blocks):
            block, panel = (first, second) if outer else (second, first)
            row = min(block * TALL, rows - TALL)
            place = Place(
                depth=depth,
                at_a=row * (x.strides[0] // x.itemsize),
                step_m=x.strides[0] // x.itemsize,
                at=0,
                at_b=panel * depth * wide,
                at_c=row * columns + min(panel * wide, columns - wide),
                step_c=columns,
                fresh=1,
            )
            registers.tile(x, W, y, at, along, along, place)
