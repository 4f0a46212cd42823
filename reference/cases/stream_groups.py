"""The vectors of XXH32, the streams, and what is drawn from them one by one."""

import struct
from typing import Any

from reference.layers import dropout_mask
from reference.streams import h, random_sign, scale, stream, u
from reference.training import epoch_order, initial_table
from reference.xxh32 import sanity_buffer, xxh32

IDENTIFIERS = [
    *range(10),
    *(2**8 - 1, 2**8, 2**16 - 1, 2**16, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1),
    *(2**32, 2**32 + 1, 2**33, 2**48 + 12345, 2**53 - 1, 2**53, 2**53 + 1),
    *(2**63 - 1, 2**63, 2**64 - 2, 2**64 - 1),
]
SEEDS = [0, 1, 1691, 2**31, 2654435761, 2**32 - 1]


def documents() -> dict[str, dict[str, Any]]:
    """The files of this module by name.

    >>> sorted(documents())
    ['dropout', 'epoch_order', 'initialisation', 'streams', 'xxh32']
    """
    return {
        "xxh32": xxh32_document(),
        "streams": streams_document(),
        "initialisation": initialisation_document(),
        "epoch_order": epoch_order_document(),
        "dropout": dropout_document(),
    }


def xxh32_document() -> dict[str, Any]:
    """XXH32 of byte strings and of identifiers.

    >>> xxh32_document()["groups"][0]["hashes"][0]
    46947589
    """

    def of_strings(catches: str, strings: list[bytes], seed: int) -> dict[str, Any]:
        hashes = [xxh32(data, seed) for data in strings]
        texts = [data.hex() for data in strings]
        return {"catches": catches, "seed": seed, "bytes": texts, "hashes": hashes}

    sanity = [sanity_buffer(length) for length in (0, 1, 14, 222)]
    tails = [sanity_buffer(length) for length in range(2, 36)]
    keys = [b"abc", b"123_123idxW", b"91011_101112xi_W", b"100010011002_784785786idxW"]
    groups = [
        of_strings("any slip: xxHash's own sanity values", sanity, 0),
        of_strings("a seed that is ignored, or added in one place only", sanity, 2654435761),
        of_strings("wrong tails: lengths 4k + 1, 2, 3 and both sides of 16 and 32", tails, 0),
        of_strings("seed arithmetic that does not wrap at 2^32", tails, 2**32 - 1),
        of_strings("text keys: a terminating zero, or UTF-16", keys, 1691),
    ]
    for seed in SEEDS:
        groups.append(
            {
                "catches": "identifiers cut to 32 bits, signed, in float64, or as big-endian bytes",
                "seed": seed,
                "identifiers": IDENTIFIERS,
                "hashes": [h(seed, i) for i in IDENTIFIERS],
            }
        )
    layout = {
        "bytes": "input byte strings in hexadecimal",
        "identifiers": "uint64, hashed as 8 little-endian bytes",
        "hashes": "XXH32 of each input under seed",
    }
    return {
        "level": 0,
        "op": "xxh32",
        "section": "1. XXH32",
        "layout": layout,
        "answers": ["hashes"],
        "groups": groups,
    }


def streams_document() -> dict[str, Any]:
    """Seeds of named streams, numbers in (0, 1), scaled words, signs.

    >>> streams_document()["section"]
    '2. Streams'
    """
    names = [
        "sign",
        "bucket",
        "coin",
        "gamma",
        "epoch",
        "dropout",
        "init/table",
        "init/dense0.bias",
    ]
    groups: list[dict[str, Any]] = []
    for seed in SEEDS:
        groups.append(
            {
                "op": "stream",
                "catches": "streams made as seed + 1, seed + 2, or names hashed with a zero",
                "seed": seed,
                "names": names,
                "streams": [stream(seed, name) for name in names],
            }
        )
    for seed in (0, 2**32 - 1):
        groups.append(
            {
                "op": "uniform",
                "catches": "float32 division, or a number that can be 0 or 1",
                "seed": seed,
                "identifiers": IDENTIFIERS,
                "uniforms": [u(seed, i) for i in IDENTIFIERS],
            }
        )
    words = [0, 1, 2**31 - 1, 2**31, 3 * 2**30, 2**32 - 2, 2**32 - 1]
    for n in (1, 2, 3, 10, 1000, 2**16 + 1, 2**31, 2**32 - 1):
        groups.append(
            {
                "op": "scale",
                "catches": "a 32-bit product, a division by 2^32 - 1, or word mod n",
                "n": n,
                "words": words,
                "scaled": [scale(word, n) for word in words],
            }
        )
    for seed in (0, 1, 2**32 - 1):
        groups.append(
            {
                "op": "sign",
                "catches": "odd and even exchanged, or signs from the buckets' stream",
                "seed": seed,
                "identifiers": IDENTIFIERS,
                "signs": [random_sign(seed, i) for i in IDENTIFIERS],
            }
        )
    layout = {
        "streams": "stream(seed, name) of each name",
        "uniforms": "u(seed, identifier), float64 in the shortest decimals that read back exactly",
        "scaled": "scale(word, n) of each word",
        "signs": "the sign of each identifier in a signed hash of this seed",
    }
    return {
        "level": 0,
        "section": "2. Streams",
        "layout": layout,
        "answers": ["streams", "uniforms", "scaled", "signs"],
        "groups": groups,
    }


