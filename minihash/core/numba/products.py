"""Products that never build V: a tile of V is read, multiplied by BLAS, and forgotten.

    forward    y[:, rows]     = sum over columns of x V^T       a part: some rows of V
    backward   dx[:, columns] = sum over rows of dy V           a part: some columns
               dV             = dy^T x, of a tile at a time, scatter-added at once

A tile of a transposed view is the transpose of a tile of the weight itself. x and dy are used where
they lie, whatever the batch: V is hashed once a pass, and the extra memory is a few tiles a thread
and the partial tables.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np

from minihash.core.numba import kernels
from minihash.core.numba.parts import apart, scattered, workspace
from minihash.core.threads import blas_on_one_thread, blocks, run, split
from minihash.weights import VirtualWeight

SIDE = 256  # rows or columns of V in a part, at most,
PARTS = 8  # of at least so many parts, unless they would have
LEAST = 2**16  # fewer virtual weights, for which BLAS would be slow;
PAIR = 2**15  # but two parts from so many on: less is not worth a thread's while
TILE = 2**17  # entries of a tile: with their words they stay in the second-level cache
FEW = 32  # tiles of a weight whose places are kept from call to call

Shape = tuple[int, int]


def matmul(x: np.ndarray, table: np.ndarray, w: VirtualWeight, shape: Shape) -> np.ndarray:
    """y = x V^T. shape: the first rows and columns of V that count."""
    y = np.empty((len(x), shape[0]), table.dtype)

    def part(rows: slice, tiles: Iterable[tuple[slice, Tile]]) -> None:
        for columns, tile in tiles:
            V = tile.read(table, tile.locate())
            multiply(x[:, columns], V.T, y[:, rows], columns.start == 0)

    run([partial(part, *of_part) for of_part in parts(w, shape, True)])
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

    def part(
        columns: slice, tiles: Iterable[tuple[slice, Tile]], dtable: np.ndarray
    ) -> None:
        for rows, tile in tiles:
            where = tile.locate()
            if dx is not None:
                V = tile.read(table, where)
                multiply(dy[:, rows], V, dx[:, columns], rows.start == 0)
            tile.add_product(dy[:, rows], x[:, columns], dtable, where)

    work = [partial(part, *of_part) for of_part in parts(w, shape, False)]
    most = max(2, w.size // w.hash.buckets)  # to clear and merge a table costs as its additions
    with blas_on_one_thread():
        dtable = scattered(work, w.hash.buckets, table.dtype, most, apart(w, shape))
    return dx, dtable


class Tile(NamedTuple):
    """A tile of V: `firsts` are the identifiers that its rows begin with, or its columns where V is
    transposed. Values and places are in this thread's workspace: of one tile at a time."""

    loops: kernels.Loops
    firsts: np.ndarray
    length: int
    transposed: bool

    def locate(self) -> tuple:
        return self.loops.locate(self.firsts, self.length)

    def memory(self, dtype: np.dtype) -> np.ndarray:
        return workspace("tile", (self.firsts.size, self.length), dtype)

    def read(self, table: np.ndarray, where: tuple) -> np.ndarray:
        """Its values."""
        memory = self.memory(table.dtype)
        self.loops.read(table, memory, where)
        return memory.T if self.transposed else memory

    def add_product(
        self, dy: np.ndarray, x: np.ndarray, dtable: np.ndarray, where: tuple
    ) -> None:
        """dtable[bucket] += sign * dy^T x. Overwrites the values."""
        memory, (a, b) = self.memory(dtable.dtype), (x, dy) if self.transposed else (dy, x)
        # A column times a row: np.matmul has no fast way for it.
        (np.multiply if len(a) == 1 else np.matmul)(a.T, b, out=memory)
        self.loops.add(memory, dtable, where)


@lru_cache(maxsize=64)
def parts(w: VirtualWeight, shape: Shape, down: bool) -> list[tuple]:
    """V cut into parts, of some rows (down) or some columns each, as many as a power of 2, so that
    2, 4 or 8 threads have equal shares; and a part into tiles: what they have of the other axis,
    and where they are. Of many tiles nothing is kept."""
    size, other = shape if down else shape[::-1]
    least = LEAST // other if size * other < PAIR else min(LEAST // other, -(-size // 2))
    count = -(-size // max(min(SIDE, -(-size // PARTS)), least))
    ways = list(split(size, 1 << count.bit_length() - 1))
    tiles = [Tiles(w, way, other, down) for way in ways]
    few = len(ways) * -(-other // tiles[0].beside) <= FEW
    return [(way, list(t) if few else t) for way, t in zip(ways, tiles, strict=True)]


class Tiles(NamedTuple):
    """The tiles of a part, made anew each time that they are gone through."""

    w: VirtualWeight
    part: slice
    other: int
    down: bool

    @property
    def beside(self) -> int:
        """How many columns (or rows) a tile has, at most."""
        return max(1, TILE // (self.part.stop - self.part.start))

    def __iter__(self) -> Iterator[tuple[slice, Tile]]:
        w, loops, step = self.w, kernels.of(self.w.hash), np.uint64(max(self.w.strides))
        for some in blocks(self.other, self.beside):
            rows, columns = (self.part, some) if self.down != w.transposed else (some, self.part)
            firsts = np.arange(rows.start, rows.stop, dtype=np.uint64) * step
            firsts += np.uint64(w.first_id + columns.start)
            yield some, Tile(loops, firsts, columns.stop - columns.start, w.transposed)


def multiply(a: np.ndarray, b: np.ndarray, sums: np.ndarray, first: bool) -> None:
    """sums = a b if it is the first product of a sum, else sums += a b."""
    if first:
        np.matmul(a, b, out=sums)
        return
    for some in blocks(len(a), max(1, TILE // b.shape[1])):
        product = workspace("product", (some.stop - some.start, b.shape[1]), sums.dtype)
        sums[some] += np.matmul(a[some], b, out=product)
