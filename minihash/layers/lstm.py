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

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from minihash.core.numba.loops import each, half, one, tanh
from minihash.layers.recurrent import Recurrent


def forward_loops(t, rows, hidden, z, q, b_ih, b_hh, states, kept):
    """Step t: z[t] (rows, 4, hidden), of V_ih x, becomes the gates; q: of V_hh h; states: h and c,
    at t before the step, at t + 1 after it; kept: tanh(c) after it."""
    for r in each(rows):
        for c in each(hidden):
            sum_ = (z[t, r, 0, c] + b_ih[0, c]) + (q[r, 0, c] + b_hh[0, c])
            z[t, r, 0, c] = half + half * tanh(half * sum_)
        for c in each(hidden):
            sum_ = (z[t, r, 1, c] + b_ih[1, c]) + (q[r, 1, c] + b_hh[1, c])
            z[t, r, 1, c] = half + half * tanh(half * sum_)
        for c in each(hidden):
            sum_ = (z[t, r, 2, c] + b_ih[2, c]) + (q[r, 2, c] + b_hh[2, c])
            z[t, r, 2, c] = tanh(sum_)
        for c in each(hidden):
            sum_ = (z[t, r, 3, c] + b_ih[3, c]) + (q[r, 3, c] + b_hh[3, c])
            z[t, r, 3, c] = half + half * tanh(half * sum_)
        for c in each(hidden):
            new = z[t, r, 1, c] * states[1, t, r, c] + z[t, r, 0, c] * z[t, r, 2, c]
            states[1, t + 1, r, c] = new
        for c in each(hidden):
            kept[0, t, r, c] = tanh(states[1, t + 1, r, c])
        for c in each(hidden):
            states[0, t + 1, r, c] = z[t, r, 3, c] * kept[0, t, r, c]


def backward_loops(t, rows, hidden, z, states, kept, dy, dstate, da, dr):
    """Back through step t: dstate, of the state after it, becomes that of the state before, but for
    what comes through dr, which is da. A pass for each gate: SIMD."""
    for r in each(rows):
        for c in each(hidden):
            o, u, d = z[t, r, 3, c], kept[0, t, r, c], dstate[0, r, c] + dy[t, r, c]
            dstate[1, r, c] = dstate[1, r, c] + d * o * (one - u * u)
        for c in each(hidden):
            o, d = z[t, r, 3, c], dstate[0, r, c] + dy[t, r, c]
            da[t, r, 3, c] = d * kept[0, t, r, c] * (o * (one - o))
        for c in each(hidden):
            i = z[t, r, 0, c]
            da[t, r, 0, c] = dstate[1, r, c] * z[t, r, 2, c] * (i * (one - i))
        for c in each(hidden):
            f = z[t, r, 1, c]
            da[t, r, 1, c] = dstate[1, r, c] * states[1, t, r, c] * (f * (one - f))
        for c in each(hidden):
            g = z[t, r, 2, c]
            da[t, r, 2, c] = dstate[1, r, c] * z[t, r, 0, c] * (one - g * g)
        for c in each(hidden):
            dstate[1, r, c] = dstate[1, r, c] * z[t, r, 1, c]
            dstate[0, r, c] = 0


@dataclass(frozen=True)
class LSTM(Recurrent):
    """Long short-term memory, torch.nn.LSTM of one layer. Its state is (h, c).

    >>> import numpy as np
    >>> layer = LSTM.plain("lstm", features=3, hidden=4)
    >>> params = {w.table: np.ones(w.hash.buckets) for w in layer.weights()}
    >>> y, cache = layer.forward(params, np.ones((2, 5, 3)))
    >>> h, c = layer.state(cache)
    >>> y.shape, bool((h == y[:, -1]).all()), c.shape
    ((2, 5, 4), True, (2, 4))
    """

    gates: ClassVar[int] = 4
    states: ClassVar[int] = 2
    kept: ClassVar[int] = 1  # tanh(c)

    def loops(self) -> tuple[Callable, Callable]:
        """One step and its backward, as Recurrent says."""
        return forward_loops, backward_loops
