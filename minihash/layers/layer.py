"""What every layer is: two pure functions, forward and backward, and the names of what they read.

    forward(params, x, step)       y, cache     step: the training step's number, None to evaluate
    backward(params, cache, dy)    dx, grads    the vector-Jacobian products of forward

A layer is a frozen dataclass of hyperparameters. Numbers live in `params`, one flat dict for the
whole network; `grads` has the names of the parameters it belongs to. x is (batch, features), or has
positions between these, in float32 or float64 (an embedding's: integers), and everything computed
from it keeps that dtype. Inputs are never written, results are freshly allocated. NaN and
infinities propagate.
"""

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

    def running(self, params: Params, cache: Any) -> Params:
        """The new running state after the training forward pass that left `cache`."""
        return {}


def column_sum(x: np.ndarray) -> np.ndarray:
    """sum over the batch of x (batch, features): float64 (features,), whatever the dtype of x.

    >>> column_sum(np.array([[1, 2], [3, 4]], np.float32))
    array([4., 6.])
    """
    return np.add.reduce(x, axis=0, dtype=np.float64)


def column_dot(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """sum over the batch of x y, both (batch, features): float64 (features,). No product rounds to
    float32, none overflows it.

    >>> column_dot(np.array([[1, 2], [3, 4]], np.float32), np.array([[1, 1], [2, 2]], np.float32))
    array([ 7., 10.])
    """
    return np.einsum("bf,bf->f", x, y, dtype=np.float64)
