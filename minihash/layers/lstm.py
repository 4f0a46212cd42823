"""Long short-term memory.

    a_t = V_ih x_t + b_ih,   r_t = V_hh h_{t-1} + b_hh           gates i, f, g, o one after another
    i, f, o = sigmoid(a + r),   g = tanh(a + r)
    c_t = f c_{t-1} + i g,   h_t = o tanh(c_t)

    backward    do = dh tanh(c),   dc += dh o (1 - tanh(c)^2)
                di = dc g,   df = dc c_{t-1},   dg = dc i,   dc_{t-1} = dc f
                da = dr = (di i (1 - i),  df f (1 - f),  dg (1 - g^2),  do o (1 - o))

Source: Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000; the order of the
gates and the two biases are torch.nn.LSTM's.
"""

from dataclasses import dataclass
from typing import ClassVar

from minihash.compile.reals import one, sigmoid, tanh, zero
from minihash.layers.recurrent import Recurrent


def step(a, r, state):
    """The next state (h, c), and what `step_back` reads. A body of real numbers."""
    i, f, o = sigmoid(a[0] + r[0]), sigmoid(a[1] + r[1]), sigmoid(a[3] + r[3])
    g = tanh(a[2] + r[2])
    c = f * state[1] + i * g
    t = tanh(c)
    return (o * t, c), (i, f, g, o, t)


def step_back(kept, before, dstate):
    """da, dr, and the gradient of the state before, but for what comes through r."""
    i, f, g, o, t = kept
    dh, dc = dstate
    dc = dc + dh * o * (one - t * t)
    di, df, dg, do = dc * g, dc * before[1], dc * i, dh * t
    da = di * (i * (one - i)), df * (f * (one - f)), dg * (one - g * g), do * (o * (one - o))
    return da, da, (zero, dc * f)


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
    step = staticmethod(step)
    step_back = staticmethod(step_back)
