"""A data set in memory, and the map from its stored values to a network's input.

A pixel is kept as it is stored, in one byte (CIFAR-10: 184 MB, and 1.5 GB as float64); it becomes a
float only in the batch at hand. With v the stored value, peak the value that means 1 and c the
channel of a pixel (one for grey images, three for colour):

    standardise   y = (v / peak - mean_c) / std_c = (v - peak mean_c) / (peak std_c)
    mean_c        = S1 / (n peak),                    S1 = sum of v over the n training pixels of c
    std_c         = sqrt(n S2 - S1^2) / (n peak),     S2 = sum of v^2   (the population's deviation)

S1 and S2 of bytes are exact integers, so every machine finds the same mean and std. A channel that
never varies is only centred (std_c = 1). The test set is mapped by the training set's numbers.
"""

import math
from dataclasses import dataclass

import numpy as np

BLOCK = 256  # examples widened at a time: bounds the memory of the sums


@dataclass(frozen=True)
class Standardiser:
    """(v / peak - mean) / std, channel by channel, of a batch of stored examples.

    mean, std: one float a channel, in units of peak. Features are channel-major, as in CIFAR-10:
    all of the first channel, then all of the second.

    >>> to_input = Standardiser(mean=(0.5,), std=(0.25,), peak=255.0)
    >>> to_input(np.array([[0, 255]], np.uint8))
    array([[-2.,  2.]], dtype=float32)
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    peak: float = 255.0

    def __call__(self, batch: np.ndarray, dtype: type | np.dtype = np.float32) -> np.ndarray:
        """Batch (n, features) as stored -> fresh array (n, features) of dtype float32 or float64.

        Raises ValueError for another shape, TypeError for another dtype.
        """
        dtype = np.dtype(dtype)
        if dtype not in (np.float32, np.float64):
            raise TypeError(f"dtype is {dtype}: ask for float32 or float64")
        batch = np.asarray(batch)
        channels = len(self.mean)
        if batch.ndim != 2 or batch.shape[1] % channels:
            raise ValueError(
                f"a batch has shape {batch.shape}: expected (examples, features) with features a"
                f" multiple of the {channels} channel(s)"
            )
        y = batch.astype(dtype, order="C")
        by_channel = y.reshape(len(y), channels, batch.shape[1] // channels)
        by_channel -= np.multiply(self.mean, self.peak).astype(dtype)[:, None]
        by_channel /= np.multiply(self.std, self.peak).astype(dtype)[:, None]
        return y


def fit_standardiser(x: np.ndarray, channels: int = 1, peak: float = 255.0) -> Standardiser:
    """Find mean and std of x (examples, features), bytes or floats, for each of its channels.

    Raises ValueError if x is empty or its features are not a multiple of channels.

    >>> fit_standardiser(np.array([[0, 255, 7, 7]], np.uint8), channels=2).mean
    (0.5, 0.027450980392156862)
    """
    if x.ndim != 2 or x.size == 0 or x.shape[1] % channels:
        raise ValueError(
            f"x has shape {x.shape}: expected (examples, features), not empty, with features a"
            f" multiple of channels={channels}"
        )
    sums = _integer_sums if x.dtype == np.uint8 else _float_sums
    n = x.size // channels
    mean, std = [], []
    for c in range(channels):
        width = x.shape[1] // channels
        centre, deviation = sums(x[:, c * width : (c + 1) * width], n)
        mean.append(centre / peak)
        std.append(deviation / peak if deviation != 0 else 1.0)
    return Standardiser(tuple(mean), tuple(std), float(peak))


def _integer_sums(x: np.ndarray, n: int) -> tuple[float, float]:
    s1 = s2 = 0  # Python's integers: exact whatever the size
    for start in range(0, len(x), BLOCK):
        v = x[start : start + BLOCK].astype(np.int64)
        s1 += int(v.sum())
        s2 += int((v * v).sum())
    return s1 / n, math.sqrt(n * s2 - s1 * s1) / n


def _float_sums(x: np.ndarray, n: int) -> tuple[float, float]:
    blocks = [x[start : start + BLOCK] for start in range(0, len(x), BLOCK)]
    mean = sum(float(b.sum(dtype=np.float64)) for b in blocks) / n
    # centred first: a sum of raw squares would cancel when the mean is large
    variance = sum(float(np.square(b.astype(np.float64) - mean).sum()) for b in blocks) / n
    return mean, math.sqrt(variance)


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Examples and labels, as stored; made by `minihash.data.load` or `assemble`.

    x_train, x_test: (examples, features), uint8 for every named set. y_train, y_test: (examples,)
    int64, 0 <= y < classes. shape: of one example before it was laid flat, (28, 28) or (3, 32, 32);
    three axes mean channel first. peak: the stored value that means 1 (255 for 8-bit pixels).

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
    peak: float = 255.0

    @property
    def features(self) -> int:
        """Numbers in one example."""
        return self.x_train.shape[1]

    @property
    def channels(self) -> int:
        """3 for colour images, 1 for everything else."""
        return self.shape[0] if len(self.shape) == 3 else 1

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """All that it holds, to tell data sets apart."""
        return self.x_train, self.y_train, self.x_test, self.y_test

    def standardiser(self) -> Standardiser:
        """Return the map from stored examples to inputs, by the training set's statistics.

        >>> from minihash.data import load
        >>> digits = load("digits")
        >>> x = digits.standardiser()(digits.x_train[:100])
        >>> x.dtype, x.shape
        (dtype('float32'), (100, 784))
        """
        return fit_standardiser(self.x_train, self.channels, self.peak)

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
    peak: float = 255.0,
) -> Dataset:
    """Check four arrays against each other and make the data set of them.

    x: (examples, ...), laid flat here; y: (examples,) or (examples, 1), whole numbers of any dtype.
    Without classes, there are as many as the largest training label says; without class_names they
    are called by their numbers. Raises ValueError for empty sets, shapes that disagree and labels
    out of range.

    >>> assemble("two", np.eye(2), [0, 1], np.eye(2), [1, 0], peak=1.0).classes
    2
    """
    x_train, x_test = np.asarray(x_train), np.asarray(x_test)
    y_train, y_test = np.asarray(y_train), np.asarray(y_test)
    for part, x, y in (("training", x_train, y_train), ("test", x_test, y_test)):
        if x.dtype.kind not in "buif" or x.ndim < 2 or x.size == 0:
            raise ValueError(
                f"{name}: the {part} examples are {x.dtype} of shape {x.shape}: expected numbers,"
                " at least one example and one feature, (examples, features...)"
            )
        if y.dtype.kind not in "buif" or y.shape not in ((y.size,), (y.size, 1)):
            raise ValueError(
                f"{name}: the {part} labels are {y.dtype} of shape {y.shape}: expected one whole"
                " number an example (turn one-hot rows into numbers with argmax)"
            )
        if len(x) != len(y):
            raise ValueError(
                f"{name}: {len(x)} {part} examples but {len(y)} labels: expected one for each"
            )
    if x_train.shape[1:] != x_test.shape[1:]:
        raise ValueError(
            f"{name}: training examples have shape {x_train.shape[1:]} and test examples"
            f" {x_test.shape[1:]}: expected the same"
        )
    y_train = _labels(name, "training", y_train)
    y_test = _labels(name, "test", y_test)
    if classes is None:
        classes = int(y_train.max()) + 1
    for part, y in (("training", y_train), ("test", y_test)):
        if y.min() < 0 or y.max() >= classes:
            raise ValueError(
                f"{name}: {part} labels run from {y.min()} to {y.max()}: expected 0 to"
                f" {classes - 1} for {classes} classes"
            )
    return Dataset(
        name,
        x_train.reshape(len(x_train), -1),
        y_train,
        x_test.reshape(len(x_test), -1),
        y_test,
        classes,
        class_names or tuple(map(str, range(classes))),
        x_train.shape[1:],
        float(peak),
    )


def _labels(name: str, part: str, y: np.ndarray) -> np.ndarray:
    """Whole numbers of any dtype -> fresh int64 (examples,)."""
    v = y.astype(np.float64)
    # 2^53 bounds the cast: a float above it, an infinity or a NaN is no class number
    if not np.all((np.abs(v) < 2.0**53) & (v == np.floor(v))):
        raise ValueError(f"{name}: the {part} labels are not all whole numbers")
    return y.reshape(-1).astype(np.int64)
