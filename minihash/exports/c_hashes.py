"""Hashes in C: the body of `float NAME(uint64_t i)`, the virtual weight of identifier i.

Each is the section of the specification in C99; what it reads beyond numbers becomes arrays. A hash
that is not here is refused: it has to be written in C first.
"""

import math
from collections.abc import Callable

import numpy as np

from minihash.hashes import (
    Compose,
    Dirichlet,
    Hash,
    HashedNets,
    Identity,
    Lookup,
    Modulus,
    Neighborhood,
    Uniform,
)
from minihash.hashes.xxh32 import stream

ROTATE = "\nstatic uint32_t rotate(uint32_t x, int r) { return x << r | x >> (32 - r); }\n"
WORD = """
/* XXH32 of the 8 little-endian bytes of an identifier. */
static uint32_t word(uint32_t seed, uint64_t i) {
    uint32_t h = seed + 374761393u + 8;
    h = rotate(h + (uint32_t)i * 3266489917u, 17) * 668265263u;
    h = rotate(h + (uint32_t)(i >> 32) * 3266489917u, 17) * 668265263u;
    h = (h ^ h >> 15) * 2246822519u;
    h = (h ^ h >> 13) * 3266489917u;
    return h ^ h >> 16;
}
"""


class Unwritten(ValueError):
    """A hash, or a layer, that has no C."""


def entry(hash_: Hash, arrays: Callable[[np.ndarray], str]) -> str:
    """Statements that set `k`, the bucket, and `sign`, of the identifier `i`.

    arrays: takes an array, returns the name that it has in the program.
    Raises Unwritten for a hash that has no C.

    >>> print(entry(Modulus(7), str))
    k = i % 7u;
    """
    for cls, write in BODIES.items():
        if type(hash_) is cls:
            text = write(hash_, arrays)
            break
    else:
        known = ", ".join(cls.__name__.lower() for cls in BODIES)
        raise Unwritten(
            f"the hash {type(hash_).__name__.lower()} has no C: train under one of {known}"
        )
    if getattr(hash_, "signed", False):
        text += f"\nsign *= word({_u(stream(hash_.seed, 'sign'))}, i) & 1 ? 1 : -1;"
    return text


def _u(value: object) -> str:
    return f"{int(value)}u"


def _identity(hash_: Identity, arrays: Callable) -> str:
    return "k = i;"


def _modulus(hash_: Modulus, arrays: Callable) -> str:
    return f"k = i % {hash_.buckets}u;"


def _uniform(hash_: Uniform | Dirichlet, arrays: Callable) -> str:
    seed = _u(stream(hash_.seed, "bucket"))
    return f"k = (uint64_t)word({seed}, i) * {hash_.buckets}u >> 32;"


def _neighborhood(hash_: Neighborhood, arrays: Callable) -> str:
    n, width = hash_.buckets, 2 * hash_.radius + 1
    back = n - hash_.radius % n
    seed = _u(stream(hash_.seed, "bucket"))
    return f"k = (i % {n}u + ((uint64_t)word({seed}, i) * {width}u >> 32) + {back}u) % {n}u;"


def _dirichlet(hash_: Dirichlet, arrays: Callable) -> str:
    if math.isinf(hash_.alpha):
        return _uniform(hash_, arrays)
    cells = hash_.constants()[3]
    threshold, alias = (arrays((cells >> np.uint64(s) & np.uint64(2**32 - 1)).astype(np.uint32))
                        for s in (0, 32))  # fmt: skip
    coin = _u(stream(hash_.seed, "coin"))
    return f"{_uniform(hash_, arrays)}\nif (word({coin}, i) >= {threshold}[k]) k = {alias}[k];"


def _hashednets(hash_: HashedNets, arrays: Callable) -> str:
    return (
        f'k = key(i, {hash_.fan_in}u, "idx{hash_.tag}", {hash_.seed}u) % {hash_.buckets}u;\n'
        f'sign *= key(i, {hash_.fan_in}u, "xi_{hash_.tag}", {hash_.seed}u) & 1 ? 1 : -1;'
    )


def _lookup(hash_: Lookup, arrays: Callable) -> str:
    text = f"k = {arrays(hash_.assignment)}[i];"
    if hash_.signs is not None:
        text = f"sign *= {arrays(hash_.signs.astype(np.int8))}[i];\n{text}"
    return text


def _compose(hash_: Compose, arrays: Callable) -> str:
    return f"{entry(hash_.inner, arrays)}\ni = k;\n{entry(hash_.outer, arrays)}"


BODIES: dict[type, Callable] = {
    Identity: _identity,
    Modulus: _modulus,
    Uniform: _uniform,
    Neighborhood: _neighborhood,
    Dirichlet: _dirichlet,
    HashedNets: _hashednets,
    Lookup: _lookup,
    Compose: _compose,
}

KEYS = """
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
