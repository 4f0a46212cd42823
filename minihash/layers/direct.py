"""Convolution with stride 1, read from padded images: the fastest where vectors are long.

    forward     y  = K x + B
    backward    dx = K' dy, a convolution again: K' is K with its taps in reverse and its channels
                     exchanged, and its padding is span - 1 - padding
                dK = sum over images, rows and columns of dy x^T

In a *plane*, an image's channel with its padding, what tap (i, j) of channel c meets is at one
distance from the output, `offsets_of`, whatever the output. So the images of a part are copied into
planes, and the loops of vectors.py run over tiles of the output: 64 -> 64 channels, 3 x 3, takes
0.96 times PyTorch's time, products with patches (convolution.py) 1.6 times.

    convolve, convolve_backward    cut the work into parts, which `run` deals to the threads
    correlate_rows                 forward, or dx: some rows of an image
    gradient_rows                  dK: some rows of some images
    lay, offsets_of                a plane, and where taps are in it

The parts of dK are images, dealt to `LANES` gradients of their own, which are merged in order. So
the bits are the same for any number of threads. A NaN or an infinity in x may reach more taps of dK
than those that see it.
"""

import numpy as np

from minihash.core.panels import blocks, workspace
from minihash.core.threads import run
from minihash.hashes.jit import njit
from minihash.hashes.windows import Windows
from minihash.layers import vectors
from minihash.layers.vectors import MAPS, ROWS, TAPS, VECTOR, Gradient, Tile

ENTRIES = 2**18  # of the planes of a part, about
LANES = 8  # parts of a gradient of K
FILL = 0.75  # of the vectors along a row: with less, products with patches are faster
CHANNELS = 4  # of a group, likewise


