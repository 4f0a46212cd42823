"""IDX files: the format of MNIST.

    byte 0, 1   0
    byte 2      type: 8 uint8, 9 int8, 11 int16, 12 int32, 13 float32, 14 float64
    byte 3      d, the number of dimensions
    then        d sizes, 32-bit big-endian; then the values, row-major, big-endian, to the end

Source: Y. LeCun, C. Cortes, C. J. C. Burges, http://yann.lecun.com/exdb/mnist/, "File formats".
MNIST is four such files, plain or gzipped: the images of each part (n, rows, columns), its labels
(n,). `.idx3-ubyte` for `-idx3-ubyte` will do. Other sets are published under the same four names
(Fashion-MNIST, KMNIST) and load as well.
"""

import math
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

from minihash.data.damage import DEFLATE, opened, regular, unpacked
from minihash.data.dataset import Dataset, assemble

TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
PARTS = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
BELOW = ("", "raw", "MNIST/raw")
CHUNK = 1 << 20


def read_idx(path: str | Path) -> np.ndarray:
    """Read one IDX file, gzipped or plain (told by its first bytes, not by its name).

    Returns a fresh array in native byte order. Raises ValueError if the header is not an IDX
    header, or the values are fewer or more than it promises.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "labels")
    ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 4]))
    ...     read_idx(path)
    array([5, 0, 4], dtype=uint8)
    """
    path = Path(path)
    with opened(path) as file, unpacked(file) as stream:
        return _values(stream, path, regular(path) * (1 if stream is file else DEFLATE))


def _values(stream: BinaryIO, path: Path, most: int) -> np.ndarray:
    """The array of a stream that has so many bytes at most."""
    head = stream.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in TYPES or not 0 < head[3] <= 32:
        raise ValueError(f"{path} is not an IDX file: it begins with the bytes {head.hex(' ')!r}")
    sizes = stream.read(4 * head[3])
    if len(sizes) < 4 * head[3]:
        raise ValueError(f"{path} ends inside its header: fetch it again")
    shape = struct.unpack(f">{head[3]}I", sizes)
    dtype = np.dtype(TYPES[head[2]])
    expected = math.prod(shape) * dtype.itemsize
    if expected > (most := most - 4 - len(sizes)):  # before the memory that a header names is taken
        raise _damaged(path, shape, dtype, f"at most {most}")
    values, came = np.empty(expected, np.uint8), 0
    while piece := stream.readinto(values[came : came + CHUNK]):
        came += piece
    if came != expected or stream.read(1):
        raise _damaged(path, shape, dtype, f"more than {came}" if came == expected else f"{came}")
    return values.view(dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _damaged(path: Path, shape: tuple[int, ...], dtype: np.dtype, came: str) -> ValueError:
    return ValueError(
        f"{path} is damaged: {came} bytes of values where shape {shape} of {dtype} takes"
        f" {math.prod(shape) * dtype.itemsize}; fetch it again"
    )


def locate_mnist(folder: Path) -> Path | None:
    """Return the folder that holds the four files: this one, or the one that torchvision puts them
    into below. None if it holds none of them.

    Raises FileNotFoundError if it holds some of them only.
    """
    for place in (folder / below for below in BELOW):
        absent = [part for part in PARTS if _part(place, part) is None]
        if not absent:
            return place
        if len(absent) < len(PARTS):
            raise FileNotFoundError(f"{place} lacks {', '.join(absent)} (plain or .gz): fetch them")
    return None


def read_mnist(folder: str | Path, name: str = "mnist", classes: int | None = 10) -> Dataset:
    """Read the four files of a folder: grey images uint8 (n, rows, columns), labels 0 to 9; without
    classes, other labels too.

    Raises FileNotFoundError for an absent file, ValueError for a damaged one.

    >>> import minihash.data
    >>> read_mnist(Path(minihash.data.__file__).parent / "digits").shape
    (28, 28)
    """
    arrays = []
    for part in PARTS:
        path = _part(Path(folder), part)
        if path is None:
            raise FileNotFoundError(f"{folder} lacks {part} (plain or .gz): fetch it")
        array = read_idx(path)
        ndim = 3 if "images" in part else 1
        if array.dtype != np.uint8 or array.ndim != ndim:
            raise ValueError(
                f"{path} holds {array.dtype} of shape {array.shape}: expected uint8 with {ndim}"
                " dimension(s)"
            )
        arrays.append(array)
    return assemble(name, *arrays, classes=classes)


def _part(folder: Path, part: str) -> Path | None:
    """The file under one of its names, or in a folder of that name, as Kaggle has it."""
    plain = (part, part.replace("-idx", ".idx"))
    names = [name + ending for name in plain for ending in ("", ".gz")]
    names += [f"{outer}/{inner}" for outer in plain for inner in plain]
    return next((folder / name for name in names if (folder / name).is_file()), None)
