"""Exponential linear unit.

    forward     y = x             if x > 0        = max(x, 0) + expm1(min(x, 0))
                    exp(x) - 1    otherwise
    backward    dx = dy           if x > 0        = dy (1 + min(y, 0))
                     dy exp(x)    otherwise

The right-hand forms have no branch: a masked copy mispredicts every other element and costs more
than the exponential. The slope 1 + y is exp(x) to within a few roundings of 1, not of exp(x).

Source: Clevert, Unterthiner & Hochreiter, arXiv 1511.07289, equation 16 with alpha = 1, the ELU of
the ArbNets paper.
"""

from dataclasses import dataclass

import numpy as np

from minihash.checks import float_array
from minihash.layers.layer import Layer, Params

Cache = tuple[np.ndarray]


@dataclass(frozen=True)
class ELU(Layer):
    """y = x where x > 0, exp(x) - 1 elsewhere.

    >>> ELU().forward({}, np.array([[2.0, 0.0, -np.inf]]))[0]
    array([[ 2.,  0., -1.]])
    """

    def forward(
        self, params: Params, x: np.ndarray, step: int | None = None
    ) -> tuple[np.ndarray, Cache]:
        """x of any shape -> y of the same. Raises TypeError unless x is float32 or float64."""
        x = float_array(x, "x of ELU", None)
        y = np.minimum(x, 0)
        np.expm1(y, out=y)
        y += np.maximum(x, 0)
        return y, (y,)

    def backward(self, params: Params, cache: Cache, dy: np.ndarray) -> tuple[np.ndarray, Params]:
        """dy of y's shape and dtype -> dx of the same."""
        (y,) = cache
        dx = np.minimum(y, 0)
        dx += 1
        with np.errstate(invalid="ignore"):  # an infinite dy where exp(x) is 0
            dx *= float_array(dy, "dy of ELU", y.shape, y.dtype)
        return dx, {}
