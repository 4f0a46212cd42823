"""The normative backend: NumPy, short and obvious. It holds the whole virtual weight and its index.

    V      = sign * table[bucket]                gather
    dtable = sum of sign * dV over each bucket    scatter_add, summed in float64
    y      = x V^T
    dx     = dy V,   dV = dy^T x
"""

import numpy as np

from minihash.weights import VirtualWeight


def available() -> str:
    """Why the backend cannot be used here; empty if it can."""
    return ""


def gather(table: np.ndarray, w: VirtualWeight) -> np.ndarray:
    ids = identifiers(w)
    sign = w.hash.sign(ids)
    # A missing connection is 0 even where the table holds an infinity.
    return np.where(sign == 0, table.dtype.type(0), sign * table[w.hash.bucket(ids)])


def scatter_add(dV: np.ndarray, w: VirtualWeight) -> np.ndarray:
    ids = identifiers(w)
    sign = w.hash.sign(ids)
    signed = np.where(sign == 0, 0.0, sign * dV)
    buckets = w.hash.bucket(ids).reshape(-1)
    total = np.bincount(buckets, weights=signed.reshape(-1), minlength=w.hash.buckets)
    return total.astype(dV.dtype)


def matmul(x: np.ndarray, table: np.ndarray, w: VirtualWeight) -> np.ndarray:
    return x @ gather(table, w).T


def matmul_backward(
    dy: np.ndarray, x: np.ndarray, table: np.ndarray, w: VirtualWeight
) -> tuple[np.ndarray, np.ndarray]:
    dx = dy @ gather(table, w)
    dtable = scatter_add(dy.T @ x, w)
    return dx, dtable


def identifiers(w: VirtualWeight) -> np.ndarray:
    """uint64, the shape of w."""
    return (np.arange(w.size, dtype=np.uint64) + np.uint64(w.first_id)).reshape(w.shape)
