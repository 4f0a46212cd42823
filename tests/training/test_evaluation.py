"""Losses and accuracies, as runs report them and as `evaluate` finds them, against a count."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from minihash import core
from minihash.hashes import Uniform
from minihash.layers import Dense
from minihash.networks.sequential import Sequential
from minihash.training import Training, evaluate, start, steps
from minihash.training.optimisers import SGD
from minihash.weights import VirtualWeight
from reference import balls, losses, torch_twins
from tests.support.training_cases import CLASSES, batch_of, examples, small_network, to_input
from tests.support.twins import U, parameters, plan_of


def by_hand(logits, labels):
    """(mean loss by the loops, accuracy: the largest logit, the first of equals)."""
    right = sum(list(z).index(max(z)) == c for z, c in zip(logits, labels, strict=True))
    return losses.cross_entropy(logits, labels), right / len(labels)


def loss_bound(count, logits, error=0.0):
    """The loss of an example changes by at most twice the change of its logits, and rounds
    CLASSES + 20 numbers of at most 1 + 2 max |logit|; then comes the mean."""
    return 2 * error + (count + CLASSES + 20) * U[np.float64] * (1 + 2 * abs(logits).max())


def test_reports_are_means_over_the_examples_of_the_epoch_so_far():
    training, network = Training(3, 10, 0.3, SGD(0.9)), small_network()
    x, labels = examples(33)
    with core.use("numpy"):
        state = start(network, training, np.float64)
        loss_sum, right, seen = 0.0, 0, 0
        for after, report in steps(network, training, state, x, labels, to_input):
            batch = batch_of(training, state, 33)
            y, _ = network.forward(state.params, to_input(x[batch], np.float64), state.step)
            loss, accuracy = by_hand(y, labels[batch])
            loss_sum, seen = loss_sum + loss * len(batch), seen + len(batch)
            right += round(accuracy * len(batch))
            assert abs(report["loss"] - loss_sum / seen) <= loss_bound(33, y)
            assert report["train_accuracy"] == right / seen
            assert (report["epoch"], report["batches"]) == (state.epoch + 1, 4)
            over = seen == 33
            assert after.epoch == state.epoch + over
            assert after.batch == (0 if over else state.batch + 1)
            if over:
                loss_sum, right, seen = 0.0, 0, 0
            state = after
    assert (state.epoch, state.step) == (3, 12)


@given(st.integers(1, 40), st.integers(1, 45), st.integers(0, 2**32 - 1))
def test_an_evaluation_is_the_accuracy_and_loss_by_hand_for_any_batch_size(count, size, seed):
    """Integer-valued logits are exact, so that the loss alone rounds."""
    network = Sequential((Dense(VirtualWeight((CLASSES, 6), Uniform(9, signed=True))),))
    x, labels = examples(count, seed)
    table = np.random.default_rng(seed).integers(-3, 4, 9).astype(float)
    with core.use("numpy"):
        logits = x.astype(float) @ core.gather(table, network.weights()[0]).T
        found = evaluate(network, {"table": table}, x, labels, np.ndarray.astype, size)
    loss, accuracy = by_hand(logits, labels)
    assert found[1] == accuracy
    assert abs(found[0] - loss) <= loss_bound(count, logits)


def test_an_evaluation_takes_running_statistics_and_drops_nothing():
    network = small_network()
    plan, params = plan_of(network), parameters(network, np.random.default_rng(2))
    x, labels = examples(33, seed=7)
    inputs = to_input(x, np.float64)
    logits, _ = torch_twins.network(torch_twins.tensors(params), plan, torch_twins.tensor(inputs))
    logits = logits.detach().numpy()
    exact = {name: balls.ball(p, U[np.float64]) for name, p in params.items()}
    error = 2 * balls.forward(exact, plan, balls.ball(inputs, U[np.float64]))[0].rad.max()
    assert error < 1e-9
    loss, accuracy = by_hand(logits, labels)
    with core.use("numpy"):
        found = evaluate(network, params, x, labels, to_input)
        in_parts = evaluate(network, params, x, labels.astype(np.uint8), to_input, 7)
    assert found[1] == in_parts[1] == accuracy
    for value in (found[0], in_parts[0]):
        assert abs(value - loss) <= loss_bound(33, logits, error)
