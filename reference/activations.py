"""The activations as loops, the backward pass directly below; any shape, all arithmetic in float64.

A backward pass takes dy and the input x of the forward pass.
"""

from collections.abc import Callable
from math import exp, expm1, tanh

import numpy as np

from reference.core import numbers


def elementwise(scalar: Callable[..., float], *arrays: np.ndarray) -> np.ndarray:
    """`scalar` of the entries of arrays of one shape, one after another.

    >>> elementwise(lambda a, b: a - b, [3.0, 2.0], [1.0, 1.0])
    array([2., 1.])
    """
    arrays = tuple(numbers(array) for array in arrays)
    result = np.zeros(arrays[0].shape)
    for position in np.ndindex(result.shape):
        result[position] = scalar(*(float(array[position]) for array in arrays))
    return result


def elu(x: np.ndarray) -> np.ndarray:
    """y = x if x > 0 else exp(x) - 1 (Clevert et al. 2016, arXiv 1511.07289, alpha = 1).

    >>> elu([2.0, 0.0])
    array([2., 0.])
    """
    return elementwise(lambda t: t if t > 0 else expm1(t), x)


def elu_backward(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """dx = dy if x > 0 else dy exp(x).

    >>> elu_backward([3.0, 3.0], [2.0, 0.0])
    array([3., 3.])
    """
    return elementwise(lambda d, t: d if t > 0 else d * exp(t), dy, x)


def relu(x: np.ndarray) -> np.ndarray:
    """y = max(x, 0); NaN stays NaN.

    >>> relu([2.0, -2.0])
    array([2., 0.])
    """
    return elementwise(lambda t: 0.0 if t <= 0 else t, x)


def relu_backward(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """dx = dy if x > 0 else 0: the derivative at 0 is 0.

    >>> relu_backward([3.0, 3.0], [2.0, 0.0])
    array([3., 0.])
    """
    return elementwise(lambda d, t: 0.0 if t <= 0 else d, dy, x)


def hyperbolic_tangent(x: np.ndarray) -> np.ndarray:
    """y = tanh x.

    >>> hyperbolic_tangent([0.0])
    array([0.])
    """
    return elementwise(tanh, x)


def hyperbolic_tangent_backward(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """dx = dy (1 - tanh(x)^2).

    >>> hyperbolic_tangent_backward([3.0], [0.0])
    array([3.])
    """
    return elementwise(lambda d, t: d * (1 - tanh(t) ** 2), dy, x)


def logistic(t: float) -> float:
    """1 / (1 + exp(-t)), written so that exp never overflows.

    >>> logistic(0.0), logistic(-1000.0)
    (0.5, 0.0)
    """
    return exp(t) / (1 + exp(t)) if t < 0 else 1 / (1 + exp(-t))


def sigmoid(x: np.ndarray) -> np.ndarray:
    """y = 1 / (1 + exp(-x)).

    >>> sigmoid([0.0])
    array([0.5])
    """
    return elementwise(logistic, x)


def sigmoid_backward(dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    """dx = dy y (1 - y), with 1 - y = sigmoid(-x).

    >>> sigmoid_backward([4.0], [0.0])
    array([1.])
    """
    return elementwise(lambda d, t: d * (logistic(t) * logistic(-t)), dy, x)
