"""The normative backend: NumPy, short and obvious. It holds the whole virtual weight and its index.

V      = sign * table[bucket]                 gather
dtable = sum of sign * dV over each bucket    scatter_add, summed in float64
                                              gather_rows, scatter_add_rows: for some rows of V
y      = x V^T + b
dx     = dy V,   dV = dy^T x

Y      = K X + B                              X: the patches that the windows see, as columns
dX     = K^T dY,   dK = dY X^T                dx: dX, each entry added where it was seen

normalise: all sums are in float64, and a deviation from the mean is rounded before it is squared
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from minihash.core.threads import blas_on_one_thread
from minihash.hashes.windows import Windows
from minihash.weights import VirtualWeight

States = tuple[np.ndarray, ...]


def available() -> str:
    """Why the backend cannot be used here; empty if it can."""
    return ""


def gather(table: np.ndarray, w: VirtualWeight) -> np.ndarray:
    return read(table, w, w.identifiers())


def scatter_add(dV: np.ndarray, w: VirtualWeight) -> np.ndarray:
    return add_up(dV, w, w.identifiers())


def gather_rows(table: np.ndarray, w: VirtualWeight, rows: np.ndarray) -> np.ndarray:
    return read(table, w, w.identifiers(rows))


def scatter_add_rows(dV: np.ndarray, rows: np.ndarray, w: VirtualWeight) -> np.ndarray:
    return add_up(dV, w, w.identifiers(rows))


def read(table: np.ndarray, w: VirtualWeight, ids: np.ndarray) -> np.ndarray:
    return signed(table[w.hash.bucket(ids)], w.hash.sign(ids))


def add_up(dV: np.ndarray, w: VirtualWeight, ids: np.ndarray) -> np.ndarray:
    weights = signed(dV, w.hash.sign(ids)).reshape(-1)
    buckets = w.hash.bucket(ids).reshape(-1)
    total = np.bincount(buckets, weights=weights, minlength=w.hash.buckets)
    with np.errstate(over="ignore"):
        return total.astype(dV.dtype)


def signed(values: np.ndarray, sign: np.ndarray) -> np.ndarray:
    """sign * values; a missing connection (sign 0) is 0 even where the value is an infinity."""
    return np.where(sign > 0, values, np.where(sign < 0, -values, values.dtype.type(0)))


def matmul(
    x: np.ndarray, table: np.ndarray, w: VirtualWeight, b: np.ndarray | None = None
) -> np.ndarray:
    V = gather(table, w)
    with quietly():
        y = x @ V.T
        return y if b is None else y + b


def matmul_backward(
    dy: np.ndarray,
    x: np.ndarray,
    table: np.ndarray,
    w: VirtualWeight,
    need_dx: bool = True,
) -> tuple[np.ndarray | None, np.ndarray]:
    with quietly():
        dx = dy @ gather(table, w) if need_dx else None
        dtable = scatter_add(dy.T @ x, w)
    return dx, dtable


def each(body: Callable, *arrays: np.ndarray) -> np.ndarray:
    y = np.empty_like(arrays[0])
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        y[...] = body(*arrays)
    return y


def column_sum(dy: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        return total(dy).astype(dy.dtype)


def total(x: np.ndarray, y: np.ndarray | None = None) -> np.ndarray:
    """The sums of x, or of x y, over all axes but the features': float64 (features,)."""
    if y is None:
        return np.add.reduce(x, axis=(0, *range(2, x.ndim)), dtype=np.float64)
    by_feature = len(x), x.shape[1], math.prod(x.shape[2:])
    x, y = x.reshape(by_feature), y.reshape(by_feature)
    return np.einsum("bfp,bfp->f", x, y, dtype=np.float64)


