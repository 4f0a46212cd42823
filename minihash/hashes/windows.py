"""Windows that slide over an input, on one or more axes: where kernels and pools meet their input.

    tap t of the window at output p is at the input position   q = p stride - padding + t dilation
    and meets the input where                                  0 <= q < size

    span    = (kernel - 1) dilation + 1                       inputs from the first tap to the last
    outputs = floor((size + 2 padding - span) / stride) + 1   all windows that fit into the padding

Each axis by itself; the size of a kernel is its number of taps.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from minihash.checks import check_count

MOST = 2**31 - 1  # of every size: products of two of them stay below 2^63

Axes = int | tuple[int, ...]
Slices = tuple[slice, ...]


@dataclass(frozen=True)
class Windows:
    """Windows of a kernel; stride, padding, dilation: one integer for each axis, or one for all.

    Raises TypeError or ValueError unless sizes, strides and dilations are at least 1 and paddings
    at least 0.

    >>> Windows((3, 3), stride=2, padding=1).outputs((5, 8))
    (3, 4)
    """

    kernel: tuple[int, ...]
    stride: Axes = 1
    padding: Axes = 0
    dilation: Axes = 1

    def __post_init__(self) -> None:
        axes = len(self.kernel)
        for name, low in (("kernel", 1), ("stride", 1), ("padding", 0), ("dilation", 1)):
            object.__setattr__(self, name, per_axis(name, getattr(self, name), axes, low))

    @property
    def span(self) -> tuple[int, ...]:
        """Inputs from the first tap of a window to its last."""
        pairs = zip(self.kernel, self.dilation, strict=True)
        return tuple((k - 1) * d + 1 for k, d in pairs)

    def outputs(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """How many windows there are on each axis of an input of these sizes.

        Raises ValueError if there is an axis without any.
        """
        padded = tuple(n + 2 * p for n, p in zip(sizes, self.padding, strict=True))
        if any(span > n for span, n in zip(self.span, padded, strict=True)):
            raise ValueError(
                f"windows must fit into the padded input, got windows of {text(self.span)} and an "
                f"input of {text(sizes)}, padded {text(padded)}; pad more, or shrink the kernel or "
                "its dilation"
            )
        return tuple(
            (n - span) // s + 1 for n, span, s in zip(padded, self.span, self.stride, strict=True)
        )

    def reach(self, axis: int, tap: int, size: int, outputs: slice) -> tuple[slice, slice]:
        """Of the given outputs on an axis, those whose tap meets an input of this size, counted
        from the first given; and the inputs that they meet, one for each.

        >>> Windows((3,), padding=1).reach(0, 0, 5, slice(0, 5))
        (slice(1, 5, None), slice(0, 4, 1))
        """
        stride = self.stride[axis]
        shift = tap * self.dilation[axis] - self.padding[axis]
        first = min(max(-(shift // stride), outputs.start), outputs.stop)
        stop = max(min((size - 1 - shift) // stride + 1, outputs.stop), first)
        met = slice(first - outputs.start, stop - outputs.start)
        if first == stop:
            return met, slice(0)
        start, last = first * stride + shift, (stop - 1) * stride + shift
        return met, slice(start, last + 1, stride)

    def taps(
        self, sizes: tuple[int, ...], outputs: Slices
    ) -> Iterator[tuple[tuple[int, ...], Slices, Slices]]:
        """For each tap, row-major: (tap, outputs, inputs), as slices of `reach` for each axis.

        >>> [(tap, y, x) for tap, y, x in Windows((2,)).taps((3,), (slice(0, 2),))][1]
        ((1,), (slice(0, 2, None),), (slice(1, 3, 1),))
        """
        for tap in product(*map(range, self.kernel)):
            met = [
                self.reach(axis, t, n, o)
                for axis, (t, n, o) in enumerate(zip(tap, sizes, outputs, strict=True))
            ]
            yield tap, tuple(m[0] for m in met), tuple(m[1] for m in met)


def per_axis(name: str, value: Axes, axes: int, low: int) -> tuple[int, ...]:
    """`value` for each axis: an integer stands for all, a tuple has one for each; all at least low.

    >>> per_axis("stride", 2, 2, 1)
    (2, 2)
    """
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * axes
    if len(values) != axes:
        raise ValueError(
            f"{name} must be one integer or {axes}, one for each axis, got {value!r}; "
            "give as many as there are axes"
        )
    return tuple(check_count(name, v, low, MOST) for v in values)


def text(sizes: tuple[int, ...]) -> str:
    """Sizes as people write them.

    >>> text((3, 4))
    '3 x 4'
    """
    return " x ".join(map(str, sizes))
