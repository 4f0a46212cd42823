"""Sums over the batch, in compiled loops; where there are positions, NumPy's.

    column_sum   sums[c] = sum over the rows r of x[r, c]
    normalise    and its backward: see core/arrays.py

Row after row is added to float64 sums that stay in the first-level cache: that is SIMD, and the
order of the sums is NumPy's.
"""

from collections.abc import Callable
from functools import cache

import numpy as np

from minihash.compile.body import compiled
from minihash.compile.jit import njit, quietly
from minihash.core import numpy as plain


@cache
def loop(body: Callable) -> Callable:
    return compiled(body, njit)


@quietly
def column_sum(dy: np.ndarray) -> np.ndarray:
    sums, db = np.zeros(dy.shape[1]), np.empty(dy.shape[1], dy.dtype)
    loop(column_sums)(dy, sums, db, 0, dy.shape[1])
    return db


@quietly
def normalise(
    x: np.ndarray,
    gamma: np.ndarray,
    beta: np.ndarray,
    eps: float,
    known: tuple[np.ndarray, np.ndarray] | None,
) -> tuple[np.ndarray, ...]:
    if x.ndim != 2:
        return plain.normalise(x, gamma, beta, eps, known)
    mean, var = np.zeros((2, len(gamma))) if known is None else np.array(known)
    y, x_hat, r = np.empty_like(x), np.empty_like(x), np.empty_like(gamma)
    loop(forward)(x, gamma, beta, eps, known is None, mean, var, r, x_hat, y, 0, x.shape[1])
    return y, x_hat, r, mean, var


@quietly
def normalise_backward(
    dy: np.ndarray, x_hat: np.ndarray, gamma: np.ndarray, r: np.ndarray, known: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if dy.ndim != 2:
        return plain.normalise_backward(dy, x_hat, gamma, r, known)
    dx, (dots, sums) = np.empty_like(dy), np.zeros((2, len(gamma)))
    slope, dgamma, dbeta = np.empty((3, len(gamma)), dy.dtype)
    loop(backward)(dy, x_hat, gamma, r, known, dots, sums, slope, dx, dgamma, dbeta, 0, dy.shape[1])
    return dx, dgamma, dbeta


# Loops, over the columns start .. stop - 1; vectors hold what belongs to these alone. Rows are cut,
# since an index that might be negative costs a check that stops SIMD.


def column_sums(x, sums, rounded, start, stop):
    for k in range(len(x)):
        x_k = x[k, start:stop]
        for c in range(x_k.size):
            sums[c] += x_k[c]
    for c in range(sums.size):
        rounded[c] = sums[c]


def forward(x, gamma, beta, eps, of_batch, mean, var, r, x_hat, y, start, stop):
    """r holds the mean, rounded, until the deviations from it are known."""
    rows, columns = len(x), r.size
    if of_batch:
        for k in range(rows):
            x_k = x[k, start:stop]
            for c in range(columns):
                mean[c] += x_k[c]
        for c in range(columns):
            mean[c] /= rows
    for c in range(columns):
        r[c] = mean[c]
    for k in range(rows):
        x_k, deviation = x[k, start:stop], x_hat[k, start:stop]
        for c in range(columns):
            deviation[c] = x_k[c] - r[c]
    if of_batch:
        for k in range(rows):
            deviation = x_hat[k, start:stop]
            for c in range(columns):
                var[c] += np.float64(deviation[c]) * np.float64(deviation[c])
        for c in range(columns):
            var[c] /= rows
    for c in range(columns):
        r[c] = 1 / np.sqrt(var[c] + eps)
    for k in range(rows):
        x_hat_k, y_k = x_hat[k, start:stop], y[k, start:stop]
        for c in range(columns):
            x_hat_k[c] *= r[c]
            y_k[c] = x_hat_k[c] * gamma[c] + beta[c]


def backward(dy, x_hat, gamma, r, known, dots, sums, slope, dx, dgamma, dbeta, start, stop):
    """dgamma and dbeta hold their shares in an entry of dx, until that is known."""
    rows, columns = len(dy), r.size
    for k in range(rows):
        dy_k, x_hat_k = dy[k, start:stop], x_hat[k, start:stop]
        for c in range(columns):
            dots[c] += np.float64(dy_k[c]) * np.float64(x_hat_k[c])
            sums[c] += dy_k[c]
    for c in range(columns):
        slope[c] = gamma[c] * r[c]
        dgamma[c], dbeta[c] = dots[c] / -rows, sums[c] / rows
    for k in range(rows):
        dy_k, x_hat_k, dx_k = dy[k, start:stop], x_hat[k, start:stop], dx[k, start:stop]
        for c in range(columns):
            if known:
                dx_k[c] = dy_k[c] * slope[c]
            else:
                dx_k[c] = (x_hat_k[c] * dgamma[c] + dy_k[c] - dbeta[c]) * slope[c]
    for c in range(columns):
        dgamma[c], dbeta[c] = dots[c], sums[c]
