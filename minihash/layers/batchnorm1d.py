"""Batch normalisation of features (batch, features); the equations are in batchnorm.py."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np  # noqa: F401 (the example)

from minihash.layers.batchnorm import BatchNorm


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
