"""A data set in a NumPy archive (.npz), the way to bring one's own.

Four arrays, under either set of names:

    x_train, y_train, x_test, y_test        (as Keras publishes MNIST)
    X,       Y,       Xtest,  Ytest

x is (examples, features...), numbers of any dtype; y is (examples,) or (examples, 1), whole numbers
from 0. Four axes are read as (examples, channels, rows, columns). Values that are all whole and
within 0 to 255 are kept as bytes, whatever they were stored as, others as they are: `convex.npz`
(float64, 314 MB of zeros and ones) is converted as it streams by, block by block. Nothing is ever
unpickled. A set of columns in different units should be brought to one scale before it is saved, as
one mean and one deviation serve all features.

Source of the layout: NumPy's numpy.lib.format, NEP 1.
"""

import math
import zipfile
from pathlib import Path

import numpy as np

from minihash.data.damage import opened, size_of_member
from minihash.data.dataset import Dataset, assemble
from minihash.data.npy import read_header

KEYS = (("x_train", "y_train", "x_test", "y_test"), ("X", "Y", "Xtest", "Ytest"))
BLOCK = 1 << 20  # bytes read at a time


def read_npz(path: str | Path, name: str | None = None, classes: int | None = None) -> Dataset:
    """Read a data set from an .npz file; name is the file's without it.

    Raises FileNotFoundError without the file, ValueError for a damaged one, absent or pickled
    arrays, empty sets, shapes that disagree and labels out of range.

    >>> import tempfile
    >>> x, y = np.eye(3), np.arange(3)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "eye.npz")
    ...     np.savez(path, x_train=x, y_train=y, x_test=x, y_test=y)
    ...     read_npz(path)
    Dataset('eye', 3 + 3 examples of shape (3,), 3 classes)
    """
    path = Path(path).expanduser()
    with opened(path) as file, zipfile.ZipFile(file) as archive:
        names = set(archive.namelist())
        keys = next((keys for keys in KEYS if {f"{key}.npy" for key in keys} <= names), None)
        if keys is None:
            held = ", ".join(map(repr, sorted(names))) or "nothing"
            raise ValueError(
                f"{path} holds {held}: expected the arrays {', '.join(KEYS[0])} (or"
                f" {', '.join(KEYS[1])})"
            )
        arrays = [_array(archive, f"{key}.npy", path) for key in keys]
    x_train = arrays[0]
    peak = 255.0 if x_train.dtype == np.uint8 and x_train.size and x_train.max() > 1 else 1.0
    return assemble(name or path.stem, *arrays, classes=classes, peak=peak)


def _array(archive: zipfile.ZipFile, member: str, path: Path) -> np.ndarray:
    """Read one array, as bytes if they can hold every value of it."""
    narrow = _stream(archive, member, path, np.uint8)
    return _stream(archive, member, path, None) if narrow is None else narrow


def _stream(archive: zipfile.ZipFile, member: str, path: Path, target) -> np.ndarray | None:
    """Read one array into dtype target (None: its own); None if a value does not fit."""
    size = size_of_member(archive, member, path)
    with archive.open(member) as stream:
        shape, fortran, dtype = read_header(stream, f"{path}: {member}")
        expected = math.prod(shape) * dtype.itemsize
        present = size - stream.tell()
        if present != expected:
            raise ValueError(
                f"{path}: {member} has {present} bytes of values, its shape {shape} of {dtype}"
                f" takes {expected}: fetch it again"
            )
        values = np.empty(math.prod(shape), dtype.newbyteorder("=") if target is None else target)
        step = BLOCK // dtype.itemsize
        for start in range(0, len(values), step):
            block = values[start : start + step]
            raw = np.frombuffer(stream.read(len(block) * dtype.itemsize), dtype)
            if len(raw) != len(block):
                raise EOFError(f"{member} ends early")
            if target is not None and not _are_bytes(raw):
                return None
            block[...] = raw
    return values.reshape(shape, order="F" if fortran else "C")


def _are_bytes(values: np.ndarray) -> bool:
    """Whether every value is a whole number from 0 to 255."""
    within = np.all((values >= 0) & (values <= 255))  # before the cast, which is only defined there
    return bool(within and np.all(values.astype(np.uint8) == values))
