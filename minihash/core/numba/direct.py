"""Convolution with stride 1, read from padded images, on vector registers.

    forward     y  = K x + B
    backward    dx = K' dy, a convolution again: K' is K with its taps in reverse and its channels
                     exchanged, and its padding is span - 1 - padding
                dK = sum over images, rows and columns of dy x^T

In a *plane*, an image's channel with its padding, what tap (i, j) of channel c meets is at one
distance from the output, `offsets_of`, whatever the output. So the images of a part are copied into
planes, and tiles (registers.py) add up

    y[m, p]        += sum over channels and taps k of K[m, k] plane[offset[k] + p]
                      positions p: in vectors along the rows of an image
    dK[m, (t, c)]  += sum over positions p of dy[m, p] plane[p + offset[t], c]
                      (t, c): channels lie in *strips*, side by side, and so do taps of a row

No patches: 64 -> 64 channels, 3 x 3, takes 1.0 times PyTorch's time, products with patches
(convolution.py) 1.6 times. Where vectors or tiles do not end with an image's row or with the last
map, the last of them begin earlier and compute some results twice, to the same bits. An infinity
in dy meets the padding, too, where it makes NaN in dK.

    convolve, convolve_backward    cut the work into parts, which `run` deals to the threads
    correlate_rows                 forward, or dx: some rows of an image
    gradient_rows                  dK: some rows of an image
    lay, offsets_of                a plane, and where taps are in it

The parts of dK are images, dealt to `PARTS` gradients of their own, which are merged in order. So
the bits are the same for any number of threads.
"""

import numpy as np

from minihash.compile.jit import njit
from minihash.core.numba import registers
from minihash.core.numba.parts import workspace
from minihash.core.numba.registers import LONG, TALL, WIDE, Place
from minihash.core.threads import blocks, run
from minihash.hashes.windows import Windows

ENTRIES = 2**18  # of the planes of a part, about
POSITIONS = 256  # of a sum of dK, about: what they meet stays in the first-level cache
PARTS = 8  # parts of a gradient of K
FILL = 0.75  # of the vectors along a row: with less, products with patches are faster


