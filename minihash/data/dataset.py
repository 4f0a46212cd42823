"""A data set in memory.

A pixel is kept as it is stored, in one byte (CIFAR-10: 184 MB, and 1.5 GB as float64); it becomes a
float only in the batch at hand, by the map of standardiser.py. What its numbers mean is said by
units.py, what its labels do by labels.py.
"""

from dataclasses import dataclass

import numpy as np

from minihash.data.labels import listed, numbered
from minihash.data.standardiser import Standardiser, fit_standardiser, of_text
from minihash.data.units import SCALES, Units, check_numbers, units_of

STANDARDISE = ("columns", "channels", "none")
KEYS = ("x_train", "y_train", "x_test", "y_test")


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Examples and labels, as stored; made by `minihash.data.load` or `assemble`.

    x_train, x_test: (examples, features), uint8 for every named set. y_train, y_test: (examples,)
    int64, 0 <= y < classes. shape: of one example before it was laid flat, (28, 28) or (3, 32, 32);
    three axes mean channel first. units: what the numbers mean.

    >>> from minihash.data import load
    >>> load("digits")
    Dataset('digits', 4000 + 1000 examples of shape (28, 28), 10 classes)
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    classes: int
    class_names: tuple[str, ...]
    shape: tuple[int, ...]
    units: Units

    @property
    def features(self) -> int:
        """Numbers in one example."""
        return self.x_train.shape[1]

    @property
    def channels(self) -> int:
        """3 for colour images, 1 for everything else."""
        return self.shape[0] if len(self.shape) == 3 else 1

    @property
    def peak(self) -> float:
        """The stored value that a standardiser's numbers are given in: white of bytes, else 1."""
        return self.units.white or 1.0 if self.x_train.dtype == np.uint8 else 1.0

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """All that it holds, to tell data sets apart."""
        return self.x_train, self.y_train, self.x_test, self.y_test

    def standardised_by(self, by: str | None = None) -> str:
        """`by`, or what suits the shape: columns of a table, else channels."""
        return by or ("columns" if len(self.shape) == 1 else "channels")

    def standardiser(self, by: str | None = None) -> Standardiser:
        """Return the map from stored examples to inputs, by the training set's statistics.

        by: "columns", "channels", or "none", which leaves numbers as they are, and bytes in units
        of white; by default columns for examples of one axis, channels for others; or "MEAN:STD",
        in the same units: a number each, or one for each channel or column. Raises ValueError for
        another.

        >>> from minihash.data import load
        >>> digits = load("digits")
        >>> x = digits.standardiser()(digits.x_train[:100])
        >>> x.dtype, x.shape
        (dtype('float32'), (100, 784))
        """
        by = self.standardised_by(by)
        if by == "none" or ":" in by:
            mean, std = ((0.0,), (1.0,)) if by == "none" else of_text(by)
            if len(mean) not in (1, self.channels, self.features):
                raise ValueError(
                    f"{self.name} has {self.channels} channel(s) and {self.features} columns, got "
                    f"{len(mean)} means: give one, or one for each"
                )
            return Standardiser(mean, std, self.peak, wide=self.x_train.dtype != np.uint8)
        if by not in STANDARDISE:
            known = f"{', '.join(STANDARDISE)}, or MEAN:STD"
            raise ValueError(f"standardise by one of {known}, got {by!r}")
        groups = self.features if by == "columns" else self.channels
        return fit_standardiser(self.x_train, groups, self.peak)

    def about(self, by: str | None = None) -> str:
        """What its numbers and labels are taken for, in lines for people."""
        flat = by is None and len(self.shape) == 1 and self.units.dtype in SCALES
        how = {
            "columns": "a mean and a deviation for each column"
            + flat * " (for pictures laid flat, --standardise channels)",
            "channels": "a mean and a deviation for "
            + ("each channel" if self.channels > 1 else "all numbers"),
            "none": "not standardised",
        }.get(self.standardised_by(by), f"a mean and a deviation as given, {by}")
        white = f", white is {self.units.white:.6g}" if len(self.shape) > 1 else ""
        line = f"{self.name}: examples of shape {self.shape}, {self.units}{white}; {how}"
        if self.class_names == tuple(map(str, range(self.classes))):
            return line
        return f"{line}\n{self.name}: {self.classes} classes, called {listed(self.class_names)}"

    def __repr__(self) -> str:
        return (
            f"Dataset({self.name!r}, {len(self.x_train)} + {len(self.x_test)} examples of shape"
            f" {self.shape}, {self.classes} classes)"
        )


