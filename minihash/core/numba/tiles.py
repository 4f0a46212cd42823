"""Products that never build V: parts of V, each gone through tile by tile in one compiled loop.

    forward    y[:, rows]     = sum over columns of x V^T       a part: some rows of V
    backward   dx[:, columns] = sum over rows of dy V           a part: some columns
               dV             = dy^T x, of a tile at a time, scatter-added at once

Of a transposed view, V^T is gone through, whose rows are V's columns. What the loop (sweep.py)
wants turned is copied, some examples at a time, so that a copy stays below `COPY` bytes whatever
the activations take.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np

from minihash.compile.body import compiled
from minihash.compile.jit import njit
from minihash.core.numba import kernels, sweep
from minihash.core.numba.panels import apart, blocks, cut, lanes, workspace
from minihash.core.numba.registers import ROWS, columns
from minihash.core.numba.sweep import Plan
from minihash.core.threads import run_kernels
from minihash.weights import VirtualWeight

PART = 256  # rows or columns of V in a part, at most,
PARTS = 8  # of at least so many parts, unless they would have
LEAST = 2**16  # fewer virtual weights, which are not worth a thread's while
TALL, WIDE = 48, 480  # of a tile, but for multiples of the sizes of a block of sums
COPY, EXAMPLES = 2**21, 32  # bytes of a copy, but for at least so many examples

Shape = tuple[int, int]


def matmul(x: np.ndarray, table: np.ndarray, w: VirtualWeight, shape: Shape) -> np.ndarray:
    """y = x V^T. shape: the first rows and columns of V that count."""
    y = np.empty((len(x), shape[0]), table.dtype)
    cuts = parts(shape, 0, w, table.dtype)
    for some in batches(len(x), shape, table.dtype):
        part = sweeper(w, table, shape, len(x[some]), turn("x", x[some]), y[some])
        run_kernels([lambda cut=cut, part=part: part(cut) for cut in cuts])
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
    dtable = None
    cuts = parts(shape, 1, w, table.dtype)
    for some in batches(len(x), shape, table.dtype):
        a = turn("dy", dy[some]) if need_dx or not w.transposed else None
        slopes = (turn("x", x[some]), dy[some]) if w.transposed else (a, x[some])
        part = sweeper(w, table, shape, len(x[some]), a, dx[some] if need_dx else None, slopes)
        more = scattered(cuts, part, w, shape, table)
        dtable = more if dtable is None else dtable + more
    return dx, np.zeros_like(table) if dtable is None else dtable


def scattered(
    cuts: list[slice], part: Callable, w: VirtualWeight, shape: Shape, table: np.ndarray
) -> np.ndarray:
    """The sum of what part(cut, dtable) adds to dtable, over all cuts."""
    if not apart(w, shape):
        most = max(2, w.size // w.hash.buckets)  # to clear and merge a table costs as its additions
        return lanes(w.hash.buckets, table.dtype, cuts, part, most)
    dtable = np.zeros_like(table)  # no two parts add to one bucket
    run_kernels([lambda cut=cut: part(cut, dtable) for cut in cuts])
    return dtable


def batches(count: int, shape: Shape, dtype: np.dtype) -> Iterator[slice]:
    """Examples whose copies stay small."""
    most = COPY // (max(shape) * dtype.itemsize)
    return blocks(count, max(EXAMPLES, most - most % EXAMPLES))


def parts(shape: Shape, axis: int, w: VirtualWeight, dtype: np.dtype) -> list[slice]:
    """The rows (axis 0) or columns of each part, from multiples of what a block of sums has. As
    many as a power of 2, so that 2, 4 or 8 threads have equal shares."""
    size, unit = shape[axis], columns(dtype) if (axis == 1) != w.transposed else ROWS
    most = max(min(PART, -(-size // PARTS)), LEAST // shape[1 - axis])
    units = -(-size // unit)
    count = min(units, 1 << (-(-size // most)).bit_length() - 1)
    return [slice(unit * c.start, min(unit * c.stop, size)) for c in cut(units, count)]


def sweeper(
    w: VirtualWeight,
    table: np.ndarray,
    shape: Shape,
    batch: int,
    a: np.ndarray | None,
    y: np.ndarray | None,
    slopes: tuple[np.ndarray, np.ndarray] | None = None,
) -> Callable:
    """part(cut, dtable): goes through a part of V; writes y[:, cut], what V makes of a, if there is
    a y, and adds the part's gradient to dtable if there are slopes (u, v). See sweep.py for a, u
    and v."""
    dtype, block = table.dtype, columns(table.dtype)
    nothing = np.empty((0, 0), dtype)
    u, v = slopes or (nothing, nothing)
    stride = (a if y is not None else u).shape[1]
    rows, across = shape[::-1] if w.transposed else shape
    tall, wide = (
        max(1, n // unit) * unit for n, unit in ((TALL, ROWS), (WIDE, math.lcm(block, ROWS)))
    )
    plan = Plan(
        first=np.uint64(w.first_id),
        width=w.shape[0] if w.transposed else w.shape[1],
        rows=rows,
        columns=across,
        tall=tall,
        wide=wide,
        block=block,
        batch=batch,
        stride=stride,
        along=int((slopes is not None) == w.transposed),
        forward=int(y is not None),
        backward=int(slopes is not None),
    )
    loops, constants = kernels.of(w.hash)
    flat_a, flat_u = (nothing if a is None else a).reshape(-1), u.reshape(-1)
    none, y = nothing.reshape(-1), nothing if y is None else y

    def part(cut: slice, dtable: np.ndarray = none) -> None:
        room = (
            workspace("total", ((cut.stop - cut.start + ROWS) * stride,), dtype),
            workspace("strips", (wide * batch,), dtype),
            workspace("tile", (tall + ROWS, wide + block), dtype),
            workspace("buckets", (tall * wide,), np.uint32),
            workspace("signs", (tall * wide,), np.int8),
        )
        start, stop = cut.start, cut.stop
        loops.sweep(plan, start, stop, table, flat_a, y, flat_u, v, dtable, room, constants)

    return part


def turn(name: str, x: np.ndarray) -> np.ndarray:
    """x (batch, n) as (n and spare rows, batch and spare columns), 0 in what is left of a block."""
    batch, n = x.shape
    block = columns(x.dtype)
    full = block * -(-batch // block)
    stride = full + block * (full // block % 2 == 0)  # odd: so rows fall into different cache sets
    turned = workspace(f"turned {name}", (n + ROWS, stride), x.dtype)
    compiled(sweep.turn, njit)(x.reshape(-1), 0, n, turned.reshape(-1), 0, stride, batch, n)
    turned[:, batch:full] = 0
    return turned
