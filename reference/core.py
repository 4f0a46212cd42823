"""The virtual weight and the products on it.

Forward, and the adjoint of each:

    gather       V[id] = sign(id) table[bucket(id)]
    scatter_add  dtable[k] = sum over ids in bucket k of sign(id) dV[id]
    matmul       y[b, o] = sum_i x[b, i] V[o, i]
    its adjoint  dx[b, i] = sum_o dy[b, o] V[o, i],   dV[o, i] = sum_b dy[b, o] x[b, i]

`shape` is V's, (fan_out, fan_in) in the products; entry number e in row-major order has the
identifier first_id + e. Arithmetic is float64; arrays of `fractions.Fraction` (dtype object) stay
exact. Source: HashedNets (arXiv 1504.04788), eqs. 3-12; ArbNets (arXiv 2312.08401), eq. 1.
"""

from math import prod

import numpy as np

from reference.hashes import Hash


def zeros(shape: tuple[int, ...], *like: np.ndarray) -> np.ndarray:
    """Zeros in float64, or exact ones (Python's 0) if one of the arrays `like` is of dtype object.

    >>> zeros((2,), np.ones(2, np.float32)).dtype
    dtype('float64')
    """
    exact = any(np.asarray(array).dtype == object for array in like)
    return np.zeros(shape, dtype=object if exact else np.float64)


def numbers(values: np.ndarray) -> np.ndarray:
    """The array in float64, or unchanged if its dtype is object.

    >>> numbers([1, 2]).dtype
    dtype('float64')
    """
    values = np.asarray(values)
    return values if values.dtype == object else values.astype(np.float64)


def gather(
    table: np.ndarray, hash_function: Hash, shape: tuple[int, ...], first_id: int = 0
) -> np.ndarray:
    """The virtual weights V, of the given shape.

    >>> gather([1.0, 2.0], lambda i: (i % 2, -1), (2, 2))
    array([[-1., -2.],
           [-1., -2.]])
    """
    table = numbers(table)
    V = zeros((prod(shape),), table)
    for e in range(prod(shape)):
        bucket, sign = hash_function(first_id + e)
        V[e] = sign * table[bucket]
    return V.reshape(shape)


def nearest(V: np.ndarray, hash_function: Hash, buckets: int, first_id: int = 0) -> np.ndarray:
    """The table whose virtual weights are nearest to V: the sum of (V - V')^2 is least.

    Of each bucket the mean of its weights times their signs; 0 where none is connected.

    >>> nearest([1.0, 2.0, -6.0, 9.0], lambda i: (i % 2, (1, 1, -1, 0)[i]), 3)
    array([3.5, 2. , 0. ])
    """
    total, count = zeros((buckets,)), zeros((buckets,))
    for e, v in enumerate(numbers(V).reshape(-1)):
        bucket, sign = hash_function(first_id + e)
        total[bucket] += sign * v
        count[bucket] += abs(sign)
    for k in range(buckets):
        total[k] = total[k] / count[k] if count[k] else 0.0
    return total


def scatter_add(dV: np.ndarray, hash_function: Hash, buckets: int, first_id: int = 0) -> np.ndarray:
    """The gradient of the table, (buckets,), from that of its virtual weights.

    >>> scatter_add([1.0, 2.0, 3.0], lambda i: (i % 2, 1), 2)
    array([4., 2.])
    """
    dV = numbers(dV)
    dtable = zeros((buckets,), dV)
    for e, dv in enumerate(dV.reshape(-1)):
        bucket, sign = hash_function(first_id + e)
        dtable[bucket] += sign * dv
    return dtable


def product(x: np.ndarray, V: np.ndarray) -> np.ndarray:
    """y = x V^T: x (batch, fan_in), V (fan_out, fan_in), y (batch, fan_out).

    >>> product([[1.0, 2.0]], [[3.0, 4.0]])
    array([[11.]])
    """
    x, V = numbers(x), numbers(V)
    y = zeros((x.shape[0], V.shape[0]), x, V)
    for b in range(x.shape[0]):
        for o in range(V.shape[0]):
            for i in range(V.shape[1]):
                y[b, o] += x[b, i] * V[o, i]
    return y


def product_backward(dy: np.ndarray, x: np.ndarray, V: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(dx, dV) of `product` from dy (batch, fan_out).

    >>> product_backward([[1.0]], [[5.0, 6.0]], [[3.0, 4.0]])
    (array([[3., 4.]]), array([[5., 6.]]))
    """
    dy, x, V = numbers(dy), numbers(x), numbers(V)
    dx, dV = zeros(x.shape, dy, V), zeros(V.shape, dy, x)
    for b in range(x.shape[0]):
        for o in range(V.shape[0]):
            for i in range(V.shape[1]):
                dx[b, i] += dy[b, o] * V[o, i]
                dV[o, i] += dy[b, o] * x[b, i]
    return dx, dV


def matmul(
    x: np.ndarray,
    table: np.ndarray,
    hash_function: Hash,
    shape: tuple[int, int],
    first_id: int = 0,
) -> np.ndarray:
    """y = x V^T with the virtual weights V of `gather`.

    >>> matmul([[1.0, 2.0]], [3.0], lambda i: (0, 1), (2, 2))
    array([[9., 9.]])
    """
    return product(x, gather(table, hash_function, shape, first_id))


def matmul_backward(
    dy: np.ndarray,
    x: np.ndarray,
    table: np.ndarray,
    hash_function: Hash,
    shape: tuple[int, int],
    first_id: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """(dx, dtable) of `matmul` from dy (batch, fan_out).

    >>> matmul_backward([[1.0, 0.0]], [[1.0, 2.0]], [3.0], lambda i: (0, 1), (2, 2))
    (array([[3., 3.]]), array([3.]))
    """
    dx, dV = product_backward(dy, x, gather(table, hash_function, shape, first_id))
    return dx, scatter_add(dV, hash_function, len(table), first_id)
