"""Products with one matrix again and again, a few rows at a time, in kernels of loops.py.

    y = x W        y (rows, columns); W (depth, columns); row r of x at x[r step : r step + depth]

BLAS packs the matrix anew in each call, which for few rows takes about as long as the product. Here
W is laid out once, by `pack`: where registers allow (registers.py) in panels as wide as a tile, the
last of which ends with the last column; elsewhere it is left to BLAS as it is.

A panel is met `NEAR` bytes at a time, by all rows of a block of `MANY`: these bytes stay in the
first-level cache, and what is added up of y in the second.
"""

from collections.abc import Callable

import numpy as np

from minihash.compile.body import compiled
from minihash.compile.jit import njit
from minihash.core.numba import registers
from minihash.core.numba.registers import TALL, WIDE, Place

NEAR = 3 * 2**13  # bytes of a panel
MANY = 128  # rows


def pack(W: np.ndarray) -> np.ndarray:
    """W as the products want it: as it is, or (panels, depth, columns of a tile); zeros where W has
    fewer columns.

    >>> x, W, y = np.ones((4, 3)), np.ones((3, 5)), np.empty((4, 5))
    >>> multiply(x.reshape(-1), 3, pack(W), y)
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


def multiply(x: np.ndarray, step: int, W: np.ndarray, y: np.ndarray) -> None:
    """y = x W, W from `pack`, x and y contiguous. On the calling thread, but for BLAS."""
    if registers.available():
        inner_product()(x, step, W, y)
    else:
        np.matmul(x.reshape(-1, step)[:, : len(W)], W, out=y)


def inner_product() -> Callable:
    """by_tiles or by_blas: `multiply` for kernels, where x has no more than `depth` in a row. The
    first is compiled once, for both."""
    return compiled(by_tiles, njit) if registers.available() else by_blas


def by_blas(x, step, W, y):
    np.dot(x.reshape(-1, step), W, y)


def by_tiles(x, step, W, y):
    (rows, columns), (_, depth, wide) = y.shape, W.shape
    if rows >= TALL and columns >= wide:
        go_through_panels(x, step, W, y)
        return
    own_x = np.zeros(max(rows, TALL) * depth, x.dtype)
    own_y = np.empty((max(rows, TALL), max(columns, wide)), y.dtype)
    for r in range(rows):
        for k in range(depth):
            own_x[r * depth + k] = x[r * step + k]
    go_through_panels(own_x, depth, W, own_y)
    for r in range(rows):
        for c in range(columns):
            y[r, c] = own_y[r, c]


def go_through_panels(x, step, W, y):
    """y of a tile at least. A panel that would end beyond it begins earlier; rows that are no whole
    tile, with those before them, are a block of their own: what is added up is added once."""
    (rows, columns), (panels, depth, wide) = y.shape, W.shape
    deep = max(1, NEAR // (wide * x.itemsize))
    at, along = np.empty(deep, np.int64), np.empty(WIDE, np.int64)
    for k in range(deep):
        at[k] = k * wide
    for v in range(WIDE):
        along[v] = v * (wide // WIDE)
    whole = rows - rows % TALL
    for group in range((whole + MANY - 1) // MANY + (whole < rows)):
        first, last = group * MANY, min(group * MANY + MANY, whole)
        if first >= whole:
            first, last = rows - TALL, rows
        for panel in range(panels):
            for k in range(0, depth, deep):
                for row in range(first, last, TALL):
                    place = Place(
                        depth=min(deep, depth - k),
                        at_a=row * step + k,
                        step_m=step,
                        at=0,
                        at_b=(panel * depth + k) * wide,
                        at_c=row * columns + min(panel * wide, columns - wide),
                        step_c=columns,
                        fresh=int(k == 0),
                    )
                    registers.tile(x, W, y, at, along, along, place)