def suits(x: np.ndarray, K: np.ndarray, windows: Windows, groups: int, need_dx: bool) -> bool:
    """Whether this is the way to go, by sizes and processor alone. Tiles need as many maps, and for
    dx channels, as they have rows, in each group."""
    widths = x.shape[3], *windows.outputs(x.shape[2:])[1:]
    lanes = registers.lanes(x.dtype)
    channels = min(len(K) // groups, K.shape[1]) if need_dx else len(K) // groups
    return (
        registers.available()
        and windows.stride == (1, 1)
        and channels >= TALL
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
    dy: np.ndarray,
    x: np.ndarray,
    K: np.ndarray,
    biased: bool,
    windows: Windows,
    groups: int,
    need_dx: bool = True,
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray | None]:
    """As convolution.convolve_backward."""
    gradient = _gradient(dy, x, K, biased, windows, groups)
    if not need_dx:
        return None, *gradient
    exchanged = K.reshape(groups, -1, *K.shape[1:]).swapaxes(1, 2)[..., ::-1, ::-1]
    exchanged = exchanged.reshape(x.shape[1], len(K) // groups, *K.shape[2:])
    padding = tuple(s - 1 - p for s, p in zip(windows.span, windows.padding, strict=True))
    dx = _correlate(dy, exchanged, None, padding, windows.dilation, groups)
    return dx, *gradient


def _correlate(
    x: np.ndarray,
    K: np.ndarray,
    B: np.ndarray | None,
    padding: tuple[int, int],  # a negative one leaves a margin of x out
    dilation: tuple[int, int],
    groups: int,
) -> np.ndarray:
    batch, channels, *sizes = x.shape
    span = [(k - 1) * d + 1 for k, d in zip(K.shape[2:], dilation, strict=True)]
    height, width = (n + 2 * p - s + 1 for n, p, s in zip(sizes, padding, span, strict=True))
    y = np.empty((batch, len(K), height, width), x.dtype)
    K, lanes = np.ascontiguousarray(K), registers.lanes(x.dtype)
    line, more = channels * (width + span[1] - 1), span[0] - 1

    def part(b: int, rows: slice) -> None:
        plane = workspace("plane", (line * (rows.stop - rows.start + more) + lanes,), x.dtype)
        short = width < lanes
        own = workspace("outputs", (len(K), height, lanes), x.dtype) if short else y[b]
        place = (rows.start, rows.stop), width, padding, dilation, groups
        correlate_rows(x[b], plane, K, own, *place)
        if short:
            y[b, :, rows] = own[:, rows, :width]
        if B is not None:
            y[b, :, rows] += B[:, None, None]

    cuts = list(blocks(height, max(1, ENTRIES // line - more)))
    run([lambda b=b, cut=cut: part(b, cut) for b in range(batch) for cut in cuts])
    return y


def _gradient(
    dy: np.ndarray, x: np.ndarray, K: np.ndarray, biased: bool, windows: Windows, groups: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """dK and dB."""
    maps, (channels, *taps), lanes = len(K) // groups, K.shape[1:], registers.lanes(x.dtype)
    batch, (height, width), dy = len(x), dy.shape[2:], np.ascontiguousarray(dy)
    strips, thick, each = strips_of(channels, taps[1], windows.dilation[1], lanes)
    vectors = strips * taps[0] * each
    parts = list(blocks(batch, max(1, -(-batch // PARTS)))) or [slice(0, 0)]
    # of a group: tiles of maps, each with TALL rows; strips, rows of taps, and their vectors
    sums = np.zeros((len(parts), groups, up(maps, TALL), up(vectors, WIDE) * lanes), x.dtype)
    dBs = np.zeros((len(parts), len(K)))
    line = groups * strips * thick * (width + windows.span[1] - 1)
    more = windows.span[0] - 1

    def part(images: slice, sums: np.ndarray, dB: np.ndarray) -> None:
        if biased:
            dB += np.add.reduce(dy[images], axis=(0, 2, 3), dtype=np.float64)
        for b in range(images.start, images.stop):
            for rows in blocks(height, max(1, ENTRIES // line - more)):
                size = line * (rows.stop - rows.start + more) + lanes
                plane = workspace("plane", (size,), x.dtype)
                place = (rows.start, rows.stop), K.shape, windows.padding, windows.dilation
                gradient_rows(dy[b], x[b], plane, sums, *place)

    run([lambda job=job: part(*job) for job in zip(parts, sums, dBs, strict=True)])
    with np.errstate(invalid="ignore", over="ignore"):  # data that are not finite
        for more_K, more_B in zip(sums[1:], dBs[1:], strict=True):
            sums[0] += more_K
            dBs[0] += more_B
        dB = dBs[0].astype(x.dtype) if biased else None
    found = sums[0, ..., : vectors * lanes].reshape(groups, -1, strips * taps[0], each * lanes)
    found = found[..., : taps[1] * thick].reshape(groups, -1, strips, *taps, thick)
    found = np.moveaxis(found, -1, 3).reshape(groups, -1, strips * thick, *taps)[:, :, :channels]
    dK = found[:, :maps].copy()
    dK[:, -TALL:] = found[:, -TALL:]  # the last tile, which begins earlier
    return dK.reshape(K.shape), dB


# Compiled loops, over the tiles of a part.


@njit
def correlate_rows(x, plane, K, y, rows, width, padding, dilation, groups):
    """The rows rows[0] .. rows[1] - 1 of y (out_channels, height, width or that of a vector), from
    one image x. The plane ends with a vector to spare."""
    maps, channels, taps, lanes = len(K) // groups, K.shape[1], K.shape[2:], LONG // x.itemsize
    (height, line), start, size = y.shape[1:], rows[0], rows[1] - rows[0]
    depth, plane_height = K[0].size, size + (taps[0] - 1) * dilation[0]
    plane_width = width + (taps[1] - 1) * dilation[1]
    lay(x, plane, 1, plane_height, plane_width, start - padding[0], -padding[1])
    offsets = offsets_of(channels, plane_height, plane_width, taps, dilation, 0)
    across, along = vectors_of(size, line, plane_width, lanes)
    for g in range(groups):
        for v in range(0, across.size, WIDE):
            for block in range(0, maps, TALL):  # inside: what vectors meet stays in the cache
                m = g * maps + min(block, maps - TALL)
                place = Place(
                    depth=depth,
                    at_a=m * depth,
                    step_m=depth,
                    at=v,
                    at_b=g * channels * plane_height * plane_width,
                    at_c=(m * height + start) * line,
                    step_c=height * line,
                    fresh=1,
                )
                registers.tile(K, plane, y, offsets, across, along, place)


@njit
def gradient_rows(dy, x, plane, sums, rows, shape, padding, dilation):
    """sums += what some rows of dy and an image x give to dK, as `_gradient` has it; shape: K's."""
    (maps, channels), taps, lanes = shape[:2], shape[2:], LONG // x.itemsize
    (height, width), start, size = dy.shape[1:], rows[0], rows[1] - rows[0]
    groups, tall, wide = sums.shape
    maps, (strips, thick, each) = maps // groups, strips_of(channels, taps[1], dilation[1], lanes)
    plane_height = size + (taps[0] - 1) * dilation[0]
    plane_width = width + (taps[1] - 1) * dilation[1]
    strip = plane_height * plane_width * thick
    for g in range(groups):
        own, planes = x[g * channels : (g + 1) * channels], plane[g * strips * strip :]
        top, left = start - padding[0], -padding[1]
        lay(own, planes, thick, plane_height, plane_width, top, left)
    vectors, apart = (taps[0], each), (dilation[0], dilation[1] * lanes)
    across = offsets_of(strips, plane_height, plane_width * thick, vectors, apart, WIDE)
    along = lanes * np.arange(across.size)
    some = min(size, max(1, POSITIONS // width))  # rows
    positions = np.empty(some * width, np.int64)
    for k in range(positions.size):
        positions[k] = (k // width * plane_width + k % width) * thick
    for g in range(groups):
        for r in range(0, size, some):
            for v in range(0, wide // lanes, WIDE):
                for block in range(0, maps, TALL):
                    m = g * maps + min(block, maps - TALL)
                    place = Place(
                        depth=min(some, size - r) * width,
                        at_a=(m * height + start + r) * width,
                        step_m=height * width,
                        at=v,
                        at_b=g * strips * strip + r * plane_width * thick,
                        at_c=(g * tall + block) * wide,
                        step_c=wide,
                        fresh=0,
                    )
                    registers.tile(dy, plane, sums, positions, across, along, place)


@njit
def strips_of(channels, taps, dilation, lanes):
    """How channels lie in strips: (strips, channels of each, vectors of each for a row of taps)."""
    strips = (channels + lanes - 1) // lanes
    thick = (channels + strips - 1) // strips if dilation == 1 else lanes
    return strips, thick, (taps * thick + lanes - 1) // lanes


@njit
def lay(x, plane, thick, height, width, top, left):
    """plane[strip, r, q, t] = x[strip thick + t, top + r, left + q], and 0 outside x."""
    channels, line = x.shape[0], width * thick
    plane[: (channels + thick - 1) // thick * height * line] = 0
    first, last = max(0, -top), min(height, x.shape[1] - top)
    start, stop = max(0, -left), min(width, x.shape[2] - left)
    for c in range(channels):
        for r in range(first, last):
            row = plane[(c // thick * height + r) * line :]
            target = row[start * thick + c % thick : stop * thick : thick]
            source = x[c, top + r, left + start :]
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


@njit
def vectors_of(height, width, plane_width, lanes):
    """Where in a plane and in outputs of this width vectors begin that cover all of these: as many
    as tiles have, the last of a row ending with it, the last of all once more."""
    each = (width + lanes - 1) // lanes
    count = (height * each + WIDE - 1) // WIDE * WIDE
    across, along = np.empty(count, np.int64), np.empty(count, np.int64)
    for v in range(count):
        r = min(v // each, height - 1)
        q = min(v % each * lanes, width - lanes)
        across[v], along[v] = r * plane_width + q, r * width + q
    return across, along
