"""Rectified linear unit.

    forward     y = max(x, 0)
    backward    dx = dy if x > 0 else 0

At x = 0 the derivative is taken as 0. A NaN in x stays NaN and lets dy through, as in PyTorch.
"""

from dataclasses import dataclass

import numpy as np

from minihash.checks import float_array
from minihash.layers.layer import Layer, Params, select

Cache = tuple[np.ndarray]


@dataclass(frozen=True)
class ReLU(Layer):
    """y = max(x, 0).

    >>> ReLU().forward({}, np.array([[2.0, -1.0]]))[0]
    array([[2., 0.]])
    """

    def forward(
        self, params: Params, x: np.ndarray, step: int | None = None
    ) -> tuple[np.ndarray, Cache]:
        """x of any shape -> y of the same. Raises TypeError unless x is float32 or float64."""
        y = np.maximum(float_array(x, "x of ReLU", None), 0)
        return y, (y,)

    def backward(self, params: Params, cache: Cache, dy: np.ndarray) -> tuple[np.ndarray, Params]:
        """dy of y's shape and dtype -> dx of the same."""
        (y,) = cache
        return select(~(y <= 0), float_array(dy, "dy of ReLU", y.shape, y.dtype)), {}
