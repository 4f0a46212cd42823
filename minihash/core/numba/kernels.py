"""The loops of the Numba backend over a tile of a virtual weight.

    locate    buckets[r, c], signs[r, c] of the identifier firsts[r] + c
    read      tile[r, c] = sign * table[bucket]
    add       dtable[bucket] += sign * tile[r, c]; the tile may be overwritten

Each loop has one kind of work: the arithmetic of a hash, which LLVM then turns into SIMD, or the
memory accesses at the buckets, which would make the arithmetic scalar at ten times the cost. Where
buckets run (identity, modulus), `locate` has nothing to do, and windows of the table are copied.

    dots      y[r] = sum over c of sign * table[bucket] x[c], of whole rows (single.py)

`draw`, `place` and `sign`, and the loops that others call by name, are bound to those of a hash
(`of`). constants = (what draw and place read, what sign reads, run). A tile may have more columns
than `buckets`; the shape of `buckets` counts.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from minihash.compile.body import bound, compiled
from minihash.compile.jit import njit
from minihash.core.numba import sweep
from minihash.core.numba.panels import workspace
from minihash.core.numba.registers import dot
from minihash.hashes.hash import Hash
from minihash.hashes.xxh32 import U32, U64

HIGH, LOW = U64(0xFFFFFFFF << 32), U64(0xFFFFFFFF)  # the words of an identifier
CHUNK = 1024  # words between two loops: they stay in the first-level cache


class Kernels(NamedTuple):
    """The compiled loops of one hash."""

    locate: Callable
    read: Callable
    add: Callable
    dots: Callable
    sweep: Callable


def of(hash_: Hash) -> tuple[Kernels, tuple]:
    """The kernels of a hash, and the constants that they take."""
    return made(*hash_.stages, hash_.run > 1), (*hash_.state, U64(hash_.run))


@cache
def made(draw: Callable, place: Callable | None, sign: Callable | None, runs: bool) -> Kernels:
    def template(body: Callable, **globals_: Callable) -> Callable:
        return bound(body, f"{body.__name__}-{draw.__qualname__}", **globals_)

    if runs:
        loops = locate_nothing, template(read_runs, draw=draw), template(add_runs, draw=draw)
    else:
        buckets = (
            template(locate_placed, draw=draw, place=place)
            if place
            else template(locate_drawn, draw=draw)
        )
        loops = buckets, read_plain, add_plain
        if sign:
            signs = template(locate_signs, sign=sign)
            both = (
                template(locate_signed, locate_buckets=buckets, locate_signs=signs)
                if place
                else template(locate_both, draw=draw, sign=sign)
            )
            loops = both, read_signed, add_signed
    locate, read, add = loops
    dots = template(dots_runs, draw=draw) if runs else template(dots_read, locate=locate, read=read)
    through = template(sweep.sweep, locate=locate, read=read, add=add)
    return Kernels(*(compiled(body, njit) for body in (*loops, dots, through)))


# Panels: bounded pieces of V with rows of identifiers firsts[r] + c that follow one another.


def read_panel(table: np.ndarray, panel: np.ndarray, hash_: Hash, firsts: np.ndarray) -> None:
    """panel[r, c] = sign * table[bucket]."""
    loops, constants = of(hash_)
    loops.read(table, panel, firsts, *located(hash_, panel.shape, firsts), constants)


def add_panel(panel: np.ndarray, dtable: np.ndarray, hash_: Hash, firsts: np.ndarray) -> None:
    """dtable[bucket] += sign * panel, which may be overwritten."""
    loops, constants = of(hash_)
    loops.add(panel, dtable, firsts, *located(hash_, panel.shape, firsts), constants)


def located(
    hash_: Hash, shape: tuple[int, int], firsts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    loops, constants = of(hash_)
    where = workspace("buckets", shape, np.uint32), workspace("signs", shape, np.int8)
    loops.locate(firsts, *where, constants)
    return where


# Templates.


def locate_nothing(firsts, buckets, signs, constants):
    pass


def locate_signed(firsts, buckets, signs, constants):
    locate_buckets(firsts, buckets, signs, constants)
    locate_signs(firsts, signs, constants)


def locate_drawn(firsts, buckets, signs, constants):
    rows, columns = buckets.shape
    state = constants[0]
    n = state[0]
    for r in range(rows):
        start = 0
        while start < columns:  # again only where the residue or the low word wraps
            i = firsts[r] + U64(start)
            residue, high, low = i % n, i & HIGH, U32(i & LOW)
            chunk = buckets[r, start : start + unbroken(low, n - residue)]
            for c in range(chunk.size):
                chunk[c] = draw(high | U64(U32(low + U32(c))), residue + U64(c), state)
            start += chunk.size


def locate_both(firsts, buckets, signs, constants):
    """`locate_drawn` and `locate_signs` at once."""
    rows, columns = buckets.shape
    state, key, _ = constants
    n = state[0]
    for r in range(rows):
        start = 0
        while start < columns:
            i = firsts[r] + U64(start)
            residue, high, low = i % n, i & HIGH, U32(i & LOW)
            stop = start + unbroken(low, n - residue)
            chunk, turned = buckets[r, start:stop], signs[r, start:stop]
            for c in range(chunk.size):
                i = high | U64(U32(low + U32(c)))
                chunk[c] = draw(i, residue + U64(c), state)
                turned[c] = sign(i, key)
            start += chunk.size


def locate_placed(firsts, buckets, signs, constants):
    rows, columns = buckets.shape
    state = constants[0]
    n = state[0]
    words = np.empty(CHUNK, np.uint64)
    for r in range(rows):
        start = 0
        while start < columns:
            i = firsts[r] + U64(start)
            residue, high, low = i % n, i & HIGH, U32(i & LOW)
            chunk = buckets[r, start : start + min(CHUNK, unbroken(low, n - residue))]
            for c in range(chunk.size):
                words[c] = draw(high | U64(U32(low + U32(c))), residue + U64(c), state)
            for c in range(chunk.size):
                chunk[c] = place(words[c], state)
            start += chunk.size


def locate_signs(firsts, signs, constants):
    rows, columns = signs.shape
    for r in range(rows):
        start = 0
        while start < columns:
            i = firsts[r] + U64(start)
            high, low = i & HIGH, U32(i & LOW)
            chunk = signs[r, start : start + unbroken(low, LOW)]
            for c in range(chunk.size):
                chunk[c] = sign(high | U64(U32(low + U32(c))), constants[1])
            start += chunk.size


def unbroken(low, most):
    """How many identifiers, at most `most`, have one high word from this low word on: their hashes
    differ in 32-bit arithmetic alone, which is twice as fast as 64-bit."""
    return np.int64(min(U64(most), LOW + U64(1) - U64(low)))


def read_plain(table, tile, firsts, buckets, signs, constants):
    rows, columns = buckets.shape
    for r in range(rows):
        row = tile[r]
        for c in range(columns):
            row[c] = table[buckets[r, c]]


def read_signed(table, tile, firsts, buckets, signs, constants):
    rows, columns = buckets.shape
    for r in range(rows):
        row = tile[r]
        for c in range(columns):
            row[c] = table[buckets[r, c]]
        for c in range(columns):
            row[c] = signed(row[c], signs[r, c])


def add_plain(tile, dtable, firsts, buckets, signs, constants):
    rows, columns = buckets.shape
    for r in range(rows):
        row = tile[r]
        for c in range(columns):
            dtable[buckets[r, c]] += row[c]


def add_signed(tile, dtable, firsts, buckets, signs, constants):
    rows, columns = buckets.shape
    for r in range(rows):
        row = tile[r]
        for c in range(columns):
            row[c] = signed(row[c], signs[r, c])
        for c in range(columns):
            dtable[buckets[r, c]] += row[c]


def signed(v, s):
    """s v, and 0 where s is 0 even if v is not finite."""
    return v if s > 0 else (-v if s < 0 else np.float32(0))


def read_runs(table, tile, firsts, buckets, signs, constants):
    rows, columns = buckets.shape
    state, _, run = constants
    for r in range(rows):
        row = tile[r, :columns]
        start = 0
        while start < columns:
            i = firsts[r] + U64(start)
            b = draw(i, i % state[0], state)
            chunk = row[start : start + np.int64(run - i % run)]
            for c in range(chunk.size):
                chunk[c] = table[b + U64(c)]  # unsigned: no check for a negative index
            start += chunk.size


def add_runs(tile, dtable, firsts, buckets, signs, constants):
    rows, columns = buckets.shape
    state, _, run = constants
    for r in range(rows):
        row = tile[r, :columns]
        start = 0
        while start < columns:
            i = firsts[r] + U64(start)
            b = draw(i, i % state[0], state)
            chunk = row[start : start + np.int64(run - i % run)]
            for c in range(chunk.size):
                dtable[b + U64(c)] += chunk[c]
            start += chunk.size


# Of whole rows begin, begin + period, ... for begin in start .. stop - 1; first: the identifier of
# the first row's first entry, width: by how many the next row's is greater.


def dots_read(start, stop, period, table, x, y, first, width, room, constants):
    """room: of a piece of a row, flat."""
    tile, buckets, signs = room
    firsts = np.empty(1, np.uint64)
    for begin in range(start, stop):
        for r in range(begin, y.size, period):
            y[r] = 0
            for left in range(0, x.size, tile.size):
                piece = x[left : left + tile.size]
                row, where, turned = (
                    tile[: piece.size].reshape(1, -1),
                    buckets[: piece.size].reshape(1, -1),
                    signs[: piece.size].reshape(1, -1),
                )
                firsts[0] = first + U64(r) * width + U64(left)
                locate(firsts, where, turned, constants)
                read(table, row, firsts, where, turned, constants)
                y[r] += dot(row[0], piece)


def dots_runs(start, stop, period, table, x, y, first, width, room, constants):
    """A window of the table is read where it lies."""
    state, _, run = constants
    for begin in range(start, stop):
        for r in range(begin, y.size, period):
            y[r] = 0
            left = 0
            while left < x.size:
                i = first + U64(r) * width + U64(left)
                b = np.int64(draw(i, i % state[0], state))
                piece = x[left : left + np.int64(run - i % run)]
                y[r] += dot(table[b : b + piece.size], piece)
                left += piece.size
