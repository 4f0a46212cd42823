"""Convolution of images, and of sequences, on a virtual kernel.

    K[o, c, t] = sign * W[bucket]        (out_channels, channels / groups, height, width)
    B[o]       = sign * b[bucket]        (out_channels,)
    q          = p stride - padding + t dilation on each axis;    x[b, c, q] = 0 outside the image

    forward     y[b, o, p]  = sum over c of o's group and taps t of K[o, c, t] x[b, c, q] + B[o]
    backward    dx[b, c, q] = sum over the (o, t, p) that lead to q of K[o, c, t] dy[b, o, p]
                dK[o, c, t] = sum over (b, p) of dy[b, o, p] x[b, c, q],    dW = scatter_add(dK)
                dB[o]       = sum over (b, p) of dy[b, o, p],               db = scatter_add(dB)

A sequence (batch, channels, length) is an image of height 1, and Conv1d is Conv2d of it.

Conv2d is Dense under a Toeplitz hash (`as_dense`), computed without that matrix: the kernel, small
beside the images, is gathered once, and multiplied where it meets x. W and b are
tables of `params`; if they are one, its gradient is the sum of the two.

Source: Chang & Lipson, ArbNets, arXiv 2312.08401, section 2 and eq. 4; with the identity hash, any
textbook's convolution (Dumoulin & Visin, arXiv 1603.07285).
"""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from minihash import core
from minihash.checks import check_field, float_array, parameter
from minihash.derived import derived
from minihash.hashes import Compose, Hash, Lookup, Toeplitz
from minihash.hashes.toeplitz import check_groups
from minihash.hashes.windows import MOST, Axes, Windows, each
from minihash.layers.dense import Dense
from minihash.layers.layer import Layer, Params
from minihash.sources import Weight
from minihash.weights import VirtualWeight

Cache = tuple[np.ndarray, np.ndarray]  # x, K


