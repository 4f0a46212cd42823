"""The recurrent layers: threads, readings, memory layouts, carried states, networks."""

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minihash import core
from minihash.core.numba import registers, skinny
from minihash.files.spec import decode, encode
from minihash.hashes import Identity, Uniform
from minihash.layers import GRU, LSTM, RNN, Dense, Tanh
from minihash.networks.sequential import Sequential
from minihash.weights import VirtualWeight
from tests.support.backends import array_backend  # noqa: F401
from tests.support.recurrent_cases import by_layer, every_kind, example
from tests.support.strategies import cotangent, frozen, layouts, sizes

both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
COMPILED = bool(registers.features())


def bits(found):
    return {name: result.tobytes() for name, result in found.items()}


@every_kind
@both_dtypes
def test_the_number_of_threads_changes_no_bit(kind, dtype):
    case = example(kind, dtype, batch=70, length=9, features=40, hidden=130)
    core.set_threads(1)
    try:
        alone = bits(by_layer(case))
        for threads in (2, 5):
            core.set_threads(threads)
            assert bits(by_layer(case)) == alone
    finally:
        core.set_threads(None)


@both_dtypes
@pytest.mark.parametrize("there", [True, False])
@given(
    st.integers(1, 40) | st.integers(126, 132),  # a block of rows ends among the last
    st.integers(1, 500),
    st.integers(1, 100),
    st.integers(0, 9),
)
def test_a_product_in_panels_is_the_product(dtype, there, rows, depth, columns, more):
    """And writes nothing before or behind it. Rows of x may have more numbers than meet W."""
    rng = np.random.default_rng(rows)
    x, W = (rng.integers(-9, 10, s).astype(dtype) for s in ((rows, depth + more), (depth, columns)))
    around = np.full(rows * columns + 128, np.nan, dtype)
    y = around[64:-64].reshape(rows, columns)
    with patch.object(registers, "available", lambda: there and COMPILED):
        skinny.multiply(x.reshape(-1), depth + more, skinny.pack(W), y)
    assert (y == x[:, :depth] @ W).all()
    assert np.isnan(around[:64]).all() and np.isnan(around[-64:]).all()


@every_kind
@both_dtypes
def test_results_are_fresh_and_keep_the_dtype_and_the_layout_of_inputs_does_not_matter(kind, dtype):
    case = example(kind, dtype)
    plain = by_layer(case)
    inputs = [case.x, case.dy, *case.state, *case.dstate, *case.params.values()]
    for name, result in plain.items():
        assert result.dtype == dtype and result.flags.writeable, name
        assert not any(np.shares_memory(result, given) for given in inputs), name
    for layout in layouts(case.x):
        other = replace(
            case,
            params={name: layouts(array)[layout] for name, array in case.params.items()},
            x=layouts(case.x)[layout],
            dy=layouts(case.dy)[layout],
            state=[layouts(s)[layout] for s in case.state],
            dstate=[layouts(d)[layout] for d in case.dstate],
        )
        assert bits(by_layer(other)) == bits(plain), layout


@every_kind
def test_backward_may_be_called_twice_and_the_state_is_the_callers(kind):
    case = example(kind)
    layer = case.layer
    y, cache = layer.forward(case.params, case.x, lengths=case.lengths)
    first = layer.backward(case.params, cache, case.dy)
    for s in layer.state(cache) if layer.states > 1 else [layer.state(cache)]:
        s[:] = np.nan
    y[:] = np.nan
    second = layer.backward(case.params, cache, case.dy)
    assert first[0].tobytes() == second[0].tobytes() and bits(first[1]) == bits(second[1])
    assert np.isfinite(first[0]).all()


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 5), sizes, st.booleans())
def test_a_sequence_in_two_pieces_with_its_state_carried_is_the_whole(seed, one, two, batch, lstm_):
    """Bit for bit: whole numbers; the LSTM's gates are all open or shut, and tanh saturates."""
    rng = np.random.default_rng(seed)
    layer = LSTM.plain("r", 2, 3) if lstm_ else RNN.plain("r", 2, 3, nonlinearity="relu")
    params = {}
    for w in layer.weights():
        params[w.table] = rng.integers(-1, 2, w.size) * (2.0**20 if lstm_ else 1.0)
    x = rng.integers(-2, 3, (batch, one + two, 2)).astype(np.float64)
    whole, cache = layer.forward(params, x)
    start, before = layer.forward(params, x[:, :one])
    end, after = layer.forward(params, x[:, one:], state=layer.state(before))
    assert (np.hstack([start, end]) == whole).all()
    assert all((a == b).all() for a, b in zip(layer.state(after), layer.state(cache), strict=True))


@every_kind
def test_an_empty_batch_gives_an_empty_batch_and_zero_gradients(kind):
    case = example(kind, batch=0)
    found = by_layer(case)
    assert found["y"].shape == (0, 4, 4) and found["dx"].shape == (0, 4, 3)
    assert not any(result.any() for result in found.values())


@every_kind
def test_what_is_not_finite_stays_in_its_sequence_and_nan_shows_from_then_on(kind):
    """As in PyTorch; and nothing is warned of."""
    case = replace(example(kind, length=6), lengths=None)
    for bad in (np.nan, np.inf, -np.inf):
        x = case.x.copy()
        x[2, 3] = bad
        found = by_layer(replace(case, x=frozen(x)))
        assert np.isfinite(found["y"][[0, 1, 3, 4]]).all()
        assert np.isfinite(found["y"][2, :3]).all()
        if np.isnan(bad):
            assert np.isnan(found["y"][2, 3:]).all()
            assert np.isnan(found["dr.weight_ih"]).any()


def test_layers_in_a_row_train_in_a_network_and_their_spec_comes_back():
    layers = (
        LSTM.numbered(3, 4, Uniform(50, signed=True)),
        GRU.plain("gru", 4, 5, truncate=2),
        RNN.plain("rnn", 5, 4, bias=False, nonlinearity="relu"),
        Dense(VirtualWeight((2, 4), Identity(8), "dense")),
        Tanh(),
    )
    network = Sequential(layers)
    params = network.init(seed=1, dtype=np.float64)
    x, dy = cotangent((6, 7, 3), np.float64, 0), cotangent((6, 7, 2), np.float64, 1)
    y, caches = network.forward(params, x, step=0)
    dx, grads = network.backward(params, caches, dy)
    assert y.shape == dy.shape and dx.shape == x.shape and set(grads) == set(params)
    along = {name: cotangent(p.shape, p.dtype, k) for k, (name, p) in enumerate(params.items())}
    arrays = {}
    assert decode(encode(network, arrays), arrays) == network
    # GRU is truncated, so only the layers behind it have a gradient that differences can see.
    behind = [name for name in params if name.startswith(("rnn", "dense"))]
    s = 2.0**-20
    ends = [
        network.forward(
            {k: p + sign * s * along[k] if k in behind else p for k, p in params.items()}, x, step=0
        )[0]
        for sign in (1, -1)
    ]
    slope = (dy * (ends[0] - ends[1])).sum() / (2 * s)
    expected = sum((grads[name] * along[name]).sum() for name in behind)
    assert abs(slope - expected) < 1e-6 * abs(expected)
