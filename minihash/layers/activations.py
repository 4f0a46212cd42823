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

Each is two bodies of real numbers (compile/reals.py). The right-hand form of ELU has no branch. The
slope 1 + y is exp(x) to within a few roundings of 1, not of exp(x). The z of the sigmoid is at most
1: so nothing overflows, and y keeps its relative precision down to the smallest floats.

Source of ELU: Clevert, Unterthiner & Hochreiter, arXiv 1511.07289, equation 16 with alpha = 1, the
ELU of the ArbNets paper.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from minihash import core
from minihash.checks import float_array
from minihash.compile.reals import Real, choose, exp, expm1, larger, one, size, smaller, tanh, zero
from minihash.layers.layer import Layer, Params

Cache = tuple[np.ndarray]  # y


class Activation(Layer):
    """Base of all activations: y = f(x), and dx = f_backward(y, dy)."""

    f: ClassVar[Callable]
    f_backward: ClassVar[Callable]

    def forward(
        self, params: Params, x: np.ndarray, step: int | None = None
    ) -> tuple[np.ndarray, Cache]:
        """x of any shape -> y of the same. Raises TypeError unless x is float32 or float64."""
        x = float_array(x, f"x of {type(self).__name__}", None, device=True)
        y = core.each(type(self).f, x)
        return y, (y,)

    def backward(self, params: Params, cache: Cache, dy: np.ndarray) -> tuple[np.ndarray, Params]:
        """dy of y's shape and dtype -> dx of the same."""
        (y,) = cache
        dy = float_array(dy, f"dy of {type(self).__name__}", y.shape, y.dtype, device=True)
        return core.each(type(self).f_backward, y, dy), {}


@dataclass(frozen=True)
class ReLU(Activation):
    """y = max(x, 0).

    >>> ReLU().forward({}, np.array([[2.0, -1.0]]))[0]
    array([[2., 0.]])
    """

    @staticmethod
    def f(x: Real) -> Real:
        return larger(x, zero)

    @staticmethod
    def f_backward(y: Real, dy: Real) -> Real:
        return choose(y <= zero, zero, dy)


@dataclass(frozen=True)
class ELU(Activation):
    """y = x where x > 0, exp(x) - 1 elsewhere.

    >>> ELU().forward({}, np.array([[2.0, 0.0, -np.inf]]))[0]
    array([[ 2.,  0., -1.]])
    """

    @staticmethod
    def f(x: Real) -> Real:
        return larger(x, zero) + expm1(smaller(x, zero))

    @staticmethod
    def f_backward(y: Real, dy: Real) -> Real:
        return (smaller(y, zero) + one) * dy


@dataclass(frozen=True)
class Tanh(Activation):
    """y = tanh(x).

    >>> Tanh().forward({}, np.array([[0.0, np.inf]]))[0]
    array([[0., 1.]])
    """

    @staticmethod
    def f(x: Real) -> Real:
        return tanh(x)

    @staticmethod
    def f_backward(y: Real, dy: Real) -> Real:
        return (one - y * y) * dy


@dataclass(frozen=True)
class Sigmoid(Activation):
    """y = 1 / (1 + exp(-x)).

    >>> Sigmoid().forward({}, np.array([[0.0, -np.inf, np.inf]]))[0]
    array([[0.5, 0. , 1. ]])
    """

    @staticmethod
    def f(x: Real) -> Real:
        z = exp(-size(x))
        return choose(x >= zero, one, z) / (one + z)

    @staticmethod
    def f_backward(y: Real, dy: Real) -> Real:
        return (one - y) * y * dy
