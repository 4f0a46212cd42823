"""Products that never build V: a tile of V is read, multiplied by BLAS, and forgotten.

    forward    y[:, rows]     = sum over columns of x V^T       a part: some rows of V
    backward   dx[:, columns] = sum over rows of dy V           a part: some columns
               dV             = dy^T x, of a tile at a time, scatter-added at once

A part is one call of a compiled loop over its tiles (`forward`, `backward`), in which BLAS is
called too (blas.py): so a thread meets the interpreter's lock once a part. A tile of a transposed
view is the transpose of a tile of the weight itself. x and dy are used where they lie, whatever the
batch: V is hashed once a pass, and the extra memory is a tile a thread and the partial tables.
"""

from collections.abc import Callable
from functools import cache, partial

import numpy as np

from minihash.compile.body import bound, compiled
from minihash.compile.jit import njit
from minihash.core.numba import blas, kernels
from minihash.core.numba.guard import check_buckets, run_of, trusted
from minihash.core.numba.kernels import bits
from minihash.core.numba.parts import apart, scattered, workspace
from minihash.core.threads import blas_on_one_thread, run, split
from minihash.hashes.hash import Hash
from minihash.hashes.xxh32 import U64
from minihash.weights import VirtualWeight

SIDE = 256  # rows or columns of V in a part, at most,
PARTS = 8  # of at least so many parts, unless they would have
LEAST = 2**16  # fewer virtual weights, for which BLAS would be slow;
PAIR = 2**15  # but two parts from so many on: less is not worth a thread's while
TILE = 2**17  # entries of a tile: with their words they stay in the second-level cache

Shape = tuple[int, int]


