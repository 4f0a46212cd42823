"""Layers of the NumPy script: the source of each function goes into it as it stands here.

x and y are arrays (n, ...) of float32, or whatever x is; K, W and b are gathered weights.
"""

import numpy as np


def dense(x, W, b):
    """y = x W^T + b"""
    return x @ W.T + b


def affine(x, factor, summand):
    """y = factor x + summand, feature by feature"""
    shape = (-1,) + (1,) * (x.ndim - 2)
    return factor.reshape(shape) * x + summand.reshape(shape)


def elu(x):
    """y = x where x > 0, else e^x - 1"""
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def relu(x):
    """y = x where x > 0, else 0"""
    return np.maximum(x, 0)


def tanh(x):
    """y = tanh(x)"""
    return np.tanh(x)


def sigmoid(x):
    """y = 1 / (1 + e^-x)"""
    return (np.tanh(x / 2) + 1) / 2


def windows(x, size, stride, padding, dilation=(1, 1), border=0):
    """x (n, c, height, width) -> (n, c, height', width', *size): what each window sees"""
    edges = [(0, 0), (0, 0), *((p, p) for p in padding)]
    x = np.pad(x, edges, constant_values=border)
    span = tuple((k - 1) * d + 1 for k, d in zip(size, dilation, strict=True))
    seen = np.lib.stride_tricks.sliding_window_view(x, span, (2, 3))
    (down, along), (i, j) = stride, dilation
    return seen[:, :, ::down, ::along, ::i, ::j]


def convolution(x, K, b, stride, padding, dilation, groups):
    """y[n, o, p, q] = sum over c, i, j of K[o, c, i, j] times what window (p, q) sees, plus b[o]"""
    seen = windows(x, K.shape[2:], stride, padding, dilation)
    n, _, height, width, *_ = seen.shape
    y = []
    for part, kernel in zip(np.split(seen, groups, 1), np.split(K, groups), strict=True):
        columns = part.transpose(0, 1, 4, 5, 2, 3).reshape(n, -1, height * width)
        y.append(kernel.reshape(len(kernel), -1) @ columns)
    return np.concatenate(y, 1).reshape(n, -1, height, width) + np.reshape(b, (-1, 1, 1))


def largest(x, size, stride, padding):
    """y = the largest x of each window"""
    seen = windows(x, size, stride, padding, border=-np.inf)
    y = seen[..., 0, 0]
    for i, j in np.ndindex(*size):
        y = np.maximum(y, seen[..., i, j])
    return y


def average(x, size, stride, padding):
    """y = the mean x of each window"""
    seen = windows(x, size, stride, padding)
    return sum(seen[..., i, j] for i, j in np.ndindex(*size)) / (size[0] * size[1])


def mean(x):
    """y = the mean x of each channel"""
    return x.mean(tuple(range(2, x.ndim)))
