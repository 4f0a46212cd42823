"""The compiled loops of one hash, over a tile of its virtual weight.

    locate    words[r, c] = bucket and sign of the identifier firsts[r] + c
    read      tile[r, c] = sign * table[bucket]
    add       dtable[bucket] += sign * tile[r, c]

A word is a bucket, which is below 2^31 - 1, with its sign in the top bit: 0 for +1, 1 for -1. Where
there is no connection (sign 0), all bits are 1. A sign is applied by an exclusive or of the top bit
of the word and that of the number.

Each loop has one kind of work: the arithmetic of a hash, which LLVM then turns into SIMD, or the
memory accesses at the buckets, which would make the arithmetic scalar at ten times the cost. Where
buckets run (identity, modulus) nothing is located, and windows of the table are copied.

`draw`, `place` and `sign` are bound to those of a hash (`of`). constants = (what draw and place
read, what sign reads).
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from minihash.compile.body import bound, compiled
from minihash.compile.jit import njit
from minihash.core.numba.guard import check_buckets, run_of, trusted
from minihash.core.numba.parts import workspace
from minihash.hashes.hash import Hash
from minihash.hashes.xxh32 import U32, U64

HIGH, LOW = U64(0xFFFFFFFF << 32), U64(0xFFFFFFFF)  # the words of an identifier
BUCKET, NEGATIVE, MISSING = U32(2**31 - 1), U32(2**31), U32(2**32 - 1)  # of a word
CHUNK = 1024  # drawn words between two loops: they stay in the first-level cache


class Loops(NamedTuple):
    """The compiled loops of a hash, as functions of tiles: C-contiguous arrays (rows, columns)."""

    hash_: Hash
    locate_words: Callable | None  # None: its buckets run
    read_tile: Callable
    add_tile: Callable

    def locate(self, firsts: np.ndarray, columns: int) -> tuple:
        """Where the tile of the identifiers firsts[r] + c, c < columns, is in the table. Valid
        until this thread's next call."""
        if not trusted(self.hash_):
            check_buckets(self.hash_, firsts, columns)
        if self.locate_words is None:
            return firsts, self.hash_.state[0], U64(self.hash_.run)
        words = workspace("words", (firsts.size, columns), np.uint32)
        self.locate_words(firsts, words, self.hash_.state)
        return (words,)

    def read(self, table: np.ndarray, tile: np.ndarray, where: tuple) -> None:
        """tile = sign * table[bucket]."""
        self.read_tile(bits(table), bits(tile), *where)

    def add(self, tile: np.ndarray, dtable: np.ndarray, where: tuple) -> None:
        """dtable[bucket] += sign * tile, which may be overwritten."""
        self.add_tile(tile, bits(tile), dtable, *where)


def bits(numbers: np.ndarray) -> np.ndarray:
    """The same memory as unsigned integers."""
    return numbers.view(np.uint32 if numbers.itemsize == 4 else np.uint64)


def of(hash_: Hash) -> Loops:
    """The loops of a hash."""
    return Loops(hash_, *made(*hash_.stages, run_of(hash_) > 1))


@cache
def made(draw: Callable, place: Callable | None, sign: Callable | None, runs: bool) -> tuple:
    def of_hash(body: Callable) -> Callable:
        name = f"{body.__name__}-{draw.__qualname__}"
        return compiled(bound(body, name, draw=draw, place=place, sign=sign or always), njit)

    if runs:
        return None, of_hash(read_runs), of_hash(add_runs)
    locate = of_hash(locate_placed if place else locate_drawn)
    return locate, compiled(read_words, njit), compiled(add_words, njit)


def always(i, state):
    return np.int8(1)


# Templates.


def word(bucket, sign):
    return U32(bucket) | U32(sign) & NEGATIVE | MISSING * U32(sign == 0)


def locate_drawn(firsts, words, constants):
    rows, columns = words.shape
    state, key = constants
    n = state[0]
    for r in range(rows):
        start = 0
        while start < columns:  # again only where the residue or the low word wraps
            i = firsts[r] + U64(start)
            residue, high, low = i % n, i & HIGH, U32(i & LOW)
            chunk = words[r, start : start + unbroken(low, n - residue)]
            for c in range(chunk.size):
                i = high | U64(U32(low + U32(c)))
                chunk[c] = word(draw(i, residue + U64(c), state), sign(i, key))
            start += chunk.size


def locate_placed(firsts, words, constants):
    rows, columns = words.shape
    state, key = constants
    n = state[0]
    drawn = np.empty(CHUNK, np.uint64)
    for r in range(rows):
        start = 0
        while start < columns:
            i = firsts[r] + U64(start)
            residue, high, low = i % n, i & HIGH, U32(i & LOW)
            chunk = words[r, start : start + min(CHUNK, unbroken(low, n - residue))]
            for c in range(chunk.size):
                drawn[c] = draw(high | U64(U32(low + U32(c))), residue + U64(c), state)
            for c in range(chunk.size):
                chunk[c] = place(drawn[c], state)
            for c in range(chunk.size):
                chunk[c] = word(chunk[c], sign(high | U64(U32(low + U32(c))), key))
            start += chunk.size


def unbroken(low, most):
    """How many identifiers, at most `most`, have one high word from this low word on: their hashes
    differ in 32-bit arithmetic alone, which is twice as fast as 64-bit."""
    return np.int64(min(U64(most), LOW + U64(1) - U64(low)))


def read_words(table, tile, words):
    tile, words = tile.reshape(-1), words.reshape(-1)
    top = U64(8 * table.itemsize - 32)
    for k in range(words.size):
        if words[k] != MISSING:
            tile[k] = table[words[k] & BUCKET]
    for k in range(words.size):
        signed = tile[k] ^ U64(words[k] & NEGATIVE) << top
        tile[k] = U64(0) if words[k] == MISSING else signed


def add_words(tile, bits, dtable, words):
    tile, bits, words = tile.reshape(-1), bits.reshape(-1), words.reshape(-1)
    top = U64(8 * tile.itemsize - 32)
    for k in range(words.size):
        bits[k] ^= U64(words[k] & NEGATIVE) << top
    for k in range(words.size):
        if words[k] != MISSING:
            dtable[words[k] & BUCKET] += tile[k]


def read_runs(table, tile, firsts, state, run):
    rows, columns = tile.shape
    for r in range(rows):
        start = 0
        while start < columns:
            i = firsts[r] + U64(start)
            b = draw(i, i % state[0], state)
            chunk = tile[r, start : start + np.int64(run - i % run)]
            for c in range(chunk.size):
                chunk[c] = table[b + U64(c)]  # unsigned: no check for a negative index
            start += chunk.size


def add_runs(tile, bits, dtable, firsts, state, run):
    rows, columns = tile.shape
    for r in range(rows):
        start = 0
        while start < columns:
            i = firsts[r] + U64(start)
            b = draw(i, i % state[0], state)
            chunk = tile[r, start : start + np.int64(run - i % run)]
            for c in range(chunk.size):
                dtable[b + U64(c)] += chunk[c]
            start += chunk.size
