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

from minihash.layers.elementwise import elementwise
from minihash.layers.recurrent import Recurrent
from minihash.layers.timeloop import Weights

Arrays = list[np.ndarray]


def open_body(r, c, z, p, b_ih, b_hh, kept, half):
    z[r, 0, c] = half * ((z[r, 0, c] + b_ih[0, c]) + (p[r, 0, c] + b_hh[0, c]))
    z[r, 1, c] = half * ((z[r, 1, c] + b_ih[1, c]) + (p[r, 1, c] + b_hh[1, c]))
    z[r, 2, c] = z[r, 2, c] + b_ih[2, c]
    kept[r, c] = p[r, 2, c] + b_hh[2, c]


def reset_body(r, c, z, kept, half):
    reset = half + half * z[r, 0, c]
    z[r, 0, c] = reset
    z[r, 1, c] = half + half * z[r, 1, c]
    z[r, 2, c] = z[r, 2, c] + reset * kept[r, c]


def mix_body(r, c, z, before, after):
    n = z[r, 2, c]
    after[r, c] = n + z[r, 1, c] * (before[r, c] - n)


def backward_body(r, c, z, before, kept, dh, da, dp, one):
    reset, update, n = z[r, 0, c], z[r, 1, c], z[r, 2, c]
    d = dh[r, c]
    dn = d * (one - update) * (one - n * n)
    dz = d * (before[r, c] - n) * (update * (one - update))
    dr = dn * kept[r, c] * (reset * (one - reset))
    da[r, 0, c] = dr
    da[r, 1, c] = dz
    da[r, 2, c] = dn
    dp[r, 0, c] = dr
    dp[r, 1, c] = dz
    dp[r, 2, c] = dn * reset
    dh[r, c] = d * update


open_gates, reset_gate = elementwise(open_body), elementwise(reset_body)
mix, back = elementwise(mix_body), elementwise(backward_body)


@dataclass(frozen=True)
class GRU(Recurrent):
    """Gated recurrent unit, torch.nn.GRU of one layer. Its state is h.

    >>> layer = GRU.plain("gru", features=3, hidden=4)
    >>> params = {w.table: np.ones(w.hash.buckets) for w in layer.weights()}
    >>> y, cache = layer.forward(params, np.ones((2, 5, 3)))
    >>> y.shape, bool((layer.state(cache) == y[:, -1]).all())
    ((2, 5, 4), True)
    """

    slopes: ClassVar[tuple[float, ...]] = (0.5, 0.5, 1.0)
    kept: ClassVar[int] = 1  # p_n
    own_dr: ClassVar[bool] = True

    def step(
        self, z: np.ndarray, r: np.ndarray, w: Weights, before: Arrays, after: Arrays, kept: Arrays
    ) -> None:
        """One step: z holds V_ih x and then the gates, r is V_hh h, both (sequences, 3 hidden)."""
        half, (rows, hidden) = z.dtype.type(0.5), before[0].shape
        gates, p = z.reshape(rows, 3, hidden), r.reshape(rows, 3, hidden)
        biases = w.b_ih.reshape(3, hidden), w.b_hh.reshape(3, hidden)
        open_gates(rows, hidden, gates, p, *biases, kept[0], half)
        np.tanh(gates[:, :2], out=gates[:, :2])
        reset_gate(rows, hidden, gates, kept[0], half)
        np.tanh(gates[:, 2], out=gates[:, 2])
        mix(rows, hidden, gates, before[0], after[0])

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
        for what comes through dr, which is dp above."""
        rows, hidden = before[0].shape
        z, da, dp = (m.reshape(rows, 3, hidden) for m in (z, da, dr))
        back(rows, hidden, z, before[0], kept[0], dstate[0], da, dp, z.dtype.type(1))
