"""Some rows of V, as an embedding reads them: tiles of a few rows at a time.

    gather_rows         E[t] = V[row_t]
    scatter_add_rows    dtable[bucket] += sign * dE[t], over the entries of V[row_t], t in order

Only the identifiers of the rows that are asked for are hashed: first_id + row * width + column.

Where V is a window of the table, a part is a strip of columns, of all rows: strips have no bucket
in common, so that all add to one table. Elsewhere a part is some rows, and adds to one of the
partial tables (parts.py). Either way the order of the sums depends on sizes alone.
"""

from functools import partial

import numpy as np

from minihash.core.numba import kernels
from minihash.core.numba.parts import apart, scattered, workspace
from minihash.core.threads import blocks, run_kernels
from minihash.weights import VirtualWeight

TILE = 2**16  # entries of a tile, about
STRIP = 64  # columns


def gather_rows(table: np.ndarray, w: VirtualWeight, rows: np.ndarray) -> np.ndarray:
    """V[rows] (n, width)."""
    E = np.empty((len(rows), w.shape[1]), table.dtype)

    def part(some: slice) -> None:
        loops, firsts, width = tile(w, rows[some], slice(0, w.shape[1]))
        loops.read(table, E[some].reshape(-1, width), loops.locate(firsts, width))

    run_kernels([partial(part, some) for some in tiles(w, rows)])
    return E


def scatter_add_rows(dE: np.ndarray, rows: np.ndarray, w: VirtualWeight) -> np.ndarray:
    """dtable (buckets,) from dE (n, width)."""

    def add(some: slice, columns: slice, dtable: np.ndarray) -> None:
        loops, firsts, width = tile(w, rows[some], columns)
        copy = workspace("tile", (some.stop - some.start, columns.stop - columns.start), dE.dtype)
        copy[:] = dE[some, columns]
        loops.add(copy.reshape(-1, width), dtable, loops.locate(firsts, width))

    def strip(columns: slice, dtable: np.ndarray) -> None:
        for some in tiles(w, rows):
            add(some, columns, dtable)

    n = w.hash.buckets
    if apart(w):
        work = [partial(strip, columns) for columns in blocks(w.shape[1], STRIP)]
        return scattered(work, n, dE.dtype, disjoint=True)
    work = [partial(add, some, slice(0, w.shape[1])) for some in tiles(w, rows)]
    # To clear and merge a table costs as much as its additions.
    return scattered(work, n, dE.dtype, max(1, dE.size // n))


def tile(
    w: VirtualWeight, rows: np.ndarray, columns: slice
) -> tuple[kernels.Loops, np.ndarray, int]:
    """(loops, firsts, width) of the tile that holds V[rows, columns], for any row numbers. Rows of
    a transposed weight are no runs of identifiers: there each entry is a row of the tile."""
    loops, (down, along) = kernels.of(w.hash), map(np.uint64, w.strides)
    firsts = np.uint64(w.first_id) + rows.astype(np.uint64) * down
    if not w.transposed:
        return loops, firsts + np.uint64(columns.start), columns.stop - columns.start
    across = np.arange(columns.start, columns.stop, dtype=np.uint64) * along
    return loops, np.add.outer(firsts, across).reshape(-1), 1


def tiles(w: VirtualWeight, rows: np.ndarray) -> list[slice]:
    return list(blocks(len(rows), -(-TILE // w.shape[1])))
