"""Toeplitz hash: the matrix of a convolution. A convolutional layer is an ArbNet under this hash.

A convolution with kernel K and input x, on each axis with its stride s, padding and dilation d, is

    y[o, p] = sum over channels c and taps t of K[o, c, t] x[c, q],     q = p s - padding + t d

which is y = V x for the matrix V with a row for each output (o, p), a column for each input (c, q):

    V[(o, p), (c, q)] = K[o, c, t]    where t = (q + padding - p s) / d is a tap,
                        0             where it is none: not an integer in 0 .. kernel - 1

So one entry of the kernel is read by all pairs (p, q) of one q - p s. With stride 1 that is the
difference of input and output position: V is constant along its diagonals, a Toeplitz matrix (on
two axes a Toeplitz matrix of Toeplitz blocks). With groups, channel c is connected to the outputs
of its own group alone, and K holds only these channels.

    identifier   row-major over (o, p, c, q)
    sign         1 where there is a tap, and c is of o's group; else 0: no connection
    bucket       row-major over (o, c mod channels / groups, t); 0 where there is no connection

Chang & Lipson print the index of the kernel as W'(u, v) = W(floor((u + v) / b), (u + v) mod b) in
eq. 6, which is constant along anti-diagonals: a Hankel matrix. Their own convolution, eq. 4, sums
X(j - m, k - n) W(m, n), so that the index is the difference of output and input position,
j - (j - m) = m, and not their sum. The hash here follows eq. 4, counted as all libraries count it
(cross-correlation: the tap grows with q - p s; their W is K with its taps in reverse).

Source: Chang & Lipson, ArbNets, arXiv 2312.08401, section 2.
"""

import math
from dataclasses import dataclass

import numpy as np

from minihash.checks import check_field
from minihash.derived import derived
from minihash.hashes.balance import Balance, of_load
from minihash.hashes.hash import MAX_BUCKETS, Hash, Stages
from minihash.hashes.windows import MOST, Axes, Windows, each, per_axis, text
from minihash.hashes.xxh32 import U64


def meeting(i, state):
    """(o, c, a, b): the output channel, the input channel, and q + padding - p s on the two axes,
    modulo 2^64: negative ones are beyond every kernel. A body."""
    out, into = i // state[1], i % state[1]
    p, q = out % state[2], into % state[4]
    a = q // state[5] + state[8] - p // state[3] * state[6]
    b = q % state[5] + state[9] - p % state[3] * state[7]
    return out // state[2], into // state[4], a, b


