"""Hyperbolic tangent.

forward     y = tanh(x)
backward    dx = dy (1 - y^2)
"""

from dataclasses import dataclass

import numpy as np

from minihash.checks import float_array
from minihash.layers.layer import Layer, Params

Cache = tuple[np.ndarray]


@dataclass(frozen=True)
class Tanh(Layer):
    """y = tanh(x).

    >>> Tanh().forward({}, np.array([[0.0, np.inf]]))[0]
    array([[0., 1.]])
    """

    def forward(
        self, params: Params, x: np.ndarray, step: int | None = None
    ) -> tuple[np.ndarray, Cache]:
        """x of any shape -> y of the same. Raises TypeError unless x is float32 or float64."""
        y = np.tanh(float_array(x, "x of Tanh", None))
        return y, (y,)

    def backward(self, params: Params, cache: Cache, dy: np.ndarray) -> tuple[np.ndarray, Params]:
        """dy of y's shape and dtype -> dx of the same."""
        (y,) = cache
        dx = y * y
        np.subtract(1, dx, out=dx)
        with np.errstate(invalid="ignore"):  # an infinite dy where the slope is 0
            dx *= float_array(dy, "dy of Tanh", y.shape, y.dtype)
        return dx, {}
