"""BatchNorm1d as loops, for x (batch, features), in float64: torch.nn.BatchNorm1d.

Source: S. Ioffe & C. Szegedy, "Batch normalization", arXiv 1502.03167, algorithms 1 and 2.
"""

from math import sqrt

import numpy as np

from reference.core import numbers, zeros


def batch_statistics(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(mean, biased variance) of each feature over a batch of x (batch, features).

    >>> batch_statistics([[1.0], [3.0]])
    (array([2.]), array([1.]))
    """
    x = numbers(x)
    batch, features = x.shape
    mean, variance = zeros((features,)), zeros((features,))
    for f in range(features):
        for b in range(batch):
            mean[f] += x[b, f] / batch
        for b in range(batch):
            variance[f] += (x[b, f] - mean[f]) ** 2 / batch
    return mean, variance


def batch_norm_normalise(
    x: np.ndarray, mean: np.ndarray, variance: np.ndarray, eps: float = 1e-5
) -> np.ndarray:
    """xhat[b, f] = (x[b, f] - mean[f]) / sqrt(variance[f] + eps).

    >>> batch_norm_normalise([[3.0]], [1.0], [4.0], eps=0.0)
    array([[1.]])
    """
    x = numbers(x)
    xhat = zeros(x.shape)
    for b, f in np.ndindex(x.shape):
        xhat[b, f] = (x[b, f] - mean[f]) / sqrt(variance[f] + eps)
    return xhat


def batch_norm_forward(
    x: np.ndarray,
    gamma: np.ndarray,
    beta: np.ndarray,
    statistics: tuple[np.ndarray, np.ndarray] | None = None,
    eps: float = 1e-5,
) -> np.ndarray:
    """y = gamma xhat + beta (Ioffe & Szegedy 2015, arXiv 1502.03167, algorithm 1).

    `statistics` are those of the batch in training (None) and the running ones in evaluation.

    >>> batch_norm_forward([[1.0], [3.0]], [2.0], [1.0], eps=0.0)
    array([[-1.],
           [ 3.]])
    """
    mean, variance = statistics or batch_statistics(x)
    y = batch_norm_normalise(x, mean, variance, eps)
    for b, f in np.ndindex(y.shape):
        y[b, f] = gamma[f] * y[b, f] + beta[f]
    return y


def batch_norm_backward(
    dy: np.ndarray,
    x: np.ndarray,
    gamma: np.ndarray,
    statistics: tuple[np.ndarray, np.ndarray] | None = None,
    eps: float = 1e-5,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(dx, dgamma, dbeta), for the same `statistics` as the forward pass.

    dbeta = sum_b dy,  dgamma = sum_b dy xhat
    training:   dx = gamma / sqrt(variance + eps) (dy - dbeta / batch - xhat dgamma / batch)
    evaluation: dx = gamma / sqrt(variance + eps) dy

    >>> batch_norm_backward([[1.0], [1.0]], [[1.0], [3.0]], [2.0])[0]
    array([[0.],
           [0.]])
    """
    dy, x = numbers(dy), numbers(x)
    batch, features = x.shape
    mean, variance = statistics or batch_statistics(x)
    xhat = batch_norm_normalise(x, mean, variance, eps)
    dx, dgamma, dbeta = zeros(x.shape), zeros((features,)), zeros((features,))
    for f in range(features):
        for b in range(batch):
            dbeta[f] += dy[b, f]
            dgamma[f] += dy[b, f] * xhat[b, f]
        for b in range(batch):
            through_statistics = 0.0
            if statistics is None:
                through_statistics = (dbeta[f] + xhat[b, f] * dgamma[f]) / batch
            dx[b, f] = gamma[f] / sqrt(variance[f] + eps) * (dy[b, f] - through_statistics)
    return dx, dgamma, dbeta


def batch_norm_running(
    x: np.ndarray,
    running_mean: np.ndarray,
    running_variance: np.ndarray,
    momentum: float = 0.1,
) -> tuple[np.ndarray, np.ndarray]:
    """The running (mean, variance) after a training batch of two or more.

    running = (1 - momentum) running + momentum batch's;  the variance here is the unbiased one

    >>> batch_norm_running([[1.0], [3.0]], [0.0], [1.0], momentum=0.5)
    (array([1.]), array([1.5]))
    """
    mean, variance = batch_statistics(x)
    batch = len(x)
    new_mean, new_variance = zeros(mean.shape), zeros(mean.shape)
    for f in range(len(mean)):
        unbiased = variance[f] * batch / (batch - 1)
        new_mean[f] = (1 - momentum) * running_mean[f] + momentum * mean[f]
        new_variance[f] = (1 - momentum) * running_variance[f] + momentum * unbiased
    return new_mean, new_variance
