"""The parallel backend: Numba kernels that hash on the fly, in panels, on all cores.

No array with an entry for each virtual weight exists. Hashes whose buckets run (identity, modulus)
are copied window by window instead of gathered, or, where one window holds all, not at all.

Each loop has one kind of work: the arithmetic of a hash, which LLVM then turns into SIMD, or the
memory accesses at the buckets, which would make the arithmetic scalar at ten times the cost.
"""

import sys
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from minihash.core import cyclic, panel_rows, panels
from minihash.hashes.body import bound, compiled
from minihash.hashes.jit import HAVE_NUMBA, njit
from minihash.hashes.xxh32 import U64
from minihash.weights import VirtualWeight

CHUNK = 1024  # words between two loops: they stay in the first-level cache


def available() -> str:
    """Why the backend cannot be used here; empty if it can."""
    return "" if HAVE_NUMBA else "Numba is not installed; pip install numba"


def gather(table: np.ndarray, w: VirtualWeight) -> np.ndarray:
    return panels.gather(table, w, SELF)


def scatter_add(dV: np.ndarray, w: VirtualWeight) -> np.ndarray:
    return panels.scatter_add(dV, w, SELF)


def gather_rows(table: np.ndarray, w: VirtualWeight, rows: np.ndarray) -> np.ndarray:
    return panel_rows.gather_rows(table, w, rows, SELF)


def scatter_add_rows(dV: np.ndarray, rows: np.ndarray, w: VirtualWeight) -> np.ndarray:
    return panel_rows.scatter_add_rows(dV, rows, w, SELF)


def matmul(
    x: np.ndarray, table: np.ndarray, w: VirtualWeight, kept: np.ndarray | None = None
) -> np.ndarray:
    return cyclic.matmul(x, table, w, SELF, kept)


