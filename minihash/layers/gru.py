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

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from minihash.core.numba.loops import each, half, one, tanh
from minihash.layers.recurrent import Recurrent


def forward_loops(t, rows, hidden, z, p, b_ih, b_hh, states, kept):
    """Step t: z[t] (rows, 3, hidden), of V_ih x, becomes the gates; p: of V_hh h; states: h, at t
    before the step, at t + 1 after it; kept: p_n."""
    for r in each(rows):
        for c in each(hidden):
            sum_ = (z[t, r, 0, c] + b_ih[0, c]) + (p[r, 0, c] + b_hh[0, c])
            z[t, r, 0, c] = half + half * tanh(half * sum_)
        for c in each(hidden):
            sum_ = (z[t, r, 1, c] + b_ih[1, c]) + (p[r, 1, c] + b_hh[1, c])
            z[t, r, 1, c] = half + half * tanh(half * sum_)
        for c in each(hidden):
            kept[0, t, r, c] = p[r, 2, c] + b_hh[2, c]
        for c in each(hidden):
            sum_ = (z[t, r, 2, c] + b_ih[2, c]) + z[t, r, 0, c] * kept[0, t, r, c]
            z[t, r, 2, c] = tanh(sum_)
        for c in each(hidden):
            n = z[t, r, 2, c]
            states[0, t + 1, r, c] = n + z[t, r, 1, c] * (states[0, t, r, c] - n)


def backward_loops(t, rows, hidden, z, states, kept, dy, dstate, da, dp):
    """Back through step t: dstate, of the state after it, becomes what flows to the state before
    directly."""
    for r in each(rows):
        for c in each(hidden):
            update, n, d = z[t, r, 1, c], z[t, r, 2, c], dstate[0, r, c] + dy[t, r, c]
            da[t, r, 2, c] = d * (one - update) * (one - n * n)
            da[t, r, 1, c] = d * (states[0, t, r, c] - n) * (update * (one - update))
            dstate[0, r, c] = d * update
        for c in each(hidden):
            reset = z[t, r, 0, c]
            da[t, r, 0, c] = da[t, r, 2, c] * kept[0, t, r, c] * (reset * (one - reset))
            dp[t, r, 2, c] = da[t, r, 2, c] * reset
        for c in each(hidden):
            dp[t, r, 0, c] = da[t, r, 0, c]
            dp[t, r, 1, c] = da[t, r, 1, c]


@dataclass(frozen=True)
class GRU(Recurrent):
    """Gated recurrent unit, torch.nn.GRU of one layer. Its state is h.

    >>> import numpy as np
    >>> layer = GRU.plain("gru", features=3, hidden=4)
    >>> params = {w.table: np.ones(w.hash.buckets) for w in layer.weights()}
    >>> y, cache = layer.forward(params, np.ones((2, 5, 3)))
    >>> y.shape, bool((layer.state(cache) == y[:, -1]).all())
    ((2, 5, 4), True)
    """

    gates: ClassVar[int] = 3
    kept: ClassVar[int] = 1  # p_n
    splits: ClassVar[bool] = True

    def loops(self) -> tuple[Callable, Callable]:
        """One step and its backward, as Recurrent says."""
        return forward_loops, backward_loops