def connected(i, state):
    """1 where the input meets a tap of a kernel of its group, else 0. A body."""
    o, c, a, b = meeting(i, state)
    tap = (a % state[10] == U64(0)) & (b % state[11] == U64(0))
    within = (a // state[10] < state[12]) & (b // state[11] < state[13])
    return np.int8(tap & within & (o // state[15] == c // state[14]))


@dataclass(frozen=True)
class Toeplitz(Hash):
    """The kernel entry that connects an output of a convolution with an input, if one does.

    shape: of the input, (channels, height, width) or (channels, length). kernel: (out_channels,
    height, width) or (out_channels, length). stride, padding, dilation: an integer, or one for each
    axis. groups: both numbers of channels are cut into that many.
    Raises TypeError or ValueError for sizes that are none, windows that do not fit into the padded
    input, or groups that do not divide the channels.

    >>> hash_ = Toeplitz((1, 4), (1, 2))
    >>> (hash_.bucket(range(12)) * hash_.sign(range(12)) + hash_.sign(range(12))).reshape(3, 4)
    array([[1, 2, 0, 0],
           [0, 1, 2, 0],
           [0, 0, 1, 2]])
    """

    by_size = False

    shape: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: Axes = 1
    padding: Axes = 0
    dilation: Axes = 1
    groups: int = 1

    def __post_init__(self) -> None:
        for name in ("shape", "kernel"):
            if not isinstance(getattr(self, name), (tuple, list)):
                raise TypeError(f"{name} must be a tuple of sizes, got {getattr(self, name)!r}")
        if len(self.shape) not in (2, 3) or len(self.kernel) != len(self.shape):
            raise ValueError(
                "shape and kernel must be (channels, length) and (out_channels, length), or have "
                f"height and width in place of length, got {self.shape} and {self.kernel}"
            )
        for name in ("shape", "kernel"):
            size = per_axis(f"each size of {name}", getattr(self, name), len(self.shape), 1)
            object.__setattr__(self, name, size)
        for name in ("stride", "padding", "dilation"):
            object.__setattr__(self, name, getattr(self.windows, name))
        check_field(self, "groups", 1, MOST)
        check_groups(self.groups, self.shape[0], self.kernel[0])
        if self.domain >= 2**64 or self.buckets > MAX_BUCKETS:
            raise ValueError(
                f"a convolution must have fewer than 2^64 connections and 2^31 kernel entries, got "
                f"{text(self.output_shape)} outputs of {text(self.shape)} inputs; shrink its sizes"
            )

    @derived
    def windows(self) -> Windows:
        """Where the kernel meets the input."""
        return Windows(self.kernel[1:], self.stride, self.padding, self.dilation)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the output, (out_channels, height, width) or (out_channels, length)."""
        return self.kernel[0], *self.windows.outputs(self.shape[1:])

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of the kernel: (out_channels, channels / groups, height, width), or with length."""
        return self.kernel[0], self.shape[0] // self.groups, *self.kernel[1:]

    @property
    def buckets(self) -> int:
        return math.prod(self.weight_shape)

    @property
    def domain(self) -> int:
        return math.prod(self.output_shape) * math.prod(self.shape)

    @staticmethod
    def draw(i, residue, state):
        o, c, a, b = meeting(i, state)
        entry = o * state[14] + c % state[14]
        entry = (entry * state[12] + a // state[10]) * state[13] + b // state[11]
        return entry * U64(connected(i, state))

    @property
    def stages(self) -> Stages:
        return Toeplitz.draw, None, connected

    @derived
    def state(self) -> tuple[tuple, tuple]:
        """0 buckets, 1 inputs, 2 outputs of a channel, 3 of a row, 4 inputs of a channel, 5 of a
        row; on both axes 6-7 stride, 8-9 padding, 10-11 dilation, 12-13 taps; 14 channels and 15
        out_channels of a group."""

        def plane(values: tuple[int, ...], missing: int) -> tuple[int, ...]:
            return (missing,) * (2 - len(values)) + values  # a length is a row of height 1

        out, into = plane(self.output_shape[1:], 1), plane(self.shape[1:], 1)
        windows = self.windows
        axes = [plane(each(windows.stride), 1), plane(each(windows.padding), 0)]
        axes += [plane(each(windows.dilation), 1), plane(windows.kernel, 1)]
        numbers = [self.buckets, math.prod(self.shape), math.prod(out), out[1]]
        numbers += [math.prod(into), into[1], *(number for pair in axes for number in pair)]
        numbers += [self.weight_shape[1], self.kernel[0] // self.groups]
        return (constants := tuple(map(U64, numbers))), constants


def check_groups(groups: int, channels: int, out_channels: int) -> None:
    """Refuse groups that do not cut both numbers of channels evenly."""
    if channels % groups or out_channels % groups:
        raise ValueError(
            f"groups must divide the {channels} input and the {out_channels} output channels, "
            f"got {groups}; choose a common divisor"
        )


def border_balance(toeplitz: Toeplitz, outer: Hash | None = None) -> dict[str, Balance]:
    """The balance of a convolution, apart for the windows that lie wholly in the input, "interior",
    for those that reach into the padding, "border", and for "all".

    In the interior every kernel entry has the same load, so that the entropy is ln(buckets), the
    most there is; padding takes connections from the outer taps alone. `outer` is the hash of the
    kernel, whose buckets are then counted. Nothing is enumerated: loads are products over the axes.

    >>> parts = border_balance(Toeplitz((1, 5, 5), (1, 3, 3), padding=1))
    >>> parts["interior"].load.tolist(), parts["border"].load.tolist()
    ([9, 9, 9, 9, 9, 9, 9, 9, 9], [7, 11, 7, 11, 16, 11, 7, 11, 7])
    """
    windows = toeplitz.windows
    taps, interior = np.ones((), np.int64), 1
    for axis, (size, outputs) in enumerate(
        zip(toeplitz.shape[1:], toeplitz.output_shape[1:], strict=True)
    ):
        met = [
            windows.reach(axis, tap, size, slice(0, outputs))[0]
            for tap in range(windows.kernel[axis])
        ]
        taps = np.multiply.outer(taps, [cut.stop - cut.start for cut in met])
        interior *= max(0, min(cut.stop for cut in met) - max(cut.start for cut in met))
    everywhere = np.broadcast_to(taps, toeplitz.weight_shape).reshape(-1)
    inside = np.full_like(everywhere, interior)
    loads = {"interior": inside, "border": everywhere - inside, "all": everywhere}
    return {name: of_load(_through(outer, load)) for name, load in loads.items()}


def _through(outer: Hash | None, load: np.ndarray) -> np.ndarray:
    """The load of the outer hash's buckets, from that of its identifiers."""
    if outer is None:
        return load
    ids = np.arange(load.size, dtype=np.uint64)
    total = np.zeros(outer.buckets, np.int64)
    np.add.at(total, outer.bucket(ids), load * (outer.sign(ids) != 0))
    return total
