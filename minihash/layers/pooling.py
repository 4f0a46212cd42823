"""Pooling: one number for each window, channel by channel, or for a whole channel.

    MaxPool2d
    forward     y[b, c, p]  = the largest x[b, c, q] of the window at p
    backward    dx[b, c, q] = sum over the windows p whose largest x is at q of dy[b, c, p]

    AveragePool2d
    forward     y[b, c, p]  = sum over the taps of the window at p of x[b, c, q] / number of taps
    backward    dx[b, c, q] = sum over the windows p that q is in of dy[b, c, p] / number of taps

    GlobalAveragePool
    forward     y[b, c]     = sum over all positions q of x[b, c, q] / number of positions
    backward    dx[b, c, q] = dy[b, c] / number of positions

Maximum: of equal entries the first, row by row, is the largest, as in PyTorch. Positions in the
padding are no candidates. A window with a NaN is NaN; which of its positions gets its dy is not
specified.

Average: x is 0 in the padding, whose taps are counted, as in PyTorch. It is the convolution of each
channel with a kernel of equal entries. The global sums are in float64.

Source of GlobalAveragePool: Lin, Chen & Yan, Network in network, arXiv 1312.4400, section 3.2.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from minihash.checks import float_array
from minihash.core import blocks, run
from minihash.derived import derived
from minihash.hashes.windows import Axes, Windows, each, per_axis, text
from minihash.layers.layer import Layer, Params, select

ENTRIES = 2**16  # inputs of a part: its intermediate results stay in the cache

MaxCache = tuple[tuple[int, ...], np.dtype, np.ndarray]  # shape and dtype of x, the winning taps
Cache = tuple[tuple[int, ...], np.dtype]  # of x


@dataclass(frozen=True)
class Pool2d(Layer):
    """Base of MaxPool2d and AveragePool2d.

    size, stride (None: the size, so that windows do not overlap) and padding: an integer, or one
    for each axis. Raises TypeError or ValueError if they are out of range, or if the padding is
    more than half of the size: a window could lie in it altogether.
    """

    size: Axes
    stride: Axes | None = None
    padding: Axes = 0

    def __post_init__(self) -> None:
        size = per_axis("size", self.size, 2, 1)
        windows = Windows(size, size if self.stride is None else self.stride, self.padding)
        fields = {"size": windows.kernel, "stride": windows.stride, "padding": windows.padding}
        for name, value in fields.items():
            object.__setattr__(self, name, value)
        padding = each(windows.padding)
        if any(2 * p > k for p, k in zip(padding, size, strict=True)):
            raise ValueError(
                f"the padding of {type(self).__name__} must be at most half of its size, got "
                f"{text(padding)} for {text(size)}; pad less"
            )

    @derived
    def windows(self) -> Windows:
        """The windows that are pooled."""
        return Windows(
            each(self.size), self.size if self.stride is None else self.stride, self.padding
        )

    def _output(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of y for x of this shape."""
        return *shape[:2], *self.windows.outputs(shape[2:])

    def _taps(self, shape: tuple[int, ...]) -> list[tuple[int, tuple, tuple]]:
        """(number of the tap, its outputs, its inputs), as indices of planes of this shape."""
        sizes = shape[2:]
        everywhere = tuple(slice(0, n) for n in self.windows.outputs(sizes))
        taps = enumerate(self.windows.taps(sizes, everywhere))
        return [(k, (..., *outputs), (..., *inputs)) for k, (_, outputs, inputs) in taps]


