"""RNN, GRU and LSTM against PyTorch and the loops, to the bit on whole numbers."""

from dataclasses import replace
from unittest.mock import patch

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from minihash.core.numba import recurrence
from reference import recurrent as loops
from reference import torch_twins
from reference.recurrent_balls import recurrent as balls
from tests.support.backends import array_backend  # noqa: F401
from tests.support.bounds import eps
from tests.support.recurrent_cases import (
    NAMES,
    by_layer,
    cases,
    in_float64,
    tables_from_weights,
)
from tests.support.strategies import cotangent, frozen

seeds = st.integers(0, 2**32 - 1)


def normal(shape, dtype):
    """Read-only random normal arrays."""
    return seeds.map(lambda seed: cotangent(shape, dtype, seed))


def small(shape, dtype):
    """Read-only whole numbers -2 ... 2."""

    def draw(seed):
        return frozen(np.random.default_rng(seed).integers(-2, 3, shape).astype(dtype))

    return seeds.map(draw)


def cut_into(rows):
    """Parts of `rows` sequences, as long batches of large layers have them."""
    return patch.multiple(recurrence, ROWS=rows, WORK=1)


def assert_within_balls(case, found, expected, truncate=None):
    """found, in the dtype of the case, and expected, in float64, hold the same exact result."""
    inputs = in_float64(case)
    radius = 0
    names = set()
    for dtype in (case.x.dtype, np.float64):
        around = balls(case.kind, *inputs, eps(dtype) / 2, truncate)
        around = tables_from_weights(case, around)
        radius = {k: b.rad + (radius[k] if radius else 0) for k, b in around.items()}
        names |= set(around)
    assert set(found) == set(expected) == names
    tiny = 1e3 * np.finfo(case.x.dtype).tiny
    for name, result in found.items():
        assert result.dtype == case.x.dtype, name
        excess = abs(result - expected[name]) - radius[name] - tiny
        assert (excess <= 0).all(), (name, result, expected[name], excess.max())


@given(cases(normal), st.sampled_from([1, 2, 16]))
def test_it_is_pytorch(case, rows):
    with cut_into(rows):
        found = by_layer(case)
    expected = tables_from_weights(case, torch_twins.recurrent(case.kind, *in_float64(case)))
    assert_within_balls(case, found, expected)


@given(cases(normal), st.integers(1, 4))
def test_truncated_it_is_pytorch_window_by_window_with_the_state_detached(case, truncate):
    case = replace(case, layer=replace(case.layer, truncate=truncate))
    weights, x, state, dy, dstate, lengths = in_float64(case)
    expected = {f"d{name}": np.zeros(w.shape) for name, w in zip(NAMES, weights, strict=True)}
    expected |= {"y": np.zeros(dy.shape), "dx": np.zeros(x.shape)}
    for k in range(case.layer.states):
        expected |= {f"state{k}": np.zeros(state[0].shape), f"dstate{k}": np.zeros(state[0].shape)}
    for b, end in enumerate(lengths):
        own = slice(b, b + 1)
        carried, last = [s[own] for s in state], [d[own] for d in dstate]
        for start in range(0, end, truncate):
            window = own, slice(start, min(start + truncate, end))
            flows = last if start + truncate >= end else [0 * d for d in last]
            size = window[1].stop - start
            out = torch_twins.recurrent(
                case.kind, weights, x[window], carried, dy[window], flows, [size]
            )
            carried = [out[f"state{k}"] for k in range(len(carried))]
            expected["y"][window], expected["dx"][window] = out["y"], out["dx"]
            for name in NAMES:
                expected[f"d{name}"] += out[f"d{name}"]
            for k, s in enumerate(carried):
                expected[f"state{k}"][own] = s
                if start == 0:
                    expected[f"dstate{k}"][own] = out[f"dstate{k}"]
    found = by_layer(case)
    assert_within_balls(case, found, tables_from_weights(case, expected), truncate)


@given(
    cases(small, kinds=("relu",), longest=4),
    st.none() | st.integers(1, 3),
    st.sampled_from([1, 2, 16]),
)
def test_on_whole_numbers_relu_is_the_loops_bit_for_bit(case, truncate, rows):
    """No sum reaches 2^24 (float64: 2^53), as the absolute values of all inputs tell."""
    case = replace(case, layer=replace(case.layer, truncate=truncate))
    sums = by_loops(case, truncate, np.abs)
    assume(max(s.max() for s in sums.values()) < 2 ** (24 if case.x.dtype == np.float32 else 53))
    with cut_into(rows):
        found = by_layer(case)
    expected = by_loops(case, truncate)
    assert set(found) == set(expected)
    for name, result in found.items():
        assert (result == expected[name]).all(), name


def by_loops(case, truncate, take=np.asarray):
    """What the loops compute of take(inputs), sequence by sequence."""
    weights, x, state, dy, dstate, lengths = in_float64(case)
    weights, x, dy = [take(w) for w in weights], take(x), take(dy)
    state, dstate = [take(s) for s in state], [take(d) for d in dstate]
    found = {f"d{name}": np.zeros(w.shape) for name, w in zip(NAMES, weights, strict=True)}
    found |= {"y": np.zeros(dy.shape), "dx": np.zeros(x.shape)}
    found |= {
        f"{d}state{k}": np.zeros(state[0].shape) for k in range(len(state)) for d in ("", "d")
    }
    for b, end in enumerate(lengths):
        start, last = [s[b] for s in state], [d[b] for d in dstate]
        states = loops.recurrent_forward(case.kind, x[b, :end], weights, start)
        dx, dstart, dweights = loops.recurrent_backward(
            case.kind, x[b, :end], weights, start, dy[b, :end], last, truncate
        )
        found["y"][b, :end], found["dx"][b, :end] = [s[0] for s in states[1:]], dx
        for name, dw in zip(NAMES, dweights, strict=True):
            found[f"d{name}"] += dw
        for k, (s, d) in enumerate(zip(states[-1], dstart, strict=True)):
            found[f"state{k}"][b], found[f"dstate{k}"][b] = s, d
    return tables_from_weights(case, found, signed=take is not np.abs)
