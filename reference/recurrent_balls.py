"""How far a recurrent layer may be from its exact result: the equations on the balls of balls.py.

The ball of every result holds what any evaluation with unit roundoff u gives, in any order of sums
and in either form of the GRU's mixture. A sigmoid is as good as (1 + tanh(x / 2)) / 2: its error is
relative to 1. Where the argument of a ReLU may have either sign, its slope may be 0 or 1.
"""

import numpy as np

from reference.balls import ELEMENTARY, Ball, ball


def take(b, index):
    return Ball(b.mid[index], b.rad[index], b.u)


def join(balls, axis):
    mid, rad = (np.concatenate([getattr(b, k) for b in balls], axis) for k in ("mid", "rad"))
    return Ball(mid, rad, balls[0].u)


def choose(mask, a, b):
    """a where the mask of rows is true, else b."""
    mask = mask[:, None]
    return Ball(np.where(mask, a.mid, b.mid), np.where(mask, a.rad, b.rad), a.u)


def split(b, count):
    return [take(b, (slice(None), part)) for part in np.split(np.arange(b.mid.shape[1]), count)]


def complement(x):
    """1 - x."""
    return 1 + -x


def sigmoid(x):
    return x.map(lambda z: 1 / (1 + np.exp(-z)), 0.25)


def tanh(x):
    return x.map(np.tanh)


def tanh_step(a, r, state):
    h = tanh(a + r)

    def back(dstate):
        da = dstate[0] * complement(h * h)
        return da, da, [zero(h)]

    return [h], back


def relu_step(a, r, state):
    z = a + r
    h = z.map(lambda z: np.maximum(z, 0))
    slope = Ball((z.mid > 0) * 1.0, (abs(z.mid) <= z.rad) * (z.rad > 0) * 1.0, z.u)

    def back(dstate):
        da = dstate[0] * slope
        return da, da, [zero(h)]

    return [h], back


def gru_step(a, p, state):
    (h,) = state
    (a_r, a_z, a_n), (p_r, p_z, p_n) = split(a, 3), split(p, 3)
    r, z = sigmoid(a_r + p_r), sigmoid(a_z + p_z)
    n = tanh(a_n + r * p_n)
    mixed = complement(z) * n + z * h
    new = mixed.rounded(mixed.mid, mixed.rad, 2, abs(n.mid) + abs(z.mid) * abs(h.mid - n.mid))

    def back(dstate):
        (dh,) = dstate
        dn = dh * complement(z) * complement(n * n)
        dz = dh * (h - n) * z * complement(z)
        dr = dn * p_n * r * complement(r)
        return join([dr, dz, dn], 1), join([dr, dz, dn * r], 1), [dh * z]

    return [new], back


def lstm_step(a, r, state):
    i, f, g, o = split(a + r, 4)
    i, f, g, o = sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)
    before = state[1]
    c = f * before + i * g
    t = tanh(c)

    def back(dstate):
        dh, dc = dstate
        dc = dc + dh * o * complement(t * t)
        gates = (
            dc * g * i * complement(i),
            dc * before * f * complement(f),
            dc * i * complement(g * g),
        )
        da = join([*gates, dh * t * o * complement(o)], 1)
        return da, da, [zero(dh), dc * f]

    return [o * t, c], back


STEPS = {"tanh": tanh_step, "relu": relu_step, "gru": gru_step, "lstm": lstm_step}


def zero(b):
    return ball(np.zeros(b.mid.shape), b.u)


def recurrent(kind, weights, x, state, dy, dstate, lengths, u, truncate=None):
    """The balls of all results, named as reference/torch_twins.py names them."""
    assert ELEMENTARY >= 8  # of tanh; the sigmoid's few roundings fit in map's own
    V_ih, V_hh, b_ih, b_hh = (ball(w, u) for w in weights)
    state, dstate = [ball(s, u) for s in state], [ball(d, u) for d in dstate]
    x, dy = ball(x, u), ball(dy, u)
    lengths, steps = np.asarray(lengths), x.mid.shape[1]
    tape, y = [], []
    for t in range(steps):
        active = lengths > t
        x_t = take(x, (slice(None), t))
        x_t = choose(active, x_t, zero(x_t))
        new, back = STEPS[kind](x_t @ V_ih.T + b_ih, state[0] @ V_hh.T + b_hh, state)
        tape.append((active, x_t, state[0], back))
        state = [choose(active, a, b) for a, b in zip(new, state, strict=True)]
        y.append(choose(active, new[0], zero(new[0])))
    found = {f"state{k}": s for k, s in enumerate(state)}
    dx, das, drs = [], [], []
    for t in reversed(range(steps)):
        active, _, _, back = tape[t]
        dy_t = take(dy, (slice(None), t))
        da, dr, new = back([dstate[0] + dy_t, *dstate[1:]])
        da, dr = choose(active, da, zero(da)), choose(active, dr, zero(dr))
        new[0] = new[0] + dr @ V_hh
        if truncate and t and t % truncate == 0:
            new = [zero(d) for d in new]
        dstate = [choose(active, a, b) for a, b in zip(new, dstate, strict=True)]
        dx.append(da @ V_ih)
        das.append(da)
        drs.append(dr)
    found |= {f"dstate{k}": d for k, d in enumerate(dstate)}
    da, dr = join(das[::-1], 0), join(drs[::-1], 0)
    xs, hs = (join([step[k] for step in tape], 0) for k in (1, 2))
    found |= {"dweight_ih": da.T @ xs, "dweight_hh": dr.T @ hs}
    found |= {"dbias_ih": da.sum(), "dbias_hh": dr.sum()}

    def by_sequence(balls):
        mid, rad = (np.stack([getattr(b, k) for b in balls], 1) for k in ("mid", "rad"))
        return Ball(mid, rad, u)

    return found | {"y": by_sequence(y), "dx": by_sequence(dx[::-1])}
