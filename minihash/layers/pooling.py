"""What the pooling layers share: their windows, and parts of a bounded number of channels."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from minihash.checks import float_array
from minihash.core.numba.parts import blocks
from minihash.hashes.windows import Axes, Slices, Windows, per_axis, text
from minihash.layers.layer import Layer

ENTRIES = 2**16  # inputs of a part: its intermediate results stay in the cache


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
        if any(2 * p > k for p, k in zip(self.padding, self.size, strict=True)):
            raise ValueError(
                f"the padding of {type(self).__name__} must be at most half of its size, got "
                f"{text(self.padding)} for {text(self.size)}; pad less"
            )

    @cached_property
    def windows(self) -> Windows:
        """The windows that are pooled."""
        return Windows(self.size, self.stride, self.padding)

    def _planes(self, x: np.ndarray, name: str, dtype: np.dtype | None = None) -> np.ndarray:
        """x (batch, channels, height, width), checked, as (batch channels, height, width)."""
        x = float_array(x, f"{name} of {type(self).__name__}", (None,) * 4, dtype)
        return x.reshape(math.prod(x.shape[:2]), *x.shape[2:])

    def _taps(self, shape: tuple[int, ...]) -> list[tuple[int, Slices, Slices]]:
        """(number of the tap, its outputs, its inputs), as indices of planes of this shape."""
        sizes = shape[-2:]
        everywhere = tuple(slice(0, n) for n in self.windows.outputs(sizes))
        taps = enumerate(self.windows.taps(sizes, everywhere))
        return [(k, (..., *outputs), (..., *inputs)) for k, (_, outputs, inputs) in taps]


def parts(planes: np.ndarray) -> Iterator[slice]:
    """Blocks of planes; the cut depends on the sizes alone."""
    yield from blocks(len(planes), max(1, ENTRIES // max(1, math.prod(planes.shape[1:]))))
