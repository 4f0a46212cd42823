"""Patches: what the windows of a convolution see, as the columns of a matrix.

    columns[(c, t), (b, p)] = x[b, c, q],  q = p stride - padding + t dilation;  0 outside    pack
    dx[b, c, q] += columns[(c, t), (b, p)],  its adjoint                                      unpack

for some images b and a rectangle of outputs p, a *region*. Regions are of bounded size, so that the
columns of a whole batch never exist.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from minihash.compile.jit import njit
from minihash.core.numba.parts import workspace
from minihash.core.threads import blocks
from minihash.hashes.windows import Windows

COLUMNS = 1024  # outputs of a region: long enough for BLAS
ENTRIES = 2**20  # of the columns of a region
SPREAD = 16  # entries between rows, since rows a power of two apart fall on each other in caches


class Region(NamedTuple):
    """Some images of a batch, and a rectangle of the outputs of each."""

    images: slice
    rows: slice
    columns: slice

    @property
    def shape(self) -> tuple[int, int, int]:
        return tuple(cut.stop - cut.start for cut in self)

    @property
    def size(self) -> int:
        images, rows, columns = self.shape
        return images * rows * columns


def regions(images: slice, outputs: tuple[int, int], taps: int) -> Iterator[Region]:
    """The images and their outputs in regions; taps: rows of the columns. The cut depends on sizes
    alone: whole images where they fit.

    >>> [region.shape for region in regions(slice(0, 5), (20, 20), 9)]
    [(1, 20, 20), (2, 20, 20), (2, 20, 20)]
    """
    height, width = outputs
    most = max(1, min(COLUMNS, ENTRIES // taps))
    for cut in blocks(images.stop - images.start, max(1, most // (height * width))):
        some = slice(images.start + cut.start, images.start + cut.stop)
        for rows in blocks(height, max(1, most // width)):
            for columns in blocks(width, most):
                yield Region(some, rows, columns)


def rows_for(name: str, height: int, region: Region, dtype: np.dtype) -> np.ndarray:
    """This thread's own space for rows of more than region.size entries: (height, width)."""
    return workspace(name, (height, region.size + SPREAD), dtype)


def pack(x: np.ndarray, windows: Windows, region: Region, columns: np.ndarray) -> None:
    """columns[:, :region.size] = the patches of x (batch, channels, height, width)."""
    x = x[region.images]
    pack_rows(x, columns, *_numbers(windows, region))


def unpack(columns: np.ndarray, windows: Windows, region: Region, dx: np.ndarray) -> None:
    """dx (batch, channels, height, width) += columns[:, :region.size], where its patches are."""
    dx = dx[region.images]
    unpack_rows(columns, dx, *_numbers(windows, region))


def _numbers(windows: Windows, region: Region) -> tuple[tuple[int, int], ...]:
    """The corner and the shape of a region, and its windows."""
    corner = region.rows.start, region.columns.start
    return (
        *(corner, region.shape[1:], windows.kernel),
        *(windows.stride, windows.padding, windows.dilation),
    )


# Kernels. They copy a channel of an image at a time by way of a small plane, the padded inputs that
# the windows of a region see, so that their inner loops have no borders.


@njit
def plane_of(axis, size, corner, shape, kernel, stride, padding, dilation):
    """On one axis: where the plane starts in the input, its length, and from where to where in the
    plane the input is."""
    start = corner[axis] * stride[axis] - padding[axis]
    length = (shape[axis] - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1
    first = min(max(0, -start), length)
    return start, length, first, max(first, min(length, size - start))


@njit
def pack_rows(x, columns, corner, shape, kernel, stride, padding, dilation):
    images, channels, height, width = x.shape
    geometry = corner, shape, kernel, stride, padding, dilation
    top, rows, row, last_row = plane_of(0, height, *geometry)
    left, length, first, last = plane_of(1, width, *geometry)
    plane = np.zeros((rows, length), x.dtype)
    for c in range(channels):
        for b in range(images):
            for r in range(row, last_row):
                source, target = x[b, c, top + r, left + first :], plane[r, first:last]
                for k in range(target.size):
                    target[k] = source[k]
            for i in range(kernel[0]):
                for j in range(kernel[1]):
                    line = columns[(c * kernel[0] + i) * kernel[1] + j]
                    for r in range(shape[0]):
                        source = plane[r * stride[0] + i * dilation[0], j * dilation[1] :]
                        target = line[(b * shape[0] + r) * shape[1] :]
                        if stride[1] == 1:
                            for k in range(shape[1]):
                                target[k] = source[k]
                        else:
                            for k in range(shape[1]):
                                target[k] = source[k * stride[1]]


@njit
def unpack_rows(columns, dx, corner, shape, kernel, stride, padding, dilation):
    images, channels, height, width = dx.shape
    geometry = corner, shape, kernel, stride, padding, dilation
    top, rows, row, last_row = plane_of(0, height, *geometry)
    left, length, first, last = plane_of(1, width, *geometry)
    plane = np.empty((rows, length), dx.dtype)
    for c in range(channels):
        for b in range(images):
            plane[:] = 0
            for i in range(kernel[0]):
                for j in range(kernel[1]):
                    line = columns[(c * kernel[0] + i) * kernel[1] + j]
                    for r in range(shape[0]):
                        target = plane[r * stride[0] + i * dilation[0], j * dilation[1] :]
                        source = line[(b * shape[0] + r) * shape[1] :]
                        if stride[1] == 1:
                            for k in range(shape[1]):
                                target[k] += source[k]
                        else:
                            for k in range(shape[1]):
                                target[k * stride[1]] += source[k]
            for r in range(row, last_row):
                target, source = dx[b, c, top + r, left + first :], plane[r, first:last]
                for k in range(source.size):
                    target[k] += source[k]
