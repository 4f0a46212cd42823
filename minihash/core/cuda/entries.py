"""Bodies of real numbers entry by entry, and normalisation: the contract's `each` and `normalise`.

A thread for each entry; for the sums of a feature one thread, in float64 and in order. An array
(batch, features, ...) is (rows, features, inner): inner positions, 1 where there are none.
"""

import math
from collections.abc import Callable

import numpy as np

from minihash.core.cuda import cells, device
from minihash.core.cuda.device import Array, far, flat

cuda = real = body = None  # device.py gives them a meaning

DEVICE = ()


# Kernels.


def of_one(x, y):
    for k in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        y[k] = body(x[k])


def of_two(x, z, y):
    for k in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        y[k] = body(x[k], z[k])


def moments(x, rows, inner, known, eps, mean, var, r):
    """mean and var unless they are known; r = 1 / sqrt(var + eps)."""
    n = np.float64(rows * inner)
    for c in range(cuda.grid(1), r.size, cuda.gridsize(1)):
        if not known:
            total = np.float64(0)
            for row in range(rows):
                for i in range(inner):
                    total += x[(row * r.size + c) * inner + i]
            mean[c] = total / n
            centre, total = real(mean[c]), np.float64(0)
            for row in range(rows):
                for i in range(inner):
                    d = np.float64(x[(row * r.size + c) * inner + i] - centre)
                    total += d * d
            var[c] = total / n
        r[c] = np.float64(1) / math.sqrt(var[c] + eps)


def scale(x, inner, mean, r, gamma, beta, x_hat, y):
    for k in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        c = k // inner % r.size
        x_hat[k] = (x[k] - real(mean[c])) * r[c]
        y[k] = x_hat[k] * gamma[c] + beta[c]


def slopes(dy, x_hat, rows, inner, dgamma, dbeta, share):
    """The sums over the batch; share (2 features): of dgamma and of dbeta, one entry's."""
    n = np.float64(rows * inner)
    for c in range(cuda.grid(1), dgamma.size, cuda.gridsize(1)):
        of_gamma = of_beta = np.float64(0)
        for row in range(rows):
            for i in range(inner):
                k = (row * dgamma.size + c) * inner + i
                of_gamma += np.float64(dy[k]) * np.float64(x_hat[k])
                of_beta += dy[k]
        dgamma[c], dbeta[c] = of_gamma, of_beta
        share[c], share[dgamma.size + c] = of_gamma / n, of_beta / n


def descend(dy, x_hat, inner, known, gamma, r, share, dx):
    for k in range(cuda.grid(1), dx.size, cuda.gridsize(1)):
        c = k // inner % r.size
        d = dy[k]
        if not known:
            d = d - x_hat[k] * share[c] - share[r.size + c]
        dx[k] = d * (gamma[c] * r[c])


# The contract.


def each(of: Callable, *arrays: Array) -> Array:
    x = arrays[0]
    y = device.empty(x.size, x.dtype)
    template = (of_one, of_two)[len(arrays) - 1]
    run = device.kernel(template, x.dtype, {"body": cells.body_of(of, x.dtype)})
    device.launch(run, device.over(y.size), *map(flat, arrays), y)
    return device.home(y, x.shape, far(*arrays))


def normalise(
    x: Array, gamma: Array, beta: Array, eps: float, known: tuple[Array, Array] | None
) -> tuple[Array, ...]:
    rows, features, inner, dtype = *sizes(x), x.dtype
    given = known or (device.empty(features, np.dtype(np.float64)) for _ in range(2))
    mean, var = map(flat, given)
    r, to_x = device.empty(features, dtype), flat(x)
    x_hat, y = (device.empty(x.size, dtype) for _ in range(2))
    run = device.kernel(moments, dtype)
    over = rows, inner, known is not None, float(eps)
    device.launch(run, device.over(features), to_x, *over, mean, var, r)
    run = device.kernel(scale, dtype)
    arrays = mean, r, flat(gamma), flat(beta), x_hat, y
    device.launch(run, device.over(x.size), to_x, inner, *arrays)
    stays = far(x, gamma, beta, *(known or ()))
    y, x_hat = (device.home(a, x.shape, stays) for a in (y, x_hat))
    return y, x_hat, *(device.home(a, (features,), stays) for a in (r, mean, var))


def normalise_backward(
    dy: Array, x_hat: Array, gamma: Array, r: Array, known: bool
) -> tuple[Array, Array, Array]:
    rows, features, inner, dtype = *sizes(dy), dy.dtype
    dgamma, dbeta = (device.empty(features, dtype) for _ in range(2))
    share, dx = device.empty(2 * features, dtype), device.empty(dy.size, dtype)
    both = flat(dy), flat(x_hat)
    run = device.kernel(slopes, dtype)
    device.launch(run, device.over(features), *both, rows, inner, dgamma, dbeta, share)
    run = device.kernel(descend, dtype)
    device.launch(run, device.over(dy.size), *both, inner, known, flat(gamma), flat(r), share, dx)
    stays = far(dy, x_hat, gamma, r)
    sums = (device.home(a, (features,), stays) for a in (dgamma, dbeta))
    return device.home(dx, dy.shape, stays), *sums


def sizes(x: Array) -> tuple[int, int, int]:
    return x.shape[0], x.shape[1], math.prod(x.shape[2:])
