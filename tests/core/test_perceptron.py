"""A whole training step in one call: the bits of its operations one by one."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minihash import core
from minihash.core.numba import parts, products
from minihash.core.numba.perceptron import Perceptron
from minihash.hashes import Modulus
from minihash.layers import ELU, BatchNorm1d, Dense, Tanh
from minihash.networks.arbnet import arbnet
from minihash.networks.sequential import Sequential
from minihash.training import Training, loop, start, steps, whole
from minihash.training.averaged import Averaged
from minihash.training.optimisers import SGD, Adam
from minihash.training.penalties import L2
from minihash.weights import VirtualWeight
from tests.support.core_cases import with_threads

RNG = np.random.default_rng(5)
SIZES = (40, 24, 7, 5)
# Words and partial tables; windows, in parts that share one table; a table a layer.
NETWORKS = {
    "uniform": arbnet(SIZES, hash="uniform", compression=0.1, signed=True),
    "identity": arbnet(SIZES, hash="identity", activation=Tanh(), bias="none"),
    "layer": arbnet(SIZES, hash="uniform", compression=0.2, scope="layer", signed=True),
    "plain": arbnet(SIZES, hash="uniform", compression=0.2, signed=True, norm="none"),
}


@pytest.fixture(autouse=True)
def paying(monkeypatch):
    """Taken for any number of steps, and cut into parts for threads."""
    monkeypatch.setattr(whole, "PAYS", 1)
    cut = products.CUT._replace(parts=4, least=64, pair=128, tile=256)
    monkeypatch.setattr(products, "CUT", cut)
    monkeypatch.setattr(parts, "PARTIALS", 2)


def examples(count, dtype):
    return RNG.standard_normal((count, SIZES[0])).astype(dtype), RNG.integers(0, SIZES[-1], count)


def run(network, training, x, labels, state=None):
    """The states and reports of a run, and how many of its steps were not whole."""
    counted = []
    state = start(network, training, x.dtype.type) if state is None else state
    plain = loop.step
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "step", lambda *a: counted.append(1) or plain(*a))
        found = list(steps(network, training, state, x, labels, lambda some, dtype: some))
    return found, len(counted)


def step_by_step(network, training, x, labels):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "whole_step", lambda *_: None)
        found, plain = run(network, training, x, labels)
    assert plain == len(found)
    return found


def same(one, other):
    """Whether two runs agree to the bit, and in the order of names."""
    for (s, report), (t, expected) in zip(one, other, strict=True):
        for a, b in ((s.params, t.params), (s.optimiser, t.optimiser)):
            if list(a) != list(b) or any(a[k].tobytes() != b[k].tobytes() for k in b):
                return False
        if report != expected or replace(s, params={}, optimiser={}) != replace(
            t, params={}, optimiser={}
        ):
            return False
    return True


@pytest.mark.parametrize("momentum", [0.9, 0.0])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_whole_step_has_the_bits_of_its_operations(name, momentum):
    network, training = NETWORKS[name], Training(2, 33, optimiser=SGD(momentum))
    x, labels = examples(100, np.float32)
    expected = step_by_step(network, training, x, labels)
    for threads in (1, 2):
        with with_threads(threads):
            found, plain = run(network, training, x, labels)
        assert plain == 0 and len(found) == 6
        assert same(found, expected)


@given(st.integers(2, 70), st.integers(0, 2**32 - 1), st.sampled_from([0.0, np.inf, np.nan]))
def test_of_any_batch_and_what_is_not_finite(count, seed, one):
    rng = np.random.default_rng(seed)
    network, training = NETWORKS["uniform"], Training()
    x = rng.standard_normal((count, SIZES[0])).astype(np.float32)
    x[0, 0] = one
    labels = rng.integers(0, SIZES[-1], count)
    state = start(network, training)
    own = core.perceptron(whole.blocks(network), x.dtype)
    params, velocity, loss, right = own.step(state.params, state.optimiser, x, labels, 0.1, 0.9)
    expected = loop.step(network, training, state, x, labels, 0.1)
    for found, right_ones in ((params, expected.params), (velocity, expected.optimiser)):
        for name, array in right_ones.items():
            assert np.array_equal(found[name], array, equal_nan=True)
    assert np.array_equal(loss * count, expected.loss_sum, equal_nan=True)
    assert right == expected.correct


def test_a_state_from_elsewhere_is_taken_as_it_is():
    network, training, (x, labels) = NETWORKS["uniform"], Training(2, 50), examples(100, np.float32)
    states, _ = run(network, training, x, labels)
    half = states[1][0]
    copied = replace(
        half,
        params={k: v.copy() for k, v in half.params.items()},
        optimiser={k: v.copy() for k, v in half.optimiser.items()},
    )
    again, plain = run(network, training, x, labels, copied)
    assert plain == 0 and same(again, states[2:])
    own = core.perceptron(whole.blocks(network), x.dtype)
    first, second = (own.step(half.params, half.optimiser, x, labels, 0.1, 0.9) for _ in range(2))
    assert all(first[0][name].tobytes() == second[0][name].tobytes() for name in first[0])
    changed = dict(second[0])
    changed["table"] = changed["table"] * 2
    second[0]["table"] = changed["table"]  # what was given out belongs to the caller
    one, other = (own.step(p, second[1], x, labels, 0.1, 0.9) for p in (second[0], changed))
    assert one[2] == other[2] != own.step(*first[:2], x, labels, 0.1, 0.9)[2]


def test_what_a_step_gave_is_not_written_again():
    network, training, (x, labels) = NETWORKS["uniform"], Training(3, 50), examples(100, np.float32)
    seen = []
    first = start(network, training)
    for state, _ in steps(network, training, first, x, labels, lambda some, dtype: some):
        seen.append(
            (state, state.params["table"].tobytes(), state.optimiser["momentum.table"].sum())
        )
    for state, table, moved in seen:
        assert state.params["table"].tobytes() == table
        assert state.optimiser["momentum.table"].sum() == moved
    assert len({table for _, table, _ in seen}) == 6


UNIFORM = NETWORKS["uniform"]
OTHERS = {
    "dropout": (arbnet(SIZES, dropout=0.5), {}),
    "hashed biases": (arbnet(SIZES, bias="hashed"), {}),
    "rows that repeat": (Sequential((Dense(VirtualWeight((24, 40), Modulus(100))),)), {}),
    "low rank": (arbnet(SIZES, "identity", 0.2, source="lowrank"), {}),
    "nine layers": (arbnet((40, *[6] * 8, 5)), {}),
    "a view": (Sequential((Dense(arbnet((5, 40)).weights()[0].T),)), {}),
    "two norms": (Sequential((*UNIFORM.layers, BatchNorm1d("more", 5))), {}),
    "first an activation": (Sequential((ELU(), *UNIFORM.layers)), {}),
    "two activations": (Sequential((*UNIFORM.layers[:2], Tanh(), *UNIFORM.layers[2:])), {}),
    "activations of two kinds": (Sequential((*UNIFORM.layers[:-2], Tanh())), {}),
    "Adam": (UNIFORM, {"optimiser": Adam()}),
    "Nesterov": (UNIFORM, {"optimiser": SGD(0.9, nesterov=True)}),
    "weight decay": (UNIFORM, {"optimiser": SGD(0.9, 0.1)}),
    "dampening": (UNIFORM, {"optimiser": SGD(0.9, dampening=0.9)}),
    "mean gradients": (UNIFORM, {"optimiser": Averaged(SGD(), tuple(UNIFORM.weights()))}),
    "a penalty": (UNIFORM, {"penalties": (L2(0.1, ("table",)),)}),
}


@pytest.mark.fast
@pytest.mark.parametrize("name", OTHERS)
def test_what_no_whole_step_computes_is_computed_by_layers(name):
    network, settings = OTHERS[name]
    x, labels = examples(60, np.float32)
    training = Training(1, 30, **settings)
    with core.use("numpy"):
        expected = run(network, training, x, labels)[1]
    assert run(network, training, x, labels)[1] == expected == 2


@pytest.mark.fast
def test_few_steps_are_not_worth_compiling(monkeypatch):
    monkeypatch.setattr(whole, "PAYS", 3)
    monkeypatch.setattr(Perceptron, "ready", lambda _: False)
    x, labels = examples(60, np.float32)
    assert run(UNIFORM, Training(1, 30), x, labels)[1] == 2


@pytest.mark.fast
def test_a_backend_without_whole_steps_takes_those_of_layers():
    x, labels = examples(60, np.float32)
    with core.use("numpy"):
        assert run(UNIFORM, Training(1, 30), x, labels)[1] == 2
        assert core.perceptron(whole.blocks(UNIFORM), x.dtype) is None


@pytest.mark.parametrize(
    "x, labels, message",
    [
        (np.zeros((3, 39), np.float32), [0, 1, 2], r"x must have shape \(any, 40\)"),
        (np.zeros((3, 40)), [0, 1, 2], "x must be float32"),
        (np.zeros((3, 40), np.float32), [0, 1, 5], r"labels must lie in 0 \.\. 4, got 0 \.\. 5"),
        (np.zeros((3, 40), np.float32), [0, 1], "a label each, got 3 and labels of shape"),
        (np.zeros((1, 40), np.float32), [0], "at least 2 examples"),
    ],
)
def test_other_examples_are_refused_before_any_loop(x, labels, message):
    state, own = start(UNIFORM, Training()), core.perceptron(whole.blocks(UNIFORM), np.float32)
    with pytest.raises((TypeError, ValueError), match=message):
        own.step(state.params, state.optimiser, x, np.array(labels), 0.1, 0.9)


def test_an_example_left_alone_is_refused_as_by_layers():
    x, labels = examples(1, np.float32)
    with pytest.raises(ValueError, match="at least 2 examples of a feature"):
        run(UNIFORM, Training(1, 30), x, labels)


def test_the_squared_error_is_left_to_layers():
    x, _ = examples(60, np.float32)
    network = arbnet((40, 24, 40))
    assert run(network, Training(1, 30, loss="squared-error"), x, None)[1] == 2
