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

from minihash.layers.loops import each, kernel, tanh
from minihash.layers.recurrent import Recurrent

Arrays = list[np.ndarray]


def forward_loops(rows, hidden, z, q, b_ih, b_hh, before, after, tanh_c, h, half):
    """z (rows, 4, hidden), of V_ih x, becomes the gates; q: of V_hh h; before, after: c."""
    for r in each(rows):
        for c in each(hidden):
            sum_ = (z[r, 0, c] + b_ih[0, c]) + (q[r, 0, c] + b_hh[0, c])
            z[r, 0, c] = half + half * tanh(half * sum_)
        for c in each(hidden):
            sum_ = (z[r, 1, c] + b_ih[1, c]) + (q[r, 1, c] + b_hh[1, c])
            z[r, 1, c] = half + half * tanh(half * sum_)
        for c in each(hidden):
            sum_ = (z[r, 2, c] + b_ih[2, c]) + (q[r, 2, c] + b_hh[2, c])
            z[r, 2, c] = tanh(sum_)
        for c in each(hidden):
            sum_ = (z[r, 3, c] + b_ih[3, c]) + (q[r, 3, c] + b_hh[3, c])
            z[r, 3, c] = half + half * tanh(half * sum_)
        for c in each(hidden):
            after[r, c] = z[r, 1, c] * before[r, c] + z[r, 0, c] * z[r, 2, c]
        for c in each(hidden):
            tanh_c[r, c] = tanh(after[r, c])
        for c in each(hidden):
            h[r, c] = z[r, 3, c] * tanh_c[r, c]


def backward_loops(rows, hidden, z, before, tanh_c, dy, dh, dc, da, one):
    """dc, of the state after, becomes that of the state before. A pass for each gate: SIMD."""
    for r in each(rows):
        for c in each(hidden):
            o, t, d = z[r, 3, c], tanh_c[r, c], dh[r, c] + dy[r, c]
            dc[r, c] = dc[r, c] + d * o * (one - t * t)
        for c in each(hidden):
            o = z[r, 3, c]
            da[r, 3, c] = (dh[r, c] + dy[r, c]) * tanh_c[r, c] * (o * (one - o))
        for c in each(hidden):
            i = z[r, 0, c]
            da[r, 0, c] = dc[r, c] * z[r, 2, c] * (i * (one - i))
        for c in each(hidden):
            f = z[r, 1, c]
            da[r, 1, c] = dc[r, c] * before[r, c] * (f * (one - f))
        for c in each(hidden):
            g = z[r, 2, c]
            da[r, 2, c] = dc[r, c] * z[r, 0, c] * (one - g * g)
        for c in each(hidden):
            dc[r, c] = dc[r, c] * z[r, 1, c]


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

    gates: ClassVar[int] = 4
    states: ClassVar[int] = 2
    kept: ClassVar[int] = 1  # tanh(c)

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
        """One step: z holds V_ih x and then the gates, r is V_hh h, both (sequences, 4, hidden)."""
        (rows, _, hidden), half = z.shape, z.dtype.type(0.5)
        forward = kernel(forward_loops, z.dtype)
        forward(rows, hidden, z, r, b_ih, b_hh, before[1], after[1], kept[0], after[0], half)

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
        """Back through a step: with dy, dc of the state after it becomes that of the one before; dr
        is da, and all that flows to the h before comes through it."""
        (rows, _, hidden), one = z.shape, z.dtype.type(1)
        back = kernel(backward_loops, z.dtype)
        back(rows, hidden, z, before[1], kept[0], dy, *dstate, da, one)
