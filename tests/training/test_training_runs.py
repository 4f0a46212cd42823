"""Whole runs: resumed to the bit, the same for any number of threads, refused at the door, and
right on real digits."""

import json
from dataclasses import replace

import numpy as np
import pytest

from minihash import core, data
from minihash.hashes import Uniform
from minihash.layers import Dense
from minihash.networks.arbnet import arbnet
from minihash.networks.sequential import Sequential
from minihash.training import State, Training, evaluate, start, step, steps
from minihash.training.optimisers import SGD, Adam
from minihash.training.schedules import Decay, Plateau
from minihash.weights import VirtualWeight
from tests.support.training_cases import CLASSES, batch_of, examples, small_network, to_input

RUNS = {
    "sgd": Training(3, 10, 0.3, SGD(0.9, 1e-3), Plateau(patience=1, factor=0.5), seed=1),
    "adam": Training(3, 10, 0.01, Adam(), Decay(0.1), seed=2),
    "damped": Training(2, 10, 0.3, SGD(0.9, dampening=0.9), seed=1),
    "whole epochs": Training(3, 100, 0.3, SGD(), Plateau(patience=1), seed=3),
}
every_run = pytest.mark.parametrize("training", RUNS.values(), ids=RUNS)


@pytest.fixture(autouse=True)
def numpy_backend():
    with core.use("numpy"):
        yield


def bits(state):
    """All that a state holds, to compare."""
    arrays = [{k: (v.dtype, v.tobytes()) for k, v in d.items()} for d in arrays_of(state)]
    numbers = state.epoch, state.batch, state.step, state.loss_sum, state.correct, state.seen
    return arrays, state.schedule, numbers


def arrays_of(state):
    return state.params, state.optimiser


def run(training, state=None, dtype=np.float32, network=None, count=33):
    """[(state, report), ...] after each step."""
    network = network or small_network()
    state = state or start(network, training, dtype)
    return list(steps(network, training, state, *examples(count), to_input))


def saved(state):
    """The state as a file would give it back: arrays copied, the rest through JSON."""
    params, optimiser = ({k: np.array(v) for k, v in arrays.items()} for arrays in arrays_of(state))
    rest = {k: v for k, v in vars(state).items() if k not in ("params", "optimiser")}
    return State(params=params, optimiser=optimiser, **json.loads(json.dumps(rest)))


@every_run
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_run_resumed_after_any_of_its_steps_ends_with_the_same_bits(training, dtype):
    whole = run(training, dtype=dtype)
    assert len(whole) >= training.epochs and whole[-1][0].epoch == training.epochs
    for stop, (state, _) in enumerate(whole):
        rest = run(training, saved(state))
        assert [report for _, report in rest] == [report for _, report in whole[stop + 1 :]]
        assert [bits(state) for state, _ in rest] == [bits(state) for state, _ in whole[stop + 1 :]]


@every_run
def test_a_longer_run_begins_with_the_shorter_one(training):
    shorter, longer = run(replace(training, epochs=2)), run(training)
    assert [bits(state) for state, _ in shorter] == [bits(s) for s, _ in longer[: len(shorter)]]


def frozen(state, *arrays):
    """Nobody may write to the arrays of the state, or to the others, from here on."""
    for array in (*state.params.values(), *state.optimiser.values(), *arrays):
        array.setflags(write=False)


@every_run
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_states_are_never_written_again_and_keep_their_dtype(training, dtype):
    network = small_network()
    state = start(network, training, dtype)
    x, labels = examples(33)
    frozen(state, x, labels)
    before = []
    for after, _ in steps(network, training, state, x, labels, to_input):
        before.append((after, bits(after)))
        frozen(after)
        for name, array in (after.params | after.optimiser).items():
            assert array.dtype == (np.int64 if name == "step" else dtype)
    assert all(bits(state) == then for state, then in before)


def test_the_seed_of_a_run_moves_its_start_and_its_order():
    one, two = RUNS["sgd"], replace(RUNS["sgd"], seed=8)
    states = [start(small_network(), training) for training in (one, two)]
    assert (states[0].params["table"] != states[1].params["table"]).any()
    ends = [run(training, states[0])[-1][0] for training in (one, two)]
    assert (ends[0].params["table"] != ends[1].params["table"]).any()


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_threads_and_repetitions_change_no_bit(backend):
    """A first layer above the size that one part does alone, on real numbers."""
    if core.backends()[backend]:
        pytest.skip(core.backends()[backend])
    network = arbnet((300, 280, CLASSES), "uniform", 0.01, signed=True)
    rng = np.random.default_rng(5)
    x, labels = rng.normal(size=(60, 300)), rng.integers(0, CLASSES, 60)

    def end_of(threads):
        core.set_threads(threads)
        try:
            with core.use(backend):
                training = Training(2, 20)
                begun = start(network, training)
                *_, (end, _) = steps(network, training, begun, x, labels, np.ndarray.astype)
        finally:
            core.set_threads(None)
        assert (end.params["table"] != begun.params["table"]).all()
        return bits(end)

    first = end_of(1)
    assert all(end_of(threads) == first for threads in (1, 2, 3))


