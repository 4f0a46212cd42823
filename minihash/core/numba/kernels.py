"""The compiled loops of one hash, over a tile of its virtual weight.

    locate    words[r, c] = bucket and sign of the identifier firsts[r] + c
    read      tile[r, c] = sign * table[bucket]
    add       dtable[bucket] += sign * tile[r, c]

A word is a bucket, which is below 2^31 - 1, with its sign in the top bit: 0 for +1, 1 for -1. Where
there is no connection (sign 0), all bits are 1. A sign is applied by an exclusive or of the top bit
of the word and that of the number.

Each loop has one kind of work: the arithmetic of a hash or of signs, which LLVM then turns into
SIMD, or the memory accesses at the buckets, which would make the arithmetic scalar at ten times the
cost. Where buckets run (identity, modulus, blocks) nothing is located, and windows of the table are
copied.

`draw`, `place`, `pick` and `sign` are bound to those of a hash (`of`). constants = (what draw and
place read, what sign reads).
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from minihash.compile.body import bound, compiled
from minihash.compile.jit import njit
from minihash.core.numba.guard import check_buckets, run_of, trusted
from minihash.core.numba.parts import workspace
from minihash.hashes.hash import Hash, bucket_body
from minihash.hashes.xxh32 import U32, U64

HIGH, LOW = U64(0xFFFFFFFF << 32), U64(0xFFFFFFFF)  # the words of an identifier
BUCKET, NEGATIVE, MISSING = U32(2**31 - 1), U32(2**31), U32(2**32 - 1)  # of a word
CHUNK = 1024  # words between two loops: they stay in the first-level cache
STEPS = np.arange(CHUNK, dtype=U32)  # a loop's own counter has 64 bits: half the SIMD lanes


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
            return firsts, self.hash_.state, U64(self.hash_.run)
        words = workspace("words", (firsts.size, columns), np.uint32)
        self.locate_words(firsts, words, self.hash_.state)
        return (words,)

    # The loops get arrays of the same kind as in products.py, so that they are compiled once.

    def read(self, table: np.ndarray, tile: np.ndarray, where: tuple) -> None:
        """tile = sign * table[bucket]."""
        if self.locate_words is None:
            self.read_tile(bits(table), bits(tile), *where)
        else:
            self.read_tile(bits(table), bits(tile.reshape(-1)), *where)

    def add(self, tile: np.ndarray, dtable: np.ndarray, where: tuple) -> None:
        """dtable[bucket] += sign * tile, which may be overwritten."""
        self.add_tile(tile, bits(tile.reshape(-1)), dtable, *where)


def bits(numbers: np.ndarray) -> np.ndarray:
    """The same memory as unsigned integers."""
    return numbers.view(np.uint32 if numbers.itemsize == 4 else np.uint64)


def of(hash_: Hash) -> Loops:
    """The loops of a hash."""
    return Loops(hash_, *made(*hash_.stages, hash_.pick, run_of(hash_) > 1))


@cache
def made(
    draw: Callable,
    place: Callable | None,
    sign: Callable | None,
    pick: Callable | None,
    runs: bool,
) -> tuple:
    def of_hash(body: Callable) -> Callable:
        names = {"draw": draw, "place": place, "pick": pick, "sign": sign or always}
        return compiled(bound(body, f"{body.__name__}-{draw.__qualname__}", **names), njit)

    if runs:
        names = {"bucket": bucket_body(draw, place, pick), "sign": sign or always}
        begun = bound(begin, f"begin-{draw.__qualname__}", **names)
        loops = (
            bound(f, f"{f.__name__}-{draw.__qualname__}", begin=begun)
            for f in (read_runs, add_runs)
        )
        return None, *(compiled(loop, njit) for loop in loops)
    placed = locate_picked if pick else locate_placed
    locate = of_hash(placed if place else locate_drawn)
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
            chunk = words[r, start : start + min(CHUNK, unbroken(low, n - residue))]
            for c in range(chunk.size):
                i = high | U64(U32(low + STEPS[c]))
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
                drawn[c] = draw(high | U64(U32(low + STEPS[c])), residue + U64(c), state)
            for c in range(chunk.size):
                chunk[c] = place(drawn[c], state)
            for c in range(chunk.size):
                chunk[c] = word(chunk[c], sign(high | U64(U32(low + U32(c))), key))
            start += chunk.size


def locate_picked(firsts, words, constants):
    rows, columns = words.shape
    state, key = constants
    n = state[0]
    at, rest = np.empty(CHUNK, np.uint32), np.empty(CHUNK, np.uint32)  # the halves of drawn words
    found = np.empty(CHUNK, np.uint64)
    for r in range(rows):
        start = 0
        while start < columns:
            i = firsts[r] + U64(start)
            residue, high, low = i % n, i & HIGH, U32(i & LOW)
            chunk = words[r, start : start + min(CHUNK, unbroken(low, n - residue))]
            for c in range(chunk.size):
                drawn = draw(high | U64(U32(low + STEPS[c])), residue + U64(c), state)
                at[c], rest[c] = U32(drawn & LOW), U32(drawn >> U64(32))
            for c in range(chunk.size):
                found[c] = place(U64(at[c]), state)
            for c in range(chunk.size):
                bucket = pick(U64(rest[c]) << U64(32) | U64(at[c]), found[c])
                chunk[c] = word(bucket, sign(high | U64(U32(low + STEPS[c])), key))
            start += chunk.size


def unbroken(low, most):
    """How many identifiers, at most `most`, have one high word from this low word on: their hashes
    differ in 32-bit arithmetic alone, which is twice as fast as 64-bit."""
    return np.int64(min(U64(most), LOW + U64(1) - U64(low)))


def read_words(table, tile, words):
    tile, words = tile.reshape(-1), words.reshape(-1)
    at, top, zero = np.empty(CHUNK, np.uint32), top_bit(tile), tile.dtype.type(0)
    for start in range(0, words.size, CHUNK):
        chunk, values = words[start : start + CHUNK], tile[start : start + CHUNK]
        for c in range(chunk.size):
            at[c] = U32(0) if chunk[c] == MISSING else chunk[c] & BUCKET
        for c in range(chunk.size):
            values[c] = table[at[c]]
        for c in range(chunk.size):
            minus = tile.dtype.type(chunk[c] >> U32(31)) * top
            values[c] = zero if chunk[c] == MISSING else values[c] ^ minus


def add_words(tile, bits, dtable, words):
    """Where there is no connection, -0 is added, which changes nothing, to one bucket after
    another, so that no addition waits for the one before."""
    tile, bits, words = tile.reshape(-1), bits.reshape(-1), words.reshape(-1)
    at, top, spare = np.empty(CHUNK, np.uint32), top_bit(bits), CHUNK - 1
    while spare >= dtable.size:
        spare >>= 1
    for start in range(0, words.size, CHUNK):
        chunk, values = words[start : start + CHUNK], tile[start : start + CHUNK]
        signed = bits[start : start + CHUNK]
        for c in range(chunk.size):
            missing = chunk[c] == MISSING
            at[c] = U32(c & spare) if missing else chunk[c] & BUCKET
            minus = bits.dtype.type(chunk[c] >> U32(31)) * top
            signed[c] = top if missing else signed[c] ^ minus
        for c in range(chunk.size):
            dtable[at[c]] += values[c]


def top_bit(bits):
    """The sign of the numbers in this array of bits."""
    ones = bits.dtype.type(~bits.dtype.type(0))
    return bits.dtype.type(ones ^ bits.dtype.type(ones >> bits.dtype.type(1)))


def read_runs(table, tile, firsts, constants, run):
    """By bits, so that a random sign is no branch that is predicted wrongly."""
    rows, columns = tile.shape
    at, signs = np.empty(CHUNK, np.uint64), np.empty(CHUNK, np.int8)
    ones, top = ~tile.dtype.type(0), top_bit(tile)
    for r in range(rows):
        start = 0
        while start < columns:
            skip, count = begin(firsts[r] + U64(start), columns - start, at, signs, constants, run)
            for k in range(count):
                b, minus = at[k] + skip, tile.dtype.type(signs[k] < 0) * top
                keep = tile.dtype.type(signs[k] != 0) * ones
                chunk = tile[r, start : start + np.int64(run - skip)]
                for c in range(chunk.size):  # unsigned: no check for a negative index
                    chunk[c] = (table[b + U64(c)] ^ minus) & keep
                start, skip = start + chunk.size, U64(0)


def add_runs(tile, bits, dtable, firsts, constants, run):
    rows, columns = tile.shape
    at, signs = np.empty(CHUNK, np.uint64), np.empty(CHUNK, np.int8)
    for r in range(rows):
        start = 0
        while start < columns:
            skip, count = begin(firsts[r] + U64(start), columns - start, at, signs, constants, run)
            for k in range(count):
                b, s = at[k] + skip, tile.dtype.type(signs[k])
                chunk = tile[r, start : start + np.int64(run - skip)]
                if s != 0:
                    for c in range(chunk.size):
                        dtable[b + U64(c)] += s * chunk[c]
                start, skip = start + chunk.size, U64(0)


def begin(i, columns, at, signs, constants, run):
    """Buckets and signs of the runs of i .. i + columns - 1, or of the first of them: how much of
    the first run is before i, and how many there are."""
    state, key = constants
    skip = i % run
    left = (skip + U64(columns) - U64(1)) // run + U64(1)
    count = np.int64(min(left, U64(at.size)))
    for k in range(count):
        at[k] = bucket(i - skip + U64(k) * run, state)
    for k in range(count):
        signs[k] = sign(i - skip + U64(k) * run, key)
    return skip, count
