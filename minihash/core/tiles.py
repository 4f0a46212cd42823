"""Products that never build V: parts of V, each gone through tile by tile in one compiled loop.

    forward    y[:, rows]     = sum over columns of x V^T       a part: some rows of V
    backward   dx[:, columns] = sum over rows of dy V           a part: some columns
               dV             = dy^T x, of a tile at a time, scatter-added at once

Of a transposed view, V^T is gone through, whose rows are V's columns (`lying`). Arrays that the
loop (sweep.py) wants in another layout are copied, some examples at a time, so that a copy stays
below `COPY` bytes whatever the activations take.

V itself, `kept`, is held from forward to backward only where the caller gives an array for it.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np

from minihash.core import kernels, sweep
from minihash.core.panels import apart, blocks, lanes, lying, workspace
from minihash.core.registers import ROWS, columns
from minihash.core.sweep import FROM_KEPT, FROM_TABLE, TO_KEPT, Part
from minihash.core.threads import run_kernels
from minihash.hashes.body import compiled
from minihash.hashes.jit import njit
from minihash.weights import VirtualWeight

PART = 256  # rows or columns of V in a part, at most,
PARTS = 8  # of at least so many parts, unless they would have
LEAST = 2**16  # fewer virtual weights, which are not worth a thread's while
TALL, WIDE = 48, 480  # of a tile, but for multiples of the sizes of a block of sums
COPY, EXAMPLES = 2**21, 32  # bytes of a copy, but for at least so many examples

Shape = tuple[int, int]


def matmul(
    x: np.ndarray,
    table: np.ndarray,
    w: VirtualWeight,
    shape: Shape,
    kept: np.ndarray | None = None,
) -> np.ndarray:
    """y = x V^T. shape: the first rows and columns of V that count. kept: where V is to be written
    (None: nowhere)."""
    y = np.empty((len(x), shape[0]), table.dtype)
    cuts = parts(shape, 0, w, table.dtype)
    source = FROM_TABLE if kept is None else TO_KEPT
    for some in batches(len(x), shape, table.dtype):
        a = x[some].T if len(x[some]) == 1 and not w.transposed else turn("x", x[some])
        through = sweeper(w, table, shape, source, kept, a, len(x[some]))
        run_kernels([lambda cut=cut, some=some, go=through: go(cut, y[some]) for cut in cuts])
    return y


def matmul_backward(
    dy: np.ndarray,
    x: np.ndarray,
    table: np.ndarray,
    w: VirtualWeight,
    shape: Shape,
    kept: np.ndarray | None = None,
    need_dx: bool = True,
) -> tuple[np.ndarray | None, np.ndarray]:
    """dx = dy V (None unless there is need of it) and dtable. shape: as for `matmul`. kept: V, if
    `matmul` wrote it."""
    dx = np.empty((len(x), shape[1]), table.dtype) if need_dx else None
    dtable = None
    cuts = parts(shape, 1, w, table.dtype)
    source = FROM_TABLE if kept is None else FROM_KEPT
    for some in batches(len(x), shape, table.dtype):
        a = turn("dy", dy[some])
        slopes = (turn("x", x[some]), strips(dy[some])) if w.transposed else (a, strips(x[some]))
        through = sweeper(w, table, shape, source, kept, a, len(x[some]), slopes)

        def part(cut: slice, partial: np.ndarray, go: Callable = through, some: slice = some):
            go(cut, dx[some] if need_dx else None, partial)

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
    """The rows (axis 0) or columns of each part, from multiples of what a block of sums has."""
    size, unit = shape[axis], columns(dtype) if (axis == 1) != w.transposed else ROWS
    most = max(min(PART, -(-size // PARTS)), LEAST // shape[1 - axis])
    cuts = blocks(-(-size // unit), max(1, -(-most // unit)))
    return [slice(unit * cut.start, min(unit * cut.stop, size)) for cut in cuts]


def sweeper(
    w: VirtualWeight,
    table: np.ndarray,
    shape: Shape,
    source: int,
    kept: np.ndarray | None,
    a: np.ndarray,
    batch: int,
    slopes: tuple[np.ndarray, np.ndarray] | None = None,
) -> Callable:
    """through(cut, y, dtable): goes through a part of V; writes y[:, cut], what V makes of a, if
    there is a y, and adds the part's gradient to dtable if there are slopes (u, v). See sweep.py
    for a, u and v."""
    dtype, backward = table.dtype, slopes is not None
    block, along = columns(dtype), backward == w.transposed
    height, width = lying_shape(shape, w)
    tall, wide = (
        max(1, n // unit) * unit for n, unit in ((TALL, ROWS), (WIDE, math.lcm(block, ROWS)))
    )
    loops, constants = kernels.of(w.hash)
    turn_back = compiled(sweep.turn_back, njit)
    nothing = np.empty((0, 0), dtype)
    u, v = slopes or (nothing, nothing)
    V = nothing if kept is None else lying(kept, w)

    def through(cut: slice, y: np.ndarray | None, dtable: np.ndarray | None = None) -> None:
        rows, across = (cut, slice(0, width)) if along else (slice(0, height), cut)
        part = Part(
            first=np.uint64(w.first_id),
            width=lying_shape(w.shape, w)[1],
            top=rows.start,
            bottom=rows.stop,
            left=across.start,
            right=across.stop,
            tall=tall,
            wide=wide,
            block=block,
            batch=batch,
            stride=a.shape[1],
            along=int(along),
            source=source,
            forward=int(y is not None),
            backward=int(backward),
        )
        total = workspace("total", (cut.stop - cut.start + ROWS, part.stride), dtype)
        total[:] = 0
        tile = workspace("tile", (tall + ROWS, wide + block), dtype)
        buckets = workspace("buckets", (tall * wide,), np.uint32)
        signs = workspace("signs", (tall * wide,), np.int8)
        added = nothing if dtable is None else dtable
        flat = [array.reshape(-1) for array in (a, total, u, v, added)]
        loops.sweep(part, table, V, *flat, tile, buckets, signs, constants)
        if y is not None:
            turn_back(total, y, block, cut.start, cut.stop)

    return through


def lying_shape(shape: Shape, w: VirtualWeight) -> Shape:
    return shape[::-1] if w.transposed else shape


def turn(name: str, x: np.ndarray) -> np.ndarray:
    """x (batch, n) as (n and spare rows, batch and spare columns), 0 in the spare columns."""
    batch, n = x.shape
    block = columns(x.dtype)
    stride = block * (-(-batch // block) | 1)  # odd: so rows fall into different sets of the cache
    turned = workspace(f"turned {name}", (n + ROWS, stride), x.dtype)
    kernel = compiled(sweep.turn, njit)
    run_kernels(
        [lambda cut=cut: kernel(x, turned, block, cut.start, cut.stop) for cut in blocks(n, 1024)]
    )
    return turned


def strips(x: np.ndarray) -> np.ndarray:
    """x (batch, n) as (strips, batch, columns of a block), 0 beyond n."""
    (batch, n), block = x.shape, columns(x.dtype)
    full, rest = divmod(n, block)
    result = workspace("strips", (full + (rest > 0), batch, block), x.dtype)
    result[:full] = x[:, : full * block].reshape(batch, full, block).swapaxes(0, 1)
    if rest:
        result[full, :, :rest], result[full, :, rest:] = x[:, full * block :], 0
    return result
