"""The parallel backend: Numba kernels that hash on the fly, in panels, on all cores.

No array with an entry for each virtual weight exists. Hashes whose buckets run (identity, modulus)
are copied window by window instead of gathered.
"""

from collections.abc import Callable
from functools import cache

import numpy as np

from minihash.core import panels
from minihash.hashes.body import bound, compiled
from minihash.hashes.jit import HAVE_NUMBA, njit
from minihash.hashes.xxh32 import U64
from minihash.weights import VirtualWeight


def available() -> str:
    """Why the backend cannot be used here; empty if it can."""
    return "" if HAVE_NUMBA else "Numba is not installed; pip install numba"


# Kernels. `draw`, `place` and `sign` are bound to the bodies of a hash, PLACED and SIGNED say whether
# it has the last two. A row is done in chunks, and a chunk in simple loops: the arithmetic of the hash
# in one, which LLVM turns into SIMD, and each memory access in another, since it would make the
# arithmetic scalar at ten times the cost.

CHUNK = 512


def fill(table, first, stride, panel, state):
    """panel[r, c] = V at the identifier first + r stride + c."""
    rows, columns = panel.shape
    words, signs = np.empty(CHUNK, np.uint64), np.empty(CHUNK, np.int8)
    for r in range(rows):
        for start in range(0, columns, CHUNK):
            i = first + U64(r) * stride + U64(start)
            chunk = panel[r, start : start + CHUNK]
            draw_words(i, words[: chunk.size], state[0])  # noqa: F821
            if PLACED:  # noqa: F821
                for c in range(chunk.size):
                    chunk[c] = table[place(words[c], state[0])]  # noqa: F821
            else:
                for c in range(chunk.size):
                    chunk[c] = table[words[c]]
            if SIGNED:  # noqa: F821
                draw_signs(i, signs[: chunk.size], state[1])  # noqa: F821
                for c in range(chunk.size):
                    chunk[c] = signed(chunk[c], signs[c])


def spill(panel, first, stride, dtable, state):
    """dtable[bucket] += sign * panel[r, c], in the order of the identifiers."""
    rows, columns = panel.shape
    words, signs = np.empty(CHUNK, np.uint64), np.empty(CHUNK, np.int8)
    values = np.empty(CHUNK, dtable.dtype)
    for r in range(rows):
        for start in range(0, columns, CHUNK):
            i = first + U64(r) * stride + U64(start)
            chunk = panel[r, start : start + CHUNK]
            draw_words(i, words[: chunk.size], state[0])  # noqa: F821
            if SIGNED:  # noqa: F821
                draw_signs(i, signs[: chunk.size], state[1])  # noqa: F821
                for c in range(chunk.size):
                    values[c] = signed(chunk[c], signs[c])
                chunk = values[: chunk.size]
            if PLACED:  # noqa: F821
                for c in range(chunk.size):
                    dtable[place(words[c], state[0])] += chunk[c]  # noqa: F821
            else:
                for c in range(chunk.size):
                    dtable[words[c]] += chunk[c]


def draw_words(i, words, state):
    n = state[0]
    residue = i % n
    c = 0
    while c < words.size:  # at most one pass unless the table is smaller than a chunk
        stop = min(words.size, c + np.int64(n - residue))
        for k in range(c, stop):
            words[k] = draw(i + U64(k), residue + U64(k - c), state)  # noqa: F821
        c, residue = stop, U64(0)


def draw_signs(i, signs, state):
    for c in range(signs.size):
        signs[c] = sign(i + U64(c), state)  # noqa: F821


def signed(v, s):
    """s v, and 0 where s is 0 even if v is not finite."""
    return v if s > 0 else (-v if s < 0 else np.float32(0))


def fill_runs(table, first, stride, panel, state, run):
    """`fill` for a hash whose buckets run: copies windows of the table."""
    rows, columns = panel.shape
    for r in range(rows):
        start = 0
        while start < columns:
            i = first + U64(r) * stride + U64(start)
            b = np.int64(draw(i, i % state[0][0], state[0]))  # noqa: F821
            length = min(columns - start, np.int64(run - i % run))
            for k in range(length):
                panel[r, start + k] = table[b + k]
            start += length


def spill_runs(panel, first, stride, dtable, state, run):
    """`spill` for a hash whose buckets run: adds to windows of the table."""
    rows, columns = panel.shape
    for r in range(rows):
        start = 0
        while start < columns:
            i = first + U64(r) * stride + U64(start)
            b = np.int64(draw(i, i % state[0][0], state[0]))  # noqa: F821
            length = min(columns - start, np.int64(run - i % run))
            for k in range(length):
                dtable[b + k] += panel[r, start + k]
            start += length


@cache
def kernel(template: Callable, draw: Callable, place: Callable | None, sign: Callable | None):
    """The template compiled for one hash."""
    bodies = ",".join(f"{b.__module__}.{b.__qualname__}" if b else "" for b in (draw, place, sign))
    return compiled(
        bound(
            template,
            f"{template.__name__}({bodies})",
            draw=draw,
            draw_words=bound(draw_words, f"words({bodies})", draw=draw),
            draw_signs=bound(draw_signs, f"signs({bodies})", sign=sign),
            place=place,
            PLACED=place is not None,
            SIGNED=sign is not None,
        ),
        njit,
    )


def fill_panel(table, w: VirtualWeight, first: int, stride: int, panel) -> None:
    if w.hash.run > 1:
        run, tail = kernel(fill_runs, *w.hash.stages), (w.hash.state, U64(w.hash.run))
    else:
        run, tail = kernel(fill, *w.hash.stages), (w.hash.state,)
    run(table, U64(first), U64(stride), panel, *tail)


def spill_panel(panel, w: VirtualWeight, first: int, stride: int, dtable) -> None:
    if w.hash.run > 1:
        run, tail = kernel(spill_runs, *w.hash.stages), (w.hash.state, U64(w.hash.run))
    else:
        run, tail = kernel(spill, *w.hash.stages), (w.hash.state,)
    run(panel, U64(first), U64(stride), dtable, *tail)


def gather(table: np.ndarray, w: VirtualWeight) -> np.ndarray:
    return panels.gather(table, w, fill_panel)


def scatter_add(dV: np.ndarray, w: VirtualWeight) -> np.ndarray:
    return panels.scatter_add(dV, w, spill_panel)


def matmul(x: np.ndarray, table: np.ndarray, w: VirtualWeight) -> np.ndarray:
    return panels.matmul(x, table, w, fill_panel)


def matmul_backward(
    dy: np.ndarray, x: np.ndarray, table: np.ndarray, w: VirtualWeight
) -> tuple[np.ndarray, np.ndarray]:
    return panels.matmul_backward(dy, x, table, w, fill_panel, spill_panel)
