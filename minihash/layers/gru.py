"""Gated recurrent unit.

    a_t = V_ih x_t + b_ih,   p_t = V_hh h_{t-1} + b_hh              gates r, z, n one after another
    r, z = sigmoid(a + p),   n = tanh(a_n + r p_n)
    h_t = (1 - z) n + z h_{t-1},   computed as n + z (h_{t-1} - n)

    backward    dn = dh (1 - z) (1 - n^2),   dz = dh (h_{t-1} - n) z (1 - z)
                dr = dn p_n r (1 - r),   dh_{t-1} = dh z
                da = (dr, dz, dn),   dp = (dr, dz, dn r)

sigmoid(x) = (1 + tanh(x / 2)) / 2, exact to a few units of roundoff of 1.

Source: Cho et al., arXiv 1406.1078, in the variant of torch.nn.GRU: the reset gate r acts on p_n,
bias included.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from minihash.layers.loops import each, kernel, tanh
from minihash.layers.recurrent import Recurrent

Arrays = list[np.ndarray]


def forward_loops(rows, hidden, z, p, b_ih, b_hh, p_n, before, after, half):
    """z (rows, 3, hidden), of V_ih x, becomes the gates; p: of V_hh h; before, after: h."""
    for r in each(rows):
        for c in each(hidden):
            sum_ = (z[r, 0, c] + b_ih[0, c]) + (p[r, 0, c] + b_hh[0, c])
            z[r, 0, c] = half + half * tanh(half * sum_)
        for c in each(hidden):
            sum_ = (z[r, 1, c] + b_ih[1, c]) + (p[r, 1, c] + b_hh[1, c])
            z[r, 1, c] = half + half * tanh(half * sum_)
        for c in each(hidden):
            p_n[r, c] = p[r, 2, c] + b_hh[2, c]
        for c in each(hidden):
            z[r, 2, c] = tanh((z[r, 2, c] + b_ih[2, c]) + z[r, 0, c] * p_n[r, c])
        for c in each(hidden):
            after[r, c] = z[r, 2, c] + z[r, 1, c] * (before[r, c] - z[r, 2, c])


def backward_loops(rows, hidden, z, before, p_n, dy, dh, da, dp, one):
    """dh, of the state after, becomes what flows to the state before directly."""
    for r in each(rows):
        for c in each(hidden):
            update, n, d = z[r, 1, c], z[r, 2, c], dh[r, c] + dy[r, c]
            da[r, 2, c] = d * (one - update) * (one - n * n)
            da[r, 1, c] = d * (before[r, c] - n) * (update * (one - update))
            dh[r, c] = d * update
        for c in each(hidden):
            reset = z[r, 0, c]
            da[r, 0, c] = da[r, 2, c] * p_n[r, c] * (reset * (one - reset))
            dp[r, 2, c] = da[r, 2, c] * reset
        for c in each(hidden):
            dp[r, 0, c] = da[r, 0, c]
            dp[r, 1, c] = da[r, 1, c]


@dataclass(frozen=True)
class GRU(Recurrent):
    """Gated recurrent unit, torch.nn.GRU of one layer. Its state is h.

    >>> layer = GRU.plain("gru", features=3, hidden=4)
    >>> params = {w.table: np.ones(w.hash.buckets) for w in layer.weights()}
    >>> y, cache = layer.forward(params, np.ones((2, 5, 3)))
    >>> y.shape, bool((layer.state(cache) == y[:, -1]).all())
    ((2, 5, 4), True)
    """

    gates: ClassVar[int] = 3
    kept: ClassVar[int] = 1  # p_n
    direct: ClassVar[bool] = True

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
        """One step: z holds V_ih x and then the gates, r is V_hh h, both (sequences, 3, hidden)."""
        (rows, _, hidden), half = z.shape, z.dtype.type(0.5)
        forward = kernel(forward_loops, z.dtype)
        forward(rows, hidden, z, r, b_ih, b_hh, kept[0], before[0], after[0], half)

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
        """Back through a step: with dy, dh of the state after it becomes that of the state before,
        but for what comes through dr, which is dp above."""
        (rows, _, hidden), one = z.shape, z.dtype.type(1)
        back = kernel(backward_loops, z.dtype)
        back(rows, hidden, z, before[0], kept[0], dy, dstate[0], da, dr, one)
