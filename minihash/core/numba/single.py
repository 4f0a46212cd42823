"""One example: a dot product for each row of V, in compiled loops.

    y[r] = sum over c of V[r, c] x[c]

No number of V is used twice, so there is nothing for BLAS to gain: a piece of a row is located,
read and multiplied while it is in the first-level cache, or, where buckets run, multiplied where it
lies in the table. Where they run round the table, rows r, r + P, r + 2 P ... with
P = buckets // fan_in meet almost the same window of it, and follow one another: the table comes
from memory once, not once in every P rows.
"""

from collections.abc import Callable
from functools import cache, partial

import numpy as np

from minihash.compile.body import bound, compiled
from minihash.compile.jit import njit
from minihash.core.numba import kernels
from minihash.core.numba.guard import check_buckets, run_of, trusted
from minihash.core.numba.kernels import bits
from minihash.core.numba.parts import workspace
from minihash.core.numba.registers import dot
from minihash.core.threads import run_kernels, split
from minihash.hashes.hash import bucket_body
from minihash.hashes.xxh32 import U64
from minihash.weights import VirtualWeight

PIECE = 2**14  # entries that are located, read and multiplied at once
LEAST = 2**20  # entries of a part: a thread that wakes takes as long as half of them


def pays(w: VirtualWeight) -> bool:
    """Whether the loop is worth its compilation, which takes as long as thousands of products with
    a smaller weight. It goes along the rows of V, which in a transposed view are none."""
    return w.size >= LEAST and not w.transposed


def matmul(
    x: np.ndarray, table: np.ndarray, w: VirtualWeight, shape: tuple[int, int]
) -> np.ndarray:
    """y = x V^T (1, shape[0]) of x (1, shape[1]). shape: the first rows and columns of V that
    count."""
    rows, columns = shape
    y = np.empty((1, rows), table.dtype)
    first, width, run = U64(w.first_id), U64(w.shape[1]), run_of(w.hash)
    if not trusted(w.hash):
        check_buckets(w.hash, first + np.arange(rows, dtype=np.uint64) * width, columns)
    count = -(-rows * columns // LEAST)  # parts
    period = w.hash.buckets // w.shape[1] if run == w.hash.buckets else rows
    if not count <= period <= rows:  # a table of few rows stays in the cache in any order
        period = rows
    loop = dots(*w.hash.stages, w.hash.pick, run > 1)

    def part(some: slice) -> None:
        tile = workspace("tile", (PIECE,), table.dtype)
        words = workspace("words", tile.shape, np.uint32)
        place = some.start, some.stop, period, first, width
        loop(place, table, bits(table), x[0], y[0], tile, bits(tile), words, w.hash.state, U64(run))

    run_kernels([partial(part, some) for some in split(period, min(count, period))])
    return y


@cache
def dots(
    draw: Callable,
    place: Callable | None,
    sign: Callable | None,
    pick: Callable | None,
    runs: bool,
) -> Callable:
    """The compiled loop of a hash."""
    if runs:
        body = dots_runs
        names = {"bucket": bucket_body(draw, place, pick), "sign": sign or kernels.always}
    else:
        locate, read, _ = kernels.made(draw, place, sign, pick, runs)
        body, names = dots_read, {"locate": locate, "read": read}
    return compiled(bound(body, f"{body.__name__}-{draw.__qualname__}", **names), njit)


# Templates.


def dots_read(place, table, table_bits, x, y, tile, tile_bits, words, constants, run):
    """Of the rows start .. stop - 1, some at a time."""
    start, stop, _, first, width = place
    columns = min(x.size, tile.size)
    firsts = np.empty(tile.size // columns, np.uint64)
    for begin in range(start, stop, firsts.size):
        rows = min(firsts.size, stop - begin)
        y[begin : begin + rows] = 0
        for left in range(0, x.size, columns):
            piece = x[left : left + columns]
            for r in range(rows):
                firsts[r] = first + U64(begin + r) * width + U64(left)
            where = words[: rows * piece.size].reshape(rows, piece.size)
            locate(firsts[:rows], where, constants)
            read(table_bits, tile_bits[: where.size], where)
            for r in range(rows):
                y[begin + r] += dot(tile[r * piece.size : (r + 1) * piece.size], piece)


def dots_runs(place, table, table_bits, x, y, tile, tile_bits, words, constants, run):
    """Of the rows begin, begin + period, ... for begin in start .. stop - 1. A window of the table
    is read where it lies."""
    start, stop, period, first, width = place
    state, key = constants
    for begin in range(start, stop):
        for r in range(begin, y.size, period):
            y[r] = 0
            left = 0
            while left < x.size:
                i = first + U64(r) * width + U64(left)
                b, s = np.int64(bucket(i, state)), sign(i, key)
                piece = x[left : left + np.int64(run - i % run)]
                if s != 0:
                    y[r] += y.dtype.type(s) * dot(table[b : b + piece.size], piece)
                left += piece.size
