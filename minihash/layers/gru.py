"""Gated recurrent unit.

    a_t = V_ih x_t + b_ih,   p_t = V_hh h_{t-1} + b_hh              gates r, z, n one after another
    r, z = sigmoid(a + p),   n = tanh(a_n + r p_n)
    h_t = (1 - z) n + z h_{t-1},   computed as n + z (h_{t-1} - n)

    backward    dn = dh (1 - z) (1 - n^2),   dz = dh (h_{t-1} - n) z (1 - z)
                dr = dn p_n r (1 - r),   dh_{t-1} = dh z
                da = (dr, dz, dn),   dp = (dr, dz, dn r)

Source: Cho et al., arXiv 1406.1078, in the variant of torch.nn.GRU: the reset gate r acts on p_n,
bias included.
"""

from dataclasses import dataclass
from typing import ClassVar

from minihash.compile.reals import one, sigmoid, tanh
from minihash.layers.recurrent import Recurrent


def step(a, p, state):
    """The next state (h,), and what `step_back` reads. A body of real numbers."""
    r, z = sigmoid(a[0] + p[0]), sigmoid(a[1] + p[1])
    n = tanh(a[2] + r * p[2])
    return (n + z * (state[0] - n),), (r, z, n, p[2])


def step_back(kept, before, dstate):
    """da, dp, and the gradient of the state before, but for what comes through p."""
    r, z, n, p_n = kept
    dh = dstate[0]
    dn = dh * (one - z) * (one - n * n)
    dz = dh * (before[0] - n) * (z * (one - z))
    dr = dn * p_n * (r * (one - r))
    return (dr, dz, dn), (dr, dz, dn * r), (dh * z,)


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
    step = staticmethod(step)
    step_back = staticmethod(step_back)
