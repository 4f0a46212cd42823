"""Views of a virtual weight, and some of its rows alone.

    identifier of V[i, j, ...]  = first_id + its row-major position
    identifier of V^T[..., j, i] = that of V[i, j, ...]: no entry is copied

and of a matrix V (height, width), for row numbers r_0, r_1, ..., which may repeat:

    gather_rows       E[t, j] = V[r_t, j]
    scatter_add_rows  dtable[k] = sum over t and j with V[r_t, j] in bucket k of sign dE[t, j]
"""

import numpy as np

from reference.core import numbers, zeros
from reference.hashes import Hash


def identifier(
    index: tuple[int, ...], shape: tuple[int, ...], first_id: int = 0, transposed: bool = False
) -> int:
    """The identifier of an entry of V, whose shape is given; `transposed`: of a view V = U^T.

    >>> identifier((1, 0), (2, 3), 10), identifier((0, 1), (3, 2), 10, transposed=True)
    (13, 13)
    """
    if transposed:
        index, shape = index[::-1], shape[::-1]
    position = 0
    for i, size in zip(index, shape, strict=True):
        position = position * size + i
    return first_id + position


def gather_view(
    table: np.ndarray,
    hash_function: Hash,
    shape: tuple[int, ...],
    first_id: int = 0,
    transposed: bool = False,
) -> np.ndarray:
    """V[index] = sign table[bucket], of the identifier of each index.

    >>> gather_view([1.0, 2.0, 3.0, 4.0], lambda i: (i, 1), (2, 2), transposed=True)
    array([[1., 3.],
           [2., 4.]])
    """
    table = numbers(table)
    V = zeros(shape, table)
    for index in np.ndindex(*shape):
        bucket, sign = hash_function(identifier(index, shape, first_id, transposed))
        V[index] = sign * table[bucket]
    return V


def scatter_add_view(
    dV: np.ndarray,
    hash_function: Hash,
    buckets: int,
    first_id: int = 0,
    transposed: bool = False,
) -> np.ndarray:
    """The gradient of the table from that of a view.

    >>> scatter_add_view([[1.0, 2.0], [3.0, 4.0]], lambda i: (i, 1), 4, transposed=True)
    array([1., 3., 2., 4.])
    """
    dV = numbers(dV)
    dtable = zeros((buckets,), dV)
    for index in np.ndindex(*dV.shape):
        bucket, sign = hash_function(identifier(index, dV.shape, first_id, transposed))
        dtable[bucket] += sign * dV[index]
    return dtable


def gather_rows(
    table: np.ndarray,
    hash_function: Hash,
    shape: tuple[int, int],
    rows: list[int],
    first_id: int = 0,
    transposed: bool = False,
) -> np.ndarray:
    """E (n, width), the rows of V with these numbers.

    >>> gather_rows([1.0, 2.0, 3.0, 4.0], lambda i: (i, 1), (2, 2), [1, 1])
    array([[3., 4.],
           [3., 4.]])
    """
    table = numbers(table)
    E = zeros((len(rows), shape[1]), table)
    for t, row in enumerate(rows):
        for j in range(shape[1]):
            bucket, sign = hash_function(identifier((row, j), shape, first_id, transposed))
            E[t, j] = sign * table[bucket]
    return E


def scatter_add_rows(
    dE: np.ndarray,
    rows: list[int],
    hash_function: Hash,
    buckets: int,
    shape: tuple[int, int],
    first_id: int = 0,
    transposed: bool = False,
) -> np.ndarray:
    """The gradient of the table, (buckets,), from that of some rows.

    >>> scatter_add_rows([[1.0, 2.0], [3.0, 4.0]], [1, 1], lambda i: (i, 1), 4, (2, 2))
    array([0., 0., 4., 6.])
    """
    dE = numbers(dE)
    dtable = zeros((buckets,), dE)
    for t, row in enumerate(rows):
        for j in range(shape[1]):
            bucket, sign = hash_function(identifier((row, j), shape, first_id, transposed))
            dtable[bucket] += sign * dE[t, j]
    return dtable
