"""One example: a dot product for each row of V.

    y[r] = sum over c of V[r, c] x[c]

Nothing is turned and no sum is shared, so a row is met a piece at a time: located, read, and
multiplied where it lies. Where buckets run round the table, rows r, r + P, r + 2 P ... with
P = buckets // fan_in meet almost the same window of it, and follow one another: the table comes
from memory once, not once in every P rows.
"""

import numpy as np

from minihash.core.numba import kernels
from minihash.core.numba.panels import cut, workspace
from minihash.core.threads import run_kernels
from minihash.weights import VirtualWeight

PIECE = 4096  # entries of a row
LEAST = 2**20  # entries of a part: a thread that wakes takes as long as half of them


def matmul(
    x: np.ndarray, table: np.ndarray, w: VirtualWeight, shape: tuple[int, int]
) -> np.ndarray:
    """y = x V^T (1, shape[0]) of x (1, shape[1]). shape: the first rows and columns of V that
    count."""
    rows, columns = shape
    y = np.empty((1, rows), table.dtype)
    around = w.hash.run > 1 and w.hash.run == w.hash.buckets
    count = -(-rows * columns // LEAST)  # parts
    period = w.hash.buckets // w.shape[1] if around else rows
    if not count <= period <= rows:  # a table of few rows stays in the cache in any order
        period = rows
    loops, constants = kernels.of(w.hash)
    first, width, size = np.uint64(w.first_id), np.uint64(w.shape[1]), min(columns, PIECE)

    def part(some: slice) -> None:
        room = (
            workspace("tile", (size,), table.dtype),
            workspace("buckets", (size,), np.uint32),
            workspace("signs", (size,), np.int8),
        )
        loops.dots(some.start, some.stop, period, table, x[0], y[0], first, width, room, constants)

    run_kernels([lambda some=some: part(some) for some in cut(period, min(count, period))])
    return y
