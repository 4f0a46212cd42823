"""The unrolled feed-forward network under the modulus hash is the recurrent layer and PyTorch's."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from minihash import core
from minihash.hashes import Compose, Dirichlet, Identity, Modulus, Uniform
from minihash.layers import GRU, LSTM, RNN
from minihash.layers.unrolled import Unrolled
from minihash.weights import VirtualWeight
from reference import torch_twins
from reference.recurrent_balls import recurrent as balls
from tests.support.bounds import eps
from tests.support.recurrent_cases import (
    KINDS,
    Case,
    by_layer,
    in_float64,
    options_of,
    tables_from_weights,
)
from tests.support.strategies import cotangent, dtypes, frozen, frozen_dict, sizes


@pytest.fixture(autouse=True, scope="module")
def numpy_backend():
    """The products of Dense are the core's, with tests of their own: no compilation for each."""
    with core.use("numpy"):
        yield


seeds = st.integers(0, 2**32 - 1)


@st.composite
def unrolled(draw, kinds, numbers, longest):
    """(case, its layer unrolled): one table of n entries, or a hash of n identifiers."""
    kind, features, hidden = draw(st.sampled_from(kinds)), draw(sizes), draw(sizes)
    cls, bias = KINDS[kind], draw(st.booleans())
    n = cls.gates * hidden * (features + hidden + 2 * bias)
    buckets, seed = draw(st.integers(1, n)), draw(seeds)
    outer = Uniform(buckets, seed, signed=True), Dirichlet(buckets, 0.5, seed)
    hash_ = draw(st.sampled_from([Identity(n), Modulus(n), *outer]))
    layer = cls.numbered(features, hidden, hash_, bias=bias, **options_of(kind))
    dtype, batch, length = draw(dtypes), draw(sizes), draw(st.integers(1, longest))
    rng = np.random.default_rng(draw(seeds))

    def array(*shape):
        return frozen(numbers(rng, shape).astype(dtype))

    params = {"table": array(hash_.buckets)}
    x, dy = array(batch, length, features), array(batch, length, hidden)
    states = [[array(batch, hidden) for _ in range(layer.states)] for _ in range(2)]
    return Case(kind, layer, params, x, dy, *states, None), Unrolled(layer, length)


def whole(rng, shape):
    return rng.integers(-2, 3, shape)


def normal(rng, shape):
    return rng.standard_normal(shape)


@given(unrolled(["relu"], whole, longest=4))
def test_on_whole_numbers_the_relu_network_is_the_layer_and_pytorchs_bit_for_bit(case):
    case, net = case
    *arrays, lengths = in_float64(case)
    sizes_ = [
        [abs(a) for a in given] if isinstance(given, list) else abs(given) for given in arrays
    ]
    sums = tables_from_weights(case, balls(case.kind, *sizes_, lengths, 2.0**-24), signed=False)
    assume(max(b.mid.max() for b in sums.values()) < 2**24)  # all is exact in float32 too
    by_net, by_fast_layer = by_layer(case, net), by_layer(case)
    by_torch = tables_from_weights(case, torch_twins.recurrent(case.kind, *in_float64(case)))
    assert set(by_net) == set(by_fast_layer) == set(by_torch) >= {"y", "dx", "dtable", "dstate0"}
    for name, result in by_net.items():
        assert result.dtype == case.x.dtype
        assert (result == by_fast_layer[name]).all(), name
        assert (result == by_torch[name]).all(), name


@given(unrolled(list(KINDS), normal, longest=6))
def test_the_network_is_the_layer_and_pytorchs_within_the_bounds_of_both(case):
    case, net = case
    by_net, by_fast_layer = by_layer(case, net), by_layer(case)
    inputs = in_float64(case)
    by_torch = tables_from_weights(case, torch_twins.recurrent(case.kind, *inputs))
    around, exact = (
        tables_from_weights(case, balls(case.kind, *inputs, eps(dtype) / 2))
        for dtype in (case.x.dtype, np.float64)
    )
    tiny = 1e3 * np.finfo(case.x.dtype).tiny
    for name, result in by_net.items():
        radius = around[name].rad + tiny
        assert (abs(result - by_torch[name]) <= radius + exact[name].rad).all(), name
        assert (abs(result - by_fast_layer[name]) <= 2 * radius).all(), name


