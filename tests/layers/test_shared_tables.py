"""Two models on one table, trained together, and the soft form: a penalty between two tables."""

import numpy as np
import pytest

from minihash.core import use
from minihash.data import load
from minihash.hashes import Identity, Uniform
from minihash.layers import Dense, ReLU, Sigmoid, softmax_cross_entropy
from minihash.networks.joint import Joint
from minihash.networks.sequential import Sequential
from minihash.training.optimisers import Adam
from minihash.training.penalties import SoftTie, add_gradients
from minihash.weights import VirtualWeight
from tests.support import core_cases as cc
from tests.support.twins import assert_equal, autograd, engine, plan_of, whole_parameters


def two_models(hash_, tables=("table", "table")):
    """A model for each of two tasks on the same inputs; their first layers may share a table."""

    def model(k, classes):
        first = VirtualWeight((8, 6), hash_, tables[k])
        head = VirtualWeight((classes, 8), Identity(8 * classes), f"head{k}")
        return Sequential((Dense(first), ReLU(), Dense(head)))

    return Joint((model(0, 3), model(1, 2)))


@pytest.mark.parametrize("hash_", [Identity(48), Uniform(10, 2, True)], ids=repr)
def test_models_that_share_a_table_add_their_gradients(hash_):
    both = two_models(hash_)
    rng = np.random.default_rng(0)
    params = whole_parameters(both, rng)
    xs = cc.whole(rng, (5, 6), float), cc.whole(rng, (7, 6), float)
    dys = cc.whole(rng, (5, 3), float), cc.whole(rng, (7, 2), float)
    ys, dxs, grads, running = engine(both, params, xs, dys, step=0)
    own = [engine(net, params, x, dy, 0) for net, x, dy in zip(both.networks, xs, dys, strict=True)]
    for k, network in enumerate(both.networks):
        alone = {name: params[name] for name in own[k][2]}
        assert_equal(own[k], autograd(alone, plan_of(network), xs[k], dys[k], 0))
        np.testing.assert_array_equal(ys[k], own[k][0])
        np.testing.assert_array_equal(dxs[k], own[k][1])
    assert grads.keys() == {"table", "head0", "head1"} and running == {}
    np.testing.assert_array_equal(grads["table"], own[0][2]["table"] + own[1][2]["table"])
    for k in (0, 1):
        np.testing.assert_array_equal(grads[f"head{k}"], own[k][2][f"head{k}"])
        assert own[k][2]["table"].any()


def train(both, params, xs, labels, steps, rate, penalties=()):
    """Full-batch Adam on the sum of both losses; the parameters and the last losses."""
    optimiser = Adam()
    state = optimiser.init(params, params)
    with use("numpy"):
        for _ in range(steps):
            ys, caches = both.forward(params, xs, step=0)
            parts = [softmax_cross_entropy.forward(y, t) for y, t in zip(ys, labels, strict=True)]
            dys = tuple(softmax_cross_entropy.backward(cache) for _, cache in parts)
            _, grads = both.backward(params, caches, dys)
            grads = add_gradients(penalties, params, grads)
            params, state = optimiser.step(params, grads, state, rate)
    return params, [loss for loss, _ in parts]


def digit_tasks():
    """Which digit, and whether it is odd, of other digits."""
    digits = load("digits")
    x = digits.x_train[:600].reshape(600, 14, 2, 14, 2).mean((2, 4)).reshape(600, 196) / 255.0
    labels = digits.y_train[:600].astype(int)
    return (x[:300], x[300:]), (labels[:300], labels[300:] % 2)


def digit_models(tables):
    hash_ = Uniform(20 * 196 // 4, 5, True)

    def model(k, classes):
        first = VirtualWeight((20, 196), hash_, tables[k])
        head = VirtualWeight((classes, 20), Identity(20 * classes), f"head{k}")
        return Sequential((Dense(first), Sigmoid(), Dense(head)))

    return Joint((model(0, 10), model(1, 2)))


def test_two_tasks_are_learnt_together_on_one_table():
    xs, labels = digit_tasks()
    both = digit_models(("table", "table"))
    params = both.init(seed=0, dtype=np.float64)
    assert set(params) == {"table", "head0", "head1"}
    params, losses = train(both, params, xs, labels, 80, 0.02)
    assert losses[0] < 0.5 < np.log(10) and losses[1] < 0.2 < np.log(2)


def test_a_soft_tie_draws_two_tables_to_each_other():
    xs, labels = digit_tasks()
    both = digit_models(("a", "b"))
    start = both.init(seed=0, dtype=np.float64)
    distances = []
    for strength in (0.0, 0.01, 1.0):
        tie = SoftTie(strength, ("a", "b"))
        tie.check(start)
        params, losses = train(both, start, xs, labels, 60, 0.02, (tie,))
        assert losses[0] < 1.2 and losses[1] < 0.4
        distances.append(np.linalg.norm(params["a"] - params["b"]))
    alone, _ = train(both, start, xs, labels, 60, 0.02)
    assert distances[0] == np.linalg.norm(alone["a"] - alone["b"])
    assert distances[0] > 2 * distances[1] > 4 * distances[2]
