"""Random numbers as pure functions of (seed, identifier): no state, no order of drawing.

    h(seed, i)         = XXH32 of the 8 little-endian bytes of the uint64 i
    stream(seed, name) = XXH32 of the ASCII bytes of name: the seed of a named stream
    u(seed, i)         = (h(seed, i) + 1/2) / 2^32, exact in float64, inside (0, 1)
    scale(word, n)     = floor(word n / 2^32), a word made an integer below n

With the upper half of i fixed, h is a bijection from the lower half to 32-bit words: each step of
XXH32 over 8 bytes can be undone. Words of one block of 2^32 identifiers therefore never tie.
"""

from reference.xxh32 import xxh32


def h(seed: int, i: int) -> int:
    """The uint32 word of identifier 0 <= i < 2^64 under a uint32 seed.

    >>> h(0, 0), h(0, 2**64 - 1)
    (3736311059, 3246573273)
    """
    return xxh32(i.to_bytes(8, "little"), seed)


def stream(seed: int, name: str) -> int:
    """The seed, a uint32, of the stream called `name`.

    >>> stream(0, "bucket") != stream(0, "sign")
    True
    """
    return xxh32(name.encode("ascii"), seed)


def u(seed: int, i: int) -> float:
    """A uniform number in (0, 1).

    >>> u(0, 0) == (h(0, 0) + 0.5) / 4294967296
    True
    """
    return (h(seed, i) + 0.5) / 2**32


def scale(word: int, n: int) -> int:
    """A 32-bit word scaled down to 0 <= result < n.

    >>> scale(0, 10), scale(2**31, 10), scale(2**32 - 1, 10)
    (0, 5, 9)
    """
    return word * n >> 32


def random_sign(seed: int, i: int) -> int:
    """The sign in a signed hash: +1 if the word of i in the stream "sign" is odd, else -1.

    >>> {random_sign(0, i) for i in range(20)} == {-1, 1}
    True
    """
    return 1 if h(stream(seed, "sign"), i) % 2 == 1 else -1
