"""Dense and Dropout as loops, the backward pass directly below; all arithmetic is float64."""

from math import floor, prod

import numpy as np

from reference.activations import elementwise
from reference.core import numbers, product, product_backward, zeros
from reference.streams import h, stream


def dense_forward(x: np.ndarray, V: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
    """y = x V^T + b: x (batch, fan_in), V (fan_out, fan_in), b (fan_out,) or None.

    >>> dense_forward([[1.0, 2.0]], [[3.0, 4.0]], [0.5])
    array([[11.5]])
    """
    y = product(x, V)
    if b is not None:
        for n in range(y.shape[0]):
            for o in range(y.shape[1]):
                y[n, o] += b[o]
    return y


def dense_backward(
    dy: np.ndarray, x: np.ndarray, V: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(dx, dV, db): dx = dy V, dV = dy^T x, db[o] = sum_b dy[b, o].

    >>> dense_backward([[2.0]], [[1.0, 2.0]], [[3.0, 4.0]])
    (array([[6., 8.]]), array([[2., 4.]]), array([2.]))
    """
    dx, dV = product_backward(dy, x, V)
    db = zeros((dV.shape[0],), dV)
    for dy_b in numbers(dy):
        for o in range(len(db)):
            db[o] += dy_b[o]
    return dx, dV, db


def dropout_mask(shape: tuple[int, ...], rate: float, seed: int, step: int) -> np.ndarray:
    """Which elements are kept at a training step; e is an element's number in row-major order.

    kept iff h(stream(seed, "dropout"), e + 2^32 step) >= floor(rate 2^32)

    >>> dropout_mask((3,), 0.0, seed=0, step=0)
    array([ True,  True,  True])
    """
    threshold = floor(rate * 2**32)
    kept = np.zeros(prod(shape), dtype=bool)
    for e in range(prod(shape)):
        kept[e] = h(stream(seed, "dropout"), e + 2**32 * step) >= threshold
    return kept.reshape(shape)


def dropout(x: np.ndarray, mask: np.ndarray, rate: float) -> np.ndarray:
    """y = x / (1 - rate) where kept, 0 elsewhere; in evaluation y = x.

    Backward, the same map: dx = dy / (1 - rate) where kept, 0 elsewhere. Srivastava et al. 2014,
    in the inverted form.

    >>> dropout([1.0, 1.0], np.array([True, False]), 0.5)
    array([2., 0.])
    """
    return elementwise(lambda t, kept: t / (1 - rate) if kept else 0.0, x, mask)
