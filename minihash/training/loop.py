"""Room 6: the training loop.

    for each epoch e, for each batch b of the order of e:
        y, caches = network.forward(params, x_b, step)
        loss, dy = softmax cross-entropy of (y, labels), or the squared error of y
        grads = network.gradients(params, caches, dy) + gradients of the penalties
        params, optimiser state = optimiser.step(...),   running statistics of BatchNorm
        params = proximal steps of the penalties
    after each epoch: a schedule of training sees the training accuracy; without one, 1 / (1 + loss)

Everything that changes is in one `State`, every random choice is a pure function of (seed, epoch,
step), and nothing is mutated: a run continued from any of its states ends with the same bits as one
that was never stopped.

Source of the defaults: Chang & Lipson, ArbNets, section 4.3 (SGD, rate 0.1, momentum 0.9, rate / 10
when four epochs bring no better training accuracy). The batch size and the loss are not given
there.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from minihash import core
from minihash.checks import check_field, float_array, real_field
from minihash.hashes.xxh32 import U64, stream, xxh32
from minihash.layers import Distillation, mean_squared_error, softmax_cross_entropy
from minihash.networks.sequential import Sequential
from minihash.training import penalties
from minihash.training.averaged import Averaged
from minihash.training.optimisers import SGD, Adam, Clipped
from minihash.training.penalties import Penalty
from minihash.training.schedules import Constant, Decay, Plateau
from minihash.training.whole import whole_step

LOSSES = {"cross-entropy": softmax_cross_entropy, "squared-error": mean_squared_error}


@dataclass(frozen=True)
class Training:
    """The settings of a run, but for its network and data. loss: a name in `LOSSES`, or a
    Distillation, under which labels are `lessons` (layers/distillation.py).

    >>> Training(epochs=2).batch_size
    50
    """

    epochs: int = 30
    batch_size: int = 50
    rate: float = 0.1
    optimiser: SGD | Adam | Clipped | Averaged = field(default_factory=lambda: SGD(momentum=0.9))
    schedule: Plateau | Decay | Constant = field(default_factory=Plateau)
    seed: int = 0
    penalties: tuple[Penalty, ...] = ()
    loss: str | Distillation = "cross-entropy"

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a positive integer, got {value!r}")
        check_field(self, "seed", 0, 2**32 - 1)
        if not isinstance(self.loss, Distillation) and self.loss not in LOSSES:
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {self.loss!r}")
        object.__setattr__(self, "penalties", tuple(self.penalties))
        for penalty in self.penalties:
            if not isinstance(penalty, Penalty):
                raise TypeError(
                    f"penalties must be of minihash.training.penalties, got {penalty!r}"
                )
        if self.penalties and self.optimiser.gain == math.inf:
            raise ValueError("penalties need an optimiser with momentum below 1; lower it")
        real_field(self, "rate", 0, math.inf)
        if self.rate == 0:
            raise ValueError("rate of Training must be positive, got 0; try 0.1")


@dataclass(frozen=True)
class State:
    """How far a run is: all that its next step depends on. params: of the network, and what the
    penalties own."""

    params: dict[str, np.ndarray]
    optimiser: dict[str, np.ndarray]
    schedule: dict
    epoch: int = 0  # epochs that are over
    batch: int = 0  # batches of the current epoch that are over
    step: int = 0  # steps that are over
    loss_sum: float = 0.0  # over the examples of the current epoch so far
    correct: float = 0  # examples classified rightly, by weight, under the cross-entropy
    seen: int = 0  # examples of the current epoch so far
    carried: dict[str, np.ndarray] = field(default_factory=dict)  # the states of a language model


def start(
    network: Sequential,
    training: Training,
    dtype: type = np.float32,
    scale: float = 1.0,
    params: dict[str, np.ndarray] | None = None,
) -> State:
    """The state before the first step. scale: of the tables that matrices read, as for `init`.
    params: where it begins; None: the network's own start."""
    params = network.init(training.seed, dtype, scale) if params is None else params
    own = penalties.own(training.penalties, params)
    optimiser = training.optimiser.init(params | own, [*trained(network), *own])
    return State(params | own, optimiser, training.schedule.init())


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
    labels: np.ndarray | None,
    to_input: Callable[[np.ndarray, np.dtype], np.ndarray],
    weights: np.ndarray | None = None,
) -> Iterator[tuple[State, dict]]:
    """Go on from `state` to the end of the last epoch; yields, after each step, the new state and a
    report of the current epoch: loss, train_accuracy (both over its examples so far; the second
    under the cross-entropy alone), rate, batches.

    x: stored examples (count, ...), made floats batch by batch: to_input(x[batch], dtype).
    labels: under the cross-entropy, integers (count,); under a Distillation, lessons (count,).
    Under the squared error, the targets: floats (count, outputs) of the parameters' dtype, or None
    for the inputs themselves (an autoencoder).
    weights: how much each example counts, floats (count,), not negative, not all 0, under a loss of
    `LOSSES`; brought to the mean 1. Loss and accuracy of the reports are weighted means, too.
    Raises TypeError or ValueError, before any step, if data or penalties do not fit the network, or
    if the state is beyond the last batch of an epoch of these data.
    """
    penalties.checked(training.penalties, state.params, trained(network))
    labels = fitting_labels(network, state.params, x, labels, to_input, training.loss)
    dtype = next(iter(state.params.values())).dtype

    def parts(epoch: int) -> list[np.ndarray]:
        return batches(len(x), training.batch_size, training.seed, epoch)

    if weights is not None:
        if training.loss not in LOSSES:
            raise ValueError(f"weights are for {', '.join(LOSSES)}, got {training.loss}; drop one")
        weights = float_array(weights, "weights", (len(x),))
        if not (np.isfinite(weights).all() and weights.min() >= 0 and weights.any()):
            raise ValueError("weights must be finite, not negative and not all 0; correct them")
        weights = weights / weights.mean(dtype=np.float64)
    left = (training.epochs - state.epoch) * len(x) // training.batch_size
    whole = whole_step(network, training, left) if weights is None else None

    def advance(state: State, batch: np.ndarray, rate: float) -> State:
        inputs = to_input(x[batch], dtype)
        wanted, counts = (None if a is None else a[batch] for a in (labels, weights))
        new = whole and whole(state, inputs, wanted, rate)
        return new or step(network, training, state, inputs, wanted, rate, counts)

    return epochs(training, state, parts, advance, training.loss != "squared-error")


