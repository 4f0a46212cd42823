"""Convolution of sequences on a virtual kernel: Conv2d on one axis.

    forward     y[b, o, p]  = sum over c of o's group and taps t of K[o, c, t] x[b, c, q] + B[o]
    backward    dx[b, c, q] = sum over the (o, t, p) that lead to q of K[o, c, t] dy[b, o, p]
                dK[o, c, t] = sum over (b, p) of dy[b, o, p] x[b, c, q]
                dB[o]       = sum over (b, p) of dy[b, o, p]

with q = p stride - padding + t dilation, and x[b, c, q] = 0 outside the sequence. A sequence is an
image of height 1, and this layer Conv2d of it.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np  # noqa: F401 (the example)

from minihash.layers.conv2d import Conv2d


@dataclass(frozen=True)
class Conv1d(Conv2d):
    """y = the convolution of sequences (batch, channels, length) with a kernel, plus a bias.

    weight: a virtual weight of shape (out_channels, channels / groups, length). The rest is as in
    Conv2d, with one axis.

    >>> from minihash.hashes import Identity
    >>> from minihash.weights import VirtualWeight
    >>> layer = Conv1d(VirtualWeight((1, 1, 2), Identity(2), "kernel"), stride=2)
    >>> layer.forward({"kernel": np.array([1.0, 10.0])}, np.array([[[1.0, 2.0, 3.0, 4.0]]]))[0]
    array([[[21., 43.]]])
    """

    axes: ClassVar[tuple[str, ...]] = ("length",)
