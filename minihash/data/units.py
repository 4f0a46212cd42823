"""What the numbers of a data set mean. The training set says it once, and the model keeps it.

    dtype        as in the file; uint8, uint16 and bool say what white is: 255, 65535 and 1
    low, high    the smallest and the largest number; mean: of all
    whole        whether all are whole numbers: integers, or a thousand floats and more without one
                 that is not
    white        what a picture's white is in these numbers. Without negative numbers it is
                 s of 1, 255, 65535 if s / 2 < high <= s, else high; of uint8 and uint16 it is
                 theirs, if that is less than eight times high. Otherwise 0: not known

What comes later has two readings:

    by value     a number is the same number
    by scale     v white / s, of pictures whose file says that their white is s; of arrays, if
                 white is no mere highest number

A number of the training set's own form is read by value. Of another form (float64 for uint8, say)
it is read in the one way that fits what was learnt from; where no way fits, or both do and differ,
it is refused: nothing is guessed. By value does not fit

    a fraction, where whole numbers were learnt from
    floats from 0 to 1, where integers beyond 1 were
    pictures beyond white and twelve times high, or below - high / 4
    a whole test set of pictures whose mean is not a twelfth of the mean: two scales differ by more
    (16 and 255, 1 and 255, 255 and 4095), two halves of a data set by less

A table has no white, and is read by value; a test set that is far from what was learnt from is
refused when a model is made or tested (runs/examples.py).

Whole numbers from 0 to 255 are held in memory as bytes: bytes from low to high are such, by value.
"""

import math
from dataclasses import dataclass

import numpy as np

SCALES = {"bool": 1.0, "uint8": 255.0, "uint16": 65535.0}
FACTOR = 12.0  # between two scales, at least
MANY = 1000  # numbers that show something by all being alike
BLOCK = 256  # examples looked at at a time: bounds the memory
EXACT = 2**53  # integers up to here are floats


@dataclass(frozen=True)
class Units:
    """See above. dtype "": not known, as of files of old; all is then read by value.

    channels_last: whether the file has them last, (rows, columns, channels); None: nobody has said.
    Raises ValueError for fields that cannot be.
    """

    dtype: str
    low: float
    high: float
    mean: float
    whole: bool
    white: float
    channels_last: bool | None = None

    def __post_init__(self) -> None:
        known = ("", *(name for kind in "?bBhHiIlLqQefd" for name in [np.dtype(kind).name]))
        reals = (self.low, self.high, self.mean, self.white)
        if self.dtype not in known or not all(isinstance(v, int | float) for v in reals):
            raise ValueError("the units of a data set have a dtype and four numbers")
        if not isinstance(self.whole, bool) or not isinstance(self.channels_last, bool | None):
            raise ValueError("whether numbers are whole, and channels last, is true or false")
        if not (self.low <= self.high and 0 <= self.white < math.inf):
            raise ValueError("the numbers of a data set go from low to high, and white is positive")

    def __str__(self) -> str:
        if not self.dtype:
            return "numbers of units that are not known"
        kind = "whole numbers" if self.whole and form(self.dtype) == "floats" else "numbers"
        return f"{self.dtype}, {kind} {span(self.low, self.high)}"

    def bring(
        self,
        x: np.ndarray,
        name: str,
        pictures: bool = False,
        dtype: np.dtype | str | None = None,
        every: bool = False,
    ) -> np.ndarray:
        """Examples (count, ...) in these units: x itself by value, fresh floats by scale.

        name: what is refused. dtype: in the file, if that of x is narrower. every: x is a whole
        test set, which is not all a small part of what was learnt from.
        Raises ValueError for what cannot be brought with certainty, or is not finite.

        >>> units = Units("float64", 0.0, 1.0, 0.5, False, 1.0)
        >>> units.bring(np.array([[0, 255]], np.uint8), "x.npy", pictures=True)
        array([[0., 1.]])
        """
        check_numbers(x, name)
        given = np.dtype(x.dtype if dtype is None else dtype)
        if not self.dtype or x.size == 0:
            return x
        low, high = float(x.min()), float(x.max())
        pictures = pictures and self.white > 0
        own = form(given) == form(self.dtype)
        fits = self._fits(x, low, high, given, pictures)
        if every and pictures and x.size >= MANY:
            fits = fits and float(x.mean(dtype=np.float64)) * FACTOR >= self.mean
        scale = SCALES.get(given.name) if pictures and not own else None
        held = given == np.uint8 and self.whole and self.low <= low and high <= self.high <= 255
        if fits and (scale is None or scale == self.white or high == low == 0 or held):
            return x
        if scale is None or fits or self.white not in SCALES.values():
            came = f"{given.name} {span(low, high)}"
            to_do = f"save it in these, as {self.dtype}"
            if given.kind == "f" and pictures and 0 <= low <= high <= 1 < self.white:
                to_do += f" (if its 1 is white, multiply it by {self.white:.6g})"
            raise ValueError(
                f"{name} holds {came}, in units that cannot be told: expected those of the"
                f" training data ({self}); {to_do}"
            )
        return self.picture(x, scale, name)

    def picture(self, pixels: np.ndarray, white: float, name: str) -> np.ndarray:
        """Pixels from 0 to white in these units, as floats.

        Raises ValueError if it is not known what white is in these.
        """
        if not self.white:
            raise ValueError(
                f"{name} is a picture from 0 to {white:.6g}, but the training data ({self}) do not"
                f" say what white is: give an .npy file in their units, as {self.dtype}"
            )
        values = pixels.astype(np.float64) * self.white / white
        narrow = form(self.dtype) == "floats" and np.dtype(self.dtype).itemsize < 8
        return values.astype(self.dtype) if narrow else values

    def _fits(
        self, x: np.ndarray, low: float, high: float, given: np.dtype, pictures: bool
    ) -> bool:
        most = max(FACTOR * self.high, self.white)
        if pictures and not -self.high / 4 <= low <= high <= most:
            return False
        if given.kind != "f":
            return True
        if form(self.dtype) != "floats" and 0 <= low <= high <= 1 < self.high and high > 0:
            return False
        return not self.whole or are_whole(x)