def initialisation_document() -> dict[str, Any]:
    """Initial tables, in float64 and float32.

    >>> initialisation_document()["groups"][0]["table"]
    'table'
    """
    cases = [
        ("table", 16, 1 / 28, 0, "the wrong stream, or an entry's number that does not start at 0"),
        ("table", 16, 1 / 28, 1, "a seed that is not used"),
        ("dense1.bias", 10, 200**-0.5, 0, "tables of one network that begin alike"),
        (
            "table",
            16,
            1.0,
            2**32 - 1,
            "float32 arithmetic: one rounding of the float64 number only",
        ),
        ("table", 4, 0.0, 0, "a bound of 0"),
    ]
    groups = []
    for table, entries, bound, seed, catches in cases:
        values = initial_table(table, entries, bound, seed)
        bits = [struct.unpack("<I", struct.pack("<f", value))[0] for value in values]
        groups.append(
            {
                "catches": catches,
                "seed": seed,
                "table": table,
                "entries": entries,
                "bound": bound,
                "values": values,
                "float32_bits": bits,
            }
        )
    layout = {
        "values": "the table, float64 in the shortest decimals that read back exactly",
        "float32_bits": "the same rounded to float32, its bits as a uint32",
    }
    return {
        "level": 4,
        "op": "initial_table",
        "section": "16. Initialisation",
        "layout": layout,
        "answers": ["values", "float32_bits"],
        "groups": groups,
    }


def epoch_order_document() -> dict[str, Any]:
    """Orders of the examples.

    >>> sorted(epoch_order_document()["groups"][0]["order"]) == list(range(20))
    True
    """
    cases = [
        (0, 0, 20, "an order by examples instead of by words: the inverse permutation"),
        (0, 1, 20, "epochs that repeat one order"),
        (1, 0, 20, "a seed that is not used"),
        (0, 2**31, 12, "an epoch beyond 2^31, or i + 2^32 epoch in 32 bits"),
        (2**32 - 1, 2**32 - 1, 12, "the last seed and epoch"),
        (0, 7, 1, "a single example"),
        (0, 0, 257, "words sorted as signed numbers, or as float32"),
    ]
    groups = []
    for seed, epoch, count, catches in cases:
        order = epoch_order(count, epoch, seed)
        groups.append(
            {"catches": catches, "seed": seed, "epoch": epoch, "count": count, "order": order}
        )
    layout = {"order": "the numbers of the examples, first to last, in that epoch"}
    return {
        "level": 4,
        "op": "epoch_order",
        "section": "17. Order of the examples",
        "layout": layout,
        "answers": ["order"],
        "groups": groups,
    }


def dropout_document() -> dict[str, Any]:
    """Dropout masks.

    >>> dropout_document()["groups"][0]["kept"]
    [1, 1, 1, 1, 1, 1]
    """
    word = h(stream(0, "dropout"), 5)
    at_edge, above_edge = word / 2**32, (word + 1) / 2**32
    cases = [
        (0, 0.0, 0, (2, 3), "a rate of 0 that drops"),
        (0, 0.5, 0, (4, 8), "kept and dropped exchanged"),
        (0, 0.5, 1, (4, 8), "the same mask at every step"),
        (0, 0.25, 0, (4, 8), "a rate that is the share kept"),
        (1, 0.25, 0, (8, 4), "column-major elements"),
        (
            0,
            0.1,
            2**32 - 1,
            (4, 8),
            "e + 2^32 step in fewer than 64 bits; a rate that is not binary",
        ),
        (2**32 - 1, 0.99, 3, (10, 20), "a threshold above 2^31, read as signed"),
        (0, at_edge, 0, (2, 8), "> in place of >=: element 5 has exactly the threshold's word"),
        (0, above_edge, 0, (2, 8), "a threshold rounded down: element 5 is one word below it"),
        (0, 0.5, 0, (0, 3), "an empty batch"),
    ]
    groups = []
    for seed, rate, step, shape, catches in cases:
        kept = dropout_mask(shape, rate, seed, step).reshape(-1)
        groups.append(
            {
                "catches": catches,
                "seed": seed,
                "rate": rate,
                "step": step,
                "shape": list(shape),
                "kept": [int(element) for element in kept],
            }
        )
    layout = {"kept": "1 where an element is kept, 0 where it is dropped, row-major"}
    return {
        "level": 3,
        "op": "dropout",
        "section": "10. Dropout",
        "layout": layout,
        "answers": ["kept"],
        "groups": groups,
    }
