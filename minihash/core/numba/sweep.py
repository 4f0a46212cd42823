"""Through the tiles of a virtual weight, once: make it, multiply by it, scatter-add its gradient.

W is the matrix whose identifiers follow one another along its rows: V, or V^T of a transposed view.
For each tile of a part of W (rows i, columns j):

    tile           = sign * table[bucket]                               in the cache
    total[i, b]   += sum over j of tile[i, j] a[j, b]                   along the rows, or
    total[j, b]   += sum over i of tile[i, j] a[i, b]                   across them
    tile           = sum over b of u[i, b] v[b, j]                      and, backward,
    dtable[bucket] += sign * tile

and, at the end of the part, y[b, :] = total[:, b]. A tile is located once for both passes, and
never leaves the core that made it. So that products read vectors (registers.py), a and u are
turned, an example a column, with rows of `stride` numbers, and v is laid into strips of as many
columns as a block. What a block has more than the tile is in the spare room of the arrays, and is
never looked at.
"""

from typing import NamedTuple

import numpy as np

from minihash.core.numba.registers import ROWS, VECTOR, Block, Square, product, square
from minihash.hashes.xxh32 import U64


class Plan(NamedTuple):
    """How to go through W."""

    first: np.uint64  # the identifier of W[0, 0]
    width: int  # of W
    rows: int  # that count
    columns: int  # that count
    tall: int  # rows of a tile, a multiple of ROWS
    wide: int  # its columns, a multiple of ROWS and of `block`
    block: int  # columns of a block
    batch: int
    stride: int
    along: int  # whether a part is some rows of W, and products go along them; else some columns
    forward: int  # whether to multiply by the tile
    backward: int  # whether to add its gradient


def sweep(p, start, stop, table, a, y, u, v, dtable, room, constants):
    """The part start .. stop - 1. a, u, dtable: flat; y, v: (batch, ...). room: the work space of a
    thread, all flat but the tile. `locate`, `read` and `add` are bound to those of a hash
    (kernels.py)."""
    total, strips, tile, buckets, signs = room
    total[: (stop - start + ROWS) * p.stride] = 0
    first, last = (0, p.columns) if p.along else (start, stop)
    above, below = (start, stop) if p.along else (0, p.rows)
    for left in range(first, last, p.wide):
        columns = min(p.wide, last - left)
        if p.backward:
            lay(v, strips, left, columns, p)
        for top in range(above, below, p.tall):
            rows = min(p.tall, below - top)
            firsts = np.empty(rows, np.uint64)
            for r in range(rows):
                firsts[r] = p.first + U64(top + r) * U64(p.width) + U64(left)
            where = buckets[: rows * columns].reshape(rows, columns)
            turned = signs[: rows * columns].reshape(rows, columns)
            locate(firsts, where, turned, constants)
            if p.forward:
                read(table, tile, firsts, where, turned, constants)
                if p.along:
                    multiply_along(tile, a, total, rows, columns, left, top - above, p)
                else:
                    multiply_across(tile, a, total, rows, columns, top, left - first, p)
            if p.backward:
                slopes(tile, u, strips, rows, columns, top, p)
                add(tile, dtable, firsts, where, turned, constants)
    if p.forward:
        width = y.shape[1]
        turn(total, 0, p.stride, y.reshape(-1), start, width, stop - start, p.batch)


def multiply_along(tile, a, total, rows, columns, start, out, p):
    flat, width = tile.reshape(-1), tile.shape[1]
    for r in range(0, rows, ROWS):
        for n in range(0, p.batch, p.block):
            block = Block(
                depth=columns,
                at_a=r * width,
                step_k=1,
                step_m=width,
                at_b=start * p.stride + n,
                step_b=p.stride,
                at_c=(out + r) * p.stride + n,
                step_c=p.stride,
                fresh=0,
            )
            product(flat, a, total, block)


def multiply_across(tile, a, total, rows, columns, start, out, p):
    flat, width = tile.reshape(-1), tile.shape[1]
    for n in range(0, p.batch, p.block):
        for c in range(0, columns, ROWS):
            block = Block(
                depth=rows,
                at_a=c,
                step_k=width,
                step_m=1,
                at_b=start * p.stride + n,
                step_b=p.stride,
                at_c=(out + c) * p.stride + n,
                step_c=p.stride,
                fresh=0,
            )
            product(flat, a, total, block)


def slopes(tile, u, strips, rows, columns, top, p):
    flat, width = tile.reshape(-1), tile.shape[1]
    for c in range(0, columns, p.block):
        for r in range(0, rows, ROWS):
            block = Block(
                depth=p.batch,
                at_a=(top + r) * p.stride,
                step_k=1,
                step_m=p.stride,
                at_b=c * p.batch,
                step_b=p.block,
                at_c=r * width + c,
                step_c=width,
                fresh=1,
            )
            product(u, strips, flat, block)


# Layouts.


def lay(v, strips, left, columns, p):
    """strips[c / block, b, c mod block] = v[b, left + c], and 0 beyond the columns."""
    for c in range(0, columns, p.block):
        full = min(p.block, columns - c)
        for b in range(p.batch):
            start = c * p.batch + b * p.block
            line, source = strips[start : start + p.block], v[b, left + c : left + c + full]
            for k in range(full):
                line[k] = source[k]
            line[full:] = 0


def turn(a, at_a, step_a, b, at_b, step_b, rows, columns):
    """b[at_b + c step_b + r] = a[at_a + r step_a + c], for r < rows and c < columns."""
    size = VECTOR // a.itemsize
    tall, wide = rows - rows % size, columns - columns % size
    for r in range(0, tall, size):
        for c in range(0, wide, size):
            place = Square(at_a + r * step_a + c, step_a, at_b + c * step_b + r, step_b)
            square(a, b, place)
    for r in range(rows):
        for c in range(wide if r < tall else 0, columns):
            b[at_b + c * step_b + r] = a[at_a + r * step_a + c]
