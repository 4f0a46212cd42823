"""The oracles of recurrence: loops against PyTorch, finite differences and exact fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference import finite_differences, recurrent, torch_twins
from reference.recurrent_balls import recurrent as balls

U = 2.0**-53
GATES = {"tanh": 1, "relu": 1, "gru": 3, "lstm": 4}
kinds = st.sampled_from(list(GATES))
sizes = st.integers(1, 4)
seeds = st.integers(0, 2**32 - 1)


def inputs(rng, kind, features, hidden, length):
    """(weights, x, state, dy, dstate) of one sequence."""
    rows, count = GATES[kind] * hidden, 2 if kind == "lstm" else 1
    shapes = (rows, features), (rows, hidden), (rows,), (rows,)
    x, dy = rng.normal(size=(length, features)), rng.normal(size=(length, hidden))
    state, dstate = (tuple(rng.normal(size=(count, hidden))) for _ in range(2))
    return tuple(rng.normal(size=shape) for shape in shapes), x, state, dy, dstate


def everything(kind, weights, x, state, dy, dstate):
    """All that the loops compute, named as the twin names it, for a batch of one."""
    states = recurrent.recurrent_forward(kind, x, weights, state)
    dx, dstart, dweights = recurrent.recurrent_backward(kind, x, weights, state, dy, dstate)
    found = {"y": np.array([s[0] for s in states[1:]])[None], "dx": dx[None]}
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    found |= {f"d{name}": dw for name, dw in zip(names, dweights, strict=True)}
    for k in range(len(state)):
        found |= {f"state{k}": states[-1][k][None], f"dstate{k}": dstart[k][None]}
    return found


@given(kinds, seeds, sizes, sizes, sizes)
def test_the_loops_are_pytorchs(kind, seed, features, hidden, length):
    case = inputs(np.random.default_rng(seed), kind, features, hidden, length)
    weights, x, state, dy, dstate = case
    batch = weights, x[None], [s[None] for s in state], dy[None], [d[None] for d in dstate]
    found, expected = everything(kind, *case), torch_twins.recurrent(kind, *batch, [length])
    around = balls(kind, *batch, [length], U)
    assert set(found) == set(expected) == set(around)
    for name, result in found.items():
        assert result.shape == expected[name].shape
        assert (abs(result - expected[name]) <= 2 * around[name].rad).all(), name


@pytest.mark.parametrize("kind", ["tanh", "gru", "lstm"])
def test_the_loops_agree_with_finite_differences(kind):
    weights, x, state, dy, dstate = inputs(np.random.default_rng(3), kind, 2, 3, 3)
    dx, dstart, dweights = recurrent.recurrent_backward(kind, x, weights, state, dy, dstate)

    def outputs(x, weights, state):
        states = recurrent.recurrent_forward(kind, x, weights, state)
        return np.concatenate([s[0] for s in states[1:]] + list(states[-1]))

    def replaced(arrays, k, array):
        return (*arrays[:k], array, *arrays[k + 1 :])

    cotangent = np.concatenate([dy.reshape(-1), *dstate])
    pairs = [(lambda v: outputs(v, weights, state), x, dx)]
    for k in range(4):
        pairs.append(
            (lambda v, k=k: outputs(x, replaced(weights, k, v), state), weights[k], dweights[k])
        )
    for k in range(len(state)):
        pairs.append(
            (lambda v, k=k: outputs(x, weights, replaced(state, k, v)), state[k], dstart[k])
        )
    for f, at, expected in pairs:
        found, bound = finite_differences.gradient(f, at, cotangent)
        assert (abs(found - expected) <= bound).all()


@given(seeds, sizes, sizes, sizes, st.none() | st.integers(1, 3))
def test_relu_is_exact_in_fractions_and_a_window_is_a_sequence_of_its_own(
    seed, features, hidden, length, truncate
):
    rng = np.random.default_rng(seed)
    case = inputs(rng, "relu", features, hidden, length)

    def exact(array):
        return np.array(
            [Fraction(float(a)).limit_denominator(9) for a in array.flat], object
        ).reshape(array.shape)

    weights, x, state, dy, dstate = (
        tuple(map(exact, part)) if isinstance(part, tuple) else exact(part) for part in case
    )
    whole = recurrent.recurrent_backward("relu", x, weights, state, dy, dstate, truncate)
    states = recurrent.recurrent_forward("relu", x, weights, state)
    starts = list(range(0, length, truncate or length))
    total = [0, 0, 0, 0]
    for start in starts:
        window = slice(start, start + (truncate or length))
        flows = dstate if start == starts[-1] else (0 * dstate[0],)
        dx, dstart, dweights = recurrent.recurrent_backward(
            "relu", x[window], weights, states[start], dy[window], flows
        )
        assert (dx == whole[0][window]).all()
        assert start or (dstart[0] == whole[1][0]).all()
        total = [a + b for a, b in zip(total, dweights, strict=True)]
    assert all((a == b).all() for a, b in zip(total, whole[2], strict=True))
