"""Hashes that go round the table: equal rows and equal columns are multiplied once.

Where bucket(i) = i mod n, the entry (r, c) of V is table[(first_id + r fan_in + c) mod n]:

    row r equals row r + D,   D = n / gcd(n, fan_in)      y[:, r]  = y[:, r mod D]
    column c equals column c + n                          x'[:, j] = sum of x[:, c], c = j mod n

So only the first min(fan_out, D) rows and min(fan_in, n) columns are multiplied (of a transposed
weight: the other way round), and backward the sums and the copies change places: dy is summed over
equal rows, dx copied to equal columns.
"""

from functools import partial

import numpy as np

from minihash.compile.jit import quietly
from minihash.core.numba import products, single
from minihash.weights import VirtualWeight, distinct


def fold(x: np.ndarray, width: int) -> np.ndarray:
    """Sum of the columns that are equal modulo width: (batch, columns) -> (batch, width).

    >>> fold(np.array([[1.0, 2.0, 3.0, 4.0, 5.0]]), 2)
    array([[9., 6.]])
    """
    if x.shape[1] == width:
        return x
    times, rest = divmod(x.shape[1], width)
    folded = x[:, : times * width].reshape(len(x), times, width).sum(axis=1)
    folded[:, :rest] += x[:, times * width :]
    return folded


def unfold(y: np.ndarray, columns: int) -> np.ndarray:
    """Copies of the columns, again and again: (batch, width) -> (batch, columns).

    >>> unfold(np.array([[1.0, 2.0]]), 5)
    array([[1., 2., 1., 2., 1.]])
    """
    if y.shape[1] == columns:
        return y
    copies = np.tile(y, -(-columns // y.shape[1]))
    return np.ascontiguousarray(copies[:, :columns])


@quietly
def matmul(
    x: np.ndarray, table: np.ndarray, w: VirtualWeight, b: np.ndarray | None = None
) -> np.ndarray:
    shape = w.derived("distinct", partial(distinct, w))
    product = single.matmul if len(x) == 1 and single.pays(w) else products.matmul
    y = unfold(product(fold(x, shape[1]), table, w, shape), w.shape[0])
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
    shape = w.derived("distinct", partial(distinct, w))
    dy, x = fold(dy, shape[0]), fold(x, shape[1])
    dx, dtable = products.matmul_backward(dy, x, table, w, shape, need_dx)
    return unfold(dx, w.shape[1]) if need_dx else None, dtable
