"""Room 6: training on examples that count differently.

With weights w, brought to the mean 1, the step on a batch b is that of `training.step` with

    loss = 1/|b| sum over b of w_i loss_i        its gradient, row by row: w_i dy_i

so that the sum over an epoch is that of a set in which example i is there w_i times, up to what the
order of batches does. Weights that are all alike give the bits of `training.steps`, but for the
loss of its reports under a backend that sums it in another order.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from minihash.checks import float_array
from minihash.networks.sequential import Sequential
from minihash.training import LOSSES, State, Training, batches, epochs, trained, updated
from minihash.training.loop import fitting_labels
from minihash.training.penalties import checked


def weighted_steps(
    network: Sequential,
    training: Training,
    state: State,
    x: np.ndarray,
    labels: np.ndarray,
    to_input: Callable[[np.ndarray, np.dtype], np.ndarray],
    weights: np.ndarray,
) -> Iterator[tuple[State, dict]]:
    """As `training.steps`; loss and accuracy of its reports are weighted means, too.

    weights: floats (count,), not negative, not all 0. training: its loss is one of `LOSSES`.
    Raises TypeError or ValueError, before any step, as `training.steps` does, or for other weights.

    >>> from minihash.hashes import Uniform
    >>> from minihash.layers import Dense
    >>> from minihash.training import start
    >>> from minihash.weights import VirtualWeight
    >>> network = Sequential((Dense(VirtualWeight((2, 1), Uniform(2))),))
    >>> x, labels, weights = np.ones((3, 1)), np.array([0, 1, 1]), np.array([4.0, 1.0, 1.0])
    >>> training, to_input = Training(epochs=9), lambda x, dtype: x.astype(dtype)
    >>> state = start(network, training)
    >>> *_, (state, _) = weighted_steps(network, training, state, x, labels, to_input, weights)
    >>> int(network.forward(state.params, np.ones((1, 1), np.float32))[0].argmax())
    0
    """
    checked(training.penalties, state.params, trained(network))
    labels = fitting_labels(network, state.params, x, labels, to_input, training.loss)
    weights = float_array(weights, "weights", (len(x),))
    if not (np.isfinite(weights).all() and weights.min() >= 0 and weights.any()):
        raise ValueError("weights must be finite, not negative and not all 0; correct them")
    weights = weights / weights.mean(dtype=np.float64)
    loss_of, dtype = LOSSES[training.loss], next(iter(state.params.values())).dtype
    classifies = training.loss == "cross-entropy"

    def parts(epoch: int) -> list[np.ndarray]:
        return batches(len(x), training.batch_size, training.seed, epoch)

    def advance(state: State, batch: np.ndarray, rate: float) -> State:
        y, caches = network.forward(state.params, to_input(x[batch], dtype), state.step)
        loss, cache = loss_of.forward(y, labels[batch], weights[batch])
        grads = network.gradients(state.params, caches, loss_of.backward(cache))
        new = updated(training, state, grads, rate)
        right = weights[batch][y.argmax(axis=1) == labels[batch]].sum() if classifies else 0
        return replace(
            new,
            params=new.params | network.running(state.params, caches),
            loss_sum=state.loss_sum + loss * len(batch),
            correct=state.correct + right,
            seen=state.seen + len(batch),
        )

    return epochs(training, state, parts, advance, classifies)
