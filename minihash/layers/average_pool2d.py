"""Mean of windows.

    forward     y[b, c, p]  = sum over the taps of the window at p of x[b, c, q] / number of taps
    backward    dx[b, c, q] = sum over the windows p that q is in of dy[b, c, p] / number of taps

x is 0 in the padding, whose taps are counted, as in PyTorch. It is the convolution of each channel
with a kernel of equal entries.
"""

import math
from dataclasses import dataclass

import numpy as np

from minihash.checks import float_array
from minihash.core import run
from minihash.layers.layer import Params
from minihash.layers.pooling import Pool2d, parts

Cache = tuple[tuple[int, ...], np.dtype]  # of x


@dataclass(frozen=True)
class AveragePool2d(Pool2d):
    """y = the mean of x over each window, channel by channel.

    >>> x = np.array([[[[1.0, 5.0, 2.0], [3.0, 3.0, 10.0]]]])
    >>> AveragePool2d(2, stride=1).forward({}, x)[0]
    array([[[[3., 5.]]]])
    """

    def forward(
        self, params: Params, x: np.ndarray, step: int | None = None
    ) -> tuple[np.ndarray, Cache]:
        """x (batch, channels, height, width) -> y (batch, channels, height', width').

        Raises TypeError or ValueError for another shape or dtype, or windows that do not fit.
        """
        x = float_array(x, "x of AveragePool2d", (None,) * 4)
        taps = self._taps(x.shape)
        y = np.empty((*x.shape[:2], *self.windows.outputs(x.shape[2:])), x.dtype)
        planes = self._planes(x, "x"), self._planes(y, "y")

        def part(cut: slice) -> None:
            source, mean = (array[cut] for array in planes)
            mean[:] = 0
            for _, outputs, inputs in taps:
                mean[outputs] += source[inputs]
            mean /= math.prod(self.size)

        run([lambda cut=cut: part(cut) for cut in parts(planes[0])])
        return y, (x.shape, x.dtype)

    def backward(self, params: Params, cache: Cache, dy: np.ndarray) -> tuple[np.ndarray, Params]:
        """dy of y's shape and dtype -> dx of x's."""
        shape, dtype = cache
        outputs_shape = (*shape[:2], *self.windows.outputs(shape[2:]))
        dy = float_array(dy, "dy of AveragePool2d", outputs_shape, dtype)
        dx = np.empty(shape, dtype)
        taps = self._taps(shape)
        planes = self._planes(dx, "dx"), self._planes(dy, "dy")

        def part(cut: slice) -> None:
            into, slope = (array[cut] for array in planes)
            into[:] = 0
            slope = slope / math.prod(self.size)
            for _, outputs, inputs in taps:
                into[inputs] += slope[outputs]

        run([lambda cut=cut: part(cut) for cut in parts(planes[0])])
        return dx, {}
