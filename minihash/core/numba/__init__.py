"""The parallel backend: Numba kernels that hash on the fly, BLAS, on all cores.

No array with an entry for each virtual weight exists: V is read, and its gradient added, a tile at
a time.

    kernels.py     the compiled loops of a hash over a tile
    guard.py       hashes from outside: their buckets are checked
    parts.py       work in parts for threads; partial tables
    products.py    matmul and its backward, tile by tile;  blas.py: BLAS in compiled loops
    folding.py     hashes that go round the table: equal rows and columns once
    single.py      one example
    rows.py        some rows of V
    each.py        bodies of real numbers, entry by entry;  columns.py: sums over the batch
    loops.py       what names of bodies mean in compiled loops;  simd.py: exponentials
    perceptron.py  a whole training step (phases.py: its loops);  losses.py: the cross-entropy
    recurrence.py  cells through time (cells.py, skinny.py);  convolution.py: images (direct.py,
                   patches.py);  registers.py: sums that stay in registers
"""

from functools import partial

import numpy as np

from minihash.compile.jit import WHY_NOT
from minihash.core.numba import kernels
from minihash.core.numba.columns import column_sum, normalise, normalise_backward
from minihash.core.numba.convolution import convolve, convolve_backward
from minihash.core.numba.each import each
from minihash.core.numba.folding import matmul, matmul_backward
from minihash.core.numba.losses import cross_entropy
from minihash.core.numba.parts import ENTRIES, apart, scattered, window, workspace
from minihash.core.numba.perceptron import perceptron
from minihash.core.numba.recurrence import recur, recur_backward
from minihash.core.numba.rows import gather_rows, scatter_add_rows
from minihash.core.numpy import add
from minihash.core.threads import blocks, run_kernels
from minihash.weights import VirtualWeight

__all__ = [
    "add",
    "available",
    "column_sum",
    "convolve",
    "convolve_backward",
    "cross_entropy",
    "each",
    "gather",
    "gather_rows",
    "matmul",
    "matmul_backward",
    "normalise",
    "normalise_backward",
    "perceptron",
    "recur",
    "recur_backward",
    "scatter_add",
    "scatter_add_rows",
]


def available() -> str:
    """Why the backend cannot be used here; empty if it can."""
    return WHY_NOT


def gather(table: np.ndarray, w: VirtualWeight) -> np.ndarray:
    if some := w.derived("window", partial(window, w)):
        return table[some].reshape(w.shape).copy()
    flat, loops = np.empty((1, w.size), table.dtype), kernels.of(w.hash)

    def part(some: slice) -> None:
        loops.read(table, flat[:, some], loops.locate(*tile(w, some)))

    run_kernels([partial(part, some) for some in blocks(w.size, ENTRIES)])
    if w.transposed:
        return np.ascontiguousarray(flat.reshape(w.shape[::-1]).T)
    return flat.reshape(w.shape)


def scatter_add(dV: np.ndarray, w: VirtualWeight) -> np.ndarray:
    if some := w.derived("window", partial(window, w)):
        dtable = np.zeros(w.hash.buckets, dV.dtype)
        dtable[some] += dV.reshape(-1)
        return dtable
    flat, loops = (dV.T if w.transposed else dV).reshape(1, -1), kernels.of(w.hash)

    def part(some: slice, dtable: np.ndarray) -> None:
        copy = workspace("tile", (1, some.stop - some.start), dV.dtype)
        copy[:] = flat[:, some]
        loops.add(copy, dtable, loops.locate(*tile(w, some)))

    work = [partial(part, some) for some in blocks(w.size, ENTRIES)]
    return scattered(work, w.hash.buckets, dV.dtype, disjoint=apart(w))


def tile(w: VirtualWeight, some: slice) -> tuple[np.ndarray, int]:
    """(firsts, columns) of the tile that is a row of these identifiers, counted from the first."""
    return np.array([w.first_id + some.start], np.uint64), some.stop - some.start
