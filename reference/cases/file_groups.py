"""Level 5: files, byte for byte, and files that must be refused."""

from hashlib import sha256
from typing import Any

from reference.builders import arbnet, initial_parameters
from reference.cases.numbers import Json
from reference.data import float32
from reference.files import checkpoint

LAYOUT = {
    "file": "the bytes in hexadecimal",
    "spec": "the JSON that the file holds",
    "arrays": "by name: [dtype in the words of safetensors, shape, values row-major]",
}


def documents() -> dict[str, dict[str, Any]]:
    """The files of this module by name.

    >>> sorted(documents())
    ['files']
    """
    document = {"level": 5, "section": "27. Files", "layout": LAYOUT}
    return {"files": document | {"answers": [], "groups": [*whole(), *damaged()]}}


def contents() -> list[tuple[str, Json, dict]]:
    """What the files hold: (what they catch, spec, arrays).

    >>> len(contents())
    3
    """
    net = arbnet((4, 3, 2), {"type": "Dirichlet", "alpha": {"float": "inf"}, "signed": False}, 0.5)
    params = initial_parameters(net, 0)
    arrays = {n: ("F32", (len(v),), [float32(x) for x in v]) for n, v in params.items()}
    mixed = {
        "b": ("F64", (1, 2), [0.1, -0.0]),
        "a": ("F32", (2,), [1.5, -2.0]),
        "c": ("U8", (3,), [0, 7, 255]),
        "d": ("U32", (), [4294967295]),
        "e": ("F32", (0, 2), []),
    }
    return [
        ("a header that is not padded; a digest over it", {}, {}),
        ("arrays by name alone; keys that are not sorted", {"z": 1, "a": [None, "\u00e4"]}, mixed),
        ("a network", {"network": net}, arrays),
    ]


def whole() -> list[Json]:
    """Each file read, and written.

    >>> [group["op"] for group in whole()][:2]
    ['file_read', 'file_write']
    """
    found = []
    for catches, spec, arrays in contents():
        file = checkpoint(spec, arrays).hex()
        listed = {name: [d, list(shape), values] for name, (d, shape, values) in arrays.items()}
        inside = {"spec": spec, "arrays": listed}
        found.append({"op": "file_read", "catches": catches, "file": file} | inside)
        found[-1]["answers"] = ["spec", "arrays"]
        found.append({"op": "file_write", "catches": catches} | inside | {"file": file})
        found[-1]["answers"] = ["file"]
    return found


def damaged() -> list[Json]:
    """Files that no reader may take.

    >>> {group["error"] for group in damaged()}
    {'damaged'}
    """
    _, spec, arrays = contents()[1]
    file = checkpoint(spec, arrays)
    n = int.from_bytes(file[:8], "little")
    other = sealed(file.replace(b'"version":"1"', b'"version":"2"'), n)
    cases = [
        ("the last byte flipped", file[:-1] + bytes([file[-1] ^ 1])),
        ("a letter of the spec changed", file.replace(b"null", b"true", 1)),
        ("cut short", file[:-3]),
        ("a byte more", file + b"\0"),
        ("a header longer than the file", (2**40).to_bytes(8, "little") + file[8:]),
        ("a digest of zeros", file[:8] + zeroed(file[8 : 8 + n]) + file[8 + n :]),
        ("another version", other),
        ("an empty file", b""),
    ]
    return [
        {"op": "file_read", "catches": catches, "file": data.hex(), "error": "damaged"}
        for catches, data in cases
    ]


def zeroed(header: bytes) -> bytes:
    """The header with zeros for the digits of its digest.

    >>> zeroed(b'{"digest":"' + b"a" * 64 + b'"}')[-4:]
    b'00"}'
    """
    at = header.index(b'"digest":"') + len(b'"digest":"')
    return header[:at] + b"0" * 64 + header[at + 64 :]


def sealed(file: bytes, n: int) -> bytes:
    """The file with a digest that is right, whatever else is in its header of n bytes.

    >>> _, spec, arrays = contents()[1]
    >>> file = checkpoint(spec, arrays)
    >>> sealed(file, int.from_bytes(file[:8], "little")) == file
    True
    """
    bare = file[:8] + zeroed(file[8 : 8 + n]) + file[8 + n :]
    digest = sha256(bare).hexdigest().encode()
    return bare.replace(b'"digest":"' + b"0" * 64, b'"digest":"' + digest, 1)
