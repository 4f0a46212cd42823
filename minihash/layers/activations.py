"""Activations, entry by entry; y has the shape of x, and backward needs y alone.

    ReLU
    forward     y = max(x, 0)
    backward    dx = dy if x > 0 else 0

    ELU
    forward     y = x if x > 0 else exp(x) - 1     = max(x, 0) + expm1(min(x, 0))
    backward    dx = dy if x > 0 else dy exp(x)    = dy (1 + min(y, 0))

    Tanh
    forward     y = tanh(x)
    backward    dx = dy (1 - y^2)

    Sigmoid
    forward     y = 1 / (1 + exp(-x)) = (1 if x >= 0 else z) / (1 + z),    z = exp(-|x|)
    backward    dx = dy y (1 - y)

At x = 0 the derivative of ReLU is taken as 0. A NaN in x stays NaN and lets dy through ReLU, as in
PyTorch.

The right-hand forms of ELU have no branch: a masked copy mispredicts every other element and costs
more than the exponential. The slope 1 + y is exp(x) to within a few roundings of 1, not of exp(x).

The z of the sigmoid is at most 1. So nothing overflows, and y keeps its relative precision down to
the smallest floats.

Source of ELU: Clevert, Unterthiner & Hochreiter, arXiv 1511.07289, equation 16 with alpha = 1, the
ELU of the ArbNets paper.
"""

from dataclasses import dataclass

import numpy as np

from minihash.checks import float_array
from minihash.layers.layer import Layer, Params, select

Cache = tuple[np.ndarray]  # y


class Activation(Layer):
    """Base of all activations: y = f(x), and dx from y and dy."""

    @staticmethod
    def f(x: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    @staticmethod
    def f_backward(y: np.ndarray, dy: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def forward(
        self, params: Params, x: np.ndarray, step: int | None = None
    ) -> tuple[np.ndarray, Cache]:
        """x of any shape -> y of the same. Raises TypeError unless x is float32 or float64."""
        y = self.f(float_array(x, f"x of {type(self).__name__}", None))
        return y, (y,)

    @np.errstate(invalid="ignore")  # an infinite dy where the slope is 0
    def backward(self, params: Params, cache: Cache, dy: np.ndarray) -> tuple[np.ndarray, Params]:
        """dy of y's shape and dtype -> dx of the same."""
        (y,) = cache
        dy = float_array(dy, f"dy of {type(self).__name__}", y.shape, y.dtype)
        return self.f_backward(y, dy), {}


@dataclass(frozen=True)
class ReLU(Activation):
    """y = max(x, 0).

    >>> ReLU().forward({}, np.array([[2.0, -1.0]]))[0]
    array([[2., 0.]])
    """

    @staticmethod
    def f(x: np.ndarray) -> np.ndarray:
        return np.maximum(x, 0)

    @staticmethod
    def f_backward(y: np.ndarray, dy: np.ndarray) -> np.ndarray:
        return select(~(y <= 0), dy)


@dataclass(frozen=True)
class ELU(Activation):
    """y = x where x > 0, exp(x) - 1 elsewhere.

    >>> ELU().forward({}, np.array([[2.0, 0.0, -np.inf]]))[0]
    array([[ 2.,  0., -1.]])
    """

    @staticmethod
    def f(x: np.ndarray) -> np.ndarray:
        y = np.minimum(x, 0)
        np.expm1(y, out=y)
        y += np.maximum(x, 0)
        return y

    @staticmethod
    def f_backward(y: np.ndarray, dy: np.ndarray) -> np.ndarray:
        dx = np.minimum(y, 0)
        dx += 1
        dx *= dy
        return dx


@dataclass(frozen=True)
class Tanh(Activation):
    """y = tanh(x).

    >>> Tanh().forward({}, np.array([[0.0, np.inf]]))[0]
    array([[0., 1.]])
    """

    @staticmethod
    def f(x: np.ndarray) -> np.ndarray:
        return np.tanh(x)

    @staticmethod
    def f_backward(y: np.ndarray, dy: np.ndarray) -> np.ndarray:
        dx = y * y
        np.subtract(1, dx, out=dx)
        dx *= dy
        return dx


@dataclass(frozen=True)
class Sigmoid(Activation):
    """y = 1 / (1 + exp(-x)).

    >>> Sigmoid().forward({}, np.array([[0.0, -np.inf, np.inf]]))[0]
    array([[0.5, 0. , 1. ]])
    """

    @staticmethod
    def f(x: np.ndarray) -> np.ndarray:
        z = np.abs(x)
        np.negative(z, out=z)
        np.exp(z, out=z)
        y = np.maximum(z, x >= 0, dtype=x.dtype)  # z <= 1: the greater of z and "1 if x >= 0"
        z += 1
        y /= z
        return y

    @staticmethod
    def f_backward(y: np.ndarray, dy: np.ndarray) -> np.ndarray:
        dx = 1 - y
        dx *= y
        dx *= dy
        return dx
