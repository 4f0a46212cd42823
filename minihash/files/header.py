"""Reading a checkpoint's header with distrust: the first 8 + n bytes of the layout in
`checkpoint.py`.

Refused before any array is allocated: a file of another kind, a header longer than its file or than
`MAX_HEADER`, JSON that is not UTF-8, nests too deeply or names a key twice, another format or
version, a missing digest, dtypes and shapes that are none, arrays that do not fill the rest of the
file, each byte once.
"""

import json
import math
import re
import reprlib
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from minihash.checks import counted
from minihash.weights import MAX_DIMENSIONS

FORMAT = "minihash"
VERSION = "1"
MAX_HEADER = 2**24  # bytes: ample for a spec, and a bound on what hostile JSON can allocate

DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "|u1",
    "BOOL": "|b1",
}
ZEROS = "0" * 64
# In a JSON string each quote follows a backslash: only a key of the metadata can look like this.
_DIGEST = re.compile(rb'("digest"\s*:\s*")([0-9a-f]{64})"')

_OTHER_KINDS = (
    (b"PK\x03\x04", "a zip archive, as PyTorch and numpy.savez write them"),
    (b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46", "a PyTorch pickle, which could run code when loaded"),
    (b"\x80", "a pickle, which could run code when loaded"),
    (b"\x93NUMPY", "a NumPy .npy file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x1f\x8b", "a gzip file"),
)


class Entry(NamedTuple):
    """Where an array lies, in bytes after the header, and what it is."""

    begin: int
    end: int
    name: str
    dtype: str
    shape: tuple[int, ...]


class Header(NamedTuple):
    """head: the first 8 + n bytes, with zeros in place of the digest's digits."""

    head: bytes
    digest: str
    spec: dict[str, Any]
    entries: list[Entry]


def read_header(file: BinaryIO, size: int) -> Header:
    """Read the header of a file of `size` bytes; the arrays are next.

    Raises ValueError for all that is wrong with it.
    """
    prefix = file.read(8)
    length = int.from_bytes(prefix, "little")
    if len(prefix) < 8 or length > min(size - 8, MAX_HEADER):
        for magic, kind in _OTHER_KINDS:
            if prefix.startswith(magic):
                raise ValueError(f"it is {kind}, no checkpoint: give a file that minihash saved")
        if len(prefix) < 8:
            raise damaged(f"it ends after {counted(size, 'byte')}")
        if file.read(1) != b"{":  # the header of every safetensors file begins so
            raise ValueError("it is no safetensors file: give one that minihash saved")
        raise damaged(f"a header of {length} bytes exceeds its {size} or the limit of {MAX_HEADER}")
    raw = file.read(length)
    header = _parse(raw, "header")
    metadata = header.pop("__metadata__", None)
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise ValueError(
            "it is a safetensors file of others: give a file that minihash saved, or bring its "
            "weights in by minihash train --from"
        )
    version = metadata.get("version")
    if version != VERSION:
        raise ValueError(
            f"it has version {reprlib.repr(version)}, this minihash reads version {VERSION!r} only:"
            " update minihash, or load it with the one that wrote it"
        )
    digests = [match[1] for match in _DIGEST.findall(raw)]
    if digests != [str(metadata.get("digest")).encode()]:
        raise damaged("it has no digest of 64 digits")
    if not isinstance(metadata.get("spec"), str):
        raise damaged("it has no spec")
    spec = _parse(metadata["spec"], "spec")
    entries = _entries(header, size - 8 - length)
    return Header(with_digest(prefix + raw, ZEROS), metadata["digest"], spec, entries)


def with_digest(head: bytes, digest: str) -> bytes:
    """`head` with the 64 digits of its digest replaced."""
    return _DIGEST.sub(rb"\g<1>" + digest.encode() + b'"', head)


def parse_json(text: str | bytes) -> dict[str, Any]:
    """A JSON object, by the letter: no key stands twice, NaN and Infinity are no numbers.

    Raises ValueError for everything else.

    >>> parse_json('{"seed": 0, "seed": 1}')
    Traceback (most recent call last):
    ValueError: a key stands twice
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) < len(pairs):
            raise ValueError("a key stands twice")
        return result

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no number in JSON")

    try:
        text = text if isinstance(text, str) else text.decode()
        value = json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    except RecursionError:
        raise ValueError("it nests too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("it is no JSON object")
    return value


def check_name(name: str) -> None:
    """Refuse, by ValueError, what cannot name an array."""
    if not isinstance(name, str) or name == "__metadata__":
        raise ValueError(f"{reprlib.repr(name)} cannot name an array: use another string")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{reprlib.repr(name)} is no Unicode text: use another name") from None


def damaged(why: str) -> ValueError:
    """The error of a file that is no whole checkpoint."""
    return ValueError(f"the file is damaged, {why}: restore it from a copy or save it again")


def _parse(text: str | bytes, what: str) -> dict[str, Any]:
    try:
        return parse_json(text)
    except ValueError as error:
        raise damaged(f"its {what} cannot be read ({error})") from None


def _entries(header: dict[str, Any], room: int) -> list[Entry]:
    """The arrays in the order of the file, proved to fill `room` bytes without gap or overlap."""
    entries = sorted(_entry(name, fields) for name, fields in header.items())
    end = 0
    for entry in entries:
        if entry.begin != end:
            raise damaged(f"array {reprlib.repr(entry.name)} leaves a gap or overlaps another")
        end = entry.end
    if end != room:
        raise damaged(f"its arrays should take {end} bytes, and {room} are there")
    return entries


def _entry(name: str, fields: object) -> Entry:
    check_name(name)
    where = f"array {reprlib.repr(name)}"
    if not isinstance(fields, dict) or fields.keys() != {"dtype", "shape", "data_offsets"}:
        raise damaged(f"{where} is not described by dtype, shape and data_offsets")
    dtype, shape, offsets = fields["dtype"], fields["shape"], fields["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise damaged(f"{where} has dtype {reprlib.repr(dtype)}, which no checkpoint holds")
    if not (_are_sizes(shape) and len(shape) <= MAX_DIMENSIONS):
        raise damaged(f"{where} has shape {reprlib.repr(shape)}")
    if not (_are_sizes(offsets) and len(offsets) == 2):
        raise damaged(f"{where} has data_offsets {reprlib.repr(offsets)}")
    begin, end = offsets
    itemsize = np.dtype(DTYPES[dtype]).itemsize
    if end - begin != math.prod(shape) * itemsize:
        raise damaged(f"{where} has a shape that its data_offsets do not fit")
    if math.prod(size or 1 for size in shape) * itemsize >= 2**63:  # too large even beside a 0
        raise damaged(f"{where} has shape {reprlib.repr(shape)}")
    return Entry(begin, end, name, dtype, tuple(shape))


def _are_sizes(values: object) -> bool:
    return isinstance(values, list) and all(type(v) is int and 0 <= v < 2**63 for v in values)
