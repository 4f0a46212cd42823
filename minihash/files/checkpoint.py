"""Room 8: checkpoints, files that hold the tables, never the virtual weights, and the spec.

A checkpoint is a safetensors file, which any safetensors reader in any language can open:

    8 bytes    n, the length of the header, little-endian
    n bytes    the header, a JSON object in UTF-8, padded with spaces to a multiple of 8:
                 "__metadata__": {"digest": .., "format": "minihash", "spec": .., "version": "1"}
                 name of an array: {"dtype": .., "shape": [..], "data_offsets": [begin, end]}
    the rest   the arrays, row-major, little-endian, one after another without gaps

    spec   = the caller's spec as JSON, keys sorted, in a string
    digest = SHA-256 of the whole file, the 64 digits of the digest itself read as zeros

The digest covers names, dtypes, shapes, values, spec and padding alike: no flipped bit passes.
Equal specs and arrays give equal files, byte for byte (the safetensors package shuffles the
metadata). Reading trusts nothing, unpickles nothing, allocates no more than the arrays and the
header, and does not map the file, since a mapped file that shrinks kills its reader.

Source: https://huggingface.co/docs/safetensors, "Format".
"""

import hashlib
import json
import os
import reprlib
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np

from minihash.files.atomic import atomic_write
from minihash.files.header import (
    DTYPES,
    FORMAT,
    MAX_HEADER,
    VERSION,
    ZEROS,
    check_name,
    damaged,
    parse_json,
    read_header,
    with_digest,
)
from minihash.weights import MAX_DIMENSIONS

__all__ = ["atomic_write", "load", "read_spec", "save"]

_CODES = {dtype: code for code, dtype in DTYPES.items()}


def save(path: str | os.PathLike, spec: dict[str, Any], arrays: dict[str, np.ndarray]) -> int:
    """Write a checkpoint, atomically; return its size in bytes.

    spec: whatever JSON holds under string keys; a tuple comes back as a list.
    arrays: bool, integers of 8 to 64 bits or floats of 16 to 64, of any shape, strides and byte
    order. All are copied before the first byte is written.

    Raises TypeError or ValueError, before anything is written, for what a checkpoint cannot hold,
    and what `atomic_write` raises. The file that was at `path` is then as it was.

    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "net.safetensors")
    >>> _ = save(path, {"seed": 0}, {"table": np.arange(3, dtype=np.float32)})
    >>> load(path)
    ({'seed': 0}, {'table': array([0., 1., 2.], dtype=float32)})
    """
    metadata = {"digest": ZEROS, "format": FORMAT, "spec": _spec_text(spec), "version": VERSION}
    header: dict[str, Any] = {"__metadata__": metadata}
    codes = _array_codes(arrays)
    body, end = [], 0
    # Widest first, so that every array is aligned for those who map the file.
    for name in sorted(arrays, key=lambda name: (-arrays[name].itemsize, name)):
        array, code = arrays[name], codes[name]
        body.append(array.astype(DTYPES[code], copy=False).tobytes(order="C"))
        begin, end = end, end + len(body[-1])
        header[name] = {"dtype": code, "shape": array.shape, "data_offsets": (begin, end)}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > MAX_HEADER:
        raise ValueError(
            f"spec and names of the arrays need {len(text)} bytes, but a header has at most "
            f"{MAX_HEADER}: move what is large in the spec to an array"
        )
    head = len(text).to_bytes(8, "little") + text
    sha = hashlib.sha256(head)
    for data in body:
        sha.update(data)
    return atomic_write(path, with_digest(head, sha.hexdigest()), *body)


