"""Dropout, with a mask that is a pure function of (seed, step, element).

    kept(e)     h(stream(seed, "dropout"), e + 2^32 step) >= floor(rate 2^32)
    forward     y = x kept / (1 - rate) in training,   y = x in evaluation
    backward    dx = dy kept / (1 - rate),             dx = dy

e numbers the elements of x row by row. The mask is the same on every machine and in every language,
and a training run that is stopped and resumed draws the masks it would have drawn.

Source: Srivastava et al., JMLR 15 (2014), in the inverted form that leaves evaluation alone.
"""

import math
from dataclasses import dataclass

import numpy as np

from minihash.checks import check_count, float_array, real_field
from minihash.hashes.xxh32 import U32, U64, stream, xxh32
from minihash.layers.layer import Layer, Params

Cache = tuple[tuple[int, ...], np.dtype, np.ndarray | None]


@dataclass(frozen=True)
class Dropout(Layer):
    """y = x / (1 - rate) where kept, 0 elsewhere; an element is dropped with probability `rate`.

    Two layers of one seed drop the same elements: give each its own.
    Raises TypeError or ValueError unless 0 <= rate < 1 and 0 <= seed < 2^32.

    >>> Dropout(0.5, seed=1).forward({}, np.ones((2, 3)), step=0)[0]
    array([[2., 0., 0.],
           [0., 2., 0.]])
    """

    rate: float
    seed: int = 0

    def __post_init__(self) -> None:
        real_field(self, "rate", 0, 1, open_end=True)
        check_count("seed of Dropout", self.seed, 0, 2**32 - 1)

    def mask(self, shape: tuple[int, ...], step: int) -> np.ndarray:
        """Which elements are kept at a training step: bool, of the given shape."""
        check_count("step", step, 0, 2**32 - 1)
        check_count("elements of x of Dropout", math.prod(shape), 0, 2**32)
        ids = np.arange(math.prod(shape), dtype=np.uint64)
        ids += U64(int(step) << 32)
        threshold = U32(math.floor(self.rate * 2**32))
        return (xxh32(ids, stream(self.seed, "dropout")) >= threshold).reshape(shape)

    def forward(
        self, params: Params, x: np.ndarray, step: int | None = None
    ) -> tuple[np.ndarray, Cache]:
        """x of any shape -> y of the same. Raises TypeError unless x is float32 or float64."""
        x = float_array(x, "x of Dropout", None)
        kept = None if step is None else self.mask(x.shape, step)
        return self._apply(x, kept), (x.shape, x.dtype, kept)

    def backward(self, params: Params, cache: Cache, dy: np.ndarray) -> tuple[np.ndarray, Params]:
        """dy of y's shape and dtype -> dx of the same."""
        shape, dtype, kept = cache
        return self._apply(float_array(dy, "dy of Dropout", shape, dtype), kept), {}

    @np.errstate(invalid="ignore", over="ignore")  # a dropped infinity is NaN, as in PyTorch
    def _apply(self, x: np.ndarray, kept: np.ndarray | None) -> np.ndarray:
        """The linear map of both passes: it is its own adjoint."""
        if kept is None:
            return x.copy()
        y = x * kept
        y /= 1 - self.rate
        return y
