"""Products that never build V: a tile of V is read, multiplied by BLAS, and forgotten.

    forward    y[:, rows]     = sum over columns of x V^T       a part: some rows of V
    backward   dx[:, columns] = sum over rows of dy V           a part: some columns
               dV             = dy^T x, of a tile at a time, scatter-added at once

A tile of a transposed view is the transpose of a tile of the weight itself. x and dy are used where
they lie, whatever the batch: V is hashed once a pass, and the extra memory is a few tiles a thread
and the partial tables.
"""

from functools import partial

import numpy as np

from minihash.core.numba import kernels
from minihash.core.numba.parts import apart, scattered, workspace
from minihash.core.threads import blas_on_one_thread, blocks, run, split
from minihash.weights import VirtualWeight

SIDE = 256  # rows or columns of V in a part, at most,
PARTS = 8  # of at least so many parts, unless they would have
LEAST = 2**16  # fewer virtual weights, which are not worth a thread's while
TILE = 2**18  # entries of a tile, at most
UNIT = 16  # rows or columns that BLAS and the hash loops take at once

Shape = tuple[int, int]


def matmul(x: np.ndarray, table: np.ndarray, w: VirtualWeight, shape: Shape) -> np.ndarray:
    """y = x V^T. shape: the first rows and columns of V that count."""
    y = np.empty((len(x), shape[0]), table.dtype)

    def part(rows: slice) -> None:
        for columns in beside(rows, shape[1]):
            V = Tile(w, rows, columns, table.dtype)
            V.read(table)
            multiply(x[:, columns], V.values.T, y[:, rows], columns.start == 0)

    run([partial(part, rows) for rows in parts(*shape)])
    return y


def matmul_backward(
    dy: np.ndarray,
    x: np.ndarray,
    table: np.ndarray,
    w: VirtualWeight,
    shape: Shape,
    need_dx: bool = True,
) -> tuple[np.ndarray | None, np.ndarray]:
    """dx = dy V (None unless there is need of it) and dtable. shape: as for `matmul`."""
    dx = np.empty((len(x), shape[1]), table.dtype) if need_dx else None

    def part(columns: slice, dtable: np.ndarray) -> None:
        for rows in beside(columns, shape[0]):
            V = Tile(w, rows, columns, table.dtype)
            if need_dx:
                V.read(table)
                multiply(dy[:, rows], V.values, dx[:, columns], rows.start == 0)
            V.add_product(dy[:, rows], x[:, columns], dtable)

    work = [partial(part, columns) for columns in parts(*shape[::-1])]
    most = max(2, w.size // w.hash.buckets)  # to clear and merge a table costs as its additions
    with blas_on_one_thread():
        dtable = scattered(work, w.hash.buckets, table.dtype, most, apart(w, shape))
    return dx, dtable


def parts(size: int, other: int) -> list[slice]:
    """`size` rows (or columns) of `other` entries in parts: as many as a power of 2, so that 2, 4
    or 8 threads have equal shares."""
    most = max(min(SIDE, -(-size // PARTS)), LEAST // other)
    count = -(-size // most)
    return cut(size, 1 << count.bit_length() - 1, most)


def beside(part: slice, size: int) -> list[slice]:
    """The columns (or rows) of this part in tiles."""
    most = max(1, TILE // (part.stop - part.start))
    return cut(size, -(-size // most), most)


def cut(size: int, count: int, most: int) -> list[slice]:
    """0 .. size in `count` nearly equal slices, at multiples of UNIT where slices are so long.

    >>> cut(100, 4, 50)
    [slice(0, 16, None), slice(16, 48, None), slice(48, 80, None), slice(80, 100, None)]
    """
    unit = min(UNIT, most)
    slices = split(-(-size // unit), count)
    return [slice(unit * s.start, min(unit * s.stop, size)) for s in slices if s.start < s.stop]


class Tile:
    """V[rows, columns], in this thread's workspace: one at a time."""

    def __init__(self, w: VirtualWeight, rows: slice, columns: slice, dtype: np.dtype) -> None:
        self.transposed = w.transposed
        if w.transposed:
            rows, columns = columns, rows
        step = np.uint64(max(w.strides))
        firsts = np.arange(rows.start, rows.stop, dtype=np.uint64) * step
        firsts += np.uint64(w.first_id + columns.start)
        self.loops = kernels.of(w.hash)
        self.where = self.loops.locate(firsts, columns.stop - columns.start)
        self.memory = workspace("tile", (firsts.size, columns.stop - columns.start), dtype)

    @property
    def values(self) -> np.ndarray:
        return self.memory.T if self.transposed else self.memory

    def read(self, table: np.ndarray) -> None:
        self.loops.read(table, self.memory, self.where)

    def add_product(self, dy: np.ndarray, x: np.ndarray, dtable: np.ndarray) -> None:
        """dtable[bucket] += sign * dy^T x. Overwrites the values."""
        a, b = (x, dy) if self.transposed else (dy, x)
        # A column times a row: np.matmul has no fast way for it.
        (np.multiply if len(a) == 1 else np.matmul)(a.T, b, out=self.memory)
        self.loops.add(self.memory, dtable, self.where)


def multiply(a: np.ndarray, b: np.ndarray, sums: np.ndarray, first: bool) -> None:
    """sums = a b if it is the first product of a sum, else sums += a b."""
    if first:
        np.matmul(a, b, out=sums)
        return
    for some in blocks(len(a), max(1, TILE // b.shape[1])):
        product = workspace("product", (some.stop - some.start, b.shape[1]), sums.dtype)
        sums[some] += np.matmul(a[some], b, out=product)
