"""The parallel backend: Numba kernels that hash on the fly, on all cores.

No array with an entry for each virtual weight exists: panels are read and added as they are needed
(panels.py, panel_rows.py), products go through V tile by tile (tiles.py), and hashes that go round
the table multiply equal rows once (cyclic.py).
"""

import sys

import numpy as np

from minihash.core import cyclic, kernels, panel_rows, panels
from minihash.core.panels import workspace
from minihash.hashes.jit import HAVE_NUMBA
from minihash.weights import VirtualWeight


def available() -> str:
    """Why the backend cannot be used here; empty if it can."""
    return "" if HAVE_NUMBA else "Numba is not installed; pip install numba"


def gather(table: np.ndarray, w: VirtualWeight) -> np.ndarray:
    return panels.gather(table, w, SELF)


def scatter_add(dV: np.ndarray, w: VirtualWeight) -> np.ndarray:
    return panels.scatter_add(dV, w, SELF)


def gather_rows(table: np.ndarray, w: VirtualWeight, rows: np.ndarray) -> np.ndarray:
    return panel_rows.gather_rows(table, w, rows, SELF)


def scatter_add_rows(dV: np.ndarray, rows: np.ndarray, w: VirtualWeight) -> np.ndarray:
    return panel_rows.scatter_add_rows(dV, rows, w, SELF)


def matmul(
    x: np.ndarray, table: np.ndarray, w: VirtualWeight, kept: np.ndarray | None = None
) -> np.ndarray:
    return cyclic.matmul(x, table, w, kept)


def matmul_backward(
    dy: np.ndarray,
    x: np.ndarray,
    table: np.ndarray,
    w: VirtualWeight,
    kept: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    return cyclic.matmul_backward(dy, x, table, w, kept)


SELF = sys.modules[__name__]


# What panels.py asks for.


def read_panel(table: np.ndarray, panel: np.ndarray, w: VirtualWeight, firsts: np.ndarray) -> None:
    loops, constants = kernels.of(w.hash)
    where = located(loops, firsts, panel.shape, constants)
    loops.read(table, panel, firsts, *where, constants)


def add_panel(panel: np.ndarray, dtable: np.ndarray, w: VirtualWeight, firsts: np.ndarray) -> None:
    loops, constants = kernels.of(w.hash)
    where = located(loops, firsts, panel.shape, constants)
    loops.add(panel, dtable, firsts, *where, constants)


def located(
    loops: kernels.Kernels, firsts: np.ndarray, shape: tuple[int, int], constants: tuple
) -> tuple[np.ndarray, np.ndarray]:
    where = workspace("buckets", shape, np.uint32), workspace("signs", shape, np.int8)
    loops.locate(firsts, *where, constants)
    return where
