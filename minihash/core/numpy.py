"""The normative backend: NumPy, short and obvious. It holds the whole virtual weight and its index.

V      = sign * table[bucket]                gather
dtable = sum of sign * dV over each bucket    scatter_add, summed in float64
                                              gather_rows, scatter_add_rows: for some rows of V
y      = x V^T
dx     = dy V,   dV = dy^T x
"""

import numpy as np

from minihash.core.threads import blas_on_one_thread
from minihash.weights import VirtualWeight


def available() -> str:
    """Why the backend cannot be used here; empty if it can."""
    return ""


def gather(table: np.ndarray, w: VirtualWeight) -> np.ndarray:
    return read(table, w, w.identifiers())


def scatter_add(dV: np.ndarray, w: VirtualWeight) -> np.ndarray:
    return add(dV, w, w.identifiers())


def gather_rows(table: np.ndarray, w: VirtualWeight, rows: np.ndarray) -> np.ndarray:
    return read(table, w, w.identifiers(rows))


def scatter_add_rows(dV: np.ndarray, rows: np.ndarray, w: VirtualWeight) -> np.ndarray:
    return add(dV, w, w.identifiers(rows))


def read(table: np.ndarray, w: VirtualWeight, ids: np.ndarray) -> np.ndarray:
    return signed(table[w.hash.bucket(ids)], w.hash.sign(ids))


def add(dV: np.ndarray, w: VirtualWeight, ids: np.ndarray) -> np.ndarray:
    weights = signed(dV, w.hash.sign(ids)).reshape(-1)
    buckets = w.hash.bucket(ids).reshape(-1)
    total = np.bincount(buckets, weights=weights, minlength=w.hash.buckets)
    with np.errstate(over="ignore"):
        return total.astype(dV.dtype)


def matmul(x: np.ndarray, table: np.ndarray, w: VirtualWeight) -> np.ndarray:
    V = gather(table, w)
    # The bits of a product depend on how BLAS cuts it.
    with blas_on_one_thread(), np.errstate(over="ignore", invalid="ignore"):
        return x @ V.T


def matmul_backward(
    dy: np.ndarray,
    x: np.ndarray,
    table: np.ndarray,
    w: VirtualWeight,
    need_dx: bool = True,
) -> tuple[np.ndarray | None, np.ndarray]:
    with blas_on_one_thread(), np.errstate(over="ignore", invalid="ignore"):
        dx = dy @ gather(table, w) if need_dx else None
        dtable = scatter_add(dy.T @ x, w)
    return dx, dtable


def signed(values: np.ndarray, sign: np.ndarray) -> np.ndarray:
    """sign * values; a missing connection (sign 0) is 0 even where the value is an infinity."""
    return np.where(sign > 0, values, np.where(sign < 0, -values, values.dtype.type(0)))
