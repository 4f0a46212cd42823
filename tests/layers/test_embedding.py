"""Embedding against PyTorch's, the loops, and Dense on one-hot tokens with the same weight."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minihash.core import gather, use
from minihash.files.spec import decode, encode
from minihash.hashes import Identity, Lookup, Modulus, Uniform
from minihash.layers import Dense, Embedding
from minihash.networks.sequential import Sequential
from minihash.weights import VirtualWeight
from reference import embedding as loops
from tests.support import core_cases as cc
from tests.support.bounds import assert_within, eps, gamma
from tests.support.hash_strategies import KINDS
from tests.support.strategies import dtypes, frozen

rngs = st.integers(0, 2**32 - 1).map(np.random.default_rng)
EVERY = sorted(KINDS)
SHAPES = st.sampled_from([(), (1,), (7,), (3, 4), (2, 0), (2, 3, 2)])


@st.composite
def embeddings(draw, kinds=EVERY):
    """A layer on any hash, on a weight or the transpose of one."""
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    w = draw(cc.weights(draw(st.sampled_from(kinds)), st.just(shape)))
    return Embedding(w.T if draw(st.booleans()) else w)


def case(layer, rng, shape, dtype, numbers=cc.whole):
    """(params, tokens, dy) of whole or real numbers, read-only; few tokens: they repeat."""
    vocabulary, width = layer.weight.shape
    params = {layer.weight.table: frozen(numbers(rng, (layer.weight.hash.buckets,), dtype))}
    tokens = frozen(np.array(rng.integers(0, vocabulary, shape)))
    return params, tokens, frozen(numbers(rng, (*shape, width), dtype))


def run(layer, params, tokens, dy, step=None):
    y, cache = layer.forward(params, tokens, step)
    dx, grads = layer.backward(params, cache, dy)
    assert dx is None and list(grads) == [layer.weight.table]
    return y, grads[layer.weight.table]


def by_torch(layer, params, tokens, dy):
    """y and the table's gradient: functional.embedding of sign * table[bucket], and autograd."""
    w = layer.weight
    bucket, sign = (
        torch.tensor(f(w.identifiers()).astype(int)) for f in (w.hash.bucket, w.hash.sign)
    )
    table = torch.tensor(params[w.table].astype(np.float64), requires_grad=True)
    y = torch.nn.functional.embedding(torch.tensor(np.array(tokens)), table[bucket] * sign)
    y.backward(torch.tensor(dy.astype(np.float64)))
    return y.detach().numpy(), table.grad.numpy()


@given(embeddings(), rngs, SHAPES, dtypes)
def test_on_whole_numbers_it_is_pytorchs_and_the_loops_bit_for_bit(layer, rng, shape, dtype):
    params, tokens, dy = case(layer, rng, shape, dtype)
    with use("numpy"):
        y, dtable = run(layer, params, tokens, dy, step=3)
        V = gather(params[layer.weight.table], layer.weight)
    assert y.dtype == dtable.dtype == dtype
    for found, expected in zip((y, dtable), by_torch(layer, params, tokens, dy), strict=True):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(y, loops.embedding_forward(tokens, V))
    dV = loops.embedding_backward(dy, tokens, len(V))
    w = layer.weight
    expected = np.zeros(w.hash.buckets)
    np.add.at(expected, w.hash.bucket(w.identifiers()), w.hash.sign(w.identifiers()) * dV)
    np.testing.assert_array_equal(dtable, expected)


