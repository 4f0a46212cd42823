"""Room 6: the training loop.

    for each epoch e, for each batch b of the order of e:
        y, caches = network.forward(params, x_b, step)
        loss, dlogits = softmax cross-entropy of (y, labels)
        grads = network.backward(params, caches, dlogits) + gradients of the penalties
        params, optimiser state = optimiser.step(...),   running statistics of BatchNorm
        params = proximal steps of the penalties
    after each epoch: the schedule sees the training accuracy

Everything that changes is in one `State`, every random choice is a pure function of (seed, epoch,
step), and nothing is mutated: a run continued from any of its states ends with the same bits as one
that was never stopped.

Source of the defaults: Chang & Lipson, ArbNets, section 3 (SGD, rate 0.1, momentum 0.9, rate / 10
when four epochs bring no better training accuracy). The batch size and the loss are not given
there.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from minihash import penalties
from minihash.checks import real_field
from minihash.hashes.hash import check_field
from minihash.hashes.xxh32 import U64, stream, xxh32
from minihash.layers import softmax_cross_entropy
from minihash.network import Sequential
from minihash.optimisers import SGD, Adam
from minihash.penalties import Penalty
from minihash.schedules import Constant, Decay, Plateau


@dataclass(frozen=True)
class Training:
    """What a run is, beside its network and data.

    >>> Training(epochs=2).batch_size
    50
    """

    epochs: int = 30
    batch_size: int = 50
    rate: float = 0.1
    optimiser: SGD | Adam = field(default_factory=lambda: SGD(momentum=0.9))
    schedule: Plateau | Decay | Constant = field(default_factory=Plateau)
    seed: int = 0
    penalties: tuple[Penalty, ...] = ()

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a positive integer, got {value!r}")
        check_field(self, "seed", 0, 2**32 - 1)
        object.__setattr__(self, "penalties", tuple(self.penalties))
        for penalty in self.penalties:
            if not isinstance(penalty, Penalty):
                raise TypeError(f"penalties must be of minihash.penalties, got {penalty!r}")
        if self.penalties and self.optimiser.gain == math.inf:
            raise ValueError("penalties need an optimiser with momentum below 1; lower it")
        real_field(self, "rate", 0, math.inf)
        if self.rate == 0:
            raise ValueError("rate of Training must be positive, got 0; try 0.1")


@dataclass(frozen=True)
class State:
    """Where a run is: all that the next step depends on."""

    params: dict[str, np.ndarray]
    optimiser: dict[str, np.ndarray]
    schedule: dict
    epoch: int = 0  # epochs that are over
    batch: int = 0  # batches of the current epoch that are over
    step: int = 0  # steps that are over
    loss_sum: float = 0.0  # over the examples of the current epoch so far
    correct: int = 0
    seen: int = 0


def start(network: Sequential, training: Training, dtype: type = np.float32) -> State:
    """The state before the first step."""
    params = network.init(training.seed, dtype)
    optimiser = training.optimiser.init(params, trained(network))
    return State(params, optimiser, training.schedule.init())


def trained(network: Sequential) -> list[str]:
    """The names of the parameters that have a gradient."""
    names = [w.table for w in network.weights()]
    names += [name for layer in network.layers for name in layer.trainable()]
    return list(dict.fromkeys(names))


def batches(count: int, size: int, seed: int, epoch: int) -> list[np.ndarray]:
    """The batches of an epoch: consecutive slices of all examples in the order of their hashes.

    The last batch may be short; an example left alone joins the batch before, since a batch of one
    has no variance for BatchNorm.

    >>> [len(b) for b in batches(9, 4, seed=0, epoch=0)]
    [4, 5]
    """
    ids = np.arange(count, dtype=np.uint64) + U64(epoch << 32)
    order = np.argsort(xxh32(ids, stream(seed, "epoch")), kind="stable")
    starts = list(range(0, count, size))
    if len(starts) > 1 and count - starts[-1] == 1:
        starts.pop()
    return np.split(order, starts[1:])


def steps(
    network: Sequential,
    training: Training,
    state: State,
    x: np.ndarray,
    labels: np.ndarray,
    to_input: Callable[[np.ndarray, np.dtype], np.ndarray],
) -> Iterator[tuple[State, dict]]:
    """Go on from `state` to the end of the last epoch; yields, after each step, the new state and a
    report of the current epoch: loss, accuracy (both over its examples so far), rate, batches.

    x: stored examples (count, ...), made floats batch by batch: to_input(x[batch], dtype).
    labels: integers (count,). Raises TypeError or ValueError if data or penalties do not fit the
    network, or the state is beyond the last batch of an epoch of these, before any step.
    """
    penalties.checked(training.penalties, state.params, trained(network))
    labels = fitting_labels(network, state.params, x, labels, to_input)
    dtype = next(iter(state.params.values())).dtype
    while state.epoch < training.epochs:
        order = batches(len(x), training.batch_size, training.seed, state.epoch)
        if state.batch >= len(order):
            raise ValueError(
                f"the run is {state.batch} batches into an epoch, which here has {len(order)}; go "
                "on with the data and the batch size it began with"
            )
        for batch in order[state.batch :]:
            rate = training.schedule.rate(training.rate, state.schedule, state.step)
            state = step(network, training, state, to_input(x[batch], dtype), labels[batch], rate)
            report = {
                "epoch": state.epoch + 1,
                "loss": state.loss_sum / state.seen,
                "train_accuracy": state.correct / state.seen,
                "rate": rate,
                "batches": len(order),
            }
            if state.batch == len(order):
                schedule = training.schedule.after_epoch(state.schedule, report["train_accuracy"])
                state = replace(state, schedule=schedule, epoch=state.epoch + 1, batch=0)
                state = replace(state, loss_sum=0.0, correct=0, seen=0)
            yield state, report


def step(
    network: Sequential,
    training: Training,
    state: State,
    x: np.ndarray,
    labels: np.ndarray,
    rate: float,
) -> State:
    """One training step on the batch x, labels. The state sums the loss without the penalties."""
    y, caches = network.forward(state.params, x, state.step)
    loss, cache = softmax_cross_entropy.forward(y, labels)
    _, grads = network.backward(state.params, caches, softmax_cross_entropy.backward(cache))
    grads = penalties.add_gradients(training.penalties, state.params, grads)
    new, optimiser = training.optimiser.step(state.params, grads, state.optimiser, rate)
    length = rate * training.optimiser.gain
    new = penalties.shrink(training.penalties, state.params, new, length)
    params = state.params | new | network.running(state.params, caches)
    return replace(
        state,
        params=params,
        optimiser=optimiser,
        batch=state.batch + 1,
        step=state.step + 1,
        loss_sum=state.loss_sum + loss * len(labels),
        correct=state.correct + int((y.argmax(axis=1) == labels).sum()),
        seen=state.seen + len(labels),
    )


def fitting_labels(
    network: Sequential,
    params: dict[str, np.ndarray],
    x: np.ndarray,
    labels: np.ndarray,
    to_input: Callable[[np.ndarray, np.dtype], np.ndarray],
) -> np.ndarray:
    """The labels as integers, refused unless x and they fit each other and the network, which tells
    by its output for the first example."""
    if len(x) != len(labels) or not len(x):
        raise ValueError(
            f"there must be as many labels as examples, at least one; got {len(labels)} labels and "
            f"{len(x)} examples; correct the data"
        )
    y, _ = network.forward(params, to_input(x[:1], next(iter(params.values())).dtype))
    return softmax_cross_entropy.class_labels(labels, len(x), y.shape[-1])


def evaluate(
    network: Sequential,
    params: dict[str, np.ndarray],
    x: np.ndarray,
    labels: np.ndarray,
    to_input: Callable[[np.ndarray, np.dtype], np.ndarray],
    batch_size: int = 500,
) -> tuple[float, float]:
    """(mean loss, accuracy) over all examples, layers in evaluation mode. Data as for `steps`."""
    labels = fitting_labels(network, params, x, labels, to_input)
    dtype = next(iter(params.values())).dtype
    loss_sum, correct = 0.0, 0
    for first in range(0, len(x), batch_size):
        part = slice(first, first + batch_size)
        y, _ = network.forward(params, to_input(x[part], dtype))
        loss, _ = softmax_cross_entropy.forward(y, labels[part])
        loss_sum += loss * len(y)
        correct += int((y.argmax(axis=1) == labels[part]).sum())
    return loss_sum / len(x), correct / len(x)