def suits(x: np.ndarray, K: np.ndarray, windows: Windows, groups: int, backward: bool) -> bool:
    """Whether this is the way to go, by sizes and processor alone."""
    widths = x.shape[3], *windows.outputs(x.shape[2:])[1:]
    lanes = vectors.lanes(x.dtype)
    channels = min(len(K) // groups, K.shape[1]) if backward else len(K) // groups
    return (
        vectors.available()
        and windows.stride == (1, 1)
        and channels >= CHANNELS
        and all(n >= FILL * up(n, lanes) for n in widths)
    )


def up(n: int, unit: int) -> int:
    """n rounded up to a multiple of the unit.

    >>> up(9, 8)
    16
    """
    return -(-n // unit) * unit


def convolve(
    x: np.ndarray, K: np.ndarray, B: np.ndarray | None, windows: Windows, groups: int
) -> np.ndarray:
    """As convolution.convolve."""
    return _correlate(x, K, B, windows.padding, windows.dilation, groups)


def convolve_backward(
    dy: np.ndarray, x: np.ndarray, K: np.ndarray, biased: bool, windows: Windows, groups: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As convolution.convolve_backward."""
    exchanged = K.reshape(groups, -1, *K.shape[1:]).swapaxes(1, 2)[..., ::-1, ::-1]
    exchanged = exchanged.reshape(x.shape[1], len(K) // groups, *K.shape[2:])
    padding = tuple(s - 1 - p for s, p in zip(windows.span, windows.padding, strict=True))
    dx = _correlate(dy, exchanged, None, padding, windows.dilation, groups)
    return dx, *_gradient(dy, x, K, biased, windows, groups)


def _correlate(
    x: np.ndarray,
    K: np.ndarray,
    B: np.ndarray | None,
    padding: tuple[int, int],  # a negative one leaves a margin of x out
    dilation: tuple[int, int],
    groups: int,
) -> np.ndarray:
    batch, channels, *sizes = x.shape
    taps, rows = K.shape[2:], len(K) // groups
    span = [(k - 1) * d + 1 for k, d in zip(taps, dilation, strict=True)]
    height, width = (n + 2 * p - s + 1 for n, p, s in zip(sizes, padding, span, strict=True))
    y = np.empty((batch, len(K), height, width), x.dtype)
    B = np.zeros(len(K), x.dtype) if B is None else B
    weights = [in_blocks(a.reshape(groups, rows, -1)) for a in (K, B)]
    plane_width = width + span[1] - 1

    def part(b: int, cut: slice) -> None:
        entries = channels * (cut.stop - cut.start + span[0] - 1) * plane_width
        plane = workspace("plane", (entries + plane_width + 2 * VECTOR,), x.dtype)
        correlate_rows(x[b], plane, *weights, y[b], (cut.start, cut.stop), taps, padding, dilation)

    cuts = list(blocks(height, max(1, ENTRIES // (channels * plane_width) - span[0] + 1)))
    run([lambda b=b, cut=cut: part(b, cut) for b in range(batch) for cut in cuts])
    return y


def in_blocks(K: np.ndarray) -> np.ndarray:
    """K (groups, rows, depth) as (groups, blocks, depth, ROWS), with zeros after the last row."""
    groups, rows, depth = K.shape
    padded = np.zeros((groups, up(rows, ROWS), depth), K.dtype)
    padded[:, :rows] = K
    return np.ascontiguousarray(padded.reshape(groups, -1, ROWS, depth).swapaxes(2, 3))


def _gradient(
    dy: np.ndarray, x: np.ndarray, K: np.ndarray, biased: bool, windows: Windows, groups: int
) -> tuple[np.ndarray, np.ndarray]:
    """dK and dB."""
    (batch, channels), (out_channels, height, width) = x.shape[:2], dy.shape[1:]
    parts = list(blocks(batch, max(1, -(-batch // LANES)))) or [slice(0, 0)]
    dKs, dBs = np.zeros((len(parts), *K.shape), x.dtype), np.zeros((len(parts), out_channels))
    line = channels * (width + windows.span[1] - 1)  # of all planes of an image
    more = windows.span[0] - 1

    def part(some: slice, dK: np.ndarray, dB: np.ndarray) -> None:
        for cut in blocks(some.stop - some.start, max(1, ENTRIES // (line * (height + more)))):
            images = slice(some.start + cut.start, some.start + cut.stop)
            count = cut.stop - cut.start
            if biased:
                dB += np.add.reduce(dy[images], axis=(0, 2, 3), dtype=np.float64)
            for rows in blocks(height, max(1, ENTRIES // line - more)):
                size = rows.stop - rows.start
                planes = workspace("plane", (count * line * (size + more) + 2 * VECTOR,), x.dtype)
                place = (rows.start, size), (width, groups), windows.padding, windows.dilation
                slopes = in_vectors(dy, images, rows)
                gradient_rows(*slopes, x[images], planes, dK, *place)

    run([lambda job=job: part(*job) for job in zip(parts, dKs, dBs, strict=True)])
    with np.errstate(invalid="ignore", over="ignore"):  # data that are not finite
        for more_K, more_B in zip(dKs[1:], dBs[1:], strict=True):
            dKs[0] += more_K
            dBs[0] += more_B
        return dKs[0].copy(), dBs[0].astype(x.dtype)


def in_vectors(
    dy: np.ndarray, images: slice, rows: slice
) -> tuple[np.ndarray, int, tuple[int, int, int]]:
    """Some rows of some images in memory where every row ends with a whole vector: (numbers, where
    the first is, by how many images, channels and rows are apart)."""
    lanes, width = vectors.lanes(dy.dtype), dy.shape[3]
    start = images.start, 0, rows.start, 0
    if width % lanes:
        part = dy[images, :, rows]
        shape = *part.shape[:3], up(width, lanes)
        dy = workspace("slopes", shape, dy.dtype)
        dy[..., :width], dy[..., width:], start = part, 0, (0, 0, 0, 0)
    strides = tuple(stride // dy.itemsize for stride in dy.strides)
    at = sum(i * stride for i, stride in zip(start, strides, strict=True))
    return dy.reshape(-1), at, strides[:3]


# Compiled loops, over the tiles of a part.


@njit
def correlate_rows(x, plane, K, B, y, rows, taps, padding, dilation):
    """The rows rows[0] .. rows[1] - 1 of y (out_channels, height, width), from one image x."""
    groups, count, depth, _ = K.shape
    channels, maps, (_, height, width) = x.shape[0] // groups, y.shape[0] // groups, y.shape
    start, size = rows[0], rows[1] - rows[0]
    plane_height = size + (taps[0] - 1) * dilation[0]
    plane_width = width + (taps[1] - 1) * dilation[1]
    plane[x.shape[0] * plane_height * plane_width :] = 0
    lay(x, plane, 0, plane_height, plane_width, start - padding[0], -padding[1])
    offsets = offsets_of(channels, plane_height, plane_width, taps, dilation, 0)
    lanes = VECTOR // x.itemsize
    wide = width > lanes  # two vectors along a row, else one in each of two rows
    down, along = (1, 2 * lanes) if wide else (2, lanes)
    step_x, step_y = (lanes, lanes) if wide else (plane_width, width)
    K, B, flat = K.reshape(-1), B.reshape(-1), y.reshape(-1)
    for g in range(groups):
        for block in range(count):
            weights = (g * count + block) * ROWS
            for r in range(0, size, down):  # inside: the weights of a block stay in the cache
                for q in range(0, width, along):
                    first = min(lanes, width - q)
                    second = min(lanes, max(0, width - q - lanes))
                    if not wide:
                        second = width if r + 1 < size else 0
                    place = Tile(
                        depth=depth,
                        at_K=weights * depth,
                        at_bias=weights,
                        at_x=(g * channels * plane_height + r) * plane_width + q,
                        step_x=step_x,
                        at_y=((g * maps + block * ROWS) * height + start + r) * width + q,
                        row_y=height * width,
                        step_y=step_y,
                        rows=min(ROWS, maps - block * ROWS),
                        first=first,
                        second=second,
                    )
                    vectors.tile(plane, K, offsets, B, flat, place)


@njit
def gradient_rows(slopes, at, strides, x, planes, dK, rows, sizes, padding, dilation):
    """dK += what some rows of dy give, over some images: rows (first, how many), in slopes at `at`,
    strides (image, channel, row); sizes (width of dy, groups)."""
    (start, size), (width, groups), (images, channels) = rows, sizes, x.shape[:2]
    taps, maps, depth = dK.shape[2:], dK.shape[0] // groups, dK[0].size
    plane_height = size + (taps[0] - 1) * dilation[0]
    plane_width = width + (taps[1] - 1) * dilation[1]
    image_x = channels * plane_height * plane_width
    planes[images * image_x :] = 0
    for b in range(images):
        corner = start - padding[0], -padding[1]
        lay(x[b], planes, b * image_x, plane_height, plane_width, corner[0], corner[1])
    offsets_x = offsets_of(channels, plane_height, plane_width, taps, dilation, TAPS)
    offsets_dy = at + strides[1] * np.arange(dK.shape[0] + MAPS)
    offsets_dy[dK.shape[0] :] = at
    lanes, flat = VECTOR // x.itemsize, dK.reshape(-1)
    for g in range(groups):
        for k in range(0, depth, TAPS):
            for m in range(0, maps, MAPS):
                place = Gradient(
                    images=images,
                    rows=size,
                    vectors=(width + lanes - 1) // lanes,
                    at_m=g * maps + m,
                    at_k=g * depth + k,
                    image_dy=strides[0],
                    row_dy=strides[2],
                    image_x=image_x,
                    row_x=plane_width,
                    at_dK=(g * maps + m) * depth + k,
                    row_dK=depth,
                    maps=min(MAPS, maps - m),
                    taps=min(TAPS, depth - k),
                )
                vectors.gradient(slopes, planes, offsets_dy, offsets_x, flat, place)


@njit
def lay(x, plane, at, height, width, top, left):
    """plane[at + (c height + r) width + q] = x[c, top + r, left + q], and 0 outside x."""
    channels = x.shape[0]
    plane[at : at + channels * height * width] = 0
    first, last = max(0, -top), min(height, x.shape[1] - top)
    start, stop = max(0, -left), min(width, x.shape[2] - left)
    for c in range(channels):
        for r in range(first, last):
            row = at + (c * height + r) * width
            target, source = plane[row + start : row + stop], x[c, top + r, left + start :]
            for q in range(target.size):
                target[q] = source[q]


@njit
def offsets_of(channels, height, width, taps, dilation, spare):
    """Where in a plane each channel's taps are, channels first; then `spare` zeros."""
    offsets = np.zeros(channels * taps[0] * taps[1] + spare, np.int64)
    k = 0
    for c in range(channels):
        for i in range(taps[0]):
            for j in range(taps[1]):
                offsets[k] = (c * height + i * dilation[0]) * width + j * dilation[1]
                k += 1
    return offsets