def load(path: str | os.PathLike) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read a checkpoint, every bit verified: the spec, and the arrays in the order of their names.

    The arrays are fresh, writable, row-major and of this machine's byte order.

    Raises FileNotFoundError if there is no file, ValueError if it is anything but a whole
    checkpoint of a known version, OSError if the system cannot read it. Example: see `save`.
    """
    with _opened(path) as (file, size):
        header = read_header(file, size)
        sha, arrays = hashlib.sha256(header.head), {}
        for entry in header.entries:
            array = np.empty(entry.shape, DTYPES[entry.dtype])
            data = array.reshape(-1).view(np.uint8)
            if file.readinto(data) != data.size:
                raise damaged("it shrank while it was read")
            sha.update(data)
            if array.dtype == bool:  # a bool that is neither 0 nor 1 would mislead NumPy
                np.not_equal(array.view(np.uint8), 0, out=array)
            arrays[entry.name] = array.astype(array.dtype.newbyteorder("="), copy=False)
        if sha.hexdigest() != header.digest:
            raise damaged("its content does not match its SHA-256 digest")
        return header.spec, {name: arrays[name] for name in sorted(arrays)}


def read_spec(path: str | os.PathLike) -> dict[str, Any]:
    """Read the spec alone: cheap, for the arrays are not read and so the digest is not checked.

    Raises what `load` raises, for everything but a wrong digest.

    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "net.safetensors")
    >>> _ = save(path, {"hidden": (200, 200)}, {})
    >>> read_spec(path)
    {'hidden': [200, 200]}
    """
    with _opened(path) as (file, size):
        return read_header(file, size).spec


def _spec_text(spec: dict[str, Any]) -> str:
    """The spec as JSON, proved to be readable again."""
    if not isinstance(spec, dict):
        raise TypeError(f"spec must be a dict, got {type(spec).__name__}: put it into one")
    try:
        text = json.dumps(spec, sort_keys=True, separators=(",", ":"))
        if not _has_string_keys(spec):
            raise ValueError("a key is not a string")
        parse_json(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"spec cannot be stored as JSON ({error}): use dicts with string keys, lists, strings, "
            "bools, None and finite Python numbers (infinity can be the string 'inf')"
        ) from error
    return text


def _has_string_keys(value: object) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _has_string_keys(value[key]) for key in value)
    return not isinstance(value, list | tuple) or all(map(_has_string_keys, value))


def _array_codes(arrays: dict[str, np.ndarray]) -> dict[str, str]:
    """The dtype of each array in the words of safetensors."""
    if not isinstance(arrays, dict):
        raise TypeError(f"arrays must be a dict, got {type(arrays).__name__}: name each array")
    codes = {}
    for name, array in arrays.items():
        check_name(name)
        where = f"array {reprlib.repr(name)}"
        if type(array) not in (np.ndarray, np.memmap):  # a masked array, say, would lose its mask
            raise TypeError(
                f"{where} must be a NumPy array, got {type(array).__name__}: use np.array"
            )
        code = _CODES.get(array.dtype.newbyteorder("<").str)
        if code is None:
            raise TypeError(
                f"{where} must be bool, an integer or a float of at most 64 bits, got dtype "
                f"{array.dtype}: convert it with astype"
            )
        if array.ndim > MAX_DIMENSIONS:
            raise ValueError(
                f"{where} has {array.ndim} dimensions, at most {MAX_DIMENSIONS} fit: reshape it"
            )
        codes[name] = code
    return codes


@contextmanager
def _opened(path: str | os.PathLike) -> Iterator[tuple[BinaryIO, int]]:
    """The file and its size; what goes wrong while it is open becomes one line that names it."""
    name = os.fsdecode(path)
    try:
        mode = os.stat(name).st_mode
        if not stat.S_ISREG(mode):  # asked before opening, since opening a pipe waits for a writer
            kind = "a directory" if stat.S_ISDIR(mode) else "no regular file"
            raise ValueError(f"it is {kind}: give the name of a checkpoint file")
        with open(name, "rb") as file:
            yield file, os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no checkpoint {name!r}: check the path") from None
    except MemoryError:
        raise ValueError(
            f"cannot load checkpoint {name!r}: there is not enough memory for it, free some"
        ) from None
    except ValueError as error:
        raise ValueError(f"cannot load checkpoint {name!r}: {error}") from None
