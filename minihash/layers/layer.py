"""What every layer is: two pure functions, forward and backward, and the names of what they read.

    forward(params, x, step)       y, cache     step: the training step's number, None to evaluate
    backward(params, cache, dy)    dx, grads    the vector-Jacobian products of forward

A layer is a frozen dataclass of hyperparameters. Numbers live in `params`, one flat dict for the
whole network; `grads` has a gradient under the name of each parameter that the layer reads. x is
(batch, features), or has axes of positions too, as each layer says. It is float32 or float64 (an
embedding's: integers), and all results keep that dtype. Inputs are never written, results are
freshly allocated. NaN and infinities propagate.
"""

from typing import Any

import numpy as np

from minihash.sources import Weight
from minihash.weights import VirtualWeight

Params = dict[str, np.ndarray]


class Layer:
    """Base of all layers, with the answers of a layer that has no parameters."""

    def weights(self) -> tuple[VirtualWeight, ...]:
        """The virtual weights that the layer reads."""
        return ()

    def sources(self) -> tuple[Weight, ...]:
        """The same, but for those that V is made of: V's source in their place."""
        return self.weights()

    def arrays(self) -> dict[str, tuple[tuple[int, ...], float]]:
        """Its other parameters and its running state: name -> (shape, initial value)."""
        return {}

    def trainable(self) -> tuple[str, ...]:
        """The names in `arrays` that have a gradient."""
        return ()

    def forward(self, params: Params, x: Any, step: int | None = None) -> tuple[Any, Any]:
        """y, and the cache that backward reads."""
        raise NotImplementedError

    def backward(self, params: Params, cache: Any, dy: np.ndarray) -> tuple[Any, Params]:
        """dx, and the gradients of the parameters by name."""
        raise NotImplementedError

    def gradients(self, params: Params, cache: Any, dy: np.ndarray) -> Params:
        """The grads of `backward`, without dx: the first layer of a network needs no more."""
        return self.backward(params, cache, dy)[1]

    def running(self, params: Params, cache: Any) -> Params:
        """The new running state after the training forward pass that left `cache`."""
        return {}


def select(keep: np.ndarray, values: np.ndarray) -> np.ndarray:
    """values where `keep`, 0 elsewhere.

    A product would turn infinities into NaN. A masked copy mispredicts every other element, and is
    ten times slower. Here the mask of a value is a word of ones or of zeros.

    >>> select(np.array([True, False]), np.array([np.inf, np.inf]))
    array([inf,  0.])
    """
    words = np.dtype(f"i{values.itemsize}")
    kept = np.multiply(keep, -1, dtype=words)
    kept &= values.view(words)
    return kept.view(values.dtype)
