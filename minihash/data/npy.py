"""NumPy's format of one array (.npy), read with distrust.

    6 bytes   93 "NUMPY"; then the version, 1.0 or 2.0
    2 or 4    n, the length of the header, little-endian
    n bytes   {"descr": dtype, "fortran_order": bool, "shape": (sizes)} as Python writes it
    the rest  the values

Numbers alone are read, nothing is unpickled, and no memory is taken for values that are not there.

Source: NumPy's numpy.lib.format, NEP 1.
"""

import io
import math
import tokenize
from pathlib import Path
from typing import BinaryIO

import numpy as np

from minihash.data.damage import opened, regular

LONGEST = 10_000  # bytes of a header: NumPy's own limit, which it asks for after reading
READERS = {
    b"\1\0": (2, np.lib.format.read_array_header_1_0),
    b"\2\0": (4, np.lib.format.read_array_header_2_0),
}


def read_npy(path: str | Path) -> np.ndarray:
    """Read one array of numbers.

    Raises OSError without the file, ValueError for one that holds anything else, or fewer or more
    values than its shape takes.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "eye.npy")
    ...     np.save(path, np.eye(2))
    ...     read_npy(path)
    array([[1., 0.],
           [0., 1.]])
    """
    path = Path(path)
    with opened(path, "is no readable .npy file ({}): save it with numpy.save") as file:
        shape, fortran, dtype = read_header(file, str(path))
        expected, present = math.prod(shape) * dtype.itemsize, regular(path) - file.tell()
        if present != expected:
            raise ValueError(
                f"{path} has {present} bytes of values, its shape {shape} of {dtype} takes"
                f" {expected}: save it again with numpy.save"
            )
        values = np.frombuffer(bytearray(file.read(expected)), dtype)
        return values.reshape(shape, order="F" if fortran else "C")


def read_header(
    stream: BinaryIO, where: str, kinds: str = "buif"
) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, order and dtype of the array that begins here; its values are next.

    kinds: of dtypes, numbers without another word. Raises ValueError, which begins with `where`,
    for anything else.
    """
    magic, version = stream.read(6), stream.read(2)
    if magic != np.lib.format.MAGIC_PREFIX:
        begins = (magic + version).hex(" ")
        raise ValueError(
            f"{where} is not a readable NumPy array (it begins with the bytes {begins!r}): save it"
            " with NumPy"
        )
    try:
        width, read = READERS[version]
        prefix = stream.read(width)
        if (length := int.from_bytes(prefix, "little")) > LONGEST:
            raise ValueError(f"a header of {length} bytes")
        shape, fortran, dtype = read(io.BytesIO(prefix + stream.read(length)))
    except (
        KeyError,
        MemoryError,
        RecursionError,
        SyntaxError,
        TypeError,
        ValueError,
        tokenize.TokenError,
    ) as error:
        cause = str(error).partition("\n")[0][:200]
        raise ValueError(f"{where} is not a readable NumPy array ({cause})") from error
    if dtype.kind not in kinds:
        raise ValueError(f"{where} holds {dtype}: expected numbers (pickled objects are refused)")
    return shape, fortran, dtype
