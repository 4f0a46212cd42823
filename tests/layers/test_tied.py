"""Ties: autoencoders, input and output embeddings, two models on one table, and the soft form.

A tied network is held to PyTorch's autograd, and to the same network with a table for each layer,
filled with the same numbers, whose gradients are summed by hand.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from minihash.core import gather, use
from minihash.data import load
from minihash.hashes import Identity, Lookup, Modulus, Uniform
from minihash.layers import (
    Dense,
    Embedding,
    ReLU,
    Tanh,
    mean_squared_error,
    softmax_cross_entropy,
)
from minihash.networks.autoencoder import tied_autoencoder
from minihash.networks.joint import Joint
from minihash.networks.sequential import Sequential
from minihash.training.optimisers import Adam
from minihash.training.penalties import SoftTie
from minihash.weights import VirtualWeight
from tests.support import core_cases as cc
from tests.support.hash_strategies import ANYWHERE, KINDS
from tests.support.strategies import dtypes
from tests.support.twins import assert_equal, autograd, engine, plan_of, whole_parameters

rngs = st.integers(0, 2**32 - 1).map(np.random.default_rng)


@st.composite
def autoencoders(draw, kinds=tuple(ANYWHERE)):
    """Dense, ReLU, Dense ... on one, two or three weights, and on these again, transposed."""
    widths = draw(st.lists(st.integers(1, 5), min_size=2, max_size=4))
    shapes = [(fan_out, fan_in) for fan_in, fan_out in pairwise(widths)]
    kind, seed, buckets = draw(st.sampled_from(kinds)), draw(st.integers(0, 99)), 7
    down = [
        VirtualWeight(shape, KINDS[kind](shape, buckets, seed + k), f"W{k}", 10 * k)
        for k, shape in enumerate(shapes)
    ]
    weights = [*down, *(w.T for w in reversed(down))]
    layers = [layer for w in weights for layer in (Dense(w), ReLU())]
    return Sequential(tuple(layers[:-1]))


def untied(network, params):
    """The network with a table for each Dense, and tables filled with the same numbers."""
    layers, tables = [], {}
    for k, layer in enumerate(network.layers):
        if isinstance(layer, Dense):
            name = f"{layer.weight.table} of layer {k}"
            tables[name] = params[layer.weight.table]
            layer = Dense(replace(layer.weight, table=name))
        layers.append(layer)
    return Sequential(tuple(layers)), tables


def summed(grads):
    """Gradients of an untied network, summed by hand over what is one table."""
    total = {}
    for name, gradient in grads.items():
        table = name.partition(" of layer")[0]
        total[table] = total.get(table, 0) + gradient
    return total


@given(autoencoders(), rngs, dtypes, st.sampled_from([None, 3]))
def test_a_tied_autoencoder_is_pytorchs_and_the_untied_one_bit_for_bit(network, rng, dtype, step):
    assert_tied(network, rng, dtype, step, "numpy")


@given(autoencoders(("uniform-signed", "modulus")), rngs, dtypes, st.sampled_from([None, 3]))
def test_in_numba_too(network, rng, dtype, step):
    assert_tied(network, rng, dtype, step, "numba")


def assert_tied(network, rng, dtype, step, backend):
    """On whole numbers, of which no sum exceeds 3 6 5^5 2^6 < 2^24."""
    width = network.layers[0].weight.shape[1]
    params = {w.table: cc.whole(rng, (w.hash.buckets,), dtype, 2) for w in network.weights()}
    x, dy = (cc.whole(rng, (3, width), dtype, 1) for _ in range(2))
    y, dx, grads, _ = engine(network, params, x, dy, step, backend)
    expected_y, expected_dx, expected, _ = autograd(params, plan_of(network), x, dy)
    apart = engine(*untied(network, params), x, dy, step, backend)
    for found, other in ((y, expected_y), (dx, expected_dx), (y, apart[0]), (dx, apart[1])):
        np.testing.assert_array_equal(found, other)
    assert grads.keys() == expected.keys()
    for name, gradient in grads.items():
        assert gradient.dtype == dtype
        np.testing.assert_array_equal(gradient, expected[name])
        np.testing.assert_array_equal(gradient, summed(apart[2])[name])


def test_a_tied_autoencoder_of_many_panels_is_the_same_for_any_number_of_threads():
    network = tied_autoencoder((1100, 300), "uniform", 0.001, ReLU(), bias=False, signed=True)
    rng = np.random.default_rng(4)
    params = {w.table: cc.whole(rng, (w.hash.buckets,), np.float32, 2) for w in network.weights()}
    x, dy = (cc.whole(rng, (3, 1100), np.float32, 1) for _ in range(2))
    found = set()
    for backend, threads in (("numpy", 1), ("numba", 1), ("numba", 2), ("numba", 5)):
        with cc.with_threads(threads):
            y, dx, grads, _ = engine(network, params, x, dy, 0, backend)
        assert max(abs(a).max() for a in (y, dx, grads["dense1.weight"])) < 2**24
        found.add((y.tobytes(), dx.tobytes(), grads["dense1.weight"].tobytes()))
    assert len(found) == 1


@pytest.mark.parametrize("hashed", [{}, {"hash": "dirichlet", "alpha": 1.0, "compression": 0.3}])
def test_deep_autoencoders_have_a_table_for_each_tie_and_biases_of_their_own(hashed):
    network = tied_autoencoder((12, 6, 4), activation=ReLU(), **hashed)
    shapes = [layer.weight.shape for layer in network.layers if isinstance(layer, Dense)]
    assert shapes == [(6, 12), (4, 6), (6, 4), (12, 6)]
    first, second, third, last = (x.weight for x in network.layers if isinstance(x, Dense))
    assert last == first.T and third == second.T and first.table != second.table
    assert [type(layer) for layer in network.layers] == [Dense, ReLU] * 3 + [Dense]
    rng = np.random.default_rng(1)
    params = whole_parameters(network, rng)
    assert len(params) == 2 + 4
    x, dy = cc.whole(rng, (5, 12), float), cc.whole(rng, (5, 12), float)
    assert_equal(engine(network, params, x, dy), autograd(params, plan_of(network), x, dy))


# The linear autoencoder is PCA.


@pytest.mark.parametrize("hash_", [None, "permuted"])
def test_the_linear_tied_autoencoder_spans_the_principal_components_of_real_digits(hash_):
    """On 1,000 digits. E(V) = |x - x V^T V|^2 / 2 is least, E*, where V^T V is the projector P* on
    the k first principal components. Let P be that on the row space of V, C = x^T x with the
    eigenvalues lambda, and mu the least eigenvalue of C within the row space. Then

        E(V) - E* = |x (P - V^T V)|^2 / 2 + tr C (P* - P) / 2
                 >= mu |P - V^T V|^2 / 2  + (lambda_k - lambda_(k+1)) |P - P*|^2 / 4

    in Frobenius norms: how far V may be from the principal components follows from its error."""
    k = 5
    x = load("digits").x_train[:1000].reshape(1000, 28, 28)[:, ::2, ::2].reshape(1000, 196) / 255.0
    x -= x.mean(axis=0)
    network = tied_autoencoder((196, k), activation=None, bias=False)
    if hash_ == "permuted":  # each weight an entry of its own, wherever it is: the tie holds there
        order = np.random.default_rng(0).permutation(k * 196)
        w = VirtualWeight((k, 196), Lookup(k * 196, order), "dense1.weight")
        network = Sequential((Dense(w), Dense(w.T)))
    scale = x.size / 2  # from the mean squared error to E

    def error_and_gradient(table):
        params = {"dense1.weight": table}
        y, caches = network.forward(params, x)
        loss, cache = mean_squared_error.forward(y, x)
        _, grads = network.backward(params, caches, mean_squared_error.backward(cache))
        return scale * loss, scale * grads["dense1.weight"]

    start = network.init(seed=2, dtype=np.float64)["dense1.weight"]
    options = {"maxiter": 2000, "ftol": 0, "gtol": 1e-9, "maxcor": 30}
    with use("numpy"):
        found = minimize(error_and_gradient, start, jac=True, method="L-BFGS-B", options=options)
    C = x.T @ x
    values, vectors = np.linalg.eigh(C)
    least, gap = values[:-k].sum() / 2, values[-k] - values[-k - 1]
    rounding = 1000 * np.finfo(float).eps * values.sum()  # of E and of E*: sums of 10^5 squares
    excess = max(found.fun - least, 0) + rounding
    assert gap > 0.01 * values[-k] and excess < 1e-9 * least
    V = gather(found.x, network.layers[0].weight)
    basis, _ = np.linalg.qr(V.T)
    P, principal = basis @ basis.T, vectors[:, -k:] @ vectors[:, -k:].T
    mu = np.linalg.eigvalsh(basis.T @ C @ basis)[0]
    assert np.linalg.norm(P - principal) <= np.sqrt(4 * excess / gap) < 0.01
    assert np.linalg.norm(P - V.T @ V) <= np.sqrt(2 * excess / mu) < 0.01


# Input and output embeddings.


def language_model(vocabulary, width, hash_, tied=True, activation=Tanh()):  # noqa: B008
    """Embedding, Dense, activation, Dense with the embedding's own weight: logits = E h + b."""
    E = VirtualWeight((vocabulary, width), hash_, "E")
    output = E if tied else replace(E, table="output")
    middle = VirtualWeight((width, width), Identity(width * width), "middle")
    bias = VirtualWeight((vocabulary,), Identity(vocabulary), "bias")
    return Sequential((Embedding(E), Dense(middle), activation, Dense(output, bias)))


