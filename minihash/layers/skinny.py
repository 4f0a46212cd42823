"""Products with one matrix again and again, a few rows at a time, in kernels of loops.py.

    y = x W        x (rows, depth), any view; W (depth, columns); y (rows, columns), contiguous

BLAS packs the matrix anew in each call, which for few rows takes about as long as the product. Here
W is laid out once, by `pack`: on long vectors (vectors.py) in panels of two vectors, which meet
tiles of ROWS rows; elsewhere it is left to BLAS as it is.
"""

from collections.abc import Callable
from functools import cache

import numpy as np

from minihash.hashes.body import compiled
from minihash.hashes.jit import njit
from minihash.layers import vectors
from minihash.layers.vectors import ROWS, VECTOR, Tile


def pack(W: np.ndarray) -> np.ndarray:
    """W as the products want it: as it is, or (panels, depth, 2 vectors) with zeros at the end.

    >>> x, W, y = np.ones((4, 3)), np.ones((3, 5)), np.empty((4, 5))
    >>> multiply(x, pack(W), y)
    >>> bool((y == 3).all())
    True
    """
    if not vectors.available():
        return np.ascontiguousarray(W)
    depth, columns = W.shape
    wide = 2 * vectors.lanes(W.dtype)
    count = -(-columns // wide)
    packed, whole = np.empty((count, depth, wide), W.dtype), columns // wide
    packed[:whole] = W[:, : whole * wide].reshape(depth, whole, wide).swapaxes(0, 1)
    if whole < count:
        packed[whole], packed[whole, :, : columns % wide] = 0, W[:, whole * wide :]
    return packed


def multiply(x: np.ndarray, W: np.ndarray, y: np.ndarray) -> None:
    """y = x W, W from `pack`. On the calling thread, but for BLAS."""
    if vectors.available():
        _compiled()(x, W, y)
    else:
        np.matmul(x, W, out=y)


def inner_product() -> Callable:
    """by_tiles or by_blas: `multiply` for kernels, where x is contiguous."""
    return by_tiles if vectors.available() else by_blas


@cache
def _compiled() -> Callable:
    return compiled(by_tiles, njit)


def by_blas(x, W, y):
    np.dot(x, W, y)


def by_tiles(x, W, y):
    (rows, depth), columns, lanes = x.shape, y.shape[1], VECTOR // x.itemsize
    blocks, panels = (rows + ROWS - 1) // ROWS, W.shape[0]
    turned = np.zeros((blocks, depth, ROWS), x.dtype)
    for block in range(blocks):
        for k in range(depth):
            for m in range(min(ROWS, rows - block * ROWS)):
                turned[block, k, m] = x[block * ROWS + m, k]
    offsets, zeros = 2 * lanes * np.arange(depth), np.zeros(ROWS, x.dtype)
    flat_x, flat_W, flat_y = turned.reshape(-1), W.reshape(-1), y.reshape(-1)
    outer = blocks > panels  # what there is less of stays in the cache
    for first in range(blocks if outer else panels):
        for second in range(panels if outer else blocks):
            block, panel = (first, second) if outer else (second, first)
            q = 2 * lanes * panel
            place = Tile(
                depth=depth,
                at_K=block * depth * ROWS,
                at_bias=0,
                at_x=depth * q,
                step_x=lanes,
                at_y=block * ROWS * columns + q,
                row_y=columns,
                step_y=lanes,
                rows=min(ROWS, rows - block * ROWS),
                first=min(lanes, columns - q),
                second=min(lanes, max(0, columns - q - lanes)),
            )
            vectors.tile(flat_W, flat_x, offsets, zeros, flat_y, place)
