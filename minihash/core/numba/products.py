"""Products that never build V: a tile of V is read, multiplied by BLAS, and forgotten.

    forward    y[:, rows]     = sum over columns of x V^T       a part: some rows of V
    backward   dx[:, columns] = sum over rows of dy V           a part: some columns
               dV             = dy^T x, of a tile at a time, scatter-added at once

A part is one call of a compiled loop over its tiles (`forward`, `backward`), in which BLAS is
called too (blas.py): so a thread meets the interpreter's lock once a part. A tile of a transposed
view is the transpose of a tile of the weight itself. x and dy are used where they lie, whatever the
batch: V is hashed once a pass, and the extra memory is a tile a thread and the partial tables.
"""

import threading
from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

import numpy as np

from minihash.compile.body import bound, compiled
from minihash.compile.jit import njit
from minihash.core.numba import blas, kernels
from minihash.core.numba.guard import check_buckets, run_of, trusted
from minihash.core.numba.kernels import bits
from minihash.core.numba.parts import apart, scattered
from minihash.core.threads import blas_on_one_thread, run, split
from minihash.hashes.xxh32 import U64
from minihash.weights import VirtualWeight


class Cut(NamedTuple):
    """How V is cut."""

    side: int = 256  # rows or columns of V in a part, at most,
    parts: int = 8  # of at least so many parts, unless they would have
    least: int = 2**16  # fewer virtual weights, for which BLAS would be slow;
    pair: int = 2**15  # but two parts from so many on: less is not worth a thread's while
    tile: int = 2**18  # entries of a tile, at most
    unit: int = 16  # rows or columns that BLAS and the hash loops take at once


CUT = Cut()
Shape = tuple[int, int]
# Some rows (or columns) start .. stop - 1, and how many of the others a tile has.
Part = tuple[int, int, int]


def matmul(x: np.ndarray, table: np.ndarray, w: VirtualWeight, shape: Shape) -> np.ndarray:
    """y = x V^T. shape: the first rows and columns of V that count."""
    plan = planned(w, shape, table.dtype)
    y, tables = np.empty((len(x), shape[0]), table.dtype), (table, bits(table))

    def part(some: Part) -> None:
        plan.forward(x, y, tables, plan.place, space(plan, table.dtype), *some)

    run([partial(part, some) for some in plan.rows])
    return y


