"""Penalties in training: the order of a step, torch.optim's, resumed runs, and what becomes 0."""

import json
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minihash.files.spec import decode, encode
from minihash.hashes import Identity
from minihash.layers import BatchNorm1d, Dense, softmax_cross_entropy
from minihash.networks.sequential import Sequential
from minihash.training import Training, start, step, steps
from minihash.training.optimisers import SGD, Adam
from minihash.training.penalties import (
    L1,
    L2,
    GroupLasso,
    SoftTie,
    WeightDecay,
    add_gradients,
    shrink,
)
from minihash.training.schedules import Constant
from minihash.weights import VirtualWeight
from reference import balls
from reference import penalties as loops
from tests.support.bounds import assert_within, eps, gamma

U64 = eps(np.float64)

W = VirtualWeight((3, 5), Identity(15), "W")
HEAD = VirtualWeight((3,), Identity(3), "b")
NETWORK = Sequential((Dense(W, HEAD),))
DATA = np.random.default_rng(0).standard_normal((40, 5))
LABELS = np.random.default_rng(1).integers(0, 3, 40)


def to_input(x, dtype):
    return x.astype(dtype)


def end(training, state=None, count=None, dtype=np.float64):
    """The state after `count` steps, or at the end."""
    state = start(NETWORK, training, dtype) if state is None else state
    run = steps(NETWORK, training, state, DATA, LABELS, to_input)
    return [after for after, _ in islice(run, count)][-1]


DECAY = 0.125
PAIRS = {
    "SGD, L2": (SGD(0.9), L2, lambda p: torch.optim.SGD(p, 0.1, 0.9, weight_decay=DECAY)),
    "Adam, L2": (Adam(), L2, lambda p: torch.optim.Adam(p, 0.1, weight_decay=DECAY)),
    "AdamW": (Adam(), WeightDecay, lambda p: torch.optim.AdamW(p, 0.1, weight_decay=DECAY)),
}


@pytest.mark.parametrize("pair", PAIRS)
@given(st.integers(0, 2**32 - 1))
def test_steps_with_penalties_are_torch_optims(pair, seed):
    """Both are in the ball of what is exact, step after step (see balls.py)."""
    ours, penalty, theirs = PAIRS[pair]
    rng, some = np.random.default_rng(seed), (penalty(DECAY, ("W",)),)
    params = {"W": rng.standard_normal(6)}
    state = ours.init(params, ["W"])
    leaf = torch.tensor(params["W"].copy(), requires_grad=True)
    optimiser = theirs([leaf])
    exact, held = balls.ball(params["W"], U64 / 2), {}
    for t in range(1, 5):
        g = rng.standard_normal(6)
        grads = add_gradients(some, params, {"W": g})
        new, state = ours.step(params, grads, state, 0.1)
        params = shrink(some, params, new, 0.1)
        leaf.grad = torch.tensor(g)
        optimiser.step()
        before, g = exact, balls.ball(g, U64 / 2)
        if penalty is L2:
            g = g + exact * DECAY
        move = balls.sgd if isinstance(ours, SGD) else balls.adam
        options = {"momentum": 0.9} if isinstance(ours, SGD) else {}
        exact, held = move(exact, g, held, t, 0.1, **options)
        if penalty is WeightDecay:
            exact = exact - before * DECAY * 0.1
        assert exact.rad.max() < 1e-9
        assert_within(params["W"], exact.mid, exact.rad)
        assert_within(leaf.detach().numpy(), exact.mid, exact.rad)


def test_a_step_is_the_gradients_then_the_optimiser_then_the_proximal_steps():
    """By hand, in the loops, with SGD."""
    rate, some = 0.25, (L2(0.3, ("W",)), L1(0.05, ("W", "b")))
    plain, penalised = (
        Training(epochs=1, rate=rate, optimiser=SGD(), penalties=p) for p in ((), some)
    )
    begin = start(NETWORK, plain, np.float64)
    bare = step(NETWORK, plain, begin, DATA, LABELS, rate).params
    found = step(NETWORK, penalised, begin, DATA, LABELS, rate)
    more = rate * loops.l2_gradient(begin.params["W"], 0.3)
    expected = {"W": loops.l1_prox(bare["W"] - more, rate, 0.05)}
    expected["b"] = loops.l1_prox(bare["b"], rate, 0.05)
    for name, w in expected.items():
        size = abs(begin.params[name]) + abs(bare[name]) + 1
        assert_within(found.params[name], w, 2 * gamma(16, U64) * size)
    assert found.optimiser == {}


SOME = (L2(0.01, ("W",)), L1(0.02, ("b",)), GroupLasso(0.05, W.T), WeightDecay(0.1, ("W",)))