# Refusals.

GOOD = examples(33)


def changed(array, **items):
    array = np.array(array, items.pop("dtype", None))
    for index, value in items.items():
        array[int(index[1:])] = value
    return array


@pytest.mark.parametrize("evaluation", [False, True], ids=["steps", "evaluate"])
@pytest.mark.parametrize(
    ("x", "labels", "message"),
    [
        (GOOD[0][:0], GOOD[1][:0], "at least one; got 0 labels and 0 examples"),
        (GOOD[0], GOOD[1][:-1], "got 32 labels and 33 examples"),
        (GOOD[0][:-1], GOOD[1], "got 33 labels and 32 examples"),
        (GOOD[0][:, :-1], GOOD[1], r"x of Dense must have shape \(any, 6\), got \(1, 5\)"),
        (GOOD[0].reshape(33, 2, 3), GOOD[1], r"x of Dense must have shape .*6\), got \(1, 2, 3\)"),
        (GOOD[0], changed(GOOD[1], i32=CLASSES), "labels must lie in 0 .. 2, got 0 .. 3"),
        (GOOD[0], changed(GOOD[1], i9=-1), "labels must lie in 0 .. 2, got -1 .. 2"),
        (GOOD[0], changed(GOOD[1], dtype=np.float64), "labels must be integers, got float64"),
        (GOOD[0], np.eye(CLASSES, dtype=int)[GOOD[1]], r"labels must have shape \(33,\), one for"),
    ],
    ids=["empty", "labels", "examples", "features", "axes", "high", "low", "float", "one-hot"],
)
def test_data_that_do_not_fit_are_refused_before_any_step(x, labels, message, evaluation):
    network, taken = small_network(), []

    class Counting(SGD):
        def step(self, *args):
            taken.append(1)
            return super().step(*args)

    training = replace(RUNS["sgd"], optimiser=Counting())
    state = start(network, training)
    before = bits(state)
    with pytest.raises((TypeError, ValueError), match=message) as caught:
        if evaluation:
            evaluate(network, state.params, x, labels, to_input)
        else:
            list(steps(network, training, state, x, labels, to_input))
    assert "\n" not in str(caught.value)
    assert not taken and bits(state) == before


def test_a_state_of_another_batch_size_is_refused():
    """It would otherwise wait for a batch that never comes."""
    state = run(RUNS["sgd"])[1][0]
    assert state.batch == 2
    for size, count in [(17, 33), (40, 33), (10, 20)]:
        with pytest.raises(ValueError, match=r"2 batches into .* these data has [12]; go on"):
            run(replace(RUNS["sgd"], batch_size=size), state, count=count)


def test_a_run_that_is_over_takes_no_step():
    end = run(RUNS["sgd"])[-1][0]
    assert run(RUNS["sgd"], end) == []


def test_a_single_example_has_no_variance():
    with pytest.raises(ValueError, match=r"needs at least 2 examples of a feature .* got 1;"):
        run(RUNS["sgd"], count=1)


def test_a_run_that_diverges_says_so_in_its_loss_and_raises_nothing():
    one, two = (VirtualWeight(shape, Uniform(9)) for shape in ((5, 6), (CLASSES, 5)))
    network = Sequential((Dense(one), Dense(two)))
    with np.errstate(over="ignore", invalid="ignore"):
        reports = [report for _, report in run(Training(4, 10, 1e30, SGD(0.9)), network=network)]
    assert not np.isfinite(reports[-1]["loss"])


def test_one_step_is_what_steps_takes():
    training, network = RUNS["sgd"], small_network()
    begun = start(network, training)
    x, labels = examples(33)
    batch = batch_of(training, begun, 33)
    alone = step(network, training, begun, to_input(x[batch], np.float32), labels[batch], 0.3)
    assert bits(alone) == bits(run(training, begun)[0][0])


# Real digits.


def learned(dataset, epochs, examples):
    """Test accuracy of the paper's network on the first examples of a set."""
    network, training = arbnet((784, 200, 200, 10)), Training(epochs)
    to_floats = dataset.standardiser()
    train = dataset.x_train[:examples], dataset.y_train[:examples]
    with core.use(None if core.backends()["numba"] else "numba"):
        *_, (end, _) = steps(network, training, start(network, training), *train, to_floats)
        return evaluate(network, end.params, dataset.x_test, dataset.y_test, to_floats)[1]


def test_the_embedded_digits_are_learned():
    assert learned(data.load("digits"), 3, 4000) > 0.85


def test_mnist_is_learned():
    try:
        mnist = data.load("mnist")
    except FileNotFoundError as error:
        pytest.skip(f"no MNIST here: {error}")
    assert learned(mnist, 1, 10_000) > 0.9
