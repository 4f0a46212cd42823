"""One step of each optimiser and the schedules of the rate, as loops in float64.

A step returns new arrays; g is the gradient of the mean loss, w the parameters. Everything is as in
torch.optim.
"""

from math import sqrt

import numpy as np

from reference.core import numbers, zeros


def sgd(
    w: np.ndarray,
    g: np.ndarray,
    velocity: np.ndarray,
    rate: float,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
    dampening: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """(w', velocity'); the first step's velocity is 0, and its dampening too.

    g' = g + weight_decay w
    velocity' = momentum velocity + (1 - dampening) g'
    w' = w - rate (g' + momentum velocity' if nesterov else velocity')

    >>> sgd([1.0], [2.0], [4.0], rate=0.5, momentum=0.5)
    (array([-1.]), array([4.]))
    """
    w, g, velocity = numbers(w), numbers(g), numbers(velocity)
    new_w, new_velocity = zeros(w.shape), zeros(w.shape)
    for k in np.ndindex(w.shape):
        slope = g[k] + weight_decay * w[k]
        new_velocity[k] = momentum * velocity[k] + (1 - dampening) * slope
        direction = slope + momentum * new_velocity[k] if nesterov else new_velocity[k]
        new_w[k] = w[k] - rate * direction
    return new_w, new_velocity


def adam(
    w: np.ndarray,
    g: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    step: int,
    rate: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(w', first', second') of step number 1, 2, ... (Kingma & Ba, arXiv 1412.6980).

    Both moments start at 0.

    g' = g + weight_decay w
    first' = beta1 first + (1 - beta1) g',  second' = beta2 second + (1 - beta2) g'^2
    w' = w - rate (first' / (1 - beta1^step)) / (sqrt(second' / (1 - beta2^step)) + eps)

    >>> w, first, second = adam([1.0], [2.0], [0.0], [0.0], step=1, rate=0.5, eps=0.0)
    >>> round(float(w[0]), 12)
    0.5
    """
    w, g, first, second = numbers(w), numbers(g), numbers(first), numbers(second)
    new_w, new_first, new_second = zeros(w.shape), zeros(w.shape), zeros(w.shape)
    for k in np.ndindex(w.shape):
        slope = g[k] + weight_decay * w[k]
        new_first[k] = beta1 * first[k] + (1 - beta1) * slope
        new_second[k] = beta2 * second[k] + (1 - beta2) * slope**2
        mean = new_first[k] / (1 - beta1**step)
        square = new_second[k] / (1 - beta2**step)
        new_w[k] = w[k] - rate * mean / (sqrt(square) + eps)
    return new_w, new_first, new_second


def clip_by_norm(grads: list[np.ndarray], max_norm: float) -> tuple[list[np.ndarray], float]:
    """(all gradients times one factor, the norm that they had), as clip_grad_norm_ of PyTorch.

    norm^2 = sum over all entries of all gradients of g^2
    factor = min(1, max_norm / (norm + 1e-6))

    >>> clip_by_norm([[3.0], [4.0]], 10.0)
    ([array([3.]), array([4.])], 5.0)
    """
    grads, total = [numbers(g) for g in grads], 0.0
    for g in grads:
        for k in np.ndindex(g.shape):
            total += float(g[k]) ** 2
    norm = sqrt(total)
    factor = min(1.0, max_norm / (norm + 1e-6))
    clipped = [zeros(g.shape) for g in grads]
    for g, new in zip(grads, clipped, strict=True):
        for k in np.ndindex(g.shape):
            new[k] = g[k] * factor
    return clipped, norm


def plateau_rates(
    accuracies: list[float], rate: float, patience: int = 4, factor: float = 0.1
) -> list[float]:
    """ArbNets' schedule: the rates of epochs 0, 1, ..., one more than there are accuracies.

    rate of an epoch = rate factor^drops; a drop whenever `patience` epochs in a row bring no
    training accuracy above the best so far. The count then starts again, the best stays.

    >>> plateau_rates([0.5, 0.5, 0.4, 0.5, 0.5], 1.0)
    [1.0, 1.0, 1.0, 1.0, 1.0, 0.1]
    """
    rates, best, waited, drops = [rate], float("-inf"), 0, 0
    for accuracy in accuracies:
        if accuracy > best:
            best, waited = accuracy, 0
        else:
            waited += 1
        if waited == patience:
            waited, drops = 0, drops + 1
        rates.append(rate * factor**drops)
    return rates


def decayed_rate(rate: float, decay: float, step: int) -> float:
    """HashedNets' released schedule: rate / (1 + decay step), step = number of updates so far.

    >>> decayed_rate(0.1, 1.0, 1)
    0.05
    """
    return rate / (1 + decay * step)