@dataclass(frozen=True)
class MaxPool2d(Pool2d):
    """y = the largest x of each window, channel by channel.

    >>> x = np.array([[[[1.0, 5.0, 2.0], [3.0, 4.0, 9.0]]]])
    >>> MaxPool2d(2, stride=1).forward({}, x)[0]
    array([[[[5., 9.]]]])
    """

    def forward(
        self, params: Params, x: np.ndarray, step: int | None = None
    ) -> tuple[np.ndarray, MaxCache]:
        """x (batch, channels, height, width) -> y (batch, channels, height', width').

        Raises TypeError or ValueError for another shape or dtype, or windows that do not fit.
        """
        x = float_array(x, "x of MaxPool2d", (None,) * 4)
        taps = self._taps(x.shape)
        y = np.empty(self._output(x.shape), x.dtype)
        winners = np.empty(y.shape, np.min_scalar_type(len(taps) - 1))

        def pool(x: np.ndarray, y: np.ndarray, winners: np.ndarray) -> None:
            y[:] = -np.inf
            winners[:] = 0
            for k, outputs, inputs in reversed(taps):  # the first of equal ones comes last
                lower = x[inputs] < y[outputs]
                # winner = winner where lower, else k, without a branch and modulo its range
                won = winners[outputs]
                won -= won.dtype.type(k)
                won *= lower
                won += won.dtype.type(k)
                np.maximum(y[outputs], x[inputs], out=y[outputs])

        in_parts(pool, x, y, winners)
        return y, (x.shape, x.dtype, winners)

    def backward(
        self, params: Params, cache: MaxCache, dy: np.ndarray
    ) -> tuple[np.ndarray, Params]:
        """dy of y's shape and dtype -> dx of x's."""
        shape, dtype, winners = cache
        dy = float_array(dy, "dy of MaxPool2d", winners.shape, dtype)
        dx = np.empty(shape, dtype)
        taps = self._taps(shape)

        def spread(dx: np.ndarray, dy: np.ndarray, winners: np.ndarray) -> None:
            dx[:] = 0
            for k, outputs, inputs in taps:
                dx[inputs] += select(winners[outputs] == k, dy[outputs])

        in_parts(spread, dx, dy, winners)
        return dx, {}


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
        y = np.empty(self._output(x.shape), x.dtype)

        def pool(x: np.ndarray, y: np.ndarray) -> None:
            y[:] = 0
            for _, outputs, inputs in taps:
                y[outputs] += x[inputs]
            y /= len(taps)

        in_parts(pool, x, y)
        return y, (x.shape, x.dtype)

    def backward(self, params: Params, cache: Cache, dy: np.ndarray) -> tuple[np.ndarray, Params]:
        """dy of y's shape and dtype -> dx of x's."""
        shape, dtype = cache
        dy = float_array(dy, "dy of AveragePool2d", self._output(shape), dtype)
        dx = np.empty(shape, dtype)
        taps = self._taps(shape)

        def spread(dx: np.ndarray, dy: np.ndarray) -> None:
            dx[:] = 0
            share = dy / len(taps)
            for _, outputs, inputs in taps:
                dx[inputs] += share[outputs]

        in_parts(spread, dx, dy)
        return dx, {}


def in_parts(f: Callable[..., None], x: np.ndarray, *others: np.ndarray) -> None:
    """Call f on blocks of the planes of arrays (batch, channels, height, width). A plane is one
    channel of an example. The cut depends on the sizes of x alone."""
    planes = [a.reshape(math.prod(a.shape[:2]), *a.shape[2:]) for a in (x, *others)]
    cuts = blocks(len(planes[0]), max(1, ENTRIES // max(1, math.prod(x.shape[2:]))))
    run([partial(f, *(plane[cut] for plane in planes)) for cut in cuts])


@dataclass(frozen=True)
class GlobalAveragePool(Layer):
    """y = the mean of x over all its positions, channel by channel.

    >>> GlobalAveragePool().forward({}, np.array([[[[1.0, 2.0], [3.0, 6.0]]]]))[0]
    array([[3.]])
    """

    @np.errstate(invalid="ignore", over="ignore")  # data that are not finite
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
        y = np.add.reduce(flat, axis=2, dtype=np.float64) / positions
        return y.astype(x.dtype), (x.shape, x.dtype)

    def backward(self, params: Params, cache: Cache, dy: np.ndarray) -> tuple[np.ndarray, Params]:
        """dy (batch, channels) -> dx of x's shape."""
        shape, dtype = cache
        dy = float_array(dy, "dy of GlobalAveragePool", shape[:2], dtype)
        share = (dy / math.prod(shape[2:])).reshape(*shape[:2], *(1,) * (len(shape) - 2))
        return np.broadcast_to(share, shape).copy(), {}