def matmul(x: np.ndarray, table: np.ndarray, w: VirtualWeight, shape: Shape) -> np.ndarray:
    """y = x V^T. shape: the first rows and columns of V that count."""
    y = np.empty((len(x), shape[0]), table.dtype)
    loop, weight, tables = loops(w.hash, table.dtype)[0], place(w), (table, bits(table))

    def part(start: int, stop: int) -> None:
        loop(x, y, tables, weight, space(w, stop - start, shape[1], table.dtype), start, stop)

    run([partial(part, *ends) for ends in parts(*shape)])
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
    dx = np.empty((len(x), shape[1]), table.dtype) if need_dx else x[:0]
    loop, weight, tables = loops(w.hash, table.dtype)[1], place(w), (table, bits(table))

    def part(start: int, stop: int, dtable: np.ndarray) -> None:
        own = space(w, stop - start, shape[0], table.dtype)
        loop(dy, x, dx, dtable, tables, weight, own, start, stop)

    work = [partial(part, *ends) for ends in parts(*shape[::-1])]
    most = max(2, w.size // w.hash.buckets)  # to clear and merge a table costs as its additions
    with blas_on_one_thread():
        dtable = scattered(work, w.hash.buckets, table.dtype, most, apart(w, shape))
    return dx if need_dx else None, dtable


@cache
def parts(size: int, other: int) -> list[tuple[int, int]]:
    """`size` rows (or columns) of `other` entries in parts: as many as a power of 2, so that 2, 4
    or 8 threads have equal shares."""
    least = LEAST // other
    if size * other >= PAIR:
        least = min(least, -(-size // 2))
    count = -(-size // max(min(SIDE, -(-size // PARTS)), least))
    return [(some.start, some.stop) for some in split(size, 1 << count.bit_length() - 1)]


def place(w: VirtualWeight) -> tuple:
    """What the loops know of a weight: (first_id, step, transposed, constants of its hash, run)."""
    if not trusted(w.hash):
        rows, columns = w.shape[::-1] if w.transposed else w.shape
        firsts = U64(w.first_id) + np.arange(rows, dtype=np.uint64) * U64(columns)
        check_buckets(w.hash, firsts, columns)
    constants = w.hash.state if run_of(w.hash) == 1 else w.hash.state[0]
    return U64(w.first_id), U64(max(w.strides)), w.transposed, constants, U64(w.hash.run)


def space(w: VirtualWeight, part: int, other: int, dtype: np.dtype) -> tuple[np.ndarray, ...]:
    """This thread's memory for a tile of a part: its values, these as bits, its words."""
    size = part * min(other, max(1, TILE // part))
    tile = workspace("tile", (size,), dtype)
    return tile, bits(tile), workspace("words", (size if run_of(w.hash) == 1 else 0,), np.uint32)


def loops(hash_: Hash, dtype: np.dtype) -> tuple[Callable, Callable]:
    """The compiled `forward` and `backward` of a hash."""
    return _loops(*hash_.stages, run_of(hash_) > 1, dtype)


@cache
def _loops(
    draw: Callable, place: Callable | None, sign: Callable | None, runs: bool, dtype: np.dtype
) -> tuple[Callable, Callable]:
    locate, read, add = kernels.made(draw, place, sign, runs)
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


# Loops. tables: a table and its bits; weight: of `place`; own: of `space`.


def forward(x, y, tables, weight, own, start, stop):
    """The rows start .. stop - 1 of V."""
    transposed, columns = weight[2], x.shape[1]
    beside = max(1, own[0].size // (stop - start))
    for left in range(0, columns, beside):
        right = min(left + beside, columns)
        rows, others = (left, right), (start, stop)
        firsts, length = ids(weight, rows, others) if transposed else ids(weight, others, rows)
        tile, bits, where = locate(firsts, length, own, weight)
        read(tables, tile, bits, where)
        if transposed:
            product(x[:, left:right], tile, y[:, start:stop], left > 0)
        else:
            product(x[:, left:right], tile.T, y[:, start:stop], left > 0)


def backward(dy, x, dx, dtable, tables, weight, own, start, stop):
    """The columns start .. stop - 1 of V. dx has no rows where it is not wanted."""
    transposed, rows = weight[2], dy.shape[1]
    beside = max(1, own[0].size // (stop - start))
    for left in range(0, rows, beside):
        right = min(left + beside, rows)
        here, others = (left, right), (start, stop)
        firsts, length = ids(weight, others, here) if transposed else ids(weight, here, others)
        tile, bits, where = locate(firsts, length, own, weight)
        if len(dx):
            read(tables, tile, bits, where)
        if transposed:
            if len(dx):
                product(dy[:, left:right], tile.T, dx[:, start:stop], left > 0)
            product(x[:, start:stop].T, dy[:, left:right], tile, False)
        else:
            if len(dx):
                product(dy[:, left:right], tile, dx[:, start:stop], left > 0)
            product(dy[:, left:right].T, x[:, start:stop], tile, False)
        add(tile, bits, dtable, where)


def ids(weight, across, along):
    """The first identifiers of the rows of a tile, and how many follow each."""
    firsts = np.empty(across[1] - across[0], np.uint64)
    for r in range(firsts.size):
        firsts[r] = weight[0] + U64(across[0] + r) * weight[1] + U64(along[0])
    return firsts, along[1] - along[0]


def shaped(memory, firsts, length):
    return memory[: firsts.size * length].reshape(firsts.size, length)


def found(firsts, length, own, weight):
    words = shaped(own[2], firsts, length)
    locate_words(firsts, words, weight[3])
    return shaped(own[0], firsts, length), shaped(own[1], firsts, length), words


def looked_up(tables, tile, bits, words):
    read_tile(tables[1], bits, words)


def added(tile, bits, dtable, words):
    add_tile(tile, bits, dtable, words)


def found_in_runs(firsts, length, own, weight):
    where = firsts, weight[3], weight[4]
    return shaped(own[0], firsts, length), shaped(own[1], firsts, length), where


def copied(tables, tile, bits, where):
    read_tile(tables[0], tile, where[0], where[1], where[2])


def added_to_runs(tile, bits, dtable, where):
    add_tile(tile, bits, dtable, where[0], where[1], where[2])
