"""XXH32: the only source of pseudo-randomness in minihash.

    h(seed, i)         = XXH32(the 8 little-endian bytes of the identifier i, seed)     a uint32
    u(seed, i)         = (h(seed, i) + 1/2) / 2^32                                      in (0, 1)
    scale(h, n)        = floor(h n / 2^32)                                              in 0 .. n-1
    stream(seed, name) = XXH32(the ASCII bytes of name, seed)                           a new seed

Randomness is a pure function of (seed, identifier): nothing is stored, any tile of a virtual weight
can be made at any time on any machine. Independent draws for one identifier come from named
streams, never from `seed` and `seed + 1`: over 8-byte inputs the seed and the low word of the
identifier enter XXH32 as a sum, so that two seeds are the same sequence shifted.

Source: xxHash specification 0.2.0, XXH32 (Cyan4973/xxHash, doc/xxhash_spec.md).
"""

import numpy as np

U32 = np.uint32
U64 = np.uint64

PRIME1 = U32(0x9E3779B1)
PRIME2 = U32(0x85EBCA77)
PRIME3 = U32(0xC2B2AE3D)
PRIME4 = U32(0x27D4EB2F)
PRIME5_PLUS_LENGTH = U32(0x165667B1 + 8)


def xxh32(i, seed):
    """XXH32 of the 8 little-endian bytes of the identifier `i`: a scalar body.

    Read by NumPy (`i` an array of uint64, at least one-dimensional), by `numba.njit` and by
    `cuda.jit(device=True)` (`i` a uint64). Every step is cast back to 32 bits, since Numba widens
    `uint32 + uint32` to 64 bits and an unwrapped sum would leave the table.

    >>> xxh32(np.array([0, 1, 2**64 - 1], np.uint64), U32(0))
    array([3736311059,  149775153, 3246573273], dtype=uint32)
    """
    h = U32(U32(U32(U32(i) * PRIME3) + seed) + PRIME5_PLUS_LENGTH)
    h = U32(U32(U32(h << U32(17)) | U32(h >> U32(15))) * PRIME4)
    h = U32(h + U32(U32(i >> U64(32)) * PRIME3))
    h = U32(U32(U32(h << U32(17)) | U32(h >> U32(15))) * PRIME4)
    h = U32(U32(h ^ U32(h >> U32(15))) * PRIME2)
    h = U32(U32(h ^ U32(h >> U32(13))) * PRIME3)
    return U32(h ^ U32(h >> U32(16)))


def scale(h, n):
    """floor(h n / 2^32): a 32-bit hash spread over n < 2^32 buckets. A scalar body; `n` is a
    uint64, cut so that compilers see a product of two 32-bit numbers.

    >>> scale(np.array([0, 2**31, 2**32 - 1], np.uint32), U64(10))
    array([0, 5, 9], dtype=uint64)
    """
    return (U64(h) * U64(U32(n))) >> U64(32)


def unit(i: np.ndarray, seed: np.uint32) -> np.ndarray:
    """u(seed, i): float64 in (0, 1), exact. `i` is an array of uint64.

    >>> unit(np.array([7], np.uint64), U32(1)) < 1
    array([ True])
    """
    return (xxh32(i, seed) + 0.5) * 2.0**-32


def xxh32_bytes(data: bytes, seed: int = 0) -> int:
    """XXH32 of any bytes, in Python integers: for names and short strings.

    >>> hex(xxh32_bytes(b"abc"))
    '0x32d153ff'
    """
    columns = np.frombuffer(data, np.uint8)[:, None]
    return int(xxh32_columns(columns, seed)[0])


def xxh32_columns(columns: np.ndarray, seed: int = 0) -> np.ndarray:
    """XXH32 of many strings of one length at once.

    columns: uint8 (length, count); string k is columns[:, k]. Returns uint32 (count,).

    >>> columns = np.array([list(b"abc"), list(b"xyz")], np.uint8).T
    >>> [hex(h) for h in xxh32_columns(columns)]
    ['0x32d153ff', '0xf1932fd3']
    """
    length, count = columns.shape

    def rotate(x: np.ndarray, r: int) -> np.ndarray:
        return (x << U32(r)) | (x >> U32(32 - r))

    def lane(at: int) -> np.ndarray:
        b = columns[at : at + 4].astype(U32)
        return b[0] | (b[1] << U32(8)) | (b[2] << U32(16)) | (b[3] << U32(24))

    def start(*terms: int) -> np.ndarray:
        return np.full(count, (seed + sum(terms)) % 2**32, U32)

    p1, p2, p5 = int(PRIME1), int(PRIME2), 0x165667B1
    at = 0
    if length >= 16:
        lanes = [start(p1, p2), start(p2), start(), start(-p1)]
        while at + 16 <= length:
            for k in range(4):
                lanes[k] = rotate(lanes[k] + lane(at + 4 * k) * PRIME2, 13) * PRIME1
            at += 16
        h = rotate(lanes[0], 1) + rotate(lanes[1], 7) + rotate(lanes[2], 12) + rotate(lanes[3], 18)
    else:
        h = start(p5)
    h = h + U32(length % 2**32)
    while at + 4 <= length:
        h = rotate(h + lane(at) * PRIME3, 17) * PRIME4
        at += 4
    while at < length:
        h = rotate(h + columns[at].astype(U32) * U32(p5), 11) * PRIME1
        at += 1
    h = (h ^ (h >> U32(15))) * PRIME2
    h = (h ^ (h >> U32(13))) * PRIME3
    return h ^ (h >> U32(16))


def stream(seed: int, name: str) -> np.uint32:
    """The seed of the stream called `name`.

    >>> int(stream(0, "bucket")), int(stream(0, "sign"))
    (3021600962, 88626581)
    """
    return U32(xxh32_bytes(name.encode("ascii"), int(seed)))
