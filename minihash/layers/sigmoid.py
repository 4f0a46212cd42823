"""Logistic sigmoid.

    forward     y = 1 / (1 + exp(-x)) = (1 if x >= 0 else z) / (1 + z),   z = exp(-|x|)
    backward    dx = dy y (1 - y)

z is at most 1, so that nothing overflows, and y keeps its relative precision down to the smallest
floats.
"""

from dataclasses import dataclass

import numpy as np

from minihash.checks import float_array
from minihash.layers.layer import Layer, Params

Cache = tuple[np.ndarray]


@dataclass(frozen=True)
class Sigmoid(Layer):
    """y = 1 / (1 + exp(-x)).

    >>> Sigmoid().forward({}, np.array([[0.0, -np.inf, np.inf]]))[0]
    array([[0.5, 0. , 1. ]])
    """

    def forward(
        self, params: Params, x: np.ndarray, step: int | None = None
    ) -> tuple[np.ndarray, Cache]:
        """x of any shape -> y of the same. Raises TypeError unless x is float32 or float64."""
        x = float_array(x, "x of Sigmoid", None)
        z = np.abs(x)
        np.negative(z, out=z)
        np.exp(z, out=z)
        y = np.maximum(z, x >= 0, dtype=x.dtype)  # z <= 1: the greater of z and "1 if x >= 0"
        z += 1
        y /= z
        return y, (y,)

    def backward(self, params: Params, cache: Cache, dy: np.ndarray) -> tuple[np.ndarray, Params]:
        """dy of y's shape and dtype -> dx of the same."""
        (y,) = cache
        dx = 1 - y
        dx *= y
        with np.errstate(invalid="ignore"):  # an infinite dy where the slope is 0
            dx *= float_array(dy, "dy of Sigmoid", y.shape, y.dtype)
        return dx, {}
