"""Elman's recurrent network.

    h_t = f(V_ih x_t + b_ih + V_hh h_{t-1} + b_hh)                            f = tanh or ReLU

    backward    da = dr = dh f'(a + r):   dh (1 - h^2), or dh where h > 0 and 0 elsewhere

Source: Elman, Finding structure in time, 1990; torch.nn.RNN.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from minihash.layers.elementwise import elementwise
from minihash.layers.recurrent import Recurrent, linear
from minihash.layers.timeloop import Weights

Arrays = list[np.ndarray]


def backward_body(r, c, h, dh, da, one):
    da[r, c] = dh[r, c] * (one - h[r, c] * h[r, c])
    dh[r, c] = 0


back = elementwise(backward_body)


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

    slopes: ClassVar[tuple[float, ...]] = (1.0,)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nonlinearity not in ("tanh", "relu"):
            raise ValueError(
                f'nonlinearity of RNN must be "tanh" or "relu", got {self.nonlinearity!r}; '
                "choose one of them"
            )

    def step(
        self, z: np.ndarray, r: np.ndarray, w: Weights, before: Arrays, after: Arrays, kept: Arrays
    ) -> None:
        """One step: z holds V_ih x and then h, r is V_hh h, both (sequences, hidden)."""
        linear(*z.shape, z, r, w.b_ih, w.b_hh, w.slope)
        if self.nonlinearity == "relu":
            np.maximum(z, 0, out=z)
        else:
            np.tanh(z, out=z)
        after[0][:] = z

    def step_backward(
        self,
        z: np.ndarray,
        before: Arrays,
        kept: Arrays,
        dstate: Arrays,
        da: np.ndarray,
        dr: np.ndarray,
    ) -> None:
        """Back through a step: dstate becomes 0, since all comes through dr; dr is da."""
        if self.nonlinearity == "relu":
            da[:] = np.where(z <= 0, 0, dstate[0])
            dstate[0][:] = 0
        else:
            back(*z.shape, z, dstate[0], da, z.dtype.type(1))