@pytest.mark.parametrize("optimiser", [SGD(0.9), Adam()], ids=repr)
def test_a_resumed_run_ends_with_the_same_bits(optimiser):
    training = Training(epochs=3, batch_size=8, optimiser=optimiser, penalties=SOME)
    whole = end(training)
    for count in (1, 4, 5, 7):
        again = end(training, end(training, count=count))
        assert again.params.keys() == whole.params.keys()
        for name, array in whole.params.items():
            assert array.tobytes() == again.params[name].tobytes()
        assert again.optimiser.keys() == whole.optimiser.keys()
    assert start(NETWORK, training).optimiser.keys() == (
        start(NETWORK, Training(optimiser=optimiser)).optimiser.keys()
    )


def test_float32_stays_float32():
    training = Training(epochs=1, batch_size=8, optimiser=SGD(0.9), penalties=SOME)
    assert {a.dtype for a in end(training, dtype=np.float32).params.values()} == {np.dtype("f4")}


X = np.random.default_rng(2).standard_normal((300, 5))
TWO = (X[:, 1] > 0).astype(int) + (X[:, 3] > 0)  # labels that hang on two of the five inputs alone


def at_rest(penalties, momentum):
    """W (3, 5) after training, and the gradient of the loss there."""
    optimiser = SGD(momentum)
    options = {"rate": 0.5 * (1 - momentum), "schedule": Constant(), "penalties": penalties}
    training = Training(epochs=600, batch_size=300, optimiser=optimiser, **options)
    *_, (last, _) = steps(NETWORK, training, start(NETWORK, training, float), X, TWO, to_input)
    y, caches = NETWORK.forward(last.params, X)
    _, cache = softmax_cross_entropy.forward(y, TWO)
    _, grads = NETWORK.backward(last.params, caches, softmax_cross_entropy.backward(cache))
    return last.params["W"].reshape(3, 5), grads["W"].reshape(3, 5)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_with_l1_training_rests_where_loss_and_penalty_balance(momentum):
    """At the least sum: gradient = -strength sign(w) where w is not 0, and no larger elsewhere."""
    w, g = at_rest((L1(0.1, ("W",)),), momentum)
    assert 15 > (w == 0).sum() >= 9 and (w[:, [0, 2, 4]] == 0).all()
    balance = np.where(w == 0, np.maximum(abs(g) - 0.1, 0), abs(g + 0.1 * np.sign(w)))
    assert balance.max() < 0.01 * 0.1


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_with_group_lasso_inputs_that_say_nothing_go_as_a_whole(momentum):
    """At the least sum: gradient = -least w / |w| of an input kept, and of a norm below least, the
    strength times sqrt(3), of one that is gone."""
    w, g = at_rest((GroupLasso(0.1, W.T),), momentum)
    gone, kept, least = [0, 2, 4], [1, 3], 0.1 * np.sqrt(3)
    assert (w[:, gone] == 0).all() and (w[:, kept] != 0).all()
    assert (np.linalg.norm(g[:, gone], axis=0) <= least).all()
    balance = g[:, kept] + least * w[:, kept] / np.linalg.norm(w[:, kept], axis=0)
    assert abs(balance).max() < 0.01 * least


def test_without_a_penalty_nothing_is_zero():
    assert at_rest((), 0.0)[0].all()


def test_penalties_come_back_from_a_spec():
    arrays = {}
    training = Training(penalties=(*SOME, SoftTie(0.5, ("W", "b"))))
    spec = json.loads(json.dumps(encode(training, arrays)))
    assert decode(spec, arrays) == training and len(training.penalties) == 5
    old = {name: value for name, value in spec.items() if name != "penalties"}
    assert decode(old, arrays) == Training()


@pytest.mark.parametrize(
    ("penalty", "message"),
    [
        (L1(0.1, ("V",)), "params must hold an array 'V', got W, b; "),
        (SoftTie(0.1, ("W", "b")), r"one shape, got \(15,\) of 'W' and \(3,\) of 'b'; "),
        (
            GroupLasso(0.1, VirtualWeight((4, 4), Identity(16), "W")),
            r"the parameter 'W' must have shape \(16,\), got \(15,\); ",
        ),
    ],
)
def test_penalties_that_do_not_fit_are_refused_before_any_step(penalty, message, monkeypatch):
    monkeypatch.setattr("minihash.training.loop.step", None)
    training = Training(epochs=1, penalties=(penalty,))
    state = start(NETWORK, training)
    with pytest.raises(ValueError, match=message) as caught:
        next(steps(NETWORK, training, state, DATA, LABELS, to_input))
    assert "\n" not in str(caught.value)


def test_penalties_on_what_is_not_trained_are_refused():
    network = Sequential((Dense(W), BatchNorm1d("norm", 3)))
    training = Training(penalties=(L2(0.1, ("W", "norm.running_mean")),))
    state = start(network, training)
    with pytest.raises(ValueError, match=r"L2 is on norm.running_mean, which is not trained; name"):
        next(steps(network, training, state, DATA, LABELS, to_input))


def test_a_momentum_that_never_ends_is_refused():
    Training(optimiser=SGD(1.0))
    with pytest.raises(ValueError, match="penalties need an optimiser with momentum below 1"):
        Training(optimiser=SGD(1.0), penalties=(L1(0.1, ("W",)),))
