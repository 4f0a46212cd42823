"""The losses as loops: the mean over the batch, in float64; gradients directly below."""

from math import exp, fsum, log

import numpy as np

from reference.core import numbers, zeros


def softmax(logits: np.ndarray) -> np.ndarray:
    """p[b, c] = exp(z[b, c] - max_c z[b]) / sum_c of the same: z (batch, classes).

    >>> softmax([[0.0, 0.0]])
    array([[0.5, 0.5]])
    """
    logits = numbers(logits)
    p = zeros(logits.shape)
    for b, z in enumerate(logits):
        total = fsum(exp(z_c - max(z)) for z_c in z)
        for c in range(len(z)):
            p[b, c] = exp(z[c] - max(z)) / total
    return p


def cross_entropy(
    logits: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """loss = mean over b of w[b] (log(sum_c exp z[b, c]) - z[b, label[b]]),   w[b] = 1 without w.

    >>> cross_entropy([[0.0, 0.0]], [1]) == log(2)
    True
    >>> cross_entropy([[0.0, 0.0], [0.0, 9.0]], [1, 0], [4.0, 0.0]) == 2 * log(2)
    True
    """
    terms = []
    for b, (z, label) in enumerate(zip(numbers(logits), labels, strict=True)):
        term = max(z) + log(fsum(exp(z_c - max(z)) for z_c in z)) - z[label]
        terms.append(term if weights is None else weights[b] * term)
    return fsum(terms) / len(terms)


def cross_entropy_backward(
    logits: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """dz[b, c] = w[b] (p[b, c] - 1 if c = label[b] else p[b, c]) / batch,   w[b] = 1 without w.

    >>> cross_entropy_backward([[0.0, 0.0]], [1], [3.0])
    array([[ 1.5, -1.5]])
    """
    p = softmax(logits)
    for b, label in enumerate(labels):
        for c in range(p.shape[1]):
            p[b, c] = (p[b, c] - (1 if c == label else 0)) / len(labels)
            p[b, c] *= 1 if weights is None else weights[b]
    return p


def distillation(
    logits: np.ndarray, labels: np.ndarray, teacher: np.ndarray, T: float, mix: float
) -> float:
    """loss = (1 - mix) cross_entropy(logits, labels)
              + mix T^2 mean over b of -sum_c q[b, c] log r[b, c],
    q = softmax(teacher / T),   r = softmax(logits / T).

    >>> distillation([[0.0, 0.0]], [1], [[0.0, 0.0]], 2.0, 0.5) == 2.5 * log(2)
    True
    """
    z, q = numbers(logits) / T, softmax(numbers(teacher) / T)
    terms = []
    for b in range(len(z)):
        log_sum = max(z[b]) + log(fsum(exp(z_c - max(z[b])) for z_c in z[b]))
        terms.append(fsum(q[b, c] * (log_sum - z[b, c]) for c in range(len(z[b]))))
    soft = fsum(terms) / len(terms)
    return (1 - mix) * cross_entropy(logits, labels) + mix * T**2 * soft


def distillation_backward(
    logits: np.ndarray, labels: np.ndarray, teacher: np.ndarray, T: float, mix: float
) -> np.ndarray:
    """dz[b, c] = (1 - mix) dz of the cross-entropy + mix T (r[b, c] - q[b, c]) / batch.

    >>> distillation_backward([[0.0, 0.0]], [1], [[0.0, 0.0]], 2.0, 0.5)
    array([[ 0.25, -0.25]])
    """
    dz = cross_entropy_backward(logits, labels)
    q, r = softmax(numbers(teacher) / T), softmax(numbers(logits) / T)
    for b in range(dz.shape[0]):
        for c in range(dz.shape[1]):
            dz[b, c] = (1 - mix) * dz[b, c] + mix * T * (r[b, c] - q[b, c]) / len(dz)
    return dz


def mean_squared_error(
    y: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """loss = mean over all elements of w[b] (y - target)^2, b being the first index; w[b] = 1
    without w.

    >>> mean_squared_error([[1.0, 2.0]], [[1.0, 4.0]])
    2.0
    """
    y, target = numbers(y), numbers(target)
    w = [1] * len(y) if weights is None else weights
    return fsum(w[at[0]] * (y[at] - target[at]) ** 2 for at in np.ndindex(y.shape)) / y.size


def mean_squared_error_backward(
    y: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """dy = w[b] 2 (y - target) / number of elements,   w[b] = 1 without w.

    >>> mean_squared_error_backward([[1.0, 2.0]], [[1.0, 4.0]])
    array([[ 0., -2.]])
    """
    y, target = numbers(y), numbers(target)
    dy = zeros(y.shape)
    for at in np.ndindex(y.shape):
        dy[at] = 2 * (y[at] - target[at]) / y.size
        dy[at] *= 1 if weights is None else weights[at[0]]
    return dy
