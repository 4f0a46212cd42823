"""The parallel backend: Numba kernels that hash on the fly, on all cores.

No array with an entry for each virtual weight exists: panels are read and added as they are needed
(panels.py, panel_rows.py), products go through V tile by tile (tiles.py), and hashes that go round
the table multiply equal rows once (cyclic.py).
"""

import numpy as np

from minihash.compile.jit import HAVE_NUMBA
from minihash.core.numba import cyclic, kernels, panel_rows
from minihash.core.numba.convolution import convolve, convolve_backward  # noqa: F401
from minihash.core.numba.panels import ENTRIES, blocks, lanes, lying, upright, workspace
from minihash.core.numba.recurrence import recur, recur_backward  # noqa: F401
from minihash.core.numpy import add, column_sum  # noqa: F401
from minihash.core.threads import run_kernels
from minihash.weights import VirtualWeight


def available() -> str:
    """Why the backend cannot be used here; empty if it can."""
    return "" if HAVE_NUMBA else "Numba is not installed; pip install numba"


def gather(table: np.ndarray, w: VirtualWeight) -> np.ndarray:
    V = upright(w, table.dtype)
    flat = lying(V, w).reshape(1, -1)

    def part(cut: slice) -> None:
        kernels.read_panel(table, flat[:, cut], w.hash, first_of(w, cut))

    run_kernels([lambda cut=cut: part(cut) for cut in blocks(w.size, ENTRIES)])
    return np.asarray(V, order="C")


def scatter_add(dV: np.ndarray, w: VirtualWeight) -> np.ndarray:
    flat = lying(dV, w).reshape(1, -1)

    def part(cut: slice, dtable: np.ndarray) -> None:
        panel = workspace("panel", (1, cut.stop - cut.start), dV.dtype)
        panel[:] = flat[:, cut]
        kernels.add_panel(panel, dtable, w.hash, first_of(w, cut))

    return lanes(w.hash.buckets, dV.dtype, list(blocks(w.size, ENTRIES)), part)


def first_of(w: VirtualWeight, cut: slice) -> np.ndarray:
    return np.array([w.first_id + cut.start], np.uint64)


def gather_rows(table: np.ndarray, w: VirtualWeight, rows: np.ndarray) -> np.ndarray:
    return panel_rows.gather_rows(table, w, rows)


def scatter_add_rows(dV: np.ndarray, rows: np.ndarray, w: VirtualWeight) -> np.ndarray:
    return panel_rows.scatter_add_rows(dV, rows, w)


def matmul(
    x: np.ndarray, table: np.ndarray, w: VirtualWeight, b: np.ndarray | None = None
) -> np.ndarray:
    y = cyclic.matmul(x, table, w)
    if b is not None:
        y += b
    return y


def matmul_backward(
    dy: np.ndarray,
    x: np.ndarray,
    table: np.ndarray,
    w: VirtualWeight,
    need_dx: bool = True,
) -> tuple[np.ndarray | None, np.ndarray]:
    return cyclic.matmul_backward(dy, x, table, w, need_dx)