@pytest.mark.parametrize("hash_", [Identity(45), Uniform(11, 3, True)], ids=repr)
@pytest.mark.parametrize("backend", cc.BACKENDS)
def test_tied_embeddings_have_the_gradient_of_both_ends(hash_, backend):
    network = language_model(9, 5, hash_, activation=ReLU())
    rng = np.random.default_rng(0)
    params = whole_parameters(network, rng)
    tokens, dy = rng.integers(0, 9, (4, 6)), cc.whole(rng, (4, 6, 9), float)
    y, dx, grads, running = engine(network, params, tokens, dy, 0, backend)
    assert dx is None and grads.keys() == {"E", "middle", "bias"}
    expected = autograd(params, plan_of(network), tokens, dy, 0)
    assert_equal((y, np.zeros(tokens.shape), grads, running), expected)
    apart = language_model(9, 5, hash_, False, ReLU())
    _, _, both, _ = engine(apart, params | {"output": params["E"]}, tokens, dy, 0, backend)
    assert both["E"].any() and both["output"].any()
    np.testing.assert_array_equal(grads["E"], both["output"] + both["E"])


@pytest.mark.parametrize("hash_", [Identity(20 * 16), Uniform(160, 1, True)], ids=repr)
def test_a_tied_language_model_learns_which_token_follows(hash_):
    """A chain in which each token has two successors, each half of the time: ln 2 nats a token."""
    rng = np.random.default_rng(0)
    successors = np.stack([rng.permutation(20), rng.permutation(20)])
    chain = [0]
    for coin in rng.integers(0, 2, 2000):
        chain.append(successors[coin, chain[-1]])
    tokens = np.array(chain)
    network, optimiser = language_model(20, 16, hash_), Adam()
    params = network.init(seed=0, dtype=np.float64)
    state = optimiser.init(params, params)
    losses = []
    with use("numpy"):
        for _ in range(200):
            x, labels = tokens[:-1].reshape(40, 50), tokens[1:]
            y, caches = network.forward(params, x, step=0)
            loss, cache = softmax_cross_entropy.forward(y.reshape(-1, 20), labels)
            dy = softmax_cross_entropy.backward(cache).reshape(y.shape)
            _, grads = network.backward(params, caches, dy)
            params, state = optimiser.step(params, grads, state, 0.03)
            losses.append(loss)
    assert losses[0] > 2.5 and losses[-1] < 1.1 * np.log(2)


