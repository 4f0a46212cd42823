"""Softmax cross-entropy, the mean over the batch.

    z = logits - max over the classes of logits           so that no exponential overflows
    s = sum over the classes of exp(z),   p = exp(z) / s
    forward     loss = mean over the batch of log(s) - z[label]
    backward    dlogits = (p - onehot(label)) / batch

Sums over classes and examples are in float64.
"""

import numpy as np

from minihash.checks import float_array

Cache = tuple[np.ndarray, np.ndarray]


@np.errstate(invalid="ignore")  # logits that are not finite
def forward(logits: np.ndarray, labels: np.ndarray) -> tuple[float, Cache]:
    """(loss, cache): the mean of -log p[label], in nats.

    logits: float (batch, classes). labels: integers (batch,), each in 0 .. classes - 1.
    Raises TypeError for another dtype, ValueError for another shape, an empty batch or a label out
    of range.

    >>> loss, cache = forward(np.zeros((1, 4)), np.array([2]))
    >>> round(loss, 4)
    1.3863
    """
    logits = float_array(logits, "logits", (None, None))
    labels = class_labels(labels, *logits.shape)
    p = logits - logits.max(axis=1, keepdims=True)
    z_label = p[np.arange(len(p)), labels].astype(np.float64)
    np.exp(p, out=p)
    s = np.add.reduce(p, axis=1, dtype=np.float64)
    p /= s[:, None].astype(p.dtype)
    return float(np.mean(np.log(s) - z_label)), (p, labels)


def backward(cache: Cache) -> np.ndarray:
    """dlogits (batch, classes), in the dtype of the logits.

    >>> backward(forward(np.zeros((1, 4)), np.array([2]))[1])
    array([[ 0.25,  0.25, -0.75,  0.25]])
    """
    p, labels = cache
    dlogits = p.copy()
    dlogits[np.arange(len(p)), labels] -= 1
    dlogits /= len(p)
    return dlogits


def class_labels(labels: np.ndarray, batch: int, classes: int) -> np.ndarray:
    """`labels` as intp (batch,), refused unless they are that many integers in 0 .. classes - 1.

    >>> class_labels(np.array([0, 2], np.uint8), 2, 3)
    array([0, 2])
    """
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu":
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
