"""What every layer is: two pure functions, forward and backward, and the names of what they read.

    forward(params, x, step)       y, cache     step: the training step's number, None to evaluate
    backward(params, cache, dy)    dx, grads    the vector-Jacobian products of forward

A layer is a frozen dataclass of hyperparameters. Numbers live in `params`, one flat dict for the
whole network; `grads` has the names of the parameters it belongs to. x is (batch, features), or has
positions between these, in float32 or float64 (an embedding's: integers), and everything computed
from it keeps that dtype. Inputs are never written, results are freshly allocated. NaN and
infinities propagate.
"""

import math
from typing import Any

import numpy as np

from minihash.weights import VirtualWeight

Params = dict[str, np.ndarray]


class Layer:
    """Base of all layers: what one without parameters answers."""

    def weights(self) -> tuple[VirtualWeight, ...]:
        """The virtual weights that the layer reads."""
        return ()

    def arrays(self) -> dict[str, tuple[tuple[int, ...], float]]:
        """Its other parameters and its running state: name -> (shape, initial value)."""
        return {}

    def trainable(self) -> tuple[str, ...]:
        """The names in `arrays` that have a gradient."""
        return ()

    def gradients(self, params: Params, cache: Any, dy: np.ndarray) -> Params:
        """The grads of `backward` alone, where nobody needs dx: of a network's first layer."""
        return self.backward(params, cache, dy)[1]

    def running(self, params: Params, cache: Any) -> Params:
        """The new running state after the training forward pass that left `cache`."""
        return {}


def column_sum(x: np.ndarray) -> np.ndarray:
    """sum over the batch, and positions if there are any, of x (batch, features, *positions):
    float64 (features,), whatever the dtype of x.

    >>> column_sum(np.array([[1, 2], [3, 4]], np.float32))
    array([4., 6.])
    """
    return np.add.reduce(x, axis=(0, *range(2, x.ndim)), dtype=np.float64)


def column_dot(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """sum over the batch, and positions if there are any, of x y, both (batch, features,
    *positions): float64 (features,). No product rounds to float32, none overflows it.

    >>> column_dot(np.array([[1, 2], [3, 4]], np.float32), np.array([[1, 1], [2, 2]], np.float32))
    array([ 7., 10.])
    """
    if x.ndim == 2:
        return np.einsum("bf,bf->f", x, y, dtype=np.float64)
    shape = len(x), x.shape[1], math.prod(x.shape[2:])
    return np.einsum("bfp,bfp->f", x.reshape(shape), y.reshape(shape), dtype=np.float64)


def select(keep: np.ndarray, values: np.ndarray) -> np.ndarray:
    """values where `keep`, 0 elsewhere.

    A product would make NaN of infinities, and a masked copy mispredicts every other element: ten
    times slower than this, whose masks are words of all ones or zeros.

    >>> select(np.array([True, False]), np.array([np.inf, np.inf]))
    array([inf,  0.])
    """
    words = np.dtype(f"i{values.itemsize}")
    kept = np.multiply(keep, -1, dtype=words)
    kept &= values.view(words)
    return kept.view(values.dtype)
