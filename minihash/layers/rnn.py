"""Elman's recurrent network.

    h_t = f(V_ih x_t + b_ih + V_hh h_{t-1} + b_hh)                            f = tanh or ReLU

    backward    da = dr = dh f'(a + r):   dh (1 - h^2), or dh where h > 0 and 0 elsewhere

Source: Elman, Finding structure in time, 1990; torch.nn.RNN.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from minihash.layers.loops import each, kernel, tanh
from minihash.layers.recurrent import Recurrent

Arrays = list[np.ndarray]


def forward_loops(rows, hidden, z, q, b_ih, b_hh, h):
    """z, of V_ih x, becomes h; q: of V_hh h of the step before."""
    for r in each(rows):
        for c in each(hidden):
            z[r, 0, c] = tanh((z[r, 0, c] + b_ih[0, c]) + (q[r, 0, c] + b_hh[0, c]))
        for c in each(hidden):
            h[r, c] = z[r, 0, c]


def backward_loops(rows, hidden, z, dy, dh, da, one):
    for r in each(rows):
        for c in each(hidden):
            da[r, 0, c] = (dh[r, c] + dy[r, c]) * (one - z[r, 0, c] * z[r, 0, c])


@dataclass(frozen=True)
class RNN(Recurrent):
    """h_t = f(V_ih x_t + b_ih + V_hh h_{t-1} + b_hh), torch.nn.RNN of one layer. Its state is h.

    nonlinearity: "tanh" or "relu"; ValueError for another.

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

    def step(
        self,
        z: np.ndarray,
        r: np.ndarray,
        b_ih: np.ndarray,
        b_hh: np.ndarray,
        before: Arrays,
        after: Arrays,
        kept: Arrays,
    ) -> None:
        """One step: z holds V_ih x and then h, r is V_hh h, both (sequences, 1, hidden)."""
        if self.nonlinearity == "relu":
            z += b_ih
            z += r + b_hh
            np.maximum(z, 0, out=z)
            after[0][:] = z[:, 0]
        else:
            rows, _, hidden = z.shape
            kernel(forward_loops, z.dtype)(rows, hidden, z, r, b_ih, b_hh, after[0])

    def step_backward(
        self,
        z: np.ndarray,
        before: Arrays,
        kept: Arrays,
        dy: np.ndarray,
        dstate: Arrays,
        da: np.ndarray,
        dr: np.ndarray,
    ) -> None:
        """Back through a step, with dy and dstate of the state after it; dr is da, and all that
        flows to the state before comes through it."""
        if self.nonlinearity == "relu":
            np.add(dstate[0], dy, out=da[:, 0])
            da[z <= 0] = 0
        else:
            rows, _, hidden = z.shape
            kernel(backward_loops, z.dtype)(rows, hidden, z, dy, dstate[0], da, z.dtype.type(1))
