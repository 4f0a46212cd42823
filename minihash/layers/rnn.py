"""Elman's recurrent network.

    h_t = f(V_ih x_t + b_ih + V_hh h_{t-1} + b_hh)                            f = tanh or ReLU

    backward    da = dr = dh f'(a + r):   dh (1 - h^2), or dh where h > 0 and 0 elsewhere

Source: Elman, Finding structure in time, 1990; torch.nn.RNN.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from minihash.compile.reals import choose, larger, one, tanh, zero
from minihash.layers.recurrent import Recurrent


def step(a, r, state):
    """The next state (h,), and what `step_back` reads. A body of real numbers."""
    h = tanh(a[0] + r[0])
    return (h,), (h,)


def step_back(kept, before, dstate):
    """da, dr, and the gradient of the state before, but for what comes through r."""
    h = kept[0]
    da = (dstate[0] * (one - h * h),)
    return da, da, (zero,)


def relu_step(a, r, state):
    h = larger(a[0] + r[0], zero)
    return (h,), (h,)


def relu_step_back(kept, before, dstate):
    da = (choose(kept[0] <= zero, zero, dstate[0]),)
    return da, da, (zero,)


@dataclass(frozen=True)
class RNN(Recurrent):
    """h_t = f(V_ih x_t + b_ih + V_hh h_{t-1} + b_hh), torch.nn.RNN of one layer. Its state is h.

    nonlinearity: "tanh" or "relu"; ValueError for another.

    >>> import numpy as np
    >>> layer = RNN.plain("rnn", features=1, hidden=1, bias=False, nonlinearity="relu")
    >>> params = {"rnn.weight_ih": np.array([1.0]), "rnn.weight_hh": np.array([2.0])}
    >>> layer.forward(params, np.array([[[1.0], [1.0], [1.0]]]))[0].ravel()
    array([1., 3., 7.])
    """

    nonlinearity: str = "tanh"

    gates: ClassVar[int] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nonlinearity not in ("tanh", "relu"):
            raise ValueError(
                f'nonlinearity of RNN must be "tanh" or "relu", got {self.nonlinearity!r}; '
                "choose one of them"
            )

    @property
    def step(self) -> Callable:  # type: ignore[override]
        """The equations of its nonlinearity."""
        return relu_step if self.nonlinearity == "relu" else step

    @property
    def step_back(self) -> Callable:  # type: ignore[override]
        """And backward."""
        return relu_step_back if self.nonlinearity == "relu" else step_back