@dataclass(frozen=True)
class Conv2d(Layer):
    """y = the convolution of images with a kernel, plus a bias.

    weight: a virtual weight of shape (out_channels, channels / groups, height, width), or another
    source. bias: None, or a virtual weight of shape (out_channels,). stride, padding, dilation: an
    integer, or one for each axis.
    Raises TypeError or ValueError if they are anything else.

    >>> from minihash.hashes import Identity
    >>> layer = Conv2d(VirtualWeight((1, 1, 1, 2), Identity(2), "kernel"))
    >>> layer.forward({"kernel": np.array([1.0, 10.0])}, np.array([[[[1.0, 2.0, 3.0]]]]))[0]
    array([[[[21., 32.]]]])
    """

    axes: ClassVar[tuple[str, ...]] = ("height", "width")

    weight: Weight
    bias: VirtualWeight | None = None
    stride: Axes = 1
    padding: Axes = 0
    dilation: Axes = 1
    groups: int = 1

    def __post_init__(self) -> None:
        cls, wanted = type(self).__name__, ("out_channels", "channels / groups", *self.axes)
        if not isinstance(self.weight, Weight):
            raise TypeError(
                f"the weight of {cls} must be a VirtualWeight or a source, got {self.weight!r}; "
                "make one"
            )
        if not isinstance(self.bias, VirtualWeight | None):
            raise TypeError(
                f"the bias of {cls} must be a VirtualWeight, got {self.bias!r}; make one"
            )
        if len(self.weight.shape) != len(wanted):
            raise ValueError(
                f"the weight of {cls} must have shape ({', '.join(wanted)}), got "
                f"{self.weight.shape}; reshape it"
            )
        if self.bias is not None and self.bias.shape != self.weight.shape[:1]:
            raise ValueError(
                f"the bias of {cls} must have shape {self.weight.shape[:1]}, got "
                f"{self.bias.shape}; give it one entry for each output channel"
            )
        for name in ("stride", "padding", "dilation"):
            object.__setattr__(self, name, getattr(self.windows, name))
        check_field(self, "groups", 1, MOST)
        check_groups(self.groups, self.channels, self.weight.shape[0])

    @derived
    def windows(self) -> Windows:
        """Where the kernel meets an image."""
        return Windows(self.weight.shape[2:], self.stride, self.padding, self.dilation)

    @property
    def channels(self) -> int:
        """Channels of x."""
        return self.weight.shape[1] * self.groups

    def weights(self) -> tuple[VirtualWeight, ...]:
        """What the weight is made of, and the bias if there is one."""
        w = self.weight
        own = (w,) if isinstance(w, VirtualWeight) else w.weights()
        return own if self.bias is None else (*own, self.bias)

    def sources(self) -> tuple[Weight, ...]:
        """The weight, and the bias if there is one."""
        return (self.weight,) if self.bias is None else (self.weight, self.bias)

    def forward(
        self, params: Params, x: np.ndarray, step: int | None = None
    ) -> tuple[np.ndarray, Cache]:
        """x (batch, channels, height, width) -> y (batch, out_channels, height', width').

        Raises TypeError or ValueError if x or a table has another shape, if they differ in dtype,
        or if the windows of the kernel do not fit into the padded image.
        """
        shape = (None, self.channels, *(None for _ in self.axes))
        x = float_array(x, f"x of {type(self).__name__}", shape, device=True)
        outputs = self.windows.outputs(x.shape[2:])
        w = self.weight
        if isinstance(w, VirtualWeight):
            K = core.gather(self._table(params, w, x.dtype), w)
        else:
            K = w.gather(params, x.dtype)
        B = None
        if self.bias is not None:
            B = core.gather(self._table(params, self.bias, x.dtype), self.bias)
        y = core.convolve(self._plane(x), self._plane(K), B, self._plane_windows, self.groups)
        return y.reshape(*y.shape[:2], *outputs), (x, K)

    def backward(self, params: Params, cache: Cache, dy: np.ndarray) -> tuple[np.ndarray, Params]:
        """dy, of y's shape -> dx, of x's, and the gradient of each table by its name."""
        return self._backward(params, cache, dy, need_dx=True)

    def gradients(self, params: Params, cache: Cache, dy: np.ndarray) -> Params:
        """The gradient of each table, without dx."""
        return self._backward(params, cache, dy, need_dx=False)[1]

    def _backward(
        self, params: Params, cache: Cache, dy: np.ndarray, need_dx: bool
    ) -> tuple[Any, Params]:
        x, K = cache
        w, b = self.weight, self.bias
        shape = (len(x), len(K), *self.windows.outputs(x.shape[2:]))
        dy = float_array(dy, f"dy of {type(self).__name__}", shape, x.dtype, device=True)
        planes = self._plane(dy), self._plane(x), self._plane(K)
        geometry = b is not None, self._plane_windows, self.groups
        dx, dK, dB = core.convolve_backward(*planes, *geometry, need_dx=need_dx)
        dK = dK.reshape(K.shape)
        if isinstance(w, VirtualWeight):
            grads = {w.table: core.scatter_add(dK, w)}
        else:
            grads = w.scatter_add(params, dK)
        if b is not None and dB is not None:
            db = core.scatter_add(dB, b)
            grads[b.table] = core.add(grads[b.table], db) if b.table in grads else db
        return dx if dx is None else dx.reshape(x.shape), grads

    def as_dense(self, *sizes: int) -> Dense:
        """The same map of images of this height and width as a matrix under its full hash: Dense of
        the rows of (channels, height, width), which gives rows of (out_channels, height', width').

        Raises ValueError if the windows do not fit into the padded image, TypeError for a kernel
        that is no virtual weight.

        >>> from minihash.hashes import Uniform
        >>> Conv2d(VirtualWeight((4, 1, 3, 3), Uniform(9)), padding=1).as_dense(28, 28).weight.shape
        (3136, 784)
        """
        w, b = self.weight, self.bias
        if not isinstance(w, VirtualWeight):
            raise TypeError(f"only a kernel under a hash is a matrix under one, got {w!r}")
        geometry = self.stride, self.padding, self.dilation, self.groups
        matrix = Toeplitz((self.channels, *sizes), (w.shape[0], *w.shape[2:]), *geometry)
        outputs, inputs = math.prod(matrix.output_shape), math.prod(matrix.shape)
        weight = VirtualWeight((outputs, inputs), Compose(matrix, _entries(w)), w.table)
        bias = None
        if b is not None:
            repeated = np.repeat(np.arange(b.size), outputs // b.size)
            hash_ = Compose(Lookup(b.size, repeated), _entries(b))
            bias = VirtualWeight((outputs,), hash_, b.table)
        return Dense(weight, bias)

    def _plane(self, a: np.ndarray) -> np.ndarray:
        """Two channel axes and two of positions: a length is the row of an image of height 1."""
        return a if len(self.axes) == 2 else a.reshape(*a.shape[:2], 1, a.shape[2])

    @derived
    def _plane_windows(self) -> Windows:
        w = self.windows
        pad = 2 - len(self.axes)
        return Windows(
            (1,) * pad + w.kernel,
            (1,) * pad + each(w.stride),
            (0,) * pad + each(w.padding),
            (1,) * pad + each(w.dilation),
        )

    @staticmethod
    def _table(params: Params, w: VirtualWeight, dtype: np.dtype) -> np.ndarray:
        return parameter(params, w.table, (w.hash.buckets,), dtype, device=True)


@dataclass(frozen=True)
class Conv1d(Conv2d):
    """y = the convolution of sequences (batch, channels, length) with a kernel, plus a bias.

    weight: a virtual weight of shape (out_channels, channels / groups, length). The rest is as in
    Conv2d, with one axis.

    >>> from minihash.hashes import Identity
    >>> layer = Conv1d(VirtualWeight((1, 1, 2), Identity(2), "kernel"), stride=2)
    >>> layer.forward({"kernel": np.array([1.0, 10.0])}, np.array([[[1.0, 2.0, 3.0, 4.0]]]))[0]
    array([[[21., 43.]]])
    """

    axes: ClassVar[tuple[str, ...]] = ("length",)


def _entries(w: VirtualWeight) -> Hash:
    """The hash of the entries of w, counted row-major from 0."""
    if w.first_id == 0 and not w.transposed:
        return w.hash
    ids = w.identifiers().reshape(-1)
    return Lookup(w.hash.buckets, w.hash.bucket(ids), w.hash.sign(ids))
