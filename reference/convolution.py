"""Convolution as loops, for x (batch, channels, height, width), the backward pass directly below.

Every term of y is one product, and every product gives one term to dx and one to dV:

    y[b, o, p] = sum over c of o's group and taps t of V[o, c, t] x[b, c, q] + bias[o]
    q = p stride - padding + t dilation on both axes; taps with q outside the input are left out

A sequence (batch, channels, length) is an image of height 1. Arithmetic is float64; arrays of
`fractions.Fraction` (dtype object) stay exact.
"""

from collections.abc import Iterator

import numpy as np

from reference.core import numbers, zeros
from reference.toeplitz import Axes, outputs, per_axis


def terms(
    x_shape: tuple[int, int, int, int],
    V_shape: tuple[int, int, int, int],
    stride: Axes = 1,
    padding: Axes = 0,
    dilation: Axes = 1,
    groups: int = 1,
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]:
    """(index in y, index in x, index in V) of every product.

    >>> len(list(terms((1, 1, 3, 3), (1, 1, 2, 2))))
    16
    """
    batch, _, height, width = x_shape
    out_channels, depth, rows, columns = V_shape
    s, pad, d = (per_axis(value, 2) for value in (stride, padding, dilation))
    _, _, out_height, out_width = output_shape(x_shape, V_shape, stride, padding, dilation)
    for b, o, y, x in np.ndindex(batch, out_channels, out_height, out_width):
        group = o // (out_channels // groups)
        for c, i, j in np.ndindex(depth, rows, columns):
            u, v = y * s[0] - pad[0] + i * d[0], x * s[1] - pad[1] + j * d[1]
            if 0 <= u < height and 0 <= v < width:
                yield (b, o, y, x), (b, group * depth + c, u, v), (o, c, i, j)


def output_shape(
    x_shape: tuple[int, ...],
    V_shape: tuple[int, ...],
    stride: Axes = 1,
    padding: Axes = 0,
    dilation: Axes = 1,
) -> tuple[int, ...]:
    """(batch, out_channels, height, width) of y.

    >>> output_shape((2, 3, 5, 5), (4, 3, 3, 3), padding=1)
    (2, 4, 5, 5)
    """
    s, pad, d = (per_axis(value, 2) for value in (stride, padding, dilation))
    sizes = [outputs(x_shape[2 + a], V_shape[2 + a], s[a], pad[a], d[a]) for a in (0, 1)]
    return x_shape[0], V_shape[0], *sizes


def convolution_forward(
    x: np.ndarray,
    V: np.ndarray,
    bias: np.ndarray | None = None,
    stride: Axes = 1,
    padding: Axes = 0,
    dilation: Axes = 1,
    groups: int = 1,
) -> np.ndarray:
    """y (batch, out_channels, height, width); V (out_channels, channels / groups, rows, columns).

    >>> convolution_forward(np.ones((1, 1, 2, 3)), np.ones((1, 1, 2, 2)), [0.5])
    array([[[[4.5, 4.5]]]])
    """
    x, V = numbers(x), numbers(V)
    y = zeros(output_shape(x.shape, V.shape, stride, padding, dilation), x, V)
    for in_y, in_x, in_V in terms(x.shape, V.shape, stride, padding, dilation, groups):
        y[in_y] += V[in_V] * x[in_x]
    if bias is not None:
        for index in np.ndindex(y.shape):
            y[index] += bias[index[1]]
    return y


def convolution_backward(
    dy: np.ndarray,
    x: np.ndarray,
    V: np.ndarray,
    stride: Axes = 1,
    padding: Axes = 0,
    dilation: Axes = 1,
    groups: int = 1,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(dx, dV, dbias): dx[q] += dy V and dV[t] += dy x for every product, dbias = sum of dy.

    >>> convolution_backward([[[[1.0]]]], [[[[2.0, 3.0]]]], [[[[5.0, 7.0]]]])
    (array([[[[5., 7.]]]]), array([[[[2., 3.]]]]), array([1.]))
    """
    dy, x, V = numbers(dy), numbers(x), numbers(V)
    dx, dV, dbias = zeros(x.shape, dy, V), zeros(V.shape, dy, x), zeros(V.shape[:1], dy)
    for in_y, in_x, in_V in terms(x.shape, V.shape, stride, padding, dilation, groups):
        dx[in_x] += dy[in_y] * V[in_V]
        dV[in_V] += dy[in_y] * x[in_x]
    for index in np.ndindex(dy.shape):
        dbias[index[1]] += dy[index]
    return dx, dV, dbias
