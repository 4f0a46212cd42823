"""Mean over all positions of each channel.

    forward     y[b, c]        = sum over the positions of x[b, c, q] / number of positions
    backward    dx[b, c, q]    = dy[b, c] / number of positions

The sums are in float64.

Source: Lin, Chen & Yan, Network in network, arXiv 1312.4400, section 3.2.
"""

import math
from dataclasses import dataclass

import numpy as np

from minihash.checks import float_array
from minihash.layers.layer import Layer, Params

Cache = tuple[tuple[int, ...], np.dtype]  # of x


@dataclass(frozen=True)
class GlobalAveragePool(Layer):
    """y = the mean of x over all its positions, channel by channel.

    >>> GlobalAveragePool().forward({}, np.array([[[[1.0, 2.0], [3.0, 6.0]]]]))[0]
    array([[3.]])
    """

    def forward(
        self, params: Params, x: np.ndarray, step: int | None = None
    ) -> tuple[np.ndarray, Cache]:
        """x (batch, channels, height, width), or with one axis or more of positions, -> y (batch,
        channels).

        Raises TypeError or ValueError for another shape or dtype, or without a position.
        """
        x = float_array(x, "x of GlobalAveragePool", (None,) * max(3, np.ndim(x)))
        positions = math.prod(x.shape[2:])
        if not positions:
            raise ValueError(
                f"GlobalAveragePool needs at least 1 position to average, got {x.shape}; "
                "correct the layers before"
            )
        flat = x.reshape(*x.shape[:2], positions)
        with np.errstate(invalid="ignore", over="ignore"):  # data that are not finite
            y = np.add.reduce(flat, axis=2, dtype=np.float64) / positions
            return y.astype(x.dtype), (x.shape, x.dtype)

    def backward(self, params: Params, cache: Cache, dy: np.ndarray) -> tuple[np.ndarray, Params]:
        """dy (batch, channels) -> dx of x's shape."""
        shape, dtype = cache
        dy = float_array(dy, "dy of GlobalAveragePool", shape[:2], dtype)
        slope = (dy / math.prod(shape[2:])).reshape(*shape[:2], *(1,) * (len(shape) - 2))
        return np.broadcast_to(slope, shape).copy(), {}
