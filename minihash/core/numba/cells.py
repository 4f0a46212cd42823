"""One step of each recurrent cell and the way back through it, as loops (loops.py): the equations
of layers/lstm.py, gru.py and rnn.py, fused, with a pass for each gate, which becomes SIMD.

    forward     z[t] (rows, G, hidden), of V_ih x, becomes the gates; q, of its shape: of V_hh h;
                states (states, length + 1, rows, hidden): at t before the step, at t + 1 after it;
                kept (kept, length, rows, hidden): what else backward reads
    backward    dstate (states, rows, hidden), of the state after the step, becomes that of the
                state before, but for what comes through dr; da[t] and dr[t] are written
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from minihash.compile.reals import choose, half, larger, one, tanh, zero


def lstm_forward(t, rows, hidden, z, q, b_ih, b_hh, states, kept):
    """Step t: z[t] (rows, 4, hidden), of V_ih x, becomes the gates; q: of V_hh h; states: h and c,
    at t before the step, at t + 1 after it; kept: tanh(c) after it."""
    for r in range(rows):
        for c in range(hidden):
            sum_ = (z[t, r, 0, c] + b_ih[0, c]) + (q[r, 0, c] + b_hh[0, c])
            z[t, r, 0, c] = half + half * tanh(half * sum_)
        for c in range(hidden):
            sum_ = (z[t, r, 1, c] + b_ih[1, c]) + (q[r, 1, c] + b_hh[1, c])
            z[t, r, 1, c] = half + half * tanh(half * sum_)
        for c in range(hidden):
            sum_ = (z[t, r, 2, c] + b_ih[2, c]) + (q[r, 2, c] + b_hh[2, c])
            z[t, r, 2, c] = tanh(sum_)
        for c in range(hidden):
            sum_ = (z[t, r, 3, c] + b_ih[3, c]) + (q[r, 3, c] + b_hh[3, c])
            z[t, r, 3, c] = half + half * tanh(half * sum_)
        for c in range(hidden):
            new = z[t, r, 1, c] * states[1, t, r, c] + z[t, r, 0, c] * z[t, r, 2, c]
            states[1, t + 1, r, c] = new
        for c in range(hidden):
            kept[0, t, r, c] = tanh(states[1, t + 1, r, c])
        for c in range(hidden):
            states[0, t + 1, r, c] = z[t, r, 3, c] * kept[0, t, r, c]


def lstm_backward(t, rows, hidden, z, states, kept, dy, dstate, da, dr):
    """Back through step t: dstate, of the state after it, becomes that of the state before, but for
    what comes through dr, which is da. A pass for each gate: SIMD."""
    for r in range(rows):
        for c in range(hidden):
            o, u, d = z[t, r, 3, c], kept[0, t, r, c], dstate[0, r, c] + dy[r, t, c]
            dstate[1, r, c] = dstate[1, r, c] + d * o * (one - u * u)
        for c in range(hidden):
            o, d = z[t, r, 3, c], dstate[0, r, c] + dy[r, t, c]
            da[t, r, 3, c] = d * kept[0, t, r, c] * (o * (one - o))
        for c in range(hidden):
            i = z[t, r, 0, c]
            da[t, r, 0, c] = dstate[1, r, c] * z[t, r, 2, c] * (i * (one - i))
        for c in range(hidden):
            f = z[t, r, 1, c]
            da[t, r, 1, c] = dstate[1, r, c] * states[1, t, r, c] * (f * (one - f))
        for c in range(hidden):
            g = z[t, r, 2, c]
            da[t, r, 2, c] = dstate[1, r, c] * z[t, r, 0, c] * (one - g * g)
        for c in range(hidden):
            dstate[1, r, c] = dstate[1, r, c] * z[t, r, 1, c]
            dstate[0, r, c] = zero


def gru_forward(t, rows, hidden, z, p, b_ih, b_hh, states, kept):
    """Step t: z[t] (rows, 3, hidden), of V_ih x, becomes the gates; p: of V_hh h; states: h, at t
    before the step, at t + 1 after it; kept: p_n."""
    for r in range(rows):
        for c in range(hidden):
            sum_ = (z[t, r, 0, c] + b_ih[0, c]) + (p[r, 0, c] + b_hh[0, c])
            z[t, r, 0, c] = half + half * tanh(half * sum_)
        for c in range(hidden):
            sum_ = (z[t, r, 1, c] + b_ih[1, c]) + (p[r, 1, c] + b_hh[1, c])
            z[t, r, 1, c] = half + half * tanh(half * sum_)
        for c in range(hidden):
            kept[0, t, r, c] = p[r, 2, c] + b_hh[2, c]
        for c in range(hidden):
            sum_ = (z[t, r, 2, c] + b_ih[2, c]) + z[t, r, 0, c] * kept[0, t, r, c]
            z[t, r, 2, c] = tanh(sum_)
        for c in range(hidden):
            n = z[t, r, 2, c]
            states[0, t + 1, r, c] = n + z[t, r, 1, c] * (states[0, t, r, c] - n)


def gru_backward(t, rows, hidden, z, states, kept, dy, dstate, da, dp):
    """Back through step t: dstate, of the state after it, becomes what flows to the state before
    directly."""
    for r in range(rows):
        for c in range(hidden):
            update, n, d = z[t, r, 1, c], z[t, r, 2, c], dstate[0, r, c] + dy[r, t, c]
            da[t, r, 2, c] = d * (one - update) * (one - n * n)
            da[t, r, 1, c] = d * (states[0, t, r, c] - n) * (update * (one - update))
            dstate[0, r, c] = d * update
        for c in range(hidden):
            reset = z[t, r, 0, c]
            da[t, r, 0, c] = da[t, r, 2, c] * kept[0, t, r, c] * (reset * (one - reset))
            dp[t, r, 2, c] = da[t, r, 2, c] * reset
        for c in range(hidden):
            dp[t, r, 0, c] = da[t, r, 0, c]
            dp[t, r, 1, c] = da[t, r, 1, c]


def rnn_forward(t, rows, hidden, z, q, b_ih, b_hh, states, kept):
    """Step t: z[t], of V_ih x, becomes h; q: of V_hh h of the step before; states: h."""
    for r in range(rows):
        for c in range(hidden):
            z[t, r, 0, c] = tanh((z[t, r, 0, c] + b_ih[0, c]) + (q[r, 0, c] + b_hh[0, c]))
        for c in range(hidden):
            states[0, t + 1, r, c] = z[t, r, 0, c]


def rnn_backward(t, rows, hidden, z, states, kept, dy, dstate, da, dr):
    """Back through step t; all that flows to the state before comes through dr, which is da."""
    for r in range(rows):
        for c in range(hidden):
            h = z[t, r, 0, c]
            da[t, r, 0, c] = (dstate[0, r, c] + dy[r, t, c]) * (one - h * h)
            dstate[0, r, c] = zero


def relu_forward(t, rows, hidden, z, q, b_ih, b_hh, states, kept):
    for r in range(rows):
        for c in range(hidden):
            sum_ = (z[t, r, 0, c] + b_ih[0, c]) + (q[r, 0, c] + b_hh[0, c])
            z[t, r, 0, c] = larger(sum_, zero)
        for c in range(hidden):
            states[0, t + 1, r, c] = z[t, r, 0, c]


def relu_backward(t, rows, hidden, z, states, kept, dy, dstate, da, dr):
    for r in range(rows):
        for c in range(hidden):
            d = dstate[0, r, c] + dy[r, t, c]
            da[t, r, 0, c] = choose(z[t, r, 0, c] <= zero, zero, d)
            dstate[0, r, c] = zero


class Cell(NamedTuple):
    """The loops of a cell, how many arrays it keeps, and whether dr is not da."""

    forward: Callable
    backward: Callable
    kept: int = 0
    splits: bool = False


CELLS = {
    "minihash.layers.lstm.step": Cell(lstm_forward, lstm_backward, kept=1),
    "minihash.layers.gru.step": Cell(gru_forward, gru_backward, kept=1, splits=True),
    "minihash.layers.rnn.step": Cell(rnn_forward, rnn_backward),
    "minihash.layers.rnn.relu_step": Cell(relu_forward, relu_backward),
}


def cell_of(layer: Any) -> Cell | None:
    """The loops of the layer's equations; None for equations of the user's own."""
    return CELLS.get(f"{layer.step.__module__}.{layer.step.__qualname__}")
