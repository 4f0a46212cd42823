"""Convolution of arrays, by products with patches.

Where stride is 1 and vectors are full, without patches: direct.py. Elsewhere, with the patches X of
a region as columns (patches.py) and the kernel K as rows (o) of (c, t), for each group of channels:

    forward     Y = K X + B
    backward    dX = K^T dY,    dK = sum over regions of dY X^T,    dB = sum over positions of dY

The parts of the forward pass are regions. Backward, images are dealt to `PARTS` parts, each with a
gradient of the kernel of its own; these are merged in order. So the bits are the same for any
number of threads.
"""

import math

import numpy as np

from minihash.core.numba import direct
from minihash.core.numba.parts import workspace
from minihash.core.numba.patches import Region, pack, regions, rows_for, unpack
from minihash.core.threads import blocks, run
from minihash.hashes.windows import Windows

PARTS = 8  # parts of a backward pass


def convolve(
    x: np.ndarray, K: np.ndarray, B: np.ndarray | None, windows: Windows, groups: int
) -> np.ndarray:
    """y (batch, out_channels, *outputs) of x (batch, channels, height, width).

    K: (out_channels, channels / groups, *windows.kernel). B: (out_channels,) or None.
    """
    if direct.suits(x, K, windows, groups, need_dx=False):
        return direct.convolve(x, K, B, windows, groups)
    outputs = windows.outputs(x.shape[2:])
    height, width = len(K), x.shape[1] * math.prod(windows.kernel)
    y = np.empty((len(x), height, *outputs), x.dtype)
    rows = taps_first(K, groups).swapaxes(1, 2)

    def part(region: Region) -> None:
        X = rows_for("patches", width, region, x.dtype)
        Y = rows_for("outputs", height, region, x.dtype)
        pack(x, windows, region, X)
        np.matmul(rows, grouped(X, groups, region), out=grouped(Y, groups, region))
        if B is not None:
            Y[:, : region.size] += B[:, None]
        on_images(y, region)[...] = Y[:, : region.size].reshape(height, *region.shape)

    everything = regions(slice(0, len(x)), outputs, width)
    run([lambda region=region: part(region) for region in everything])
    return y


def convolve_backward(
    dy: np.ndarray,
    x: np.ndarray,
    K: np.ndarray,
    biased: bool,
    windows: Windows,
    groups: int,
    need_dx: bool = True,
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray | None]:
    """dx, unless there is no need of it, dK and dB, which is summed in float64. How dK is summed
    does not depend on whether there is need of dx."""
    if direct.suits(x, K, windows, groups, need_dx):
        return direct.convolve_backward(dy, x, K, biased, windows, groups, need_dx)
    height, width = len(K), x.shape[1] * math.prod(windows.kernel)
    straight = direct.suits(x, K, windows, groups, need_dx=False)
    dx = np.empty(x.shape, x.dtype) if need_dx else None
    columns = taps_first(K, groups)
    parts = list(blocks(len(x), max(1, -(-len(x) // PARTS)))) or [slice(0, 0)]
    dKs = np.zeros((len(parts), *columns.shape), x.dtype)
    dBs = np.zeros((len(parts), height))

    def part(images: slice, dK: np.ndarray, dB: np.ndarray) -> None:
        if need_dx:
            dx[images] = 0
        product = workspace("product", dK.shape, dK.dtype)
        for region in regions(images, dy.shape[2:], width):
            X = rows_for("patches", width, region, x.dtype)
            dY = rows_for("outputs", height, region, x.dtype)
            dY[:, : region.size].reshape(height, *region.shape)[...] = on_images(dy, region)
            X_g, dY_g = grouped(X, groups, region), grouped(dY, groups, region)
            if not straight:
                pack(x, windows, region, X)
                dK += np.matmul(X_g, dY_g.swapaxes(1, 2), out=product)
                if biased:
                    dB += np.add.reduce(dY[:, : region.size], axis=1, dtype=np.float64)
            if need_dx:
                np.matmul(columns, dY_g, out=X_g)  # dX in the place of X
                unpack(X, windows, region, dx)

    run([lambda job=job: part(*job) for job in zip(parts, dKs, dBs, strict=True)])
    if straight:
        _, *rest = direct.convolve_backward(dy, x, K, biased, windows, groups, need_dx=False)
        return dx, *rest
    dK, dB = dKs[0], dBs[0]
    with np.errstate(invalid="ignore", over="ignore"):  # data that are not finite
        for more_K, more_B in zip(dKs[1:], dBs[1:], strict=True):
            dK += more_K
            dB += more_B
        dK = np.ascontiguousarray(dK.swapaxes(1, 2)).reshape(K.shape)
        return dx, dK, dB.astype(x.dtype) if biased else None


def taps_first(K: np.ndarray, groups: int) -> np.ndarray:
    """K^T of each group, (groups, channels taps, out_channels), contiguous: BLAS reads it best."""
    return np.ascontiguousarray(K.reshape(groups, len(K) // groups, -1).swapaxes(1, 2))


def grouped(rows: np.ndarray, groups: int, region: Region) -> np.ndarray:
    """The entries of a region, as a view (groups, height / groups, region.size)."""
    return rows.reshape(groups, -1, rows.shape[1])[..., : region.size]


def on_images(y: np.ndarray, region: Region) -> np.ndarray:
    """The outputs of a region in y, as a view (out_channels, images, rows, columns)."""
    return y[region.images, :, region.rows, region.columns].swapaxes(0, 1)