def matmul_backward(
    dy: np.ndarray,
    x: np.ndarray,
    table: np.ndarray,
    w: VirtualWeight,
    kept: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    return cyclic.matmul_backward(dy, x, table, w, SELF, kept)


SELF = sys.modules[__name__]


# The primitives of panels.py.


class Where(NamedTuple):
    """Where the entries of a panel are in the table: written out, or as runs."""

    buckets: np.ndarray | None = None  # uint32, the shape of the panel
    signs: np.ndarray | None = None  # int8, the shape of the panel; None: all +1
    runs: tuple | None = None  # the arguments that end a call of read_runs or add_runs


def window(table: np.ndarray, w: VirtualWeight) -> np.ndarray | None:
    """V as a view of the table, if all of w lies in one run."""
    if w.hash.run == 1 or w.first_id // w.hash.run != (w.first_id + w.size - 1) // w.hash.run:
        return None
    start = int(w.hash.bucket(w.first_id))
    V = table[start : start + w.size]
    return V.reshape(w.shape[::-1]).T if w.transposed else V.reshape(w.shape)


def locate(w: VirtualWeight, firsts: np.ndarray, width: int) -> Where:
    draw, place, sign = w.hash.stages
    if w.hash.run > 1:
        tail = w.hash.state[0], U64(w.hash.run), _kernels(draw, None, None)
        return Where(runs=(firsts, width, *tail))
    buckets = panels.workspace("buckets", (len(firsts), width), np.uint32)
    kernels = _kernels(draw, place, sign)
    kernels.locate(firsts, buckets, w.hash.state[0])
    if sign is None:
        return Where(buckets)
    signs = panels.workspace("signs", buckets.shape, np.int8)
    kernels.sign(firsts, signs, w.hash.state[1])
    return Where(buckets, signs)


def read(table: np.ndarray, where: Where, V: np.ndarray, top: int, left: int) -> None:
    if where.runs is not None:
        *arguments, kernels = where.runs
        kernels.read_runs(table, V, top, left, *arguments)
    elif where.signs is None:
        compiled(read_plain, njit)(table, where.buckets, V, top, left)
    else:
        compiled(read_signed, njit)(table, where.buckets, where.signs, V, top, left)


def add(panel: np.ndarray, where: Where, dtable: np.ndarray) -> None:
    if where.runs is not None:
        *arguments, kernels = where.runs
        kernels.add_runs(panel, dtable, *arguments)
    elif where.signs is None:
        compiled(add_plain, njit)(panel, where.buckets, dtable)
    else:
        compiled(add_signed, njit)(panel, where.buckets, where.signs, dtable)


class _Kernels(NamedTuple):
    """The kernels that are compiled for each hash."""

    locate: Callable
    sign: Callable
    read_runs: Callable
    add_runs: Callable


@cache
def _kernels(draw: Callable, place: Callable | None, sign: Callable | None) -> _Kernels:
    def made(template: Callable, **bodies: Callable | None) -> Callable:
        names = ",".join(f"{b.__module__}.{b.__qualname__}" if b else "" for b in bodies.values())
        return compiled(bound(template, f"{template.__name__}({names})", **bodies), njit)

    return _Kernels(
        made(locate_placed, draw=draw, place=place) if place else made(locate_drawn, draw=draw),
        made(locate_signs, sign=sign) if sign else None,
        made(read_runs, draw=draw),
        made(add_runs, draw=draw),
    )


# Kernels. `draw`, `place` and `sign` are bound to the bodies of a hash.


def locate_drawn(firsts, buckets, state):
    rows, columns = buckets.shape
    n = state[0]
    for r in range(rows):
        start = 0
        while start < columns:  # again only where the residue wraps
            i = firsts[r] + U64(start)
            residue = i % n
            chunk = buckets[r, start : start + np.int64(n - residue)]
            for c in range(chunk.size):
                chunk[c] = draw(i + U64(c), residue + U64(c), state)
            start += chunk.size


def locate_placed(firsts, buckets, state):
    rows, columns = buckets.shape
    n = state[0]
    words = np.empty(CHUNK, np.uint64)
    for r in range(rows):
        start = 0
        while start < columns:
            i = firsts[r] + U64(start)
            residue = i % n
            chunk = buckets[r, start : start + min(CHUNK, np.int64(n - residue))]
            for c in range(chunk.size):
                words[c] = draw(i + U64(c), residue + U64(c), state)
            for c in range(chunk.size):
                chunk[c] = place(words[c], state)
            start += chunk.size


def locate_signs(firsts, signs, state):
    rows, columns = signs.shape
    for r in range(rows):
        i = firsts[r]
        for c in range(columns):
            signs[r, c] = sign(i + U64(c), state)


def read_plain(table, buckets, V, top, left):
    rows, columns = buckets.shape
    for r in range(rows):
        row = V[top + r, left : left + columns]
        for c in range(columns):
            row[c] = table[buckets[r, c]]


def read_signed(table, buckets, signs, V, top, left):
    rows, columns = buckets.shape
    for r in range(rows):
        row = V[top + r, left : left + columns]
        for c in range(columns):
            row[c] = table[buckets[r, c]]
        for c in range(columns):
            row[c] = signed(row[c], signs[r, c])


def add_plain(panel, buckets, dtable):
    rows, columns = panel.shape
    for r in range(rows):
        for c in range(columns):
            dtable[buckets[r, c]] += panel[r, c]


def add_signed(panel, buckets, signs, dtable):
    rows, columns = panel.shape
    for r in range(rows):
        for c in range(columns):
            panel[r, c] = signed(panel[r, c], signs[r, c])
        for c in range(columns):
            dtable[buckets[r, c]] += panel[r, c]


def signed(v, s):
    """s v, and 0 where s is 0 even if v is not finite."""
    return v if s > 0 else (-v if s < 0 else np.float32(0))


def read_runs(table, V, top, left, firsts, columns, state, run):
    for r in range(firsts.size):
        row = V[top + r, left : left + columns]
        start = 0
        while start < columns:
            i = firsts[r] + U64(start)
            b = draw(i, i % state[0], state)
            chunk = row[start : start + np.int64(run - i % run)]
            for c in range(chunk.size):
                chunk[c] = table[b + U64(c)]  # unsigned: no check for a negative index
            start += chunk.size


def add_runs(panel, dtable, firsts, columns, state, run):
    for r in range(firsts.size):
        start = 0
        while start < columns:
            i = firsts[r] + U64(start)
            b = draw(i, i % state[0], state)
            chunk = panel[r, start : start + np.int64(run - i % run)]
            for c in range(chunk.size):
                dtable[b + U64(c)] += chunk[c]
            start += chunk.size
