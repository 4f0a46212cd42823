"""Convolution on the GPU: each entry of y, dx and dK is one thread's sum, in a fixed order.

y[b, o, p]  = sum over c of o's group and taps t of K[o, c, t] x[b, c, q] + B[o]
dx[b, c, q] = sum over the (o, t, p) that lead to q of K[o, c, t] dy[b, o, p]
dK[o, c, t] = sum over (b, p) of dy[b, o, p] x[b, c, q]
dB[o]       = sum over (b, p) of dy[b, o, p]

q = p stride - padding + t dilation on each axis;   x is 0 outside the image
"""

import numpy as np

from minihash.core.cuda import device
from minihash.core.cuda.device import Array, far, flat, placed
from minihash.core.cuda.products import column_sum
from minihash.hashes.windows import Windows

cuda = real = None  # device.py gives them a meaning


def seen(x, b, c, q0, q1):
    """x[b, c, q], 0 outside the image."""
    inside = 0 <= q0 < x.shape[2] and 0 <= q1 < x.shape[3]
    return x[b, c, q0, q1] if inside else real(0)


def position(i, shape):
    """The place of the entry i, row-major, of an array of four axes."""
    return (
        i // (shape[1] * shape[2] * shape[3]),
        i // (shape[2] * shape[3]) % shape[1],
        i // shape[3] % shape[2],
        i % shape[3],
    )


DEVICE = (seen, position)


# Kernels. stride, padding and dilation are pairs.


def sum_y(x, K, B, y, groups, stride, padding, dilation):
    for i in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        b, o, p0, p1 = position(i, y.shape)
        first = o // (K.shape[0] // groups) * K.shape[1]  # channel of o's group
        total = real(0)
        for c in range(K.shape[1]):
            for t0 in range(K.shape[2]):
                for t1 in range(K.shape[3]):
                    q0 = p0 * stride[0] - padding[0] + t0 * dilation[0]
                    q1 = p1 * stride[1] - padding[1] + t1 * dilation[1]
                    total += K[o, c, t0, t1] * seen(x, b, first + c, q0, q1)
        y[b, o, p0, p1] = total + B[o]


def sum_dx(dy, K, dx, groups, stride, padding, dilation):
    each = K.shape[0] // groups  # output channels of a group
    for i in range(cuda.grid(1), dx.size, cuda.gridsize(1)):
        b, c, q0, q1 = position(i, dx.shape)
        group, inner = c // K.shape[1], c % K.shape[1]
        total = real(0)
        for o in range(group * each, group * each + each):
            for t0 in range(K.shape[2]):
                for t1 in range(K.shape[3]):
                    s0 = q0 + padding[0] - t0 * dilation[0]
                    s1 = q1 + padding[1] - t1 * dilation[1]
                    if s0 % stride[0] == 0 and s1 % stride[1] == 0:
                        p0, p1 = s0 // stride[0], s1 // stride[1]
                        if 0 <= p0 < dy.shape[2] and 0 <= p1 < dy.shape[3]:
                            total += K[o, inner, t0, t1] * dy[b, o, p0, p1]
        dx[b, c, q0, q1] = total


def sum_dK(dy, x, dK, groups, stride, padding, dilation):
    for i in range(cuda.grid(1), dK.size, cuda.gridsize(1)):
        o, c, t0, t1 = position(i, dK.shape)
        first = o // (dK.shape[0] // groups) * dK.shape[1]
        total = real(0)
        for b in range(dy.shape[0]):
            for p0 in range(dy.shape[2]):
                for p1 in range(dy.shape[3]):
                    q0 = p0 * stride[0] - padding[0] + t0 * dilation[0]
                    q1 = p1 * stride[1] - padding[1] + t1 * dilation[1]
                    total += dy[b, o, p0, p1] * seen(x, b, first + c, q0, q1)
        dK[o, c, t0, t1] = total


# The contract.


def convolve(x: Array, K: Array, B: Array | None, windows: Windows, groups: int) -> Array:
    shape = (len(x), len(K), *windows.outputs(x.shape[2:]))
    y = fresh(shape, x.dtype)
    bias = device.zeros(len(K), x.dtype) if B is None else placed(B)
    run(sum_y, y, placed(x), placed(K), bias, y, groups, *geometry(windows))
    return device.home(y, shape, far(x, K, B))


def convolve_backward(
    dy: Array,
    x: Array,
    K: Array,
    biased: bool,
    windows: Windows,
    groups: int,
    need_dx: bool = True,
) -> tuple[Array | None, Array, Array | None]:
    stays, where = far(dy, x, K), (groups, *geometry(windows))
    dx, dK, dB = None, fresh(K.shape, x.dtype), None
    to_dy = placed(dy)
    if need_dx:
        dx = fresh(x.shape, x.dtype)
        run(sum_dx, dx, to_dy, placed(K), dx, *where)
        dx = device.home(dx, x.shape, stays)
    run(sum_dK, dK, to_dy, placed(x), dK, *where)
    if biased:
        batch, channels, height, width = dy.shape
        dB = device.home(column_sum(flat(dy), batch, channels, height * width), (channels,), stays)
    return dx, device.home(dK, K.shape, stays), dB


def geometry(windows: Windows) -> tuple[tuple[int, int], ...]:
    return windows.stride, windows.padding, windows.dilation


def fresh(shape: tuple[int, ...], dtype: np.dtype) -> Array:
    return device.numba_cuda().device_array(shape, dtype)


def run(template, out: Array, *arguments) -> None:
    """The kernel, a thread for each entry of `out`."""
    device.launch(device.kernel(template, out.dtype), device.over(out.size), *arguments)