def assemble(
    name: str,
    x_train: np.ndarray,
    y_train: np.ndarray,
    x_test: np.ndarray,
    y_test: np.ndarray,
    classes: int | None = None,
    class_names: tuple[str, ...] = (),
    peak: float | None = None,
    dtypes: tuple[np.dtype, np.dtype] | None = None,
    keys: tuple[str, str, str, str] = KEYS,
) -> Dataset:
    """Check four arrays against each other and make the data set of them.

    x: (examples, ...), laid flat here; y: (examples,) or (examples, 1), whole numbers of any dtype,
    or texts. Without classes, the different training labels are the classes, and their names; with
    classes, labels are numbers below, called by these without class_names. peak: the value of a
    picture's white, if it is known. dtypes: of x_train and x_test in their file, if they are
    narrower here. keys: what the arrays are called in messages.
    Raises ValueError for empty sets, shapes that disagree, numbers that are not finite, test
    examples in other units than the training examples, and labels that are none.

    >>> assemble("two", np.eye(2), [3, 5], np.eye(2), [5, 3]).class_names
    ('3', '5')
    """
    x_train, x_test = _examples(name, keys[0], x_train), _examples(name, keys[2], x_test)
    y_train, y_test = _labels(name, keys[1], y_train), _labels(name, keys[3], y_test)
    for part, x, y in (("training", x_train, y_train), ("test", x_test, y_test)):
        if len(x) != len(y):
            raise ValueError(
                f"{name}: {len(x)} {part} examples but {len(y)} labels: expected one for each"
            )
    if x_train.shape[1:] != x_test.shape[1:]:
        raise ValueError(
            f"{name}: training examples have shape {x_train.shape[1:]} and test examples"
            f" {x_test.shape[1:]}: expected the same"
        )
    dtypes = dtypes or (x_train.dtype, x_test.dtype)
    units = units_of(x_train, dtypes[0], peak)
    pictures = x_train.ndim > 2
    x_test = units.bring(x_test, f"{name}: {keys[2]}", pictures, dtypes[1], every=True)
    if classes is None:
        y_train, y_test, class_names = numbered(name, keys[1::2], y_train, y_test)
        classes = len(class_names)
    for part, y in (("training", y_train), ("test", y_test)):
        texts = y.dtype.kind == "U"
        low, high = (min(y.tolist()), max(y.tolist())) if texts else (y.min(), y.max())
        if texts or low < 0 or high >= classes:
            raise ValueError(
                f"{name}: {part} labels run from {low} to {high}: expected 0 to {classes - 1} for"
                f" {classes} classes"
            )
    return Dataset(
        name,
        x_train.reshape(len(x_train), -1),
        y_train.astype(np.int64),
        x_test.reshape(len(x_test), -1),
        y_test.astype(np.int64),
        classes,
        class_names or tuple(map(str, range(classes))),
        x_train.shape[1:],
        units,
    )


def _examples(name: str, key: str, x: np.ndarray) -> np.ndarray:
    """Finite numbers (examples, ...) of at most 64 bits."""
    x = np.asarray(x)
    if x.dtype.kind not in "buif" or x.ndim < 2 or x.size == 0:
        raise ValueError(
            f"{name}: {key} is {x.dtype} of shape {x.shape}: expected numbers, at least one example"
            " and one feature, (examples, features...)"
        )
    if x.dtype.itemsize > 8:  # a long double: no float that we compute with
        with np.errstate(over="ignore"):
            x = x.astype(np.float64)
    check_numbers(x, f"{name}: {key}")
    return x


def _labels(name: str, key: str, y: np.ndarray) -> np.ndarray:
    """Whole numbers of any dtype, or texts -> integers or texts (examples,)."""
    y = np.asarray(y)
    if y.dtype.kind not in "buifUS" or y.shape not in ((y.size,), (y.size, 1)):
        raise ValueError(
            f"{name}: {key} is {y.dtype} of shape {y.shape}: expected one whole number or text an"
            " example (turn one-hot rows into numbers with argmax)"
        )
    y = y.reshape(-1)
    if y.dtype.kind == "S":
        return np.char.decode(y, "utf-8", "backslashreplace")
    if y.dtype.kind == "b":
        return y.astype(np.int64)
    if y.dtype.kind == "f":
        check_numbers(y, f"{name}: {key}")
        # 2^53 bounds the cast: a float above it need not be the number that was written
        if not np.all((np.abs(y) < 2.0**53) & (y == np.floor(y))):
            raise ValueError(
                f"{name}: {key} has labels that are not whole numbers: a network learns classes;"
                " sort measurements into a few"
            )
        return y.astype(np.int64)
    return y
