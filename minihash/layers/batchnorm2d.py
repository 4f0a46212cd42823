"""Batch normalisation of the channels of images; the equations are in batchnorm.py.

Mean and variance of a channel are over all positions of all examples of the batch.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np  # noqa: F401 (the example)

from minihash.layers.batchnorm import BatchNorm


@dataclass(frozen=True)
class BatchNorm2d(BatchNorm):
    """y = gamma (x - mean) / sqrt(var + eps) + beta, channel by channel.

    name: its arrays are name.gamma, name.beta, name.running_mean and name.running_var. features:
    the channels of x (batch, channels, height, width).
    Raises TypeError or ValueError if features, eps or momentum are out of range.

    >>> layer = BatchNorm2d("norm1", 1, eps=0.0)
    >>> params = {name: np.full(shape, value) for name, (shape, value) in layer.arrays().items()}
    >>> layer.forward(params, np.array([[[[1.0, 1.0], [3.0, 3.0]]]]), step=0)[0]
    array([[[[-1., -1.],
             [ 1.,  1.]]]])
    """

    positions: ClassVar[int] = 2
