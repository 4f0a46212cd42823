"""Maximum of windows.

    forward     y[b, c, p]  = the largest x[b, c, q] of the window at p
    backward    dx[b, c, q] = sum over the windows p whose largest x is at q of dy[b, c, p]

Of equal ones the first, row by row, is the largest, as in PyTorch. Positions in the padding are no
candidates. A window with a NaN is NaN; which of its positions gets its dy is not specified.
"""

from dataclasses import dataclass

import numpy as np

from minihash.checks import float_array
from minihash.core import run
from minihash.layers.layer import Params, select
from minihash.layers.pooling import Pool2d, parts

Cache = tuple[tuple[int, ...], np.dtype, np.ndarray]  # shape and dtype of x, the winning taps


@dataclass(frozen=True)
class MaxPool2d(Pool2d):
    """y = the largest x of each window, channel by channel.

    >>> x = np.array([[[[1.0, 5.0, 2.0], [3.0, 4.0, 9.0]]]])
    >>> MaxPool2d(2, stride=1).forward({}, x)[0]
    array([[[[5., 9.]]]])
    """

    def forward(
        self, params: Params, x: np.ndarray, step: int | None = None
    ) -> tuple[np.ndarray, Cache]:
        """x (batch, channels, height, width) -> y (batch, channels, height', width').

        Raises TypeError or ValueError for another shape or dtype, or windows that do not fit.
        """
        x = float_array(x, "x of MaxPool2d", (None,) * 4)
        taps = self._taps(x.shape)
        shape = (*x.shape[:2], *self.windows.outputs(x.shape[2:]))
        y = np.empty(shape, x.dtype)
        winners = np.empty(shape, np.min_scalar_type(len(taps) - 1))
        planes = self._planes(x, "x"), self._planes(y, "y"), winners.reshape(-1, *shape[2:])

        def part(cut: slice) -> None:
            source, best, winner = (array[cut] for array in planes)
            best[:] = -np.inf
            winner[:] = 0
            for k, outputs, inputs in reversed(taps):  # the first of equal ones comes last
                lower = source[inputs] < best[outputs]
                # winner = winner where lower, else k, without a branch and modulo its range
                won = winner[outputs]
                won -= won.dtype.type(k)
                won *= lower
                won += won.dtype.type(k)
                np.maximum(best[outputs], source[inputs], out=best[outputs])

        run([lambda cut=cut: part(cut) for cut in parts(planes[0])])
        return y, (x.shape, x.dtype, winners)

    def backward(self, params: Params, cache: Cache, dy: np.ndarray) -> tuple[np.ndarray, Params]:
        """dy of y's shape and dtype -> dx of x's."""
        shape, dtype, winners = cache
        dy = float_array(dy, "dy of MaxPool2d", winners.shape, dtype)
        dx = np.empty(shape, dtype)
        taps = self._taps(shape)
        planes = self._planes(dx, "dx"), self._planes(dy, "dy"), winners.reshape(-1, *dy.shape[2:])

        def part(cut: slice) -> None:
            into, slope, winner = (array[cut] for array in planes)
            into[:] = 0
            for k, outputs, inputs in taps:
                into[inputs] += select(winner[outputs] == k, slope[outputs])

        run([lambda cut=cut: part(cut) for cut in parts(planes[0])])
        return dx, {}
