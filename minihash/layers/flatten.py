"""Examples as rows, entry by entry in row-major order.

forward     y = x, of shape (batch, features)
backward    dx = dy, of the shape of x
"""

import math
from dataclasses import dataclass

import numpy as np

from minihash.checks import copied, float_array
from minihash.layers.layer import Layer, Params

Cache = tuple[tuple[int, ...], np.dtype]  # of x


@dataclass(frozen=True)
class Flatten(Layer):
    """Every example as a row: what is between Conv2d and Dense.

    >>> Flatten().forward({}, np.array([[[[1.0, 2.0], [3.0, 4.0]]]]))[0]
    array([[1., 2., 3., 4.]])
    """

    def forward(
        self, params: Params, x: np.ndarray, step: int | None = None
    ) -> tuple[np.ndarray, Cache]:
        """x (batch, ...) -> y (batch, features).

        Raises TypeError unless x is float32 or float64, ValueError unless it has a batch.
        """
        x = float_array(x, "x of Flatten", (None,) * max(1, np.ndim(x)), device=True)
        return copied(x.reshape(len(x), math.prod(x.shape[1:]))), (x.shape, x.dtype)

    def backward(self, params: Params, cache: Cache, dy: np.ndarray) -> tuple[np.ndarray, Params]:
        """dy (batch, features) -> dx of x's shape."""
        shape, dtype = cache
        dy = float_array(dy, "dy of Flatten", (shape[0], math.prod(shape[1:])), dtype, device=True)
        return copied(dy.reshape(shape)), {}
