"""Losses: a class with `forward(y, labels, weights) -> (loss, cache)` and `backward(cache) -> dy`.

softmax_cross_entropy, the mean over the batch of -log p[label]:

    z = logits - max over the classes of logits,    so that no exponential overflows
    s = sum over the classes of exp(z),    p = exp(z) / s
    forward     loss = mean over the batch of log(s) - z[label]
    backward    dlogits = (p - onehot(label)) / batch

mean_squared_error, the mean over all elements:

    forward     loss = sum of (prediction - target)^2 / size
    backward    dprediction = 2 (prediction - target) / size

With weights w (batch,), example b counts w_b times: its term of the sum and its row of the gradient
are multiplied by w_b, and both are divided by what they are divided by without.

All sums are in float64.
"""

import numpy as np

from minihash import core
from minihash.checks import float_array


class softmax_cross_entropy:
    """The mean over the batch of -log p[label], in nats; p is the softmax of the logits.

    >>> loss, cache = softmax_cross_entropy.forward(np.zeros((1, 4)), np.array([2]))
    >>> round(loss, 4)
    1.3863
    >>> softmax_cross_entropy.backward(cache)
    array([[ 0.25,  0.25, -0.75,  0.25]])
    """

    Cache = tuple[np.ndarray, np.ndarray, np.ndarray | None]  # p, labels, weights

    @staticmethod
    def forward(
        logits: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None
    ) -> tuple[float, Cache]:
        """(loss, cache).

        logits: float (batch, classes). labels: integers (batch,), each in 0 .. classes - 1.
        weights: float (batch,); None: each is 1.
        Raises TypeError for another dtype, ValueError for another shape, an empty batch or a label
        out of range.
        """
        logits = float_array(logits, "logits", (None, None))
        labels = softmax_cross_entropy.class_labels(labels, *logits.shape)
        nats, p = core.cross_entropy(logits, labels)
        if weights is not None:
            weights = float_array(weights, "weights", labels.shape)
            nats = weights * nats
        return float(np.mean(nats)), (p, labels, weights)

    @staticmethod
    def backward(cache: Cache) -> np.ndarray:
        """dlogits (batch, classes), in the dtype of the logits."""
        p, labels, weights = cache
        dlogits = p.copy()
        dlogits[np.arange(len(p)), labels] -= 1
        dlogits /= len(p)
        return dlogits if weights is None else dlogits * _rows(weights, dlogits)

    @staticmethod
    def class_labels(labels: np.ndarray, batch: int, classes: int) -> np.ndarray:
        """`labels` as intp (batch,), refused unless they are integers in 0 .. classes - 1.

        >>> softmax_cross_entropy.class_labels(np.array([0, 2], np.uint8), 2, 3)
        array([0, 2])
        """
        labels = np.asarray(labels)
        if labels.size and labels.dtype.kind not in "iu":  # [] has no kind
            raise TypeError(f"labels must be integers, got {labels.dtype}; give class numbers")
        if labels.shape != (batch,):
            raise ValueError(
                f"labels must have shape ({batch},), one for each example, got {labels.shape}; "
                "reshape them"
            )
        if batch == 0:
            raise ValueError("the loss needs at least 1 example, got an empty batch; leave it out")
        if int(labels.min()) < 0 or int(labels.max()) >= classes:
            raise ValueError(
                f"labels must lie in 0 .. {classes - 1}, got {labels.min()} .. {labels.max()}; "
                "correct them, or give the network as many outputs"
            )
        return labels.astype(np.intp)


class mean_squared_error:
    """The mean over all elements of (prediction - target)^2.

    >>> loss, cache = mean_squared_error.forward(np.array([[1.0, 2.0]]), np.array([[1.0, 4.0]]))
    >>> loss, mean_squared_error.backward(cache)
    (2.0, array([[ 0., -2.]]))
    """

    Cache = tuple[np.ndarray, np.ndarray | None]  # prediction - target, weights

    @staticmethod
    @np.errstate(invalid="ignore", over="ignore")  # data that are not finite
    def forward(
        prediction: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None
    ) -> tuple[float, Cache]:
        """(loss, cache).

        prediction, target: float, of one shape and dtype, not empty. weights: as above.
        Raises TypeError for another dtype, ValueError for another shape or for nothing to average.
        """
        prediction = float_array(prediction, "prediction", None)
        target = float_array(target, "target", prediction.shape, prediction.dtype)
        if prediction.size == 0:
            raise ValueError(
                f"the loss needs at least 1 element, got shape {prediction.shape}; "
                "leave the batch out"
            )
        error = prediction - target
        squares = np.square(error, dtype=np.float64)
        if weights is not None:
            weights = float_array(weights, "weights", error.shape[:1])
            squares *= _rows(weights, squares)
        return float(np.mean(squares)), (error, weights)

    @staticmethod
    @np.errstate(over="ignore")
    def backward(cache: Cache) -> np.ndarray:
        """dprediction, of the shape and dtype of the prediction."""
        error, weights = cache
        dprediction = error * (2 / error.size)
        return dprediction if weights is None else dprediction * _rows(weights, dprediction)


def _rows(weights: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Weights (batch,) in the dtype of `like`, (batch, 1, ...): a number for each of its rows."""
    return weights.astype(like.dtype, copy=False).reshape(-1, *[1] * (like.ndim - 1))
