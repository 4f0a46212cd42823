"""Recurrent layers as loops, one sequence at a time, the backward pass directly below.

    a_t = V_ih x_t + b_ih,  r_t = V_hh h_{t-1} + b_hh,  state_t = step(a_t, r_t, state_{t-1})

A step works on vectors: a and r have the gates one after another, each of the size of h. A state is
a tuple: (h,), for the LSTM (h, c). A batch of sequences of several lengths is several sequences;
gradients of the weights add up over them. Arithmetic is float64; the ReLU's stays exact on
fractions. Sources: Elman 1990; Cho et al., arXiv 1406.1078; Hochreiter & Schmidhuber 1997 and Gers
et al. 2000, all with the conventions of torch.nn.
"""

from collections.abc import Callable
from math import tanh

import numpy as np

from reference.activations import logistic
from reference.core import numbers, zeros

State = tuple[np.ndarray, ...]


def affine(V: np.ndarray, x: np.ndarray, b: np.ndarray) -> np.ndarray:
    """V x + b for a vector x.

    >>> affine(np.array([[3.0, 4.0]]), np.array([1.0, 2.0]), np.array([0.5]))
    array([11.5])
    """
    y = numbers(b).copy()
    for o in range(V.shape[0]):
        for i in range(V.shape[1]):
            y[o] += V[o, i] * x[i]
    return y


def tanh_step(a: np.ndarray, r: np.ndarray, state: State) -> State:
    """h' = tanh(a + r).

    >>> tanh_step([0.5], [-0.5], (np.array([7.0]),))
    (array([0.]),)
    """
    return (np.array([tanh(a[j] + r[j]) for j in range(len(a))]),)


def tanh_step_backward(
    dstate: State, a: np.ndarray, r: np.ndarray, state: State
) -> tuple[np.ndarray, np.ndarray, State]:
    """(da, dr, dstate of the state before, but for what comes through r).

    >>> tanh_step_backward((np.array([3.0]),), [0.5], [-0.5], (np.array([7.0]),))
    (array([3.]), array([3.]), (array([0.]),))
    """
    (dh,) = dstate
    da = np.array([dh[j] * (1 - tanh(a[j] + r[j]) ** 2) for j in range(len(a))])
    return da, da, (zeros(da.shape),)


def relu_step(a: np.ndarray, r: np.ndarray, state: State) -> State:
    """h' = max(a + r, 0).

    >>> relu_step([3.0, 3.0], [-1.0, -4.0], (np.array([7.0, 7.0]),))
    (array([2., 0.]),)
    """
    return (np.array([max(a[j] + r[j], 0 * a[j]) for j in range(len(a))]),)


def relu_step_backward(
    dstate: State, a: np.ndarray, r: np.ndarray, state: State
) -> tuple[np.ndarray, np.ndarray, State]:
    """(da, dr, dstate of the state before, but for what comes through r).

    >>> relu_step_backward((np.array([5.0]),), [3.0], [-1.0], (np.array([7.0]),))
    (array([5.]), array([5.]), (array([0.]),))
    """
    (dh,) = dstate
    da = np.array([dh[j] if a[j] + r[j] > 0 else 0 * dh[j] for j in range(len(a))])
    return da, da, (zeros(da.shape, da),)


def gru_step(a: np.ndarray, p: np.ndarray, state: State) -> State:
    """r, z = sigmoid(a + p);  n = tanh(a_n + r p_n);  h' = (1 - z) n + z h.

    >>> gru_step([0.0, 0.0, 0.0], [0.0, 0.0, 9.0], (np.array([2.0]),))[0].round(3)
    array([1.5])
    """
    (h,), new = state, zeros(state[0].shape)
    size = len(h)
    for j in range(size):
        r, z = logistic(a[j] + p[j]), logistic(a[size + j] + p[size + j])
        n = tanh(a[2 * size + j] + r * p[2 * size + j])
        new[j] = (1 - z) * n + z * h[j]
    return (new,)


def gru_step_backward(
    dstate: State, a: np.ndarray, p: np.ndarray, state: State
) -> tuple[np.ndarray, np.ndarray, State]:
    """(da, dp, dstate of the state before, but for what comes through p).

    dn = dh (1 - z) (1 - n^2);  dz = dh (h - n) z (1 - z);  dr = dn p_n r (1 - r)
    da = (dr, dz, dn);  dp = (dr, dz, dn r);  dh_before = dh z

    >>> gru_step_backward((np.array([4.0]),), [0.0] * 3, [0.0] * 3, (np.array([2.0]),))
    (array([0., 2., 2.]), array([0., 2., 1.]), (array([2.]),))
    """
    (h,), (dh,), da, dp = state, dstate, zeros(np.shape(a)), zeros(np.shape(a))
    size, before = len(h), zeros(np.shape(h))
    for j in range(size):
        r, z = logistic(a[j] + p[j]), logistic(a[size + j] + p[size + j])
        n = tanh(a[2 * size + j] + r * p[2 * size + j])
        dn = dh[j] * (1 - z) * (1 - n**2)
        da[j] = dp[j] = dn * p[2 * size + j] * r * (1 - r)
        da[size + j] = dp[size + j] = dh[j] * (h[j] - n) * z * (1 - z)
        da[2 * size + j], dp[2 * size + j] = dn, dn * r
        before[j] = dh[j] * z
    return da, dp, (before,)


