"""Long short-term memory.

    a_t = V_ih x_t + b_ih,   r_t = V_hh h_{t-1} + b_hh           gates i, f, g, o one after another
    i, f, o = sigmoid(a + r),   g = tanh(a + r)
    c_t = f c_{t-1} + i g,   h_t = o tanh(c_t)

    backward    do = dh tanh(c),   dc += dh o (1 - tanh(c)^2)
                di = dc g,   df = dc c_{t-1},   dg = dc i,   dc_{t-1} = dc f
                da = dr = (di i (1 - i),  df f (1 - f),  dg (1 - g^2),  do o (1 - o))

sigmoid(z) = (1 + tanh(z / 2)) / 2, exact to a few units of roundoff of 1.

Source: Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000; the order of the
gates and the two biases are torch.nn.LSTM's.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from minihash.layers.elementwise import elementwise
from minihash.layers.recurrent import Recurrent, linear
from minihash.layers.timeloop import Weights

Arrays = list[np.ndarray]


def remember_body(r, c, z, before, after, half):
    i = half + half * z[r, 0, c]
    f = half + half * z[r, 1, c]
    o = half + half * z[r, 3, c]
    after[r, c] = f * before[r, c] + i * z[r, 2, c]
    z[r, 0, c] = i
    z[r, 1, c] = f
    z[r, 3, c] = o


def backward_body(r, c, z, before, tanh_c, dh, dc, da, one):
    i, f, g, o = z[r, 0, c], z[r, 1, c], z[r, 2, c], z[r, 3, c]
    t = tanh_c[r, c]
    d = dc[r, c] + dh[r, c] * o * (one - t * t)
    da[r, 0, c] = d * g * (i * (one - i))
    da[r, 1, c] = d * before[r, c] * (f * (one - f))
    da[r, 2, c] = d * i * (one - g * g)
    da[r, 3, c] = dh[r, c] * t * (o * (one - o))
    dc[r, c] = d * f
    dh[r, c] = 0


remember, back = elementwise(remember_body), elementwise(backward_body)


@dataclass(frozen=True)
class LSTM(Recurrent):
    """Long short-term memory, torch.nn.LSTM of one layer. Its state is (h, c).

    >>> layer = LSTM.plain("lstm", features=3, hidden=4)
    >>> params = {w.table: np.ones(w.hash.buckets) for w in layer.weights()}
    >>> y, cache = layer.forward(params, np.ones((2, 5, 3)))
    >>> h, c = layer.state(cache)
    >>> y.shape, bool((h == y[:, -1]).all()), c.shape
    ((2, 5, 4), True, (2, 4))
    """

    slopes: ClassVar[tuple[float, ...]] = (0.5, 0.5, 1.0, 0.5)
    states: ClassVar[int] = 2
    kept: ClassVar[int] = 1  # tanh(c)

    def step(
        self, z: np.ndarray, r: np.ndarray, w: Weights, before: Arrays, after: Arrays, kept: Arrays
    ) -> None:
        """One step: z holds V_ih x and then the gates, r is V_hh h, both (sequences, 4 hidden)."""
        half, (rows, hidden) = z.dtype.type(0.5), before[1].shape
        linear(rows, 4 * hidden, z, r, w.b_ih, w.b_hh, w.slope)
        np.tanh(z, out=z)
        gates = z.reshape(rows, 4, hidden)
        remember(rows, hidden, gates, before[1], after[1], half)
        np.tanh(after[1], out=kept[0])
        np.multiply(gates[:, 3], kept[0], out=after[0])

    def step_backward(
        self,
        z: np.ndarray,
        before: Arrays,
        kept: Arrays,
        dstate: Arrays,
        da: np.ndarray,
        dr: np.ndarray,
    ) -> None:
        """Back through a step: dstate, of the state after it, becomes that of the one before, but
        for what comes through dr; dr is da."""
        rows, hidden = before[1].shape
        z, da = z.reshape(rows, 4, hidden), da.reshape(rows, 4, hidden)
        back(rows, hidden, z, before[1], kept[0], *dstate, da, z.dtype.type(1))
