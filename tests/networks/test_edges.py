"""What is left over: batches that no vector divides, layers at the ends, options that meet."""

import threading
import warnings
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from minihash import core
from minihash.core import set_threads, threads
from minihash.hashes import Identity, Modulus, Uniform
from minihash.layers import ELU, BatchNorm1d, BatchNorm2d, Dense, Dropout, ReLU, Sigmoid, Tanh
from minihash.networks.sequential import Sequential
from minihash.training import Training, start
from minihash.training.loop import updated
from minihash.training.optimisers import SGD, Clipped
from minihash.training.penalties import L2
from minihash.weights import VirtualWeight
from tests.support import core_cases as cc

BATCHES = (1, 2, 3, 7, 9, 15, 17, 31, 33, 47, 50, 63, 65, 97, 129)


@pytest.mark.parametrize("backend", cc.BACKENDS)
@pytest.mark.parametrize("kind", [Identity, Modulus, Uniform])
def test_no_example_of_a_batch_is_left_out(kind, backend):
    fan_out, fan_in = 19, 23
    hash_ = Identity(fan_out * fan_in) if kind is Identity else kind(101)
    layer = Dense(VirtualWeight((fan_out, fan_in), hash_), VirtualWeight((19,), Identity(19), "b"))
    rng = np.random.default_rng(0)
    ids = layer.weight.identifiers()
    for batch in BATCHES:
        x, dy = (rng.integers(-4, 5, (batch, n)).astype("f4") for n in (fan_in, fan_out))
        params = {"table": rng.integers(-4, 5, hash_.buckets).astype("f4"), "b": np.ones(19, "f4")}
        V = params["table"][hash_.bucket(ids)]
        with core.use(backend):
            y, cache = layer.forward(params, x)
            dx, grads = layer.backward(params, cache, dy)
        np.testing.assert_array_equal(y, x @ V.T + 1)
        np.testing.assert_array_equal(dx, dy @ V)
        np.testing.assert_array_equal(grads["b"], dy.sum(axis=0))
        dtable = np.zeros(hash_.buckets)
        np.add.at(dtable, hash_.bucket(ids), dy.T @ x)
        np.testing.assert_array_equal(grads["table"], dtable)


LAYERS = {
    "dense": lambda k: Dense(VirtualWeight((6, 6), Uniform(20, k), f"table{k}")),
    "norm": lambda k: BatchNorm1d(f"norm{k}", 6),
    "elu": lambda k: ELU(),
    "relu": lambda k: ReLU(),
    "tanh": lambda k: Tanh(),
    "sigmoid": lambda k: Sigmoid(),
    "dropout": lambda k: Dropout(0.5, k),
}


@pytest.mark.parametrize("last", LAYERS)
@pytest.mark.parametrize("first", LAYERS)
def test_every_layer_may_be_the_first_and_the_last(first, last):
    """The gradients without dx are those with it, of all parameters that are trained."""
    network = Sequential((LAYERS[first](0), LAYERS["dense"](1), LAYERS[last](2)))
    rng = np.random.default_rng(1)
    x, dy = rng.standard_normal((2, 7, 6))
    params = network.init(3, np.float64)
    _, caches = network.forward(params, x, step=0)
    _, expected = network.backward(params, caches, dy)
    found = network.gradients(params, caches, dy)
    trained = {name for layer in network.layers for name in layer.trainable()}
    assert found.keys() == expected.keys() == trained | {w.table for w in network.weights()}
    for name, grad in expected.items():
        np.testing.assert_array_equal(found[name], grad)


def test_what_is_clipped_is_the_gradient_with_the_penalties():
    w = VirtualWeight((2, 2), Identity(4))
    training = Training(optimiser=Clipped(SGD(), 0.5), penalties=(L2(100.0, ("table",)),))
    state = start(Sequential((Dense(w),)), training, np.float64)
    state = replace(state, params={"table": np.array([3.0, -4.0, 0.0, 0.0])})
    new = updated(training, state, {"table": np.zeros(4)}, 1.0).params["table"]
    moved = state.params["table"] - new
    np.testing.assert_allclose(np.linalg.norm(moved), 0.5, rtol=1e-5)


@pytest.mark.parametrize("backend", cc.BACKENDS)
def test_images_of_any_size_are_normalised(backend):
    """Squares beyond float32: they are float64 before they are squared."""
    x = np.random.default_rng(2).choice([-1e25, 1e25], (5, 3, 4, 6)).astype("f4")
    layer = BatchNorm2d("norm", 3)
    params = {n: np.full(shape, v, "f4") for n, (shape, v) in layer.arrays().items()}
    with core.use(backend):
        y, cache = layer.forward(params, x, step=0)
        dx, grads = layer.backward(params, cache, np.full_like(x, 1e25))
    assert np.abs(y).min() > 0.5 and np.abs(y).max() < 2 and np.isfinite(dx).all()
    assert all(np.isfinite(g).all() for g in grads.values())


def test_sums_that_overflow_warn_in_no_thread():
    def part(barrier, values):
        barrier()
        values *= 10

    set_threads(3)

    barrier = threading.Barrier(3, timeout=30)
    try:
        with warnings.catch_warnings(), np.errstate(all="raise"):
            warnings.simplefilter("error")
            work = [partial(part, barrier.wait, np.full(9, 3e38, "f4")) for _ in range(3)]
            threads.run(work)
    finally:
        set_threads(None)