def epochs(
    training: Training,
    state: State,
    parts: Callable[[int], Sequence],
    advance: Callable[[State, Any, float], State],
    classifies: bool,
) -> Iterator[tuple[State, dict]]:
    """The loop of all models; yields what `steps` does. parts(epoch): its batches.
    advance(state, batch, rate): the state after one step more."""
    while state.epoch < training.epochs:
        order = parts(state.epoch)
        if state.batch >= len(order):
            raise ValueError(
                f"the run is {state.batch} batches into an epoch, but an epoch of these data has "
                f"{len(order)}; go on with the data and the batch size it began with"
            )
        for batch in order[state.batch :]:
            rate = training.schedule.rate(training.rate, state.schedule, state.step)
            with core.steady():
                state = advance(state, batch, rate)
            loss, score = state.loss_sum / state.seen, state.correct / state.seen
            report = {"epoch": state.epoch + 1, "loss": loss, "rate": rate, "batches": len(order)}
            if classifies:
                report["train_accuracy"] = score
            if state.batch == len(order):
                if training.schedule.of == "training":
                    accuracy = score if classifies else 1 / (1 + loss)
                    seen = training.schedule.after_epoch(state.schedule, accuracy)
                    state = replace(state, schedule=seen)
                state = replace(state, epoch=state.epoch + 1, batch=0)
                state = replace(state, loss_sum=0.0, correct=0, seen=0, carried={})
            yield state, report


def step(
    network: Sequential,
    training: Training,
    state: State,
    x: np.ndarray,
    labels: np.ndarray | None,
    rate: float,
    weights: np.ndarray | None = None,
) -> State:
    """One training step on the batch x, labels. weights: of its examples, under a loss of `LOSSES`.
    The state sums the loss without the penalties."""
    labels, loss_of = x if labels is None else labels, _loss(training.loss)
    y, caches = network.forward(state.params, x, state.step)
    given = (y, labels) if weights is None else (y, labels, weights)
    loss, cache = loss_of.forward(*given)
    grads = network.gradients(state.params, caches, loss_of.backward(cache))
    new = updated(training, state, grads, rate)
    return replace(
        new,
        params=new.params | network.running(state.params, caches),
        loss_sum=state.loss_sum + loss * len(labels),
        correct=state.correct + correct_of(training.loss, y, labels, weights),
        seen=state.seen + len(labels),
    )


def updated(training: Training, state: State, grads: dict[str, np.ndarray], rate: float) -> State:
    """The state after a step of the optimiser and the penalties with these gradients."""
    grads = penalties.add_gradients(training.penalties, state.params, grads)
    new, optimiser = training.optimiser.step(state.params, grads, state.optimiser, rate)
    length = rate * training.optimiser.gain
    new = penalties.shrink(training.penalties, state.params, new, length)
    params, batch = state.params | new, state.batch + 1
    return replace(state, params=params, optimiser=optimiser, batch=batch, step=state.step + 1)


def _loss(loss: str | Distillation) -> Any:
    return loss if isinstance(loss, Distillation) else LOSSES[loss]


def correct_of(
    loss: str | Distillation, y: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """How many examples are classified rightly, each counted by its weight; 0 under the squared
    error."""
    if loss == "squared-error":
        return 0
    right = y.argmax(axis=1) == (labels["label"] if isinstance(loss, Distillation) else labels)
    return int(right.sum()) if weights is None else float(weights[right].sum())


def fitting_labels(
    network: Sequential,
    params: dict[str, np.ndarray],
    x: np.ndarray,
    labels: np.ndarray | None,
    to_input: Callable[[np.ndarray, np.dtype], np.ndarray],
    loss: str | Distillation = "cross-entropy",
) -> np.ndarray | None:
    """The labels, integers under the cross-entropy; refused unless they fit x and the network's
    output for the first example."""
    itself = labels is None and loss == "squared-error"
    count = len(x) if itself else len(labels)
    if len(x) != count or not len(x):
        raise ValueError(
            f"there must be as many labels as examples, at least one; got {count} labels and "
            f"{len(x)} examples; correct the data"
        )
    first = to_input(x[:1], next(iter(params.values())).dtype)
    y, _ = network.forward(params, first)
    if loss == "cross-entropy":
        return softmax_cross_entropy.class_labels(labels, len(x), y.shape[-1])
    _loss(loss).forward(y, first if itself else labels[:1])
    return labels
