"""Loss and accuracy of a network in evaluation mode."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minihash.networks.sequential import Sequential
from minihash.training.loop import LOSSES, correct_of, fitting_labels


class Evaluation(NamedTuple):
    """What `evaluate` finds. loss: the mean. accuracy: the part that is classified rightly; 0 under
    the squared error."""

    loss: float
    accuracy: float


def evaluate(
    network: Sequential,
    params: dict[str, np.ndarray],
    x: np.ndarray,
    labels: np.ndarray | None,
    to_input: Callable[[np.ndarray, np.dtype], np.ndarray],
    batch_size: int = 500,
    loss: str = "cross-entropy",
) -> Evaluation:
    """Mean loss and accuracy over all examples, layers in evaluation mode. Data as for `steps`."""
    labels = fitting_labels(network, params, x, labels, to_input, loss)
    dtype = next(iter(params.values())).dtype
    loss_sum, correct = 0.0, 0
    for first in range(0, len(x), batch_size):
        part = slice(first, first + batch_size)
        inputs = to_input(x[part], dtype)
        wanted = inputs if labels is None else labels[part]
        y, _ = network.forward(params, inputs)
        loss_sum += LOSSES[loss].forward(y, wanted)[0] * len(y)
        correct += correct_of(loss, y, wanted)
    return Evaluation(loss_sum / len(x), correct / len(x))
