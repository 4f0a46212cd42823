"""A whole training step of a perceptron: an operation that a backend may have.

    Block        z = x V^T + b,   a = f(z),   y = BatchNorm(a)
    step         all blocks forward, the cross-entropy of the last y, all blocks backward, SGD:

                 v' = momentum v + g,   w' = w - rate v',   running statistics as BatchNorm has them

What each operation of the contract does alone, this does in one call, with the same bits. It is
there for small networks, whose operations take less time than the Python between them. A backend
that has none, or none for these blocks, is no hindrance: layers do the same, one after another.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from minihash.core.registry import get_backend
from minihash.weights import VirtualWeight

Arrays = dict[str, np.ndarray]


class Norm(NamedTuple):
    """BatchNorm over a batch. Its arrays: name.gamma, .beta, .running_mean, .running_var."""

    name: str
    eps: float
    momentum: float


class Block(NamedTuple):
    """A product with what follows it. bias: a free vector (fan_out,). activation: y = f(x), and
    dx = f_backward(y, dy), bodies of real numbers (compile/reals.py)."""

    weight: VirtualWeight
    bias: str | None = None
    activation: tuple[Callable, Callable] | None = None
    norm: Norm | None = None


class Perceptron(Protocol):
    """What `perceptron` returns: one network's step, with memory of its own."""

    def ready(self) -> bool:
        """Whether it is compiled, here or on disk."""
        ...

    def step(
        self,
        params: Arrays,
        velocity: Arrays,
        x: np.ndarray,
        labels: np.ndarray,
        rate: float,
        momentum: float,
    ) -> tuple[Arrays, Arrays, float, int]:
        """(new params, new velocity, mean loss, examples classified rightly); all are fresh.

        params: of all blocks, velocity: of those with a gradient, by the same names, or {} where
        momentum is 0; x (batch, features), of their dtype, at least 2 examples; labels: integers
        (batch,), each a class. Raises ValueError or TypeError for others.
        """
        ...


def perceptron(
    blocks: Sequence[Block], dtype: np.dtype, backend: str | None = None
) -> Perceptron | None:
    """The compiled step of these blocks, one after another; None where there is none."""
    make = getattr(get_backend(backend), "perceptron", None)
    return make(tuple(blocks), np.dtype(dtype)) if make and blocks else None