@pytest.mark.parametrize("kind", ["identity", "uniform-signed", "modulus"])
@given(data=st.data(), rng=rngs, dtype=dtypes)
def test_in_numba_too(kind, data, rng, dtype):
    layer = data.draw(embeddings((kind,)))
    arrays = case(layer, rng, (3, 4), dtype)
    with use("numba"):
        y, dtable = run(layer, *arrays)
    for found, expected in zip((y, dtable), by_torch(layer, *arrays), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("backend", cc.BACKENDS)
@given(data=st.data(), rng=rngs)
def test_on_reals_it_is_pytorchs_within_the_bound_of_its_sums(backend, data, rng):
    layer = data.draw(embeddings(("identity", "uniform-signed")))
    params, tokens, dy = case(layer, rng, (4, 5), np.float32, cc.real)
    with use(backend):
        y, dtable = run(layer, params, tokens, dy)
    expected_y, expected = by_torch(layer, params, tokens, dy)
    np.testing.assert_array_equal(y, expected_y)  # no rounding at all
    w = layer.weight
    bucket = w.hash.bucket(w.identifiers(tokens.reshape(-1))).reshape(-1)
    terms = np.bincount(bucket, minlength=w.hash.buckets)
    size = np.bincount(bucket, np.abs(dy).reshape(-1).astype(float), w.hash.buckets)
    bound = (gamma(terms, eps(np.float32)) + gamma(terms, eps(np.float64))) * size
    assert_within(dtable, expected, bound)


@pytest.mark.parametrize("backend", cc.BACKENDS)
@given(data=st.data(), rng=rngs)
def test_it_is_dense_on_one_hot_tokens_with_the_weight_transposed(backend, data, rng):
    """The hash form: the same identifiers, read as the matrix of a layer on one-hot vectors."""
    layer = data.draw(embeddings(("modulus", "uniform-signed")))
    params, tokens, dy = case(layer, rng, (3, 4), np.float64)
    dense = Dense(layer.weight.T)
    with use(backend):
        y, dtable = run(layer, params, tokens, dy)
        expected, cache = dense.forward(params, np.eye(layer.weight.shape[0])[tokens])
        _, grads = dense.backward(params, cache, dy)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(dtable, grads[layer.weight.table])


@pytest.mark.parametrize("hash_", [Identity(1000 * 70), Uniform(16, 1, True)], ids=repr)
def test_sums_over_repeated_tokens_have_one_order_for_any_number_of_threads(hash_):
    """Three tokens a thousand times each, few buckets: races and reordering would show."""
    layer = Embedding(VirtualWeight((1000, 70), hash_, "E"))
    rng = np.random.default_rng(0)
    params = {"E": cc.real(rng, (hash_.buckets,), np.float32)}
    tokens = rng.choice([0, 7, 999], (30, 100))
    dy = cc.real(rng, (30, 100, 70), np.float32)
    found = set()
    with use("numba"):
        for threads in (1, 2, 3, 7):
            with cc.with_threads(threads):
                y, dtable = run(layer, params, tokens, dy)
                found.add((y.tobytes(), dtable.tobytes()))
    assert len(found) == 1
    if isinstance(hash_, Identity):  # the order is that of the positions
        expected = np.zeros((1000, 70), np.float32)
        for token, row in zip(tokens.reshape(-1), dy.reshape(-1, 70), strict=True):
            expected[token] += row
        np.testing.assert_array_equal(dtable.reshape(1000, 70), expected)


def test_only_the_rows_of_the_tokens_are_made():
    """2^56 virtual weights, a table of 100."""
    layer = Embedding(VirtualWeight((2**50, 64), Uniform(100, 5, True), "E"))
    params = {"E": np.random.default_rng(0).standard_normal(100).astype(np.float32)}
    y, cache = layer.forward(params, np.array([[2**50 - 1, 3]]))
    assert y.shape == (1, 2, 64) and y.dtype == np.float32
    _, grads = layer.backward(params, cache, y)
    assert grads["E"].shape == (100,)


def test_it_is_the_first_layer_of_a_network_whose_table_starts_by_its_width():
    w = VirtualWeight((9, 4), Identity(36), "E")
    net = Sequential((Embedding(w), Dense(VirtualWeight((2, 4), Identity(8), "W"))))
    params = net.init(seed=1)
    assert np.abs(params["E"]).max() <= 0.5 and np.abs(params["E"]).max() > 0.4  # 1 / sqrt(4)
    tokens = np.array([[1, 2, 1], [0, 8, 1]])
    y, caches = net.forward(params, tokens, step=0)
    dx, grads = net.backward(params, caches, y)
    assert y.shape == (2, 3, 2) and dx is None and set(grads) == {"E", "W"}
    rows = grads["E"].reshape(9, 4).any(axis=1)
    np.testing.assert_array_equal(np.flatnonzero(rows), [0, 1, 2, 8])
    arrays = {}
    spec = json.loads(json.dumps(encode(net, arrays)))
    assert decode(spec, arrays) == net


W = VirtualWeight((5, 3), Modulus(7), "E")
E = {"E": np.arange(7.0)}


@pytest.mark.parametrize(
    ("tokens", "params", "error", "message"),
    [
        ([[0, 5]], E, ValueError, r"tokens must lie in 0 \.\. 4, got 0 \.\. 5; "),
        ([-1], E, ValueError, r"tokens must lie in 0 \.\. 4, got -1 \.\. -1; "),
        ([2**63], E, ValueError, "tokens must lie in"),
        ([1.0], E, TypeError, "tokens must be integers, got float64; "),
        ([True], E, TypeError, "tokens must be integers, got bool; "),
        ([1], {}, ValueError, "params must hold an array 'E', got none; "),
        ([1], {"E": np.ones(6)}, ValueError, r"'E' must have shape \(7,\), got \(6,\); "),
        ([1], {"E": np.ones(7, int)}, TypeError, "'E' must be float32 or float64"),
    ],
)
def test_tokens_and_tables_that_do_not_fit_are_refused_before_any_work(
    tokens, params, error, message, monkeypatch
):
    def kernel(*_: object) -> None:
        raise AssertionError("a kernel saw bad input")

    monkeypatch.setattr("minihash.core.gather_rows", kernel)
    with pytest.raises(error, match=message) as caught:
        Embedding(W).forward(params, np.array(tokens))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("tokens", [[], [[]], np.zeros((0, 2), int)], ids=repr)
def test_no_tokens_give_no_rows(tokens):
    """[], which NumPy takes for floats, is none."""
    y, _ = Embedding(W).forward(E, tokens)
    assert y.shape == (*np.shape(tokens), 3)


def test_a_cotangent_that_does_not_fit_is_refused():
    _, cache = Embedding(W).forward(E, np.array([[1, 2]]))
    for dy in (np.ones((1, 2, 4)), np.ones((2, 3)), np.ones((2, 1, 3))):
        with pytest.raises(ValueError, match=r"^dy of Embedding must have shape \(1, 2, 3\)"):
            Embedding(W).backward(E, cache, dy)
    with pytest.raises(TypeError, match=r"must be float64 .* got float32"):
        Embedding(W).backward(E, cache, np.ones((1, 2, 3), np.float32))


def test_what_is_no_matrix_of_weights_is_refused():
    for bad in (np.ones((4, 2)), None, Modulus(3)):
        with pytest.raises(TypeError, match="the weight of Embedding must be a VirtualWeight"):
            Embedding(bad)
    for shape in ((4,), (2, 3, 4)):
        with pytest.raises(ValueError, match=r"shape \(vocabulary, width\), got"):
            Embedding(VirtualWeight(shape, Modulus(3)))
    with pytest.raises(ValueError, match="needs identifiers up to 14, but Lookup is defined up to"):
        Embedding(VirtualWeight((5, 3), Lookup(2, [0, 1, 0])))
