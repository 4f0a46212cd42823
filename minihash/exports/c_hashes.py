"""Hashes in C: the bucket and the sign of an identifier `i`, as expressions.

They are the hash's own bodies, written out (formula.py). HashedNets, whose bodies read an index of
its keys, has the keys themselves instead.
"""

from collections.abc import Callable

import numpy as np

from minihash.exports.formula import of_hash, of_xxh32
from minihash.exports.text import Language, written
from minihash.hashes import Hash, HashedNets

TYPES = {"f4": "float", "f8": "double", "i1": "int8_t", "b1": "int"}
TYPES |= {"u1": "uint8_t", "u2": "uint16_t", "u4": "uint32_t", "u8": "uint64_t"}


def _constant(value: np.generic) -> str:
    return f"{int(value)}{'u' * (value.dtype.kind == 'u')}"


C = Language(
    constant=_constant,
    cast=lambda kind, text: f"({TYPES[kind]}){text}",
    assign=lambda kind, name, text: f"{TYPES[kind]} {name} = {text};",
    operators={"//": "/"},
)


def entry(hash_: Hash, arrays: Callable[[np.ndarray], str]) -> tuple[list[str], list[str]]:
    """Statements, and then the expressions of the bucket and, unless each is +1, of the sign.

    arrays: takes an array, returns the name that it has in the program.
    Raises Unwritten for a hash from outside that is more than arithmetic.

    >>> from minihash.hashes import Modulus
    >>> entry(Modulus(7), str)
    ([], ['i % 7u'])
    """
    if type(hash_) is HashedNets:
        key = 'key(i, {}u, "{}{}", {}u)'
        bucket, sign = (
            key.format(hash_.fan_in, kind, hash_.tag, hash_.seed) for kind in ("idx", "xi_")
        )
        return [], [f"{bucket} % {hash_.buckets}u", f"{sign} & 1 ? 1 : -1"]
    return written(of_hash(hash_), C, ("i",), arrays)


def xxh32() -> str:
    """The function of that name."""
    statements, (result,) = written(of_xxh32(), C, ("i", "seed"), str)
    lines = "\n    ".join([*statements, f"return {result};"])
    return (
        "\n/* XXH32 of the 8 little-endian bytes of an identifier. */\n"
        f"static uint32_t xxh32(uint64_t i, uint32_t seed) {{\n    {lines}\n}}\n"
    )


KEYS = """
static uint32_t rotate(uint32_t x, int r) { return x << r | x >> (32 - r); }

static uint32_t four(const unsigned char *p) {
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* XXH32 of a string: the keys of HashedNets. */
static uint32_t text(uint32_t seed, const char *s, uint32_t length) {
    const uint32_t P1 = 2654435761u, P2 = 2246822519u, P3 = 3266489917u, P4 = 668265263u;
    const unsigned char *p = (const unsigned char *)s;
    uint32_t h = seed + 374761393u, left = length;
    if (length >= 16) {
        uint32_t lane[4] = {seed + P1 + P2, seed + P2, seed, seed - P1};
        for (; left >= 16; left -= 16)
            for (int k = 0; k < 4; k++, p += 4) {
                lane[k] = rotate(lane[k] + four(p) * P2, 13) * P1;
            }
        h = rotate(lane[0], 1) + rotate(lane[1], 7) + rotate(lane[2], 12) + rotate(lane[3], 18);
    }
    h += length;
    for (; left >= 4; left -= 4, p += 4) {
        h = rotate(h + four(p) * P3, 17) * P4;
    }
    for (; left; left--, p++) h = rotate(h + *p * 374761393u, 11) * P1;
    h = (h ^ h >> 15) * P2;
    h = (h ^ h >> 13) * P3;
    return h ^ h >> 16;
}

static char *decimals(char *to, uint64_t a) {
    char digits[20];
    int n = 0;
    do digits[n++] = (char)('0' + a % 10);
    while (a /= 10);
    while (n) *to++ = digits[--n];
    return to;
}

static uint32_t key(uint64_t i, uint64_t fan_in, const char *tag, uint32_t seed) {
    char s[140], *to = s;
    for (int k = 0; k < 3; k++) to = decimals(to, i / fan_in + 1 + (uint64_t)k);
    *to++ = '_';
    for (int k = 0; k < 3; k++) to = decimals(to, i % fan_in + 1 + (uint64_t)k);
    while (*tag) *to++ = *tag++;
    return text(seed, s, (uint32_t)(to - s));
}
"""
