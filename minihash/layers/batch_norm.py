"""Batch normalisation: of features, or of the channels of images.

    n           examples in the batch, times the positions of an image; sums are over all of them
    training    mean = sum of x / n,            var = sum of (x - mean)^2 / n
    evaluation  mean = running_mean,            var = running_var
    forward     x_hat = (x - mean) r,   r = 1 / sqrt(var + eps)
                y = gamma x_hat + beta
    backward    dbeta = sum of dy,              dgamma = sum of dy x_hat
    training    dx = gamma r (dy - dbeta / n - x_hat dgamma / n)
    evaluation  dx = gamma r dy
    running     running_mean' = (1 - momentum) running_mean + momentum mean
                running_var'  = (1 - momentum) running_var  + momentum var n / (n - 1)

All sums are in float64.

Source: Ioffe & Szegedy, arXiv 1502.03167, algorithms 1 and 2; the running rule is that of
torch.nn.BatchNorm1d and BatchNorm2d.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from minihash import core
from minihash.checks import check_count, float_array, on_host, parameter, real_field
from minihash.layers.layer import Layer, Params

# x_hat, r, and (mean, var) of the batch, None in evaluation
Cache = tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray] | None]


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Base of BatchNorm1d and BatchNorm2d."""

    positions: ClassVar[int]  # axes of x after the features

    name: str
    features: int
    eps: float = 1e-5
    momentum: float = 0.1

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(
                f"the name of {type(self).__name__} must be a string, got {self.name!r}"
            )
        check_count("features", self.features, 1, 2**31 - 1)
        real_field(self, "eps", 0, math.inf)
        real_field(self, "momentum", 0, 1)

    def arrays(self) -> dict[str, tuple[tuple[int, ...], float]]:
        """gamma and running_var start at 1, beta and running_mean at 0."""
        initial = {"gamma": 1.0, "beta": 0.0, "running_mean": 0.0, "running_var": 1.0}
        return {f"{self.name}.{key}": ((self.features,), x) for key, x in initial.items()}

    def trainable(self) -> tuple[str, ...]:
        """gamma and beta."""
        return f"{self.name}.gamma", f"{self.name}.beta"

    def _read(self, params: Params, key: str, dtype: np.dtype, device: bool = False) -> np.ndarray:
        return parameter(params, f"{self.name}.{key}", (self.features,), dtype, device)

    def forward(
        self, params: Params, x: np.ndarray, step: int | None = None
    ) -> tuple[np.ndarray, Cache]:
        """x (batch, features, *positions) -> y of the same shape.

        Raises ValueError in training for fewer than 2 examples of a feature, which have no
        variance; TypeError or ValueError for another shape, or a dtype that is not the parameters'.
        x, gamma and beta may be on a device; what is running stays on the host.
        """
        cls = type(self).__name__
        shape = (None, self.features) + (None,) * self.positions
        x = float_array(x, f"x of {cls} {self.name!r}", shape, device=True)
        gamma, beta = (self._read(params, key, x.dtype, device=True) for key in ("gamma", "beta"))
        if step is None:
            mean = self._read(params, "running_mean", x.dtype).astype(np.float64)
            var = self._read(params, "running_var", x.dtype).astype(np.float64)
            y, x_hat, r, *_ = core.normalise(x, gamma, beta, self.eps, (mean, var))
            return y, (x_hat, r, None)
        if x.size < 2 * self.features:
            raise ValueError(
                f"{cls} {self.name!r} needs at least 2 examples of a feature in a training "
                f"batch, got {x.size // self.features}; change the batch size, or drop the last "
                "batch"
            )
        y, x_hat, r, mean, var = core.normalise(x, gamma, beta, self.eps)
        return y, (x_hat, r, (mean, var))

    def backward(self, params: Params, cache: Cache, dy: np.ndarray) -> tuple[np.ndarray, Params]:
        """dy of y's shape -> dx of the same shape, and the gradients of gamma and beta."""
        x_hat, r, batch = cache
        cls, dtype = type(self).__name__, x_hat.dtype
        dy = float_array(dy, f"dy of {cls} {self.name!r}", x_hat.shape, dtype, device=True)
        gamma = self._read(params, "gamma", dtype, device=True)
        dx, *gradients = core.normalise_backward(dy, x_hat, gamma, r, known=batch is None)
        return dx, dict(zip(self.trainable(), gradients, strict=True))

    @np.errstate(invalid="ignore", over="ignore")
    def running(self, params: Params, cache: Cache) -> Params:
        """The running mean and variance after the training forward pass that left `cache`.

        Raises ValueError if that pass was in evaluation.
        """
        x_hat, _, batch = cache
        if batch is None:
            raise ValueError(
                "running statistics follow from a training forward pass, got the cache of an "
                "evaluation; pass `step` to forward"
            )
        n = x_hat.size // self.features
        mean, var = map(on_host, batch)
        new = {}
        for key, value in (("running_mean", mean), ("running_var", var * (n / (n - 1)))):
            old = self._read(params, key, x_hat.dtype)
            mixed = np.multiply(old, 1 - self.momentum, dtype=np.float64)
            mixed += self.momentum * value
            new[f"{self.name}.{key}"] = mixed.astype(x_hat.dtype)
        return new


@dataclass(frozen=True)
class BatchNorm1d(BatchNorm):
    """y = gamma (x - mean) / sqrt(var + eps) + beta, feature by feature.

    name: its arrays are name.gamma, name.beta, name.running_mean and name.running_var.
    Raises TypeError or ValueError if features, eps or momentum are out of range.

    >>> layer = BatchNorm1d("norm1", 2, eps=0.0)
    >>> params = {name: np.full(shape, value) for name, (shape, value) in layer.arrays().items()}
    >>> layer.forward(params, np.array([[1.0, 0.0], [3.0, 10.0]]), step=0)[0]
    array([[-1., -1.],
           [ 1.,  1.]])
    """

    positions: ClassVar[int] = 0


@dataclass(frozen=True)
class BatchNorm2d(BatchNorm):
    """y = gamma (x - mean) / sqrt(var + eps) + beta, channel by channel.

    name: as for BatchNorm1d. features: the channels of x (batch, channels, height, width); their
    mean and variance are over all positions of all examples.
    Raises TypeError or ValueError if features, eps or momentum are out of range.

    >>> layer = BatchNorm2d("norm1", 1, eps=0.0)
    >>> params = {name: np.full(shape, value) for name, (shape, value) in layer.arrays().items()}
    >>> layer.forward(params, np.array([[[[1.0, 1.0], [3.0, 3.0]]]]), step=0)[0]
    array([[[[-1., -1.],
             [ 1.,  1.]]]])
    """

    positions: ClassVar[int] = 2