@np.errstate(over="ignore")  # the mean of numbers whose sum is beyond floats
def units_of(
    x: np.ndarray, dtype: np.dtype | str | None = None, white: float | None = None
) -> Units:
    """The units of a training set (count, ...). dtype: in its file; white: if a reader knows it.

    >>> units_of(np.array([[0, 16.0]])).white
    16.0
    """
    dtype = np.dtype(x.dtype if dtype is None else dtype)
    name = "float64" if dtype.kind == "f" and dtype.itemsize >= 8 else dtype.name  # no long doubles
    low, high, mean = float(x.min()), float(x.max()), float(x.mean(dtype=np.float64))
    whole = dtype.kind in "bui" or (x.size >= MANY and are_whole(x))
    if white is None:
        white = _white(name, high) if low >= 0 else 0.0
    return Units(name, low, high, mean, whole, float(white))


def _white(dtype: str, high: float) -> float:
    own = SCALES.get(dtype)
    if own is not None and own < 8 * high:
        return own
    if own is not None and high > 1:  # much darker than its dtype: of another scale
        return high
    return next((s for s in SCALES.values() if s / 2 < high <= s), high)


def form(dtype: np.dtype | str) -> str:
    """What numbers of a dtype may be taken for without being asked.

    >>> [form(name) for name in ("int32", "uint8", "float32")]
    ['integers', 'uint8', 'floats']
    """
    if dtype in ("", *SCALES):
        return str(dtype)
    kind = np.dtype(dtype)
    return kind.name if kind.name in SCALES else "floats" if kind.kind == "f" else "integers"


def span(low: float, high: float) -> str:
    """From where to where, with digits enough to tell them apart.

    >>> span(0.125, 2.0), span(1e8, 1e8 + 1)
    ('from 0.125 to 2', 'from 100000000.0 to 100000001.0')
    """
    short = f"{low:.6g}", f"{high:.6g}"
    low_, high_ = short if len({*short}) == len({low, high}) else (str(low), str(high))
    return f"from {low_} to {high_}"


def are_whole(x: np.ndarray) -> bool:
    """Whether all are whole numbers."""
    if x.dtype.kind in "bui":
        return True
    blocks = (x[k : k + BLOCK] for k in range(0, len(x), BLOCK))
    return all(np.array_equal(block, np.floor(block)) for block in blocks)


def check_numbers(x: np.ndarray, name: str) -> None:
    """Raises ValueError unless all are finite, and floats can tell them apart.

    >>> check_numbers(np.array([[0, np.nan]]), "x_test")
    Traceback (most recent call last):
    ValueError: x_test has 1 number that is not finite (NaN or infinity), at [0, 1]: mend or drop it
    """
    count, first = 0, None
    for k in range(0, len(x), BLOCK):
        block = x[k : k + BLOCK]
        if x.dtype.kind == "f":
            wrong = ~np.isfinite(block)
        elif x.dtype.itemsize < 8:
            return
        else:
            wrong = (block > EXACT) | (block < -EXACT) if x.dtype.kind == "i" else block > EXACT
        found = int(np.count_nonzero(wrong))
        if found and first is None:
            at = np.argwhere(wrong)[0].tolist()
            first = [at[0] + k, *at[1:]]
        count += found
    if count and x.dtype.kind == "f":
        which = "1 number that is" if count == 1 else f"{count:,} numbers that are"
        at = f"at {first}" if count == 1 else f"the first at {first}"
        what = "it" if count == 1 else "them"
        raise ValueError(
            f"{name} has {which} not finite (NaN or infinity), {at}: mend or drop {what}"
        )
    if count:
        raise ValueError(
            f"{name} has {count:,} integers beyond 2^53, the first at {first}, which floats do not"
            " tell apart: subtract an offset, or divide them"
        )