def lstm_step(a: np.ndarray, r: np.ndarray, state: State) -> State:
    """i, f, o = sigmoid(a + r);  g = tanh(a + r);  c' = f c + i g;  h' = o tanh(c').

    >>> lstm_step([0.0] * 4, [0.0] * 4, (np.array([1.0]), np.array([8.0])))[1]
    array([4.])
    """
    _, c = state
    h_new, c_new, size = zeros(c.shape), zeros(c.shape), len(c)
    for j in range(size):
        i, f, g, o = (a[k * size + j] + r[k * size + j] for k in range(4))
        c_new[j] = logistic(f) * c[j] + logistic(i) * tanh(g)
        h_new[j] = logistic(o) * tanh(c_new[j])
    return h_new, c_new


def lstm_step_backward(
    dstate: State, a: np.ndarray, r: np.ndarray, state: State
) -> tuple[np.ndarray, np.ndarray, State]:
    """(da, dr, dstate of the state before, but for what comes through r).

    dc += dh o (1 - tanh(c')^2);  da = dr = (dc g i (1 - i), dc c f (1 - f), dc i (1 - g^2),
    dh tanh(c') o (1 - o));  dc_before = dc f

    >>> zero = np.array([0.0])
    >>> lstm_step_backward((zero, np.array([8.0])), [0.0] * 4, [0.0] * 4, (zero, np.array([1.0])))
    (array([0., 2., 4., 0.]), array([0., 2., 4., 0.]), (array([0.]), array([4.])))
    """
    (_, c), (dh, dc) = state, dstate
    da, dc_before, size = zeros(np.shape(a)), zeros(c.shape), len(c)
    for j in range(size):
        i, f, g, o = (a[k * size + j] + r[k * size + j] for k in range(4))
        i, f, g, o = logistic(i), logistic(f), tanh(g), logistic(o)
        t = tanh(f * c[j] + i * g)
        d = dc[j] + dh[j] * o * (1 - t**2)
        da[j], da[size + j] = d * g * i * (1 - i), d * c[j] * f * (1 - f)
        da[2 * size + j], da[3 * size + j] = d * i * (1 - g**2), dh[j] * t * o * (1 - o)
        dc_before[j] = d * f
    return da, da, (zeros(c.shape), dc_before)


STEPS: dict[str, tuple[Callable, Callable]] = {
    "tanh": (tanh_step, tanh_step_backward),
    "relu": (relu_step, relu_step_backward),
    "gru": (gru_step, gru_step_backward),
    "lstm": (lstm_step, lstm_step_backward),
}


def recurrent_forward(kind: str, x: np.ndarray, weights: State, state: State) -> list[State]:
    """The states 0, 1, ..., length of one sequence x (length, features); y_t is h of state t.

    weights: V_ih (gates, features), V_hh (gates, hidden), b_ih and b_hh (gates,).

    >>> one = np.array([[1.0]])
    >>> weights = one, 2 * one, np.zeros(1), np.zeros(1)
    >>> recurrent_forward("relu", np.ones((3, 1)), weights, (np.zeros(1),))[-1]
    (array([7.]),)
    """
    V_ih, V_hh, b_ih, b_hh = weights
    states = [tuple(numbers(s) for s in state)]
    for x_t in numbers(x):
        a, r = affine(V_ih, x_t, b_ih), affine(V_hh, states[-1][0], b_hh)
        states.append(STEPS[kind][0](a, r, states[-1]))
    return states


def recurrent_backward(
    kind: str,
    x: np.ndarray,
    weights: State,
    state: State,
    dy: np.ndarray,
    dfinal: State,
    truncate: int | None = None,
) -> tuple[np.ndarray, State, State]:
    """(dx, gradient of the initial state, gradients of the weights) of one sequence.

    da, dr from dstate_t, with dh_t += dy_t;  dh_{t-1} += V_hh^T dr;  dx_t = V_ih^T da
    dV_ih += da x_t^T;  dV_hh += dr h_{t-1}^T;  db_ih += da;  db_hh += dr
    truncate: at the steps k, 2 k, ... (counted from 0) the state before is taken as a constant.

    >>> one = np.array([[1.0]])
    >>> weights = one, 2 * one, np.zeros(1), np.zeros(1)
    >>> dy = np.array([[0.0], [0.0], [1.0]])
    >>> recurrent_backward("relu", np.ones((3, 1)), weights, (np.ones(1),), dy, (np.zeros(1),))[0]
    array([[4.],
           [2.],
           [1.]])
    """
    V_ih, V_hh, b_ih, b_hh = weights
    x, states = numbers(x), recurrent_forward(kind, x, weights, state)
    dweights = tuple(zeros(np.shape(w), x) for w in weights)
    dx, dstate = zeros(x.shape, x), tuple(numbers(d) for d in dfinal)
    for t in reversed(range(len(x))):
        h = states[t][0]
        dstate = (dstate[0] + dy[t], *dstate[1:])
        a, r = affine(V_ih, x[t], b_ih), affine(V_hh, h, b_hh)
        da, dr, dstate = STEPS[kind][1](dstate, a, r, states[t])
        for o in range(len(da)):
            for i in range(x.shape[1]):
                dx[t, i] += V_ih[o, i] * da[o]
                dweights[0][o, i] += da[o] * x[t, i]
            for i in range(len(h)):
                dstate[0][i] += V_hh[o, i] * dr[o]
                dweights[1][o, i] += dr[o] * h[i]
            dweights[2][o] += da[o]
            dweights[3][o] += dr[o]
        if truncate and t and t % truncate == 0:
            dstate = tuple(zeros(d.shape, d) for d in dstate)
    return dx, dstate, dweights
