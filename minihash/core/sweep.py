"""Through the tiles of a virtual weight, once: make it, multiply by it, scatter-add its gradient.

W is the matrix whose identifiers follow one another along its rows: V, or V^T of a transposed view.
For each tile of a part of W (rows i, columns j):

    tile           = sign * table[bucket]                               in the cache
    total[i, b]   += sum over j of tile[i, j] a[j, b]                   along the rows, or
    total[j, b]   += sum over i of tile[i, j] a[i, b]                   across them
    tile           = sum over b of u[i, b] v[b, j]                      and, backward,
    dtable[bucket] += sign * tile

A tile is located once for both passes, and never leaves the core that made it. So that products
read vectors (registers.py), a and u are turned, an example a column, with rows of `stride` numbers;
v is in strips of as many columns as a block. What a block has more than the tile is in the spare
room of the arrays, and is never looked at. A single example going forward along the rows stays as
it is (stride 1): its products are sums of their own.
"""

from typing import NamedTuple

import numpy as np

from minihash.core.registers import ROWS, Block, dot, product
from minihash.hashes.xxh32 import U64

FROM_TABLE, TO_KEPT, FROM_KEPT = 0, 1, 2


class Part(NamedTuple):
    """What of W to go through, and how."""

    first: np.uint64  # the identifier of W[0, 0]
    width: int  # of W
    top: int
    bottom: int
    left: int  # a multiple of `block`
    right: int
    tall: int  # rows of a tile, a multiple of ROWS
    wide: int  # its columns, a multiple of ROWS and of `block`
    block: int  # columns of a block
    batch: int
    stride: int
    along: int
    source: int
    forward: int  # whether to multiply by the tile
    backward: int  # whether to add its gradient


def sweep(p, table, kept, a, total, u, v, dtable, tile, buckets, signs, constants):
    """a, total, u, v, dtable, buckets, signs: flat. kept: W, or of no size. tile: (tall, wide) and
    spare room. `locate`, `read` and `add` are bound to those of a hash (kernels.py)."""
    for left in range(p.left, p.right, p.wide):
        columns = min(p.wide, p.right - left)
        for top in range(p.top, p.bottom, p.tall):
            rows = min(p.tall, p.bottom - top)
            firsts = np.empty(rows, np.uint64)
            for r in range(rows):
                firsts[r] = p.first + U64(top + r) * U64(p.width) + U64(left)
            where = buckets[: rows * columns].reshape(rows, columns)
            turned = signs[: rows * columns].reshape(rows, columns)
            locate(firsts, where, turned, constants)
            if p.forward:
                if p.source == FROM_KEPT:
                    for r in range(rows):
                        tile[r, :columns] = kept[top + r, left : left + columns]
                else:
                    read(table, tile, firsts, where, turned, constants)
                if p.source == TO_KEPT:
                    for r in range(rows):
                        kept[top + r, left : left + columns] = tile[r, :columns]
                if p.along:
                    multiply_along(tile, a, total, rows, columns, left, top - p.top, p)
                else:
                    multiply_across(tile, a, total, rows, columns, top, left - p.left, p)
            if p.backward:
                slopes(tile, u, v, rows, columns, top, left, p)
                add(tile, dtable, firsts, where, turned, constants)


def multiply_along(tile, a, total, rows, columns, start, out, p):
    flat, width = tile.reshape(-1), tile.shape[1]
    if p.stride == 1:
        for r in range(rows):
            total[out + r] += dot(tile[r, :columns], a[start : start + columns])
        return
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


def slopes(tile, u, v, rows, columns, top, left, p):
    flat, width = tile.reshape(-1), tile.shape[1]
    for c in range(0, columns, p.block):
        for r in range(0, rows, ROWS):
            block = Block(
                depth=p.batch,
                at_a=(top + r) * p.stride,
                step_k=1,
                step_m=p.stride,
                at_b=(left + c) * p.batch,
                step_b=p.block,
                at_c=r * width + c,
                step_c=width,
                fresh=1,
            )
            product(u, v, flat, block)


# Layouts, for i in start .. stop - 1.


def turn(x, turned, block, start, stop):
    """turned[i, b] = x[b, i], and 0 beyond the batch. A line of the cache at a time: `block`."""
    batch, stride = len(x), turned.shape[1]
    for n in range(0, stride, block):
        full = min(block, max(0, batch - n))
        for i in range(start, stop):
            line = turned[i, n : n + block]
            for b in range(full):
                line[b] = x[n + b, i]
            line[full:] = 0


def turn_back(total, y, block, start, stop):
    """y[b, i] = total[i - start, b]."""
    for n in range(start, stop, block):
        for b in range(len(y)):
            row = y[b, n : min(n + block, stop)]
            for i in range(row.size):
                row[i] = total[n - start + i, b]