def matmul_backward(
    dy: np.ndarray,
    x: np.ndarray,
    table: np.ndarray,
    w: VirtualWeight,
    shape: Shape,
    need_dx: bool = True,
) -> tuple[np.ndarray | None, np.ndarray]:
    """dx = dy V (None unless there is need of it) and dtable. shape: as for `matmul`."""
    plan = planned(w, shape, table.dtype)
    dx = np.empty((len(x), shape[1]), table.dtype) if need_dx else x[:0]
    tables = table, bits(table)

    def part(some: Part, dtable: np.ndarray) -> None:
        own = space(plan, table.dtype)
        plan.backward(dy, x, dx, dtable, tables, plan.place, own, *some)

    work = [partial(part, some) for some in plan.columns]
    most = max(2, w.size // table.size)  # to clear and merge a table costs as its additions
    with blas_on_one_thread():
        dtable = scattered(work, table.size, table.dtype, most, plan.apart)
    return dx if need_dx else None, dtable


class Plan(NamedTuple):
    """How the products of a weight are computed."""

    forward: Callable
    backward: Callable
    place: tuple  # first_id, step from row to row, transposed, constants of the hash, run
    rows: list[Part]
    columns: list[Part]
    tile: int  # entries of the largest tile
    words: int  # of its words
    apart: bool


def planned(w: VirtualWeight, shape: Shape, dtype: np.dtype) -> Plan:
    """The plan for the first rows and columns of V. Raises ValueError for a hash that leaves its
    table."""

    def plan() -> Plan:
        runs, rows, columns = run_of(w.hash) > 1, parts(*shape), parts(*shape[::-1])
        if not trusted(w.hash):
            count, length = w.shape[::-1] if w.transposed else w.shape
            firsts = U64(w.first_id) + np.arange(count, dtype=np.uint64) * U64(length)
            check_buckets(w.hash, firsts, length)
        place = U64(w.first_id), U64(max(w.strides)), w.transposed, w.hash.state, U64(w.hash.run)
        tile = max((stop - start) * beside for start, stop, beside in (*rows, *columns))
        loops = compiled_for(*w.hash.stages, w.hash.pick, runs, dtype)
        return Plan(*loops, place, rows, columns, tile, 0 if runs else tile, apart(w, shape))

    return w.derived((CUT, shape, dtype), plan)


def parts(size: int, other: int) -> list[Part]:
    """`size` rows (or columns) of `other` entries in parts: as many as a power of 2, so that 2, 4
    or 8 threads have equal shares."""
    least = CUT.least // other
    if size * other >= CUT.pair:
        least = min(least, -(-size // 2))
    most = max(min(CUT.side, -(-size // CUT.parts)), least)
    count, unit = 1 << (-(-size // most)).bit_length() - 1, min(CUT.unit, most)
    ends = [(unit * s.start, min(unit * s.stop, size)) for s in split(-(-size // unit), count)]
    return [(start, stop, beside(stop - start, other)) for start, stop in ends if start < stop]


def beside(part: int, other: int) -> int:
    """How many of the `other` rows (or columns) a tile of a part has.

    >>> beside(100, 784), beside(1000, 784)
    (784, 272)
    """
    most = max(1, CUT.tile // part)
    unit, each = min(CUT.unit, most), -(-other // -(-other // most))
    return min(other, -(-each // unit) * unit)


def space(plan: Plan, dtype: np.dtype) -> tuple[np.ndarray, ...]:
    """This thread's memory for a tile: its values, these as bits, its words."""
    kept = OWN.__dict__.get(dtype)
    if kept is None or kept[0].size < plan.tile or kept[2].size < plan.words:
        tile = np.empty(plan.tile, dtype)
        kept = OWN.__dict__[dtype] = tile, bits(tile), np.empty(plan.words, np.uint32)
    return kept


OWN = threading.local()


@cache
def compiled_for(
    draw: Callable,
    place: Callable | None,
    sign: Callable | None,
    pick: Callable | None,
    runs: bool,
    dtype: np.dtype,
) -> tuple[Callable, Callable]:
    """`forward` and `backward` of a hash."""
    locate, read, add = kernels.made(draw, place, sign, pick, runs)
    roles = {"locate": found_in_runs if runs else bound(found, "found", locate_words=locate)}
    roles |= {"read": bound(copied if runs else looked_up, "read", read_tile=read)}
    roles |= {"add": bound(added_to_runs if runs else added, "add", add_tile=add)}
    label = f"{draw.__qualname__}, {sign.__qualname__ if sign else ''}, {dtype}"
    for name, role in roles.items():
        roles[name] = bound(role, f"{role.__name__}<{label}>")
    roles["product"] = blas.product_of(dtype)
    return tuple(
        compiled(bound(body, f"{body.__name__}<{label}>", **roles), njit)
        for body in (forward, backward)
    )


# Loops. tables: a table and its bits; weight: a plan's `place`; own: of `space`.


def forward(x, y, tables, weight, own, start, stop, beside):
    """The rows start .. stop - 1 of V."""
    transposed, columns = weight[2], x.shape[1]
    for left in range(0, columns, beside):
        right = min(left + beside, columns)
        firsts, length = ids(weight, start, stop, left, right, not transposed)
        tile, bits, where = locate(firsts, length, own, weight)
        read(tables, tile, bits, where)
        V = tile.T if transposed else tile
        product(x[:, left:right], V.T, y[:, start:stop], left > 0)


def backward(dy, x, dx, dtable, tables, weight, own, start, stop, beside):
    """The columns start .. stop - 1 of V. dx has no rows where it is not wanted."""
    transposed, rows = weight[2], dy.shape[1]
    for left in range(0, rows, beside):
        right = min(left + beside, rows)
        firsts, length = ids(weight, start, stop, left, right, transposed)
        tile, bits, where = locate(firsts, length, own, weight)
        some_dy, some_x = dy[:, left:right], x[:, start:stop]
        if len(dx):
            read(tables, tile, bits, where)
            V = tile.T if transposed else tile
            product(some_dy, V, dx[:, start:stop], left > 0)
        a, b = (some_x, some_dy) if transposed else (some_dy, some_x)
        product(a.T, b, tile[:, 0:length], False)
        add(tile, bits, dtable, where)


def ids(weight, start, stop, left, right, across):
    """The first identifiers of the rows of a tile, and how many follow each. across: its rows are
    start .. stop - 1, its columns left .. right - 1; else the other way round."""
    rows, columns = ((start, stop), (left, right)) if across else ((left, right), (start, stop))
    firsts = np.empty(rows[1] - rows[0], np.uint64)
    for r in range(firsts.size):
        firsts[r] = weight[0] + U64(rows[0] + r) * weight[1] + U64(columns[0])
    return firsts, columns[1] - columns[0]


def shaped(memory, firsts, length):
    return memory[: firsts.size * length].reshape(firsts.size, length)


def found(firsts, length, own, weight):
    words = shaped(own[2], firsts, length)
    locate_words(firsts, words, weight[3])
    return shaped(own[0], firsts, length), own[1][: words.size], words


def looked_up(tables, tile, bits, words):
    read_tile(tables[1], bits, words)


def added(tile, bits, dtable, words):
    add_tile(tile, bits, dtable, words)


def found_in_runs(firsts, length, own, weight):
    where = firsts, weight[3], weight[4]
    return shaped(own[0], firsts, length), own[1][: firsts.size * length], where


def copied(tables, tile, bits, where):
    read_tile(tables[1], bits.reshape(tile.shape), where[0], where[1], where[2])


def added_to_runs(tile, bits, dtable, where):
    add_tile(tile, bits, dtable, where[0], where[1], where[2])
