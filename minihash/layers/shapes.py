"""Examples in another shape, entry by entry in row-major order.

forward     y = x, of shape (batch, features) or (batch, *shape)
backward    dx = dy, of the shape of x
"""

import math
from dataclasses import dataclass

import numpy as np

from minihash.checks import check_count, copied, float_array
from minihash.layers.layer import Layer, Params
from minihash.weights import MAX_DIMENSIONS

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


@dataclass(frozen=True)
class Reshape(Layer):
    """Every example in the given shape: rows of pixels as images (channels, height, width).

    Raises TypeError or ValueError unless shape is a tuple of sizes, each at least 1.

    >>> Reshape((1, 2, 2)).forward({}, np.array([[1.0, 2.0, 3.0, 4.0]]))[0]
    array([[[[1., 2.],
             [3., 4.]]]])
    """

    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.shape, (tuple, list)):
            raise TypeError(f"shape of Reshape must be a tuple of sizes, got {self.shape!r}")
        check_count("the number of sizes of a shape", len(self.shape), 0, MAX_DIMENSIONS)
        sizes = (check_count("each size of a shape", n, 1, 2**63 - 1) for n in self.shape)
        object.__setattr__(self, "shape", tuple(sizes))

    def forward(
        self, params: Params, x: np.ndarray, step: int | None = None
    ) -> tuple[np.ndarray, Cache]:
        """x (batch, ...) -> y (batch, *shape).

        Raises TypeError unless x is float32 or float64, ValueError if its examples have another
        number of entries.
        """
        x = float_array(x, "x of Reshape", None, device=True)
        if x.ndim == 0 or math.prod(x.shape[1:]) != math.prod(self.shape):
            raise ValueError(
                f"x of Reshape must have examples of {math.prod(self.shape)} entries, for shape "
                f"{self.shape}, got {x.shape}; correct the shape"
            )
        return copied(x.reshape(len(x), *self.shape)), (x.shape, x.dtype)

    def backward(self, params: Params, cache: Cache, dy: np.ndarray) -> tuple[np.ndarray, Params]:
        """dy (batch, *shape) -> dx of x's shape."""
        shape, dtype = cache
        dy = float_array(dy, "dy of Reshape", (shape[0], *self.shape), dtype, device=True)
        return copied(dy.reshape(shape)), {}