def normalise(
    x: np.ndarray,
    gamma: np.ndarray,
    beta: np.ndarray,
    eps: float,
    known: tuple[np.ndarray, np.ndarray] | None,
) -> tuple[np.ndarray, ...]:
    n, wide = per_feature(x), (-1, *(1,) * (x.ndim - 2))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        mean = total(x) / n if known is None else known[0]
        x_hat = x - mean.astype(x.dtype).reshape(wide)
        var = total(x_hat, x_hat) / n if known is None else known[1]
        r = (1 / np.sqrt(var + eps)).astype(x.dtype)
        x_hat *= r.reshape(wide)
        return x_hat * gamma.reshape(wide) + beta.reshape(wide), x_hat, r, mean, var


def normalise_backward(
    dy: np.ndarray, x_hat: np.ndarray, gamma: np.ndarray, r: np.ndarray, known: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n, wide, dtype = per_feature(dy), (-1, *(1,) * (dy.ndim - 2)), dy.dtype
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        dgamma, dbeta, dx = total(dy, x_hat), total(dy), dy
        if not known:
            dx = x_hat * (dgamma / -n).astype(dtype).reshape(wide) + dy
            dx -= (dbeta / n).astype(dtype).reshape(wide)
        dx = dx * (gamma * r).reshape(wide)
        return dx, dgamma.astype(dtype), dbeta.astype(dtype)


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(invalid="ignore", over="ignore"):  # logits that are not finite
        p = logits - logits.max(axis=1, keepdims=True)
        z_label = p[np.arange(len(p)), labels].astype(np.float64)
        np.exp(p, out=p)
        s = np.add.reduce(p, axis=1, dtype=np.float64)
        p /= s[:, None].astype(p.dtype)
        return np.log(s) - z_label, p


def per_feature(x: np.ndarray) -> int:
    return len(x) * math.prod(x.shape[2:])


def add(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        return one + other


def convolve(
    x: np.ndarray, K: np.ndarray, B: np.ndarray | None, windows: Windows, groups: int
) -> np.ndarray:
    outputs = windows.outputs(x.shape[2:])
    with quietly():
        Y = by_group(K, groups) @ patches(x, windows, groups)
        y = Y.reshape(len(K), len(x), *outputs)
        y = y if B is None else y + B[:, None, None, None]
    return np.ascontiguousarray(y.swapaxes(0, 1))


def convolve_backward(
    dy: np.ndarray,
    x: np.ndarray,
    K: np.ndarray,
    biased: bool,
    windows: Windows,
    groups: int,
    need_dx: bool = True,
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray | None]:
    count = len(dy) * math.prod(dy.shape[2:])
    dY = np.ascontiguousarray(dy.swapaxes(0, 1)).reshape(groups, len(K) // groups, count)
    with quietly():
        dK = dY @ patches(x, windows, groups).swapaxes(1, 2)
        dB = column_sum(dY.reshape(len(K), count).T) if biased else None
        dx = None
        if need_dx:
            dx = spread(by_group(K, groups).swapaxes(1, 2) @ dY, x.shape, windows)
    return dx, dK.reshape(K.shape), dB


def by_group(K: np.ndarray, groups: int) -> np.ndarray:
    """K as (groups, out_channels / groups, channels / groups * taps)."""
    return K.reshape(groups, len(K) // groups, -1)


def patches(x: np.ndarray, windows: Windows, groups: int) -> np.ndarray:
    """X[g, (c, t), (b, p)] = x[b, c, q], q = p stride - padding + t dilation; 0 outside."""
    X = np.zeros(patches_shape(x.shape, windows), x.dtype)
    for tap, outputs, inputs in meetings(x.shape, windows):
        X[(slice(None), *tap)][(..., *outputs)] = x.swapaxes(0, 1)[(..., *inputs)]
    return X.reshape(groups, math.prod(X.shape[:3]) // groups, math.prod(X.shape[3:]))


def spread(dX: np.ndarray, shape: tuple[int, ...], windows: Windows) -> np.ndarray:
    """The adjoint of `patches`: dx (shape), each entry of dX added where its x was seen."""
    dX, dx = dX.reshape(patches_shape(shape, windows)), np.zeros(shape, dX.dtype)
    for tap, outputs, inputs in meetings(shape, windows):
        dx.swapaxes(0, 1)[(..., *inputs)] += dX[(slice(None), *tap)][(..., *outputs)]
    return dx


def patches_shape(shape: tuple[int, ...], windows: Windows) -> tuple[int, ...]:
    batch, channels, *sizes = shape
    return (channels, *windows.kernel, batch, *windows.outputs(tuple(sizes)))


def meetings(shape: tuple[int, ...], windows: Windows) -> Iterator[tuple]:
    """(tap, outputs, inputs): where each tap of the windows meets images of this shape."""
    everywhere = tuple(slice(0, n) for n in windows.outputs(shape[2:]))
    return windows.taps(shape[2:], everywhere)


def recur(
    cell: Any, x: np.ndarray, state: States, lengths: np.ndarray, weights: tuple
) -> tuple[np.ndarray, States, tuple]:
    V_ih, V_hh, b_ih, b_hh = weights
    batch, length, _ = x.shape
    inside = np.arange(length) < lengths[:, None]  # (batch, length)
    x = np.where(inside[..., None], x, x.dtype.type(0))
    y, steps = np.zeros((batch, length, state[0].shape[1]), x.dtype), []
    with quietly():
        for t in range(length):
            before, own = state, inside[:, t, None]
            a, r = affine(x[:, t], V_ih, b_ih), affine(before[0], V_hh, b_hh)
            after, kept = cell.step(gates(a, cell.gates), gates(r, cell.gates), before)
            state = tuple(np.where(own, new, s) for new, s in zip(after, before, strict=True))
            y[:, t] = np.where(own, state[0], x.dtype.type(0))
            steps.append((before, kept))
    return y, tuple(s.copy() for s in state), (x, inside, weights, steps)


def recur_backward(
    cell: Any, tape: tuple, dy: np.ndarray, dfinal: States
) -> tuple[np.ndarray, States, tuple[np.ndarray, ...]]:
    x, inside, (V_ih, V_hh, _, _), steps = tape
    (batch, length, features), zero = x.shape, dy.dtype.type(0)
    da, dr = (np.empty((batch, length, len(V_hh)), dy.dtype) for _ in range(2))
    dstate = dfinal
    with quietly():
        for t in reversed(range(length)):
            (before, kept), own = steps[t], inside[:, t, None]
            dh = dstate[0] + dy[:, t]
            of_a, of_r, direct = cell.step_back(kept, before, (dh, *dstate[1:]))
            da[:, t] = np.where(own, np.hstack(of_a), zero)
            dr[:, t] = np.where(own, np.hstack(of_r), zero)
            if t > 0 and cell.truncate and t % cell.truncate == 0:
                direct = tuple(zero for _ in direct)
            else:
                direct = (direct[0] + dr[:, t] @ V_hh, *direct[1:])
            dstate = tuple(np.where(own, d, s) for d, s in zip(direct, dstate, strict=True))
        da, dr = da.reshape(-1, len(V_hh)), dr.reshape(-1, len(V_hh))
        h = np.stack([before[0] for before, _ in steps], axis=1).reshape(-1, V_hh.shape[1])
        dweights = da.T @ x.reshape(-1, features), dr.T @ h, column_sum(da), column_sum(dr)
        dx = (da @ V_ih).reshape(x.shape)
    return dx, tuple(d.copy() for d in dstate), dweights


def affine(x: np.ndarray, V: np.ndarray, b: np.ndarray | None) -> np.ndarray:
    return x @ V.T if b is None else x @ V.T + b


def gates(a: np.ndarray, count: int) -> States:
    return tuple(np.split(a, count, axis=1))


@contextmanager
def quietly() -> Iterator[None]:
    """BLAS on one thread, since the bits of a product depend on how it is cut; sums that overflow
    become infinities without a warning."""
    with blas_on_one_thread(), np.errstate(over="ignore", invalid="ignore"):
        yield
