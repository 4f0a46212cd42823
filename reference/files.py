"""A model's file, byte for byte.

    8 bytes    n, little-endian
    n bytes    the header: JSON in ASCII, without spaces, padded with spaces to a multiple of 8
    the rest   the arrays, row-major, little-endian, without gaps: widest first, then by name

The header is {"__metadata__": {digest, format, spec, version}, then for each array, in the order of
the bytes, name: {dtype, shape, data_offsets}}. `spec` is a text: JSON with sorted keys, without
spaces. The digest is the SHA-256 of the whole file in which its own 64 digits are zeros.
"""

import hashlib
import json
import struct
from math import prod
from typing import Any

FORMATS = {"F32": "f", "F64": "d", "U8": "B", "U16": "H", "U32": "I", "I8": "b", "BOOL": "?"}
Array = tuple[str, tuple[int, ...], list]  # dtype, shape, values row-major


def text(value: Any) -> str:
    """JSON without spaces. An infinity is {"float": "inf"} before it comes here.

    >>> text({"a": [1, None]})
    '{"a":[1,null]}'
    """
    return json.dumps(value, separators=(",", ":"))


def checkpoint(spec: dict, arrays: dict[str, Array]) -> bytes:
    """The file that holds a spec and arrays.

    >>> data = checkpoint({}, {"table": ("F32", (2,), [1.0, 2.0])})
    >>> len(data) % 8, read(data)
    (0, ({}, {'table': ('F32', (2,), [1.0, 2.0])}))
    """
    metadata = {"digest": "0" * 64, "format": "minihash"}
    metadata |= {"spec": text(_sorted(spec)), "version": "1"}
    header: dict[str, Any] = {"__metadata__": metadata}
    body = b""
    for name in sorted(arrays, key=lambda name: (-struct.calcsize(_one(arrays[name])), name)):
        dtype, shape, values = arrays[name]
        data = struct.pack(f"<{len(values)}{FORMATS[dtype]}", *values)
        offsets = [len(body), len(body) + len(data)]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": offsets}
        body += data
    head = text(header).encode("ascii")
    head += b" " * (-len(head) % 8)
    file = len(head).to_bytes(8, "little") + head + body
    digest = hashlib.sha256(file).hexdigest()
    return file.replace(b'"digest":"' + b"0" * 64, b'"digest":"' + digest.encode(), 1)


def read(file: bytes) -> tuple[dict, dict[str, Array]]:
    """The spec and the arrays of a whole file. Raises ValueError if a bit of it is wrong.

    >>> read(checkpoint({"seed": 0}, {}).replace(b"seed", b"sead"))
    Traceback (most recent call last):
    ValueError: the digest is not that of the file
    """
    n = int.from_bytes(file[:8], "little")
    header = json.loads(file[8 : 8 + n])
    metadata, body = header.pop("__metadata__"), file[8 + n :]
    digest = metadata["digest"].encode()
    if hashlib.sha256(file.replace(digest, b"0" * 64, 1)).hexdigest().encode() != digest:
        raise ValueError("the digest is not that of the file")
    arrays = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        form = f"<{prod(entry['shape'])}{FORMATS[entry['dtype']]}"
        values = list(struct.unpack(form, body[begin:end]))
        arrays[name] = entry["dtype"], tuple(entry["shape"]), values
    return json.loads(metadata["spec"]), arrays


def _one(array: Array) -> str:
    return "<" + FORMATS[array[0]]


def _sorted(value: Any) -> Any:
    """The value with the keys of every object in order."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(entry) for entry in value] if isinstance(value, list | tuple) else value
