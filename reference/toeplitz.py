"""The Toeplitz hash, one identifier at a time: which kernel entry connects an output with an input.

Source: ArbNets (arXiv 2312.08401), section 2 and eq. 4. Its eq. 6 indexes the kernel by the sum of
positions; eq. 4 needs their difference, which is what is done here.
"""

from collections.abc import Sequence
from itertools import product
from math import prod

Axes = int | Sequence[int]


def per_axis(value: Axes, axes: int) -> list[int]:
    """One integer for each axis; a single one stands for all.

    >>> per_axis(3, 2), per_axis([1, 2], 2)
    ([3, 3], [1, 2])
    """
    return [value] * axes if isinstance(value, int) else list(value)


def outputs(size: int, taps: int, stride: int, padding: int, dilation: int) -> int:
    """Windows on one axis: floor((size + 2 padding - (taps - 1) dilation - 1) / stride) + 1.

    >>> outputs(5, taps=3, stride=2, padding=1, dilation=1)
    3
    """
    return (size + 2 * padding - (taps - 1) * dilation - 1) // stride + 1


def digits(i: int, sizes: Sequence[int]) -> list[int]:
    """The row-major index that has number i in an array of these sizes.

    >>> digits(7, [3, 4])
    [1, 3]
    """
    index = []
    for size in reversed(sizes):
        index.insert(0, i % size)
        i = i // size
    return index


def number(index: Sequence[int], sizes: Sequence[int]) -> int:
    """The row-major number of an index: the inverse of `digits`.

    >>> number([1, 3], [3, 4])
    7
    """
    i = 0
    for digit, size in zip(index, sizes, strict=True):
        i = i * size + digit
    return i


def toeplitz(
    i: int,
    shape: Sequence[int],
    kernel: Sequence[int],
    stride: Axes = 1,
    padding: Axes = 0,
    dilation: Axes = 1,
    groups: int = 1,
) -> tuple[int, int]:
    """(entry of the kernel, 1) where a tap connects output and input, (0, 0) where none does.

    shape (channels, height, width), kernel (out_channels, height, width), or with one length; the
    identifier is row-major over (out_channel o, output position p, channel c, input position q).
    Tap t connects if p stride - padding + t dilation = q on every axis, and o and c are in one
    group; its entry is row-major over (o, channel in the group, t).

    >>> [toeplitz(i, shape=(1, 3), kernel=(1, 2)) for i in range(6)]
    [(0, 1), (1, 1), (0, 0), (0, 0), (0, 1), (1, 1)]
    """
    (channels, *sizes), (out_channels, *taps) = shape, kernel
    axes = range(len(sizes))
    s, pad, d = (per_axis(value, len(sizes)) for value in (stride, padding, dilation))
    out = [outputs(sizes[a], taps[a], s[a], pad[a], d[a]) for a in axes]
    everything = [out_channels, *out, channels, *sizes]
    if not 0 <= i < prod(everything):
        raise ValueError(f"toeplitz needs an identifier below {prod(everything)}, got {i}")
    o, *rest = digits(i, everything)
    p, c, q = rest[: len(out)], rest[len(out)], rest[len(out) + 1 :]
    depth, width = channels // groups, out_channels // groups
    if o // width == c // depth:
        for t in product(*map(range, taps)):
            if all(p[a] * s[a] - pad[a] + t[a] * d[a] == q[a] for a in axes):
                return number([o, c % depth, *t], [out_channels, depth, *taps]), 1
    return 0, 0
