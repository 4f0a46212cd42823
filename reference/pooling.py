"""Pooling as loops, for x (batch, channels, height, width), the backward pass directly below.

A window's taps that lie in the padding are left out of a maximum, and are zeros in a mean.
"""

from collections.abc import Iterator

import numpy as np

from reference.core import numbers, zeros
from reference.toeplitz import Axes, outputs, per_axis


def pool_shape(
    x_shape: tuple[int, ...], size: Axes, stride: Axes, padding: Axes
) -> tuple[int, ...]:
    """(batch, channels, height, width) of y.

    >>> pool_shape((1, 2, 5, 5), 2, 2, 0)
    (1, 2, 2, 2)
    """
    k, s, pad = (per_axis(value, 2) for value in (size, stride, padding))
    return *x_shape[:2], *(outputs(x_shape[2 + a], k[a], s[a], pad[a], 1) for a in (0, 1))


def windows(
    x_shape: tuple[int, ...], size: Axes, stride: Axes, padding: Axes
) -> Iterator[tuple[tuple[int, ...], list[tuple[int, ...]]]]:
    """(index in y, indices in x of the window's taps that are in the input, row-major).

    >>> next(windows((1, 1, 3, 3), 2, 1, 1))
    ((0, 0, 0, 0), [(0, 0, 0, 0)])
    """
    k, s, pad = (per_axis(value, 2) for value in (size, stride, padding))
    for b, c, y, x in np.ndindex(pool_shape(x_shape, size, stride, padding)):
        corner = y * s[0] - pad[0], x * s[1] - pad[1]
        taps = [(corner[0] + i, corner[1] + j) for i, j in np.ndindex(*k)]
        inside = [(u, v) for u, v in taps if 0 <= u < x_shape[2] and 0 <= v < x_shape[3]]
        yield (b, c, y, x), [(b, c, u, v) for u, v in inside]


def max_pool(x: np.ndarray, size: Axes, stride: Axes, padding: Axes = 0) -> np.ndarray:
    """y = the largest x of each window.

    >>> max_pool([[[[1.0, 5.0], [2.0, 3.0]]]], 2, 2)
    array([[[[5.]]]])
    """
    x = numbers(x)
    y = zeros(pool_shape(x.shape, size, stride, padding), x)
    for index, taps in windows(x.shape, size, stride, padding):
        y[index] = x[taps[0]]
        for tap in taps:
            if x[tap] > y[index]:
                y[index] = x[tap]
    return y


def max_pool_backward(
    dy: np.ndarray, x: np.ndarray, size: Axes, stride: Axes, padding: Axes = 0
) -> np.ndarray:
    """dx: each dy goes to the largest x of its window, to the first of equal ones.

    >>> max_pool_backward([[[[7.0]]]], [[[[5.0, 5.0], [2.0, 3.0]]]], 2, 2)
    array([[[[7., 0.],
             [0., 0.]]]])
    """
    dy, x = numbers(dy), numbers(x)
    dx = zeros(x.shape, dy)
    for index, taps in windows(x.shape, size, stride, padding):
        first = taps[0]
        for tap in taps:
            if x[tap] > x[first]:
                first = tap
        dx[first] += dy[index]
    return dx


def average_pool(x: np.ndarray, size: Axes, stride: Axes, padding: Axes = 0) -> np.ndarray:
    """y = sum over each window of x / number of its taps, those in the padding too.

    >>> average_pool([[[[1.0, 5.0], [2.0, 4.0]]]], 2, 2)
    array([[[[3.]]]])
    """
    x = numbers(x)
    y = zeros(pool_shape(x.shape, size, stride, padding), x)
    area = per_axis(size, 2)[0] * per_axis(size, 2)[1]
    for index, taps in windows(x.shape, size, stride, padding):
        for tap in taps:
            y[index] += x[tap]
        y[index] = y[index] / area
    return y


def average_pool_backward(
    dy: np.ndarray, x_shape: tuple[int, ...], size: Axes, stride: Axes, padding: Axes = 0
) -> np.ndarray:
    """dx: each dy / number of taps goes to every x of its window.

    >>> average_pool_backward([[[[8.0]]]], (1, 1, 2, 2), 2, 2)
    array([[[[2., 2.],
             [2., 2.]]]])
    """
    dy = numbers(dy)
    dx = zeros(x_shape, dy)
    area = per_axis(size, 2)[0] * per_axis(size, 2)[1]
    for index, taps in windows(x_shape, size, stride, padding):
        for tap in taps:
            dx[tap] += dy[index] / area
    return dx


def global_average(x: np.ndarray) -> np.ndarray:
    """y[b, c] = the mean of x over all positions.

    >>> global_average([[[[1.0, 2.0], [3.0, 4.0]]]])
    array([[2.5]])
    """
    x = numbers(x)
    y = zeros(x.shape[:2], x)
    for b, c, u, v in np.ndindex(x.shape):
        y[b, c] += x[b, c, u, v]
    for b, c in np.ndindex(y.shape):
        y[b, c] = y[b, c] / (x.shape[2] * x.shape[3])
    return y


def global_average_backward(dy: np.ndarray, x_shape: tuple[int, ...]) -> np.ndarray:
    """dx[b, c, u, v] = dy[b, c] / number of positions.

    >>> global_average_backward([[6.0]], (1, 1, 1, 2))
    array([[[[3., 3.]]]])
    """
    dy = numbers(dy)
    dx = zeros(x_shape, dy)
    for b, c, u, v in np.ndindex(x_shape):
        dx[b, c, u, v] = dy[b, c] / (x_shape[2] * x_shape[3])
    return dx


def positions_as_examples(x: np.ndarray) -> np.ndarray:
    """x (batch, channels, height, width) -> (batch height width, channels).

    BatchNorm2d of the one is BatchNorm1d of the other.

    >>> positions_as_examples([[[[1.0, 2.0]], [[3.0, 4.0]]]])
    array([[1., 3.],
           [2., 4.]])
    """
    x = numbers(x)
    batch, channels, height, width = x.shape
    rows = zeros((batch * height * width, channels), x)
    for b, c, u, v in np.ndindex(x.shape):
        rows[(b * height + u) * width + v, c] = x[b, c, u, v]
    return rows
