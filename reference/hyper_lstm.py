"""HyperLSTM as loops, one sequence at a time: HyperNetworks, arXiv 1609.09106, eqs. 10 to 13.

    (h^, c^)_t = LSTM([h_{t-1}; x_t], (h^, c^)_{t-1}),   e = h^_t
    gate y:   z_h = A_h e + a_h,  z_x = A_x e + a_x,  z_b = A_b e
              y = (D_h z_h) (V_hh h_{t-1}) + (D_x z_x) (V_ih x_t) + D_b z_b + b
    (h, c)_t = the LSTM's from the gates i, f, g, o; 1 is added to f, in both cells

e is that of this step, as in the authors' code; no normalisation, no dropout. Weights have the
names of the engine's fields and arrays; A_h (4 N_z, small), D_h (4, hidden, N_z) and so on have the
gates one after another. Its gradients are those of finite differences.
"""

import numpy as np

from reference.core import numbers, zeros
from reference.recurrent import affine, lstm_step

State = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def more_forgetting(a: np.ndarray) -> np.ndarray:
    """The gates with 1 more in the second, f.

    >>> more_forgetting(np.zeros(4))
    array([0., 1., 0., 0.])
    """
    size, a = len(a) // 4, numbers(a).copy()
    for j in range(size, 2 * size):
        a[j] += 1
    return a


def scaled_gates(
    weights: dict[str, np.ndarray], e: np.ndarray, h: np.ndarray, x: np.ndarray
) -> np.ndarray:
    """y of all gates, one after another.

    >>> ones = {"A_h": (4, 1), "A_x": (4, 1), "small_b": (4, 1), "a_h": 4, "a_x": 4, "bias": 4}
    >>> ones |= {"D_h": (4, 1, 1), "D_x": (4, 1, 1), "D_b": (4, 1, 1)}
    >>> ones |= {"weight_hh": (4, 1), "weight_ih": (4, 1)}
    >>> scaled_gates({name: np.ones(n) for name, n in ones.items()}, [1.0], [3.0], [10.0])
    array([28., 28., 28., 28.])
    """
    W = {name: numbers(weight) for name, weight in weights.items()}
    _, hidden, N_z = W["D_h"].shape
    none = zeros((4 * hidden,))
    of_h = affine(W["weight_hh"], numbers(h), none)
    of_x = affine(W["weight_ih"], numbers(x), none)
    z_h = affine(W["A_h"], numbers(e), W["a_h"])
    z_x = affine(W["A_x"], numbers(e), W["a_x"])
    z_b = affine(W["small_b"], numbers(e), zeros((4 * N_z,)))
    y = W["bias"].copy()
    for gate in range(4):
        for n in range(hidden):
            at = gate * hidden + n
            for m in range(N_z):
                k = gate * N_z + m
                y[at] += W["D_h"][gate, n, m] * z_h[k] * of_h[at]
                y[at] += W["D_x"][gate, n, m] * z_x[k] * of_x[at]
                y[at] += W["D_b"][gate, n, m] * z_b[k]
    return y


def hyper_lstm(
    x: np.ndarray, state: State, weights: dict[str, np.ndarray]
) -> tuple[np.ndarray, State]:
    """h at each step (length, hidden) of one sequence x (length, features), and the last state.

    state: (h, c, h^, c^), vectors.
    """
    h, c, h_small, c_small = (numbers(s) for s in state)
    y = zeros((len(x), len(h)))
    for t in range(len(x)):
        joined = np.concatenate((h, numbers(x[t])))
        a = affine(numbers(weights["small_ih"]), joined, weights["small_bias"])
        r = affine(numbers(weights["small_hh"]), h_small, zeros(a.shape))
        h_small, c_small = lstm_step(more_forgetting(a), r, (h_small, c_small))
        gates = scaled_gates(weights, h_small, h, x[t])
        h, c = lstm_step(more_forgetting(gates), zeros(gates.shape), (h, c))
        y[t] = h
    return y, (h, c, h_small, c_small)
