"""Elman's recurrent network.

    h_t = f(V_ih x_t + b_ih + V_hh h_{t-1} + b_hh)                            f = tanh or ReLU

    backward    da = dr = dh f'(a + r):   dh (1 - h^2), or dh where h > 0 and 0 elsewhere

Source: Elman, Finding structure in time, 1990; torch.nn.RNN.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from minihash.core.numba.loops import choose, each, larger, one, tanh
from minihash.layers.recurrent import Recurrent


def forward_tanh(t, rows, hidden, z, q, b_ih, b_hh, states, kept):
    """Step t: z[t], of V_ih x, becomes h; q: of V_hh h of the step before; states: h."""
    for r in each(rows):
        for c in each(hidden):
            z[t, r, 0, c] = tanh((z[t, r, 0, c] + b_ih[0, c]) + (q[r, 0, c] + b_hh[0, c]))
        for c in each(hidden):
            states[0, t + 1, r, c] = z[t, r, 0, c]


def backward_tanh(t, rows, hidden, z, states, kept, dy, dstate, da, dr):
    """Back through step t; all that flows to the state before comes through dr, which is da."""
    for r in each(rows):
        for c in each(hidden):
            h = z[t, r, 0, c]
            da[t, r, 0, c] = (dstate[0, r, c] + dy[t, r, c]) * (one - h * h)
            dstate[0, r, c] = 0


def forward_relu(t, rows, hidden, z, q, b_ih, b_hh, states, kept):
    for r in each(rows):
        for c in each(hidden):
            sum_ = (z[t, r, 0, c] + b_ih[0, c]) + (q[r, 0, c] + b_hh[0, c])
            z[t, r, 0, c] = larger(sum_, one - one)
        for c in each(hidden):
            states[0, t + 1, r, c] = z[t, r, 0, c]


def backward_relu(t, rows, hidden, z, states, kept, dy, dstate, da, dr):
    for r in each(rows):
        for c in each(hidden):
            d = dstate[0, r, c] + dy[t, r, c]
            da[t, r, 0, c] = choose(z[t, r, 0, c] <= one - one, one - one, d)
            dstate[0, r, c] = 0


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

    def loops(self) -> tuple[Callable, Callable]:
        """One step and its backward, as Recurrent says."""
        if self.nonlinearity == "relu":
            return forward_relu, backward_relu
        return forward_tanh, backward_tanh