@pytest.mark.parametrize("cls", [RNN, GRU, LSTM])
@pytest.mark.parametrize("bias", [True, False])
def test_the_identifiers_of_a_step_are_those_of_step_0_modulo_the_size_of_one_layer(cls, bias):
    """Gate by gate: every identifier of the network once, and each gate's rows in one bucket."""
    features, hidden, length = 3, 4, 5
    gates = cls.gates
    layer = cls.numbered(features, hidden, Identity(gates * hidden * (7 + 2 * bias)), bias=bias)
    net = Unrolled(layer, length)
    assert net.n == layer.weight_ih.hash.buckets and net.hash == Modulus(net.n)
    ids = [w.identifiers() for w in net.weights()]
    assert (np.concatenate([i.reshape(-1) for i in ids]) == np.arange(net.n * length)).all()
    for t, (on_x, on_h) in enumerate(net.steps):
        pairs = [(on_x.weight, layer.weight_ih), (on_h.weight, layer.weight_hh)]
        pairs += [(on_x.bias, layer.bias_ih), (on_h.bias, layer.bias_hh)] if bias else []
        for unrolled_, own in pairs:
            for gate in range(gates):
                rows = slice(gate * hidden, (gate + 1) * hidden)
                at_t, at_0 = unrolled_.identifiers()[rows], own.identifiers()[rows]
                assert (at_t == at_0 + np.uint64(t * net.n)).all()
                assert (unrolled_.hash.bucket(at_t) == at_0).all()


def test_a_table_of_the_unrolled_network_that_is_not_shared_is_no_recurrent_layer():
    """A check of the checks: under another modulus the networks differ."""
    layer = RNN.numbered(2, 3, Modulus(21))
    net = Unrolled(layer, 3)
    params = frozen_dict({"table": cotangent((21,), np.float64, 0)})
    x = cotangent((2, 3, 2), np.float64, 1)
    y, _ = net.forward(params, x)
    object.__setattr__(net, "layer", RNN.numbered(2, 3, Compose(Modulus(20), Modulus(21))))
    net.__dict__.pop("steps")
    assert (abs(net.forward(params, x)[0] - y) > 1e-3).any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Unrolled(RNN.plain("r", 2, 3), 4), r"the weights .* numbered from 0 .*, got .*"),
        (
            lambda: Unrolled(RNN.numbered(2, 3, Modulus(21), first_id=1), 4),
            r"the weights .* numbered from 0 .*, got .* where 0 comes next; .*",
        ),
        (lambda: Unrolled(RNN.numbered(2, 3, Modulus(21)), 0), "length must lie in .*, got 0; .*"),
        (lambda: Unrolled(VirtualWeight((2, 2), Modulus(3)), 4), "only an RNN, .*, got .*"),
        (
            lambda: Unrolled(GRU.numbered(2, 3, Modulus(63), truncate=2), 4),
            "a layer to be unrolled must not be truncated; .*",
        ),
    ],
)
def test_layers_that_cannot_be_unrolled_are_refused_in_one_line(make, message):
    with pytest.raises((TypeError, ValueError), match=f"^{message}$"):
        make()


def test_inputs_that_do_not_fit_are_refused_in_one_line():
    net = Unrolled(LSTM.numbered(2, 3, Modulus(9)), 4)
    params, x = {"table": np.ones(9)}, np.ones((5, 4, 2))
    y, cache = net.forward(params, x)
    with pytest.raises(ValueError, match=r"^x of Unrolled must have shape \(any, 4, 2\), got .*$"):
        net.forward(params, x[:, :3])
    with pytest.raises(TypeError, match=r"^state of Unrolled must be a pair \(h, c\) .*$"):
        net.forward(params, x, state=y[:, 0])
    with pytest.raises(ValueError, match=r"^dy of Unrolled must have shape \(5, 4, 3\), got .*$"):
        net.backward(params, cache, y[:4])
