"""The map from stored numbers to a network's input: y = (v - mean) / deviation.

With v a stored number, peak the one that mean and std are given in units of (255 for 8-bit pixels),
and c its group,

    y      = (v / peak - mean_c) / std_c = (v - peak mean_c) / (peak std_c)
    mean_c = S1 / (n peak),                    S1 = sum of v over the n training numbers of c
    std_c  = sqrt(n S2 - S1^2) / (n peak),     S2 = sum of v^2   (the population's deviation)

Groups are the columns of a table, since each has a unit of its own, and the channels of pictures.
S1 and S2 of bytes are exact integers, so every machine finds the same mean and std. Sums of other
numbers are in float64, of v - v_1 and of (v - mean)^2, as squares of large numbers would cancel. A
group is constant, and only centred (std_c = 1), if its deviation is at most 4 units in the last
place of its mean. With weights, v and v^2 count as often as their example's weight says, and n is
the sum of the weights of the numbers. The test set is mapped by the training set's numbers.

Bytes become floats of the network's dtype and are mapped in it, which tells them apart; all other
numbers are centred and divided in float64 first (wide): rows 10^8 ... 10^8 + 3 are one float32.
"""

import math
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

BLOCK = 256  # examples widened at a time: bounds the memory of the sums
ULPS = 4 * 2.0**-52


@dataclass(frozen=True)
class Standardiser:
    """(v / peak - mean) / std, group by group, of a batch of stored examples.

    mean, std: one float a group, in units of peak. Features are channel-major, as in CIFAR-10: all
    of the first channel, then all of the second. wide: in float64 before anything is rounded.
    Raises ValueError for fields that are none of these.

    >>> to_input = Standardiser(mean=(0.5,), std=(0.25,), peak=255.0)
    >>> to_input(np.array([[0, 255]], np.uint8))
    array([[-2.,  2.]], dtype=float32)
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    peak: float = 255.0
    wide: bool = field(default=False, metadata={"later": True})

    def __post_init__(self) -> None:
        pairs = (self.mean, self.std)
        if not all(isinstance(v, tuple) and v for v in pairs) or len(self.mean) != len(self.std):
            raise ValueError("mean and std must be tuples of floats, as long as each other")
        if not all(isinstance(v, int | float) for v in (*self.mean, *self.std, self.peak)):
            raise ValueError("mean, std and peak must be floats")
        centre, scale = (np.multiply(v, float(self.peak)) for v in pairs)
        if not (np.isfinite(centre).all() and np.isfinite(scale).all() and (scale > 0).all()):
            raise ValueError("mean, std and peak must be finite, the last two above 0")
        object.__setattr__(self, "_vectors", (centre, scale))  # in stored numbers

    def __call__(self, batch: np.ndarray, dtype: type | np.dtype = np.float32) -> np.ndarray:
        """Batch (n, features) as stored -> fresh array (n, features) of dtype float32 or float64.

        Raises ValueError for another shape, TypeError for another dtype.
        """
        dtype = np.dtype(dtype)
        if dtype not in (np.float32, np.float64):
            raise TypeError(f"dtype is {dtype}: ask for float32 or float64")
        batch, groups = np.asarray(batch), len(self.mean)
        if batch.ndim != 2 or batch.shape[1] % groups:
            raise ValueError(
                f"a batch has shape {batch.shape}: expected (examples, features) with features a"
                f" multiple of the {groups} channel(s)"
            )
        middle = np.dtype(np.float64) if self.wide else dtype
        width = 1 if groups == 1 else batch.shape[1] // groups
        centre, scale = (np.repeat(v.astype(middle), width) for v in self._vectors)
        y = batch.astype(middle, order="C")
        y -= centre
        y /= scale
        return y.astype(dtype, copy=False)


def of_text(text: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """mean and std of "MEAN:STD": a number each, or one a group with commas between them.

    Raises ValueError for another text.

    >>> of_text("0.1307:0.3081"), of_text("0:1/255")
    (((0.1307,), (0.3081,)), ((0.0,), (0.00392156862745098,)))
    """
    try:
        mean, std = (tuple(float(Fraction(v)) for v in t.split(",")) for t in text.split(":"))
        if len(mean) == len(std) and min(std) > 0:
            return mean, std
    except (ArithmeticError, ValueError):
        pass
    raise ValueError(
        "expected MEAN:STD, as 0.1307:0.3081, or a mean and a deviation above 0 for each group, as "
        f"0.5,0.4:0.2,0.3, got {text!r}"
    )


def fit_standardiser(
    x: np.ndarray, channels: int = 1, peak: float = 255.0, weights: np.ndarray | None = None
) -> Standardiser:
    """Find mean and std of x (examples, features), bytes or floats, for each of its channels; as
    many channels as features are columns. weights: how often each example counts, floats above 0
    (examples,); None: once.

    Raises ValueError if x is empty, its features are not a multiple of channels, or its numbers
    are too large to be squared.

    >>> fit_standardiser(np.array([[0, 255, 7, 7]], np.uint8), channels=2).mean
    (0.5, 0.027450980392156862)
    """
    if x.ndim != 2 or x.size == 0 or x.shape[1] % channels:
        raise ValueError(
            f"x has shape {x.shape}: expected (examples, features), not empty, with features a"
            f" multiple of channels={channels}"
        )
    of_bytes = x.dtype == np.uint8
    exact = of_bytes and weights is None
    moments = _exact_moments(x, channels) if exact else _moments(x, channels, weights)
    mean, std = [], []
    for centre, deviation in moments:
        if not math.isfinite(deviation):
            raise ValueError(
                "the training examples hold numbers whose squares are beyond floats: divide them"
            )
        mean.append(centre / peak)
        std.append(deviation / peak if deviation > ULPS * abs(centre) else 1.0)
    return Standardiser(tuple(mean), tuple(std), float(peak), wide=not of_bytes)


def _exact_moments(x: np.ndarray, groups: int) -> list[tuple[float, float]]:
    """Mean and deviation of each group of bytes."""
    s1, s2 = np.zeros((2, x.shape[1]), np.int64)
    for start in range(0, len(x), BLOCK):
        v = x[start : start + BLOCK]
        s1 += v.sum(axis=0, dtype=np.int64)
        s2 += np.square(v, dtype=np.uint16).sum(axis=0, dtype=np.int64)
    n = x.size // groups
    s1, s2 = (s.reshape(groups, -1).sum(axis=1).tolist() for s in (s1, s2))
    # Python's integers from here: exact whatever the size
    return [(a / n, math.sqrt(n * b - a * a) / n) for a, b in zip(s1, s2, strict=True)]


@np.errstate(over="ignore", invalid="ignore")  # refused above
def _moments(x: np.ndarray, groups: int, weights: np.ndarray | None) -> list[tuple[float, float]]:
    """Mean and deviation of each group."""
    width = x.shape[1] // groups
    n = x.size // groups if weights is None else width * weights.sum(dtype=np.float64)

    def means(of, centre: np.ndarray) -> np.ndarray:
        """Means of of(v - centre) over each group."""
        total = np.zeros(x.shape[1])
        for start in range(0, len(x), BLOCK):
            v = x[start : start + BLOCK].astype(np.float64)
            v -= np.repeat(centre, width)
            v = of(v)
            if weights is not None:
                v *= weights[start : start + BLOCK, None]
            total += v.sum(axis=0)
        return total.reshape(groups, width).sum(axis=1) / n

    first = x[0, ::width].astype(np.float64)
    mean = first + means(np.asarray, first)
    return list(zip(mean.tolist(), np.sqrt(means(np.square, mean)).tolist(), strict=True))
