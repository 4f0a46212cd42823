"""How training begins and what drives it: initial tables, the order of examples, the rates.

Held to the loops of reference/training.py and reference/optimisers.py and to the vectors of
`reference/vectors`. The steps are in test_training_steps.py, whole runs in test_training_runs.py.
"""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from minihash.hashes import Identity, Modulus, Uniform
from minihash.layers import ELU, BatchNorm1d, Dense, Distillation
from minihash.layers.distillation import lessons
from minihash.networks.arbnet import arbnet
from minihash.networks.sequential import Sequential
from minihash.training import Training, batches, start, steps
from minihash.training.optimisers import SGD, Adam
from minihash.training.schedules import Constant, Decay, Plateau
from minihash.weights import VirtualWeight
from reference import cases, optimisers
from reference import training as loops
from reference.training import initial_bound, initial_table
from tests.support.training_cases import examples, small_network, to_input


def by_group(name):
    """A parameter for each group of a file of vectors, called by the bug that it catches."""
    groups = cases.load(name)["groups"]
    return pytest.mark.parametrize("group", groups, ids=[group["catches"] for group in groups])


# Initial parameters.


def initial_network():
    one, two = Uniform(50, 1), Modulus(50)
    return Sequential(
        (
            Dense(VirtualWeight((7, 5), one, "both"), VirtualWeight((7,), Identity(7), "free")),
            BatchNorm1d("norm", 7),
            Dense(VirtualWeight((3, 7), two, "both", 35), VirtualWeight((3,), one, "both", 56)),
            Dense(VirtualWeight((4, 3), Uniform(9), "single")),
        )
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_initial_parameters_are_those_of_the_loops_bit_for_bit(seed, dtype):
    """Hashed biases start like the weights whose table they read, and do not move its bound."""
    params = initial_network().init(seed, dtype)
    tables = {"both": (50, initial_bound([(7, 5), (3, 7)])), "single": (9, initial_bound([(4, 3)]))}
    for name, (entries, bound) in tables.items():
        expected = np.array(initial_table(name, entries, bound, seed))
        assert abs(expected).max() < bound
        assert params[name].tobytes() == expected.astype(dtype).tobytes()
    for name, value in {"norm.gamma": 1, "norm.beta": 0, "norm.running_mean": 0}.items():
        np.testing.assert_array_equal(params[name], np.full(7, value))
    np.testing.assert_array_equal(params["norm.running_var"], np.ones(7))
    np.testing.assert_array_equal(params["free"], np.zeros(7))
    assert len(params) == 7 and {p.dtype.type for p in params.values()} == {dtype}


def test_a_single_matrix_starts_within_one_over_the_root_of_its_fan_in():
    table = arbnet((784, 1000), "uniform", 0.125).init(0, np.float64)["table"]
    assert initial_bound([(1000, 784)]) == 784**-0.5
    assert 0.999 * 784**-0.5 < abs(table).max() < 784**-0.5
    assert abs(table.mean()) < 5 * 784**-0.5 / np.sqrt(3 * table.size)


def test_initial_parameters_are_fresh():
    network = initial_network()
    one, two = network.init(), network.init()
    assert not any(np.shares_memory(one[name], two[name]) for name in one)


@by_group("initialisation")
def test_vectors_of_the_initialisation(group):
    """The bound of (1, fan_in) is 1 / sqrt(fan_in), that of a bias alone is 0."""
    bound, entries = group["bound"], len(group["values"])
    shape = (1, round(bound**-2)) if bound else (entries,)
    weight = VirtualWeight(shape, Modulus(entries), group["table"])
    network = Sequential((ReadsOnly(weight),))
    table = network.init(group["seed"], np.float64)[group["table"]]
    assert table.tolist() == group["values"], group["catches"]
    table = network.init(group["seed"], np.float32)[group["table"]]
    expected = np.array(group["float32_bits"], np.uint32).view(np.float32)
    np.testing.assert_array_equal(table, expected, group["catches"])


@dataclass(frozen=True)
class ReadsOnly(ELU):
    """A layer that reads one virtual weight."""

    weight: VirtualWeight

    def weights(self):
        return (self.weight,)


# The order of the examples.


@by_group("epoch_order")
def test_vectors_of_the_order_of_the_examples(group):
    (order,) = batches(group["count"], group["count"], group["seed"], group["epoch"])
    assert order.tolist() == group["order"], group["catches"]


@given(st.integers(1, 70), st.integers(1, 80), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
@example(9, 4, 0, 0)  # the last example alone
@example(1, 1, 0, 0)
@example(5, 1, 0, 0)
@example(8, 4, 0, 0)
def test_batches_are_slices_of_the_loops_order_and_hold_each_example_once(count, size, seed, epoch):
    found = batches(count, size, seed, epoch)
    order = loops.epoch_order(count, epoch, seed)
    assert [batch.tolist() for batch in found] == loops.batches(order, size)
    assert sorted(np.concatenate(found)) == list(range(count))
    assert all(len(batch) <= size + 1 for batch in found)
    assert count == 1 or size == 1 or all(len(batch) > 1 for batch in found)


def test_every_epoch_and_seed_has_an_order_of_its_own():
    orders = {tuple(np.concatenate(batches(30, 7, s, e))) for s in range(5) for e in range(5)}
    assert len(orders) == 25


# Rates.


@dataclass(frozen=True)
class Recorder(SGD):
    """SGD that writes down its rates."""

    rates: list = field(default_factory=list)

    def step(self, params, grads, state, rate):
        self.rates.append(rate)
        return super().step(params, grads, state, rate)


def rates_of(schedule, epochs):
    """(rates the optimiser was given, reports) of a run of three steps an epoch."""
    recorder = Recorder()
    training = Training(epochs, 10, 0.5, recorder, schedule)
    x, labels = examples(30)
    network = small_network()
    run = steps(network, training, start(network, training), x, labels, to_input)
    reports = [report for _, report in run]
    assert [report["rate"] for report in reports] == recorder.rates
    return recorder.rates, reports


@pytest.mark.parametrize(
    "weights, loss, message",
    [
        (np.ones(9), "cross-entropy", r"weights must have shape \(20,\), got \(9,\)"),
        (np.ones(20, int), "cross-entropy", "weights must be float32 or float64"),
        (np.zeros(20), "cross-entropy", "not all 0"),
        (np.r_[-1.0, np.ones(19)], "cross-entropy", "not negative"),
        (np.r_[np.nan, np.ones(19)], "cross-entropy", "must be finite"),
        (np.ones(20), Distillation(), "weights are for cross-entropy, squared-error, got"),
    ],
)
def test_other_weights_are_refused_before_any_step(weights, loss, message):
    network, (x, labels) = small_network(), examples(20)
    training = Training(1, 10, loss=loss)
    if loss != "cross-entropy":
        labels = lessons(labels, np.zeros((20, 3)))
    state = start(network, training)
    with pytest.raises((TypeError, ValueError), match=message):
        steps(network, training, state, x, labels, to_input, weights)


def test_the_plateau_drives_the_rate_by_the_training_accuracy():
    rates, reports = rates_of(Plateau(patience=1, factor=0.5), epochs=12)
    accuracies = [report["train_accuracy"] for report in reports[2::3]]
    expected = optimisers.plateau_rates(accuracies, 0.5, patience=1, factor=0.5)
    assert rates == [rate for rate in expected[:12] for _ in range(3)]
    assert len(set(rates)) > 2


def test_the_decay_drives_the_rate_by_the_step():
    rates, _ = rates_of(Decay(0.1), epochs=4)
    assert rates == [optimisers.decayed_rate(0.5, 0.1, step) for step in range(12)]


def test_the_constant_rate_is_constant():
    assert set(rates_of(Constant(), epochs=2)[0]) == {0.5}


def test_the_defaults_are_the_papers():
    training = Training()
    assert (training.rate, training.optimiser) == (0.1, SGD(momentum=0.9))
    assert training.schedule == Plateau(patience=4, factor=0.1)


def test_the_optimiser_remembers_what_is_trained_and_the_start_is_the_networks():
    """Running statistics have no momentum."""
    network = small_network()
    trained = ["bias", "norm1.beta", "norm1.gamma", "norm2.beta", "norm2.gamma", "table"]
    for dtype in (np.float32, np.float64):
        state = start(network, Training(seed=9, optimiser=SGD(0.9)), dtype)
        assert sorted(state.optimiser) == [f"momentum.{name}" for name in trained]
        params = network.init(9, dtype)
        assert {k: v.tobytes() for k, v in state.params.items()} == {
            k: v.tobytes() for k, v in params.items()
        }
        assert (state.schedule, state.epoch, state.batch, state.step) == (Plateau().init(), 0, 0, 0)
    assert len(start(network, Training(optimiser=Adam())).optimiser) == 1 + 2 * len(trained)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"epochs": 0}, "epochs must be a positive integer, got 0"),
        ({"epochs": 1.5}, "epochs must be a positive integer, got 1.5"),
        ({"batch_size": 0}, "batch_size must be a positive integer, got 0"),
        ({"batch_size": True}, "batch_size must be a positive integer, got True"),
        ({"rate": 0}, "rate of Training must be positive, got 0; try 0.1"),
        ({"rate": -0.1}, "rate of Training must lie in .*, got -0.1"),
        ({"rate": float("nan")}, "rate of Training must lie in .*, got nan"),
        ({"rate": float("inf")}, "rate of Training must lie in .*, got inf"),
        ({"rate": "0.1"}, "rate of Training must be a number, got '0.1'"),
        ({"seed": -1}, "seed must lie in 0 .. 4294967295, got -1"),
        ({"seed": 2**32}, "seed must lie in 0 .. 4294967295, got 4294967296"),
        ({"seed": 0.5}, "seed must be an integer, got 0.5"),
    ],
    ids=str,
)
def test_what_is_no_training_is_refused_in_one_line(fields, message):
    with pytest.raises((TypeError, ValueError), match=message) as caught:
        Training(**fields)
    assert "\n" not in str(caught.value)
