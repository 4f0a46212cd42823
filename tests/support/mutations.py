"""Random damage to bytes and to JSON, by a seeded generator."""

import re
import struct

import numpy as np

# Numbers that sizes, counts and offsets must not be trusted with.
NUMBERS = [0, 1, 2, 3, 7, 127, 128, 255, 256, 2**15, 2**16 - 1, 2**16, 2**24, 2**31 - 1, 2**31]
NUMBERS += [2**32 - 1, 2**40, 2**53, 2**60, 2**63 - 1, 2**63, 2**64 - 1]
DIGITS = re.compile(rb"\d+")
TEXTS = [b"0", b"-1", b"9" * 20, b"1" + b"0" * 12, b"1e309", b"nan", b"''", b"()", b"[" * 40]
TEXTS += [b"\x00", b"\xff\xfe", b"\n", b'"', b",", b";" * 9, b"\r\n", "\u00fc\u202e".encode()]


def integer(rng: np.random.Generator) -> int:
    return NUMBERS[rng.integers(len(NUMBERS))] + int(rng.integers(-1, 2))


def damaged(data: bytes, rng: np.random.Generator, other: bytes = b"") -> bytes:
    """The bytes with one to four things wrong; other: of another file, to be spliced in."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        size = len(data)
        at = (
            int(rng.integers(size + 1))
            if rng.random() < 0.5
            else int(rng.integers(size + 1) ** 0.6)
        )
        match rng.integers(8):
            case 0:
                if at < size:
                    data[at] ^= 1 << int(rng.integers(8))
            case 1:
                data[at : at + 1] = bytes([rng.choice([0, 1, 0x7F, 0x80, 0xFF])])
            case 2 | 3:  # a number where one may be
                width, order = rng.choice([2, 4, 8]), rng.choice(["<", ">"])
                value = integer(rng) % 2 ** (8 * int(width))
                packed = struct.pack(f"{order}{ {2: 'H', 4: 'I', 8: 'Q'}[int(width)] }", value)
                data[at : at + len(packed)] = packed
            case 4:  # a number in text
                found = list(DIGITS.finditer(bytes(data[:4096])))
                if found:
                    part = found[rng.integers(len(found))]
                    data[part.start() : part.end()] = str(integer(rng)).encode()
            case 5:
                text = TEXTS[rng.integers(len(TEXTS))]
                data[at : at + int(rng.integers(3))] = text
            case 6:  # a piece is lost, or comes twice
                length = int(rng.integers(1, max(size // 2, 2)))
                piece = bytes(data[at : at + length])
                data[at : at + length] = piece * int(rng.choice([0, 2]))
            case 7:
                if rng.random() < 0.5:
                    del data[at:]
                else:
                    start = int(rng.integers(len(other) + 1))
                    data[at : at + 64] = other[start : start + 64]
    return bytes(data)


VALUES = [None, True, 0, 1, -1, 0.5, 1e300, 2**31, 2**62, 10**30, "", "W", [], {}, [[None]]]
VALUES += [{"float": "nan"}, {"float": "inf"}, {"array": "table"}, [2**62] * 9, "x" * 300, [0] * 99]


def damaged_json(value: object, rng: np.random.Generator, other: object = None) -> object:
    """JSON with a part replaced, dropped, repeated or exchanged for one of `other`."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        name = list(value)[rng.integers(len(value))]
        changed = dict(value)
        if rng.random() < 0.08:
            del changed[name]
        else:
            changed[name] = damaged_json(value[name], rng, other)
        return changed
    if isinstance(value, list) and value and rng.random() < 0.85:
        k = int(rng.integers(len(value)))
        if rng.random() < 0.1:
            return [*value[:k], *value[k:][: rng.integers(3)], *value[k:]]
        return [*value[:k], damaged_json(value[k], rng, other), *value[k + 1 :]]
    if isinstance(value, int) and rng.random() < 0.5:
        return integer(rng)
    if other is not None and rng.random() < 0.3:
        return part_of(other, rng)
    return VALUES[rng.integers(len(VALUES))]


def part_of(value: object, rng: np.random.Generator) -> object:
    """Some part of JSON."""
    while isinstance(value, dict | list) and value and rng.random() < 0.8:
        inside = list(value.values()) if isinstance(value, dict) else value
        value = inside[rng.integers(len(inside))]
    return value