# Refusals.


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Sequential(
                (
                    Dense(VirtualWeight((4, 3), Identity(12), "W")),
                    Dense(VirtualWeight((3, 5), Identity(15), "W")),
                )
            ),
            "the table 'W' must have hashes of one size, got 12 and 15 buckets; ",
        ),
        (
            lambda: Joint(
                (
                    Sequential((Dense(VirtualWeight((4, 3), Modulus(5), "W")),)),
                    Sequential((Dense(VirtualWeight((4, 3), Modulus(6), "W")),)),
                )
            ),
            "the table 'W' must have hashes of one size, got 5 and 6 buckets; ",
        ),
        (
            lambda: SoftTie(1.0, ("a", "b")).check({"a": np.ones(5), "b": np.ones(6)}),
            r"tables that SoftTie ties must have one shape, got \(5,\) of 'a' and \(6,\) of 'b'; ",
        ),
        (
            lambda: Sequential(
                (
                    Dense(VirtualWeight((4, 3), Identity(12), "W")),
                    Dense(VirtualWeight((4, 3), Identity(12), "W")),
                )
            ).forward({"W": np.ones(12)}, np.ones((2, 3))),
            r"x of Dense must have shape \(any, 3\), got \(2, 4\); ",
        ),
        (lambda: tied_autoencoder((5,)), "sizes must be at least two integers"),
        (lambda: tied_autoencoder((5, 0)), "each size must lie in"),
        (lambda: tied_autoencoder((5, 3), "nosuch"), "hash must be one of"),
    ],
)
def test_ties_between_unequal_shapes_are_refused(make, message):
    with pytest.raises(ValueError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)
