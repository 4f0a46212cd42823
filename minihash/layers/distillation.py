"""Dark knowledge: a loss of the labels, and of what a larger network, the teacher, answers.

    r = softmax(logits / T),   q = softmax(teacher's logits / T)
    C = mean over the batch of -sum over the classes of q log r

    forward     loss = (1 - mix) cross_entropy(logits, labels) + mix T^2 C
    backward    dlogits = ((1 - mix) (p - onehot(label)) + mix T (r - q)) / batch
                p = softmax(logits)

T^2 makes up for the slopes of C, which shrink as 1 / T^2. r, q and C are computed in float64.

Sources: Hinton, Vinyals & Dean, Distilling the Knowledge in a Neural Network (arXiv 1503.02531),
section 2; Chen et al., HashedNets (arXiv 1504.04788), section 6, which names no T and no mix.
"""

import math
from dataclasses import dataclass

import numpy as np

from minihash.checks import float_array, real_field
from minihash.layers.losses import softmax_cross_entropy

Cache = tuple[softmax_cross_entropy.Cache, np.ndarray]  # of the labels' loss, and r - q


def lessons(labels: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """What a student learns from: (examples,) of "label" and the teacher's "logits" (classes,).

    Raises TypeError or ValueError where they are not class numbers and floats of those shapes.

    >>> lessons(np.array([1, 0]), np.zeros((2, 3)))["logits"].shape
    (2, 3)
    """
    logits = float_array(logits, "the teacher's logits", (None, None))
    labels = softmax_cross_entropy.class_labels(labels, *logits.shape)
    both = np.empty(len(labels), [("label", np.intp), ("logits", logits.dtype, logits.shape[1:])])
    both["label"], both["logits"] = labels, logits
    return both


@dataclass(frozen=True)
class Distillation:
    """The mean over the batch, in nats. mix: 0 is the labels alone, 1 the teacher alone.

    Raises TypeError or ValueError unless temperature > 0 and 0 <= mix <= 1.

    >>> loss = Distillation(temperature=2.0, mix=0.5)
    >>> nats, cache = loss.forward(np.zeros((1, 4)), lessons(np.array([2]), np.zeros((1, 4))))
    >>> round(nats / math.log(4), 4)
    2.5
    >>> loss.backward(cache)
    array([[ 0.125,  0.125, -0.375,  0.125]])
    """

    temperature: float = 4.0
    mix: float = 0.5

    def __post_init__(self) -> None:
        real_field(self, "temperature", 0, math.inf)
        real_field(self, "mix", 0, 1)
        if self.temperature == 0:
            raise ValueError("temperature of Distillation must be positive, got 0; try 4")

    @np.errstate(invalid="ignore", over="ignore")  # logits that are not finite
    def forward(self, logits: np.ndarray, taught: np.ndarray) -> tuple[float, Cache]:
        """(loss, cache). logits: float (batch, classes). taught: (batch,), of `lessons`.

        Raises TypeError or ValueError for another shape, dtype or number of classes.
        """
        logits = float_array(logits, "logits", (None, None))
        if np.asarray(taught).dtype.names != ("label", "logits"):
            raise TypeError(f"taught must come of lessons, got {np.asarray(taught).dtype}")
        hard, cache = softmax_cross_entropy.forward(logits, taught["label"])
        teacher = np.ascontiguousarray(taught["logits"])
        teacher = float_array(teacher, "the teacher's logits", logits.shape)
        log_r, q = self._log_soft(logits), np.exp(self._log_soft(teacher))
        soft = -float(np.mean(np.sum(q * log_r, axis=1)))
        loss = (1 - self.mix) * hard + self.mix * self.temperature**2 * soft
        return loss, (cache, (np.exp(log_r) - q).astype(logits.dtype))

    def backward(self, cache: Cache) -> np.ndarray:
        """dlogits (batch, classes), in the dtype of the logits."""
        hard, away = cache
        dlogits = softmax_cross_entropy.backward(hard)
        dlogits *= 1 - self.mix
        dlogits += away * (self.mix * self.temperature / len(away))
        return dlogits

    def _log_soft(self, logits: np.ndarray) -> np.ndarray:
        """log softmax(logits / T), float64."""
        z = (logits - logits.max(axis=1, keepdims=True)) / np.float64(self.temperature)
        return z - np.log(np.exp(z).sum(axis=1, keepdims=True))
