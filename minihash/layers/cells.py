"""One step of each recurrent layer, built of the layers without parameters.

    forward(layer, a, r, state)        the next state, and a cache
    backward(layer, cache, dstate)     da, dr, and the gradient of the state, but for what comes
                                       through r

a = V_ih x + b_ih and r = V_hh h + b_hh hold the gates one after another. The equations are those of
rnn.py, gru.py and lstm.py; there they are fused and fast.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from minihash.layers.activations import ReLU, Sigmoid, Tanh
from minihash.layers.gru import GRU
from minihash.layers.lstm import LSTM
from minihash.layers.recurrent import Recurrent
from minihash.layers.rnn import RNN

Arrays = tuple[np.ndarray, ...]


def rnn_forward(layer: RNN, a: np.ndarray, r: np.ndarray, state: Arrays) -> tuple[Arrays, Any]:
    """h' = f(a + r)."""
    f = ReLU() if layer.nonlinearity == "relu" else Tanh()
    h, cache = f.forward({}, a + r)
    return (h,), (f, cache)


def rnn_backward(layer: RNN, cache: Any, dstate: Arrays) -> tuple[np.ndarray, np.ndarray, Arrays]:
    f, cache = cache
    da, _ = f.backward({}, cache, dstate[0])
    return da, da, (np.zeros_like(da),)


def gru_forward(layer: GRU, a: np.ndarray, p: np.ndarray, state: Arrays) -> tuple[Arrays, Any]:
    """r, z = sigmoid(a + p);  n = tanh(a_n + r p_n);  h' = (1 - z) n + z h."""
    (h,) = state
    (a_r, a_z, a_n), (p_r, p_z, p_n) = np.split(a, 3, axis=1), np.split(p, 3, axis=1)
    r, cache_r = Sigmoid().forward({}, a_r + p_r)
    z, cache_z = Sigmoid().forward({}, a_z + p_z)
    n, cache_n = Tanh().forward({}, a_n + r * p_n)
    return ((1 - z) * n + z * h,), (h, p_n, r, z, n, cache_r, cache_z, cache_n)


def gru_backward(layer: GRU, cache: Any, dstate: Arrays) -> tuple[np.ndarray, np.ndarray, Arrays]:
    h, p_n, r, z, n, cache_r, cache_z, cache_n = cache
    (dh,) = dstate
    da_n, _ = Tanh().backward({}, cache_n, dh * (1 - z))
    da_z, _ = Sigmoid().backward({}, cache_z, dh * (h - n))
    da_r, _ = Sigmoid().backward({}, cache_r, da_n * p_n)
    da, dp = np.hstack([da_r, da_z, da_n]), np.hstack([da_r, da_z, da_n * r])
    return da, dp, (dh * z,)


def lstm_forward(layer: LSTM, a: np.ndarray, r: np.ndarray, state: Arrays) -> tuple[Arrays, Any]:
    """i, f, o = sigmoid(a + r);  g = tanh(a + r);  c' = f c + i g;  h' = o tanh(c')."""
    functions = Sigmoid(), Sigmoid(), Tanh(), Sigmoid()
    split = zip(functions, np.split(a + r, 4, axis=1), strict=True)
    gates, caches = zip(*(f.forward({}, z) for f, z in split), strict=True)
    i, f, g, o = gates
    c = f * state[1] + i * g
    t, cache_t = Tanh().forward({}, c)
    return (o * t, c), (state[1], gates, t, cache_t, functions, caches)


def lstm_backward(layer: LSTM, cache: Any, dstate: Arrays) -> tuple[np.ndarray, np.ndarray, Arrays]:
    c, (i, f, g, o), t, cache_t, functions, caches = cache
    dh, dc = dstate
    dc = dc + Tanh().backward({}, cache_t, dh * o)[0]
    dgates = dc * g, dc * c, dc * i, dh * t
    back = zip(functions, caches, dgates, strict=True)
    da = np.hstack([function.backward({}, own, d)[0] for function, own, d in back])
    return da, da, (np.zeros_like(dh), dc * f)


CELLS: dict[type[Recurrent], tuple[Callable, Callable]] = {
    RNN: (rnn_forward, rnn_backward),
    GRU: (gru_forward, gru_backward),
    LSTM: (lstm_forward, lstm_backward),
}
