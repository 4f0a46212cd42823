"""A data set in a NumPy archive (.npz), the way to bring one's own.

Four arrays, under either set of names:

    x_train, y_train, x_test, y_test        (as Keras publishes MNIST)
    X,       Y,       Xtest,  Ytest

x is (examples, features...), numbers of any dtype; y is (examples,) or (examples, 1), whole numbers
or texts, which are the names of the classes. Two axes are a table, four are (examples, channels,
rows, columns); what looks like (examples, rows, columns, channels) is refused until it is said
which it is. Values that are all whole and within 0 to 255 are held as bytes, whatever they were
stored as, others as they are: `convex.npz` (float64, 314 MB of zeros and ones) is converted as it
streams by, block by block. They mean what the file's dtype says (units.py). Nothing is ever
unpickled.

Source of the layout: NumPy's numpy.lib.format, NEP 1.
"""

import math
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from minihash.compile.places import expanded
from minihash.data.damage import opened, size_of_member
from minihash.data.dataset import Dataset, assemble
from minihash.data.npy import read_header

KEYS = (("x_train", "y_train", "x_test", "y_test"), ("X", "Y", "Xtest", "Ytest"))
NUMBERS, TEXTS = "buif", "US"  # kinds of dtypes
BLOCK = 1 << 20  # bytes read at a time


def read_npz(
    path: str | Path,
    name: str | None = None,
    classes: int | None = None,
    channels_last: bool | None = None,
) -> Dataset:
    """Read a data set from an .npz file; name is the file's without it.

    channels_last: whether examples of three axes are (rows, columns, channels), which are then
    brought to (channels, rows, columns); None: refuse those that look like it.
    Raises FileNotFoundError without the file, ValueError for a damaged one, absent or pickled
    arrays, and as `assemble` does.

    >>> import tempfile
    >>> x, y = np.eye(3), np.arange(3)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "eye.npz")
    ...     np.savez(path, x_train=x, y_train=y, x_test=x, y_test=y)
    ...     read_npz(path)
    Dataset('eye', 3 + 3 examples of shape (3,), 3 classes)
    """
    path = expanded(path)
    with opened(path) as file, zipfile.ZipFile(file) as archive:
        names = set(archive.namelist())
        keys = next((keys for keys in KEYS if {f"{key}.npy" for key in keys} <= names), None)
        if keys is None:
            held = ", ".join(map(repr, sorted(names))) or "nothing"
            raise ValueError(
                f"{path} holds {held}: expected the arrays {', '.join(KEYS[0])} (or"
                f" {', '.join(KEYS[1])})"
            )
        (x_train, of_train), (x_test, of_test) = (
            _array(archive, f"{key}.npy", path) for key in keys[::2]
        )
        y_train, y_test = (
            _stream(archive, f"{key}.npy", path, None, NUMBERS + TEXTS) for key in keys[1::2]
        )
    x_train, x_test = (_channels_first(x, path, channels_last) for x in (x_train, x_test))
    arrays, dtypes = (x_train, y_train, x_test, y_test), (of_train, of_test)
    data = assemble(name or path.stem, *arrays, classes=classes, dtypes=dtypes, keys=keys)
    return replace(data, units=replace(data.units, channels_last=channels_last))


def _channels_first(x: np.ndarray, path: Path, channels_last: bool | None) -> np.ndarray:
    """Examples (count, channels, rows, columns)."""
    if channels_last and x.ndim != 4:
        raise ValueError(
            f"{path} has examples of shape {x.shape[1:]}, which have no channels: leave"
            " --channels-last out"
        )
    if channels_last is None and x.ndim == 4 and x.shape[3] <= 4 < min(x.shape[1:3]):
        raise ValueError(
            f"{path} has examples of shape {x.shape[1:]}: channels come first, and these seem to"
            " have them last; say --channels-last (channels_last=True) to have them moved, or"
            " --no-channels-last"
        )
    return np.moveaxis(x, 3, 1) if channels_last else x


def _array(archive: zipfile.ZipFile, member: str, path: Path) -> tuple[np.ndarray, np.dtype]:
    """Read one array, as bytes if they can hold every value of it, and its dtype in the file."""
    with archive.open(member) as stream:
        dtype = read_header(stream, f"{path}: {member}")[2].newbyteorder("=")
    narrow = _stream(archive, member, path, np.uint8)
    return (_stream(archive, member, path, None) if narrow is None else narrow), dtype


def _stream(
    archive: zipfile.ZipFile, member: str, path: Path, target, kinds: str = NUMBERS
) -> np.ndarray | None:
    """Read one array into dtype target (None: its own); None if a value does not fit."""
    size = size_of_member(archive, member, path)
    with archive.open(member) as stream:
        shape, fortran, dtype = read_header(stream, f"{path}: {member}", kinds)
        expected = math.prod(shape) * dtype.itemsize
        present = size - stream.tell()
        if present != expected:
            raise ValueError(
                f"{path}: {member} has {present} bytes of values, its shape {shape} of {dtype}"
                f" takes {expected}: fetch it again"
            )
        values = np.empty(math.prod(shape), dtype.newbyteorder("=") if target is None else target)
        step = max(BLOCK // max(dtype.itemsize, 1), 1)
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
