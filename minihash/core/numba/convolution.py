"""Convolution of arrays, by products with patches: what Conv2d and Conv1d compute.

Where stride is 1 and vectors are full, without patches: direct.py. Elsewhere, with the patches X of
a tile as columns (patches.py) and the kernel K as rows (o) of (c, t), for each group of channels:

    forward     Y = K X + B
    backward    dX = K^T dY,    dK = sum over tiles of dY X^T,    dB = sum over positions of dY

The parts of the forward pass are tiles. Backward, images are dealt to `LANES` parts, each with a
gradient of the kernel of its own; these are merged in order. So the bits are the same for any
number of threads.
"""

import math

import numpy as np

from minihash.core.numba import direct
from minihash.core.numba.parts import blocks, workspace
from minihash.core.numba.patches import Tile, pack, room, tiles, unpack
from minihash.core.threads import run
from minihash.hashes.windows import Windows

LANES = 8  # parts of a backward pass


def convolve(
    x: np.ndarray, K: np.ndarray, B: np.ndarray | None, windows: Windows, groups: int
) -> np.ndarray:
    """y (batch, out_channels, *outputs) of x (batch, channels, height, width).

    K: (out_channels, channels / groups, *windows.kernel). B: (out_channels,) or None.
    """
    if direct.suits(x, K, windows, groups, backward=False):
        return direct.convolve(x, K, B, windows, groups)
    outputs = windows.outputs(x.shape[2:])
    height, width = len(K), x.shape[1] * math.prod(windows.kernel)
    y = np.empty((len(x), height, *outputs), x.dtype)
    rows = taps_first(K, groups).swapaxes(1, 2)

    def part(tile: Tile) -> None:
        X, Y = room("patches", width, tile, x.dtype), room("outputs", height, tile, x.dtype)
        pack(x, windows, tile, X)
        np.matmul(rows, grouped(X, groups, tile), out=grouped(Y, groups, tile))
        if B is not None:
            Y[:, : tile.size] += B[:, None]
        on_images(y, tile)[...] = Y[:, : tile.size].reshape(height, *tile.shape)

    run([lambda tile=tile: part(tile) for tile in tiles(slice(0, len(x)), outputs, width)])
    return y


def convolve_backward(
    dy: np.ndarray, x: np.ndarray, K: np.ndarray, biased: bool, windows: Windows, groups: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """dx and dK, of the shapes of x and K, and dB (out_channels,), of dy of y's shape.

    dB is summed in float64; zeros unless `biased`.
    """
    if direct.suits(x, K, windows, groups, backward=True):
        return direct.convolve_backward(dy, x, K, biased, windows, groups)
    height, width = len(K), x.shape[1] * math.prod(windows.kernel)
    dx = np.empty(x.shape, x.dtype)
    columns = taps_first(K, groups)
    lanes = list(blocks(len(x), max(1, -(-len(x) // LANES)))) or [slice(0, 0)]
    dKs = np.zeros((len(lanes), *columns.shape), x.dtype)
    dBs = np.zeros((len(lanes), height))

    def part(lane: slice, dK: np.ndarray, dB: np.ndarray) -> None:
        dx[lane] = 0
        product = workspace("product", dK.shape, dK.dtype)
        for tile in tiles(lane, dy.shape[2:], width):
            X, dY = room("patches", width, tile, x.dtype), room("outputs", height, tile, x.dtype)
            pack(x, windows, tile, X)
            dY[:, : tile.size].reshape(height, *tile.shape)[...] = on_images(dy, tile)
            if biased:
                dB += np.add.reduce(dY[:, : tile.size], axis=1, dtype=np.float64)
            X_g, dY_g = grouped(X, groups, tile), grouped(dY, groups, tile)
            dK += np.matmul(X_g, dY_g.swapaxes(1, 2), out=product)
            np.matmul(columns, dY_g, out=X_g)  # dX in the place of X
            unpack(X, windows, tile, dx)

    run([lambda job=job: part(*job) for job in zip(lanes, dKs, dBs, strict=True)])
    dK, dB = dKs[0], dBs[0]
    with np.errstate(invalid="ignore", over="ignore"):  # data that are not finite
        for more_K, more_B in zip(dKs[1:], dBs[1:], strict=True):
            dK += more_K
            dB += more_B
        return dx, np.ascontiguousarray(dK.swapaxes(1, 2)).reshape(K.shape), dB.astype(x.dtype)


def taps_first(K: np.ndarray, groups: int) -> np.ndarray:
    """K^T of each group, (groups, channels taps, out_channels), contiguous: BLAS reads it best."""
    return np.ascontiguousarray(K.reshape(groups, len(K) // groups, -1).swapaxes(1, 2))


def grouped(rows: np.ndarray, groups: int, tile: Tile) -> np.ndarray:
    """The entries of a tile in `room`, as a view (groups, height / groups, tile.size)."""
    return rows.reshape(groups, -1, rows.shape[1])[..., : tile.size]


def on_images(y: np.ndarray, tile: Tile) -> np.ndarray:
    """The outputs of a tile in y, as a view (out_channels, images, rows, columns)."""
    return y[tile.images, :, tile.rows, tile.columns].swapaxes(0, 1)
