"""The two inner loops of a convolution on vector registers, as LLVM instructions for Numba.

    tile       y[m, n] = bias[m] + sum over k of K[k, m] x[offset[k] + n]
               ROWS maps m, two vectors of positions n; k: channels and taps
    gradient   dK[m, k] += sum over n of dy[m, n] x[offset[k] + n]
               MAPS maps m, TAPS channels and taps k; n: all positions, a vector at a time

Why: a product of BLAS needs the patches of x written out as a matrix, and packs that matrix once
more; a convolution of 64 -> 64 channels, 3 x 3, then takes 1.6 times PyTorch's time. Here a vector
of x is read where it lies and multiplied by all that it meets while it is in a register, and the
sums stay in registers to the end: 0.96 times. Numba's own loops, written in Python, do not come
near: it keeps no block of sums in registers.

How to read: `tile` and `gradient` are intrinsics, functions that run when a caller is compiled and
append instructions to it. Python's loops in them are unrolled, their values are names of registers;
`for_range`, `if_then` and `if_else` are the loops and branches of the compiled code. `Code` has the
few instructions that both use.

LLVM cuts vectors that are too long for a processor, which makes the loops correct anywhere, and
fast where `available`. Arrays are one-dimensional, of one dtype; nothing checks their bounds, and
vectors are read whole: beyond the numbers that count, memory must be there, whatever is in it.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

from minihash.hashes.jit import HAVE_NUMBA

VECTOR = 64  # bytes
ROWS = 8  # of a tile, whose sums take 16 registers
MAPS, TAPS = 4, 6  # of a gradient, whose sums take 24


def lanes(dtype: np.dtype) -> int:
    """Numbers in a vector.

    >>> lanes(np.float32)
    16
    """
    return VECTOR // np.dtype(dtype).itemsize


@cache
def available() -> bool:
    """Whether this processor has such vectors, and Numba may use them."""
    if not HAVE_NUMBA:
        return False
    import numba
    from llvmlite.binding import get_host_cpu_features

    return not numba.config.DISABLE_JIT and get_host_cpu_features().get("avx512f", False)


class Tile(NamedTuple):
    """Where a tile is, for k < depth, m < ROWS and its two vectors v.

    K[k, m] at K[at_K + k ROWS + m], bias[m] at bias[at_bias + m],
    x at x[at_x + offsets[k] + v step_x], y[m] at y[at_y + m row_y + v step_y].
    """

    depth: int
    at_K: int
    at_bias: int
    at_x: int
    step_x: int
    at_y: int
    row_y: int
    step_y: int
    rows: int  # how many are written
    first: int  # how many numbers of the first vector are written, in each row
    second: int  # of the second


class Gradient(NamedTuple):
    """Where a gradient is, for m < MAPS, k < TAPS, and vectors v of rows r of images b.

    dy[m] at dy[offsets_dy[at_m + m] + b image_dy + r row_dy + v lanes],
    x of k at x[offsets_x[at_k + k] + b image_x + r row_x + v lanes],
    dK[m, k] at dK[at_dK + m row_dK + k].
    """

    images: int
    rows: int
    vectors: int
    at_m: int
    at_k: int
    image_dy: int
    row_dy: int
    image_x: int
    row_x: int
    at_dK: int
    row_dK: int
    maps: int  # how many rows of dK are added to
    taps: int  # how many entries of each


if HAVE_NUMBA:
    from llvmlite import ir
    from numba.core import cgutils, types
    from numba.extending import intrinsic

    def number(value: int) -> ir.Constant:
        return ir.Constant(ir.IntType(64), value)

    class Code:
        """The instructions that both loops are written with, in the dtype of their first array."""

        def __init__(self, context: object, builder: ir.IRBuilder, types_: tuple) -> None:
            self.context, self.builder, self.types = context, builder, types_
            self.real = context.get_data_type(types_[0].dtype)
            self.bytes = types_[0].dtype.bitwidth // 8
            self.lanes = VECTOR // self.bytes
            self.vector = ir.VectorType(self.real, self.lanes)

        def unpack(self, args: tuple) -> tuple[list[ir.Value], NamedTuple]:
            """The pointers of the arrays, and the place, whose fields are integers."""
            *arrays, place = args
            pointers = [
                self.context.make_array(type_)(self.context, self.builder, array).data
                for type_, array in zip(self.types, arrays, strict=False)
            ]
            cls = self.types[-1].instance_class
            return pointers, cls(*cgutils.unpack_tuple(self.builder, place))

        def at(self, pointer: ir.Value, *steps: ir.Value) -> ir.Value:
            for step in steps:
                pointer = self.builder.gep(pointer, [step])
            return pointer

        def read(self, pointer: ir.Value, *steps: ir.Value) -> ir.Value:
            return self.builder.load(self.at(pointer, *steps))

        def times(self, a: ir.Value, b: ir.Value | int) -> ir.Value:
            return self.builder.mul(a, number(b) if isinstance(b, int) else b)

        def load(self, pointer: ir.Value) -> ir.Value:
            pointer = self.builder.bitcast(pointer, self.vector.as_pointer())
            return self.builder.load(pointer, align=self.bytes)

        def store(self, vector: ir.Value, pointer: ir.Value) -> None:
            pointer = self.builder.bitcast(pointer, self.vector.as_pointer())
            self.builder.store(vector, pointer, align=self.bytes)

        def spread(self, value: ir.Value) -> ir.Value:
            """A number in all lanes."""
            nothing, word = ir.Constant(self.vector, ir.Undefined), ir.IntType(32)
            one = self.builder.insert_element(nothing, value, ir.Constant(word, 0))
            lanes = ir.Constant(ir.VectorType(word, self.lanes), [0] * self.lanes)
            return self.builder.shuffle_vector(one, nothing, lanes)

        def sums(self, starts: list[ir.Value]) -> list[ir.Value]:
            """Variables, which LLVM keeps in registers."""
            return [cgutils.alloca_once_value(self.builder, start) for start in starts]

        def add_product(self, total: ir.Value, a: ir.Value, b: ir.Value) -> None:
            """total += a b, rounded once where the processor can."""
            product = self.builder.fmul(a, b, flags=["contract"])
            more = self.builder.fadd(product, self.builder.load(total), flags=["contract"])
            self.builder.store(more, total)

        def if_less(self, a: int, b: ir.Value) -> object:
            return self.builder.if_then(self.builder.icmp_signed("<", number(a), b))

    @intrinsic
    def tile(typing, x, K, offsets, bias, y, place):
        """y = bias + K^T x, over a Tile."""

        def code(context, builder, signature, args):
            c = Code(context, builder, signature.args)
            (x, K, offsets, bias, y), p = c.unpack(args)
            x, K, bias, y = c.at(x, p.at_x), c.at(K, p.at_K), c.at(bias, p.at_bias), c.at(y, p.at_y)
            biases = [c.spread(c.read(bias, number(m))) for m in range(ROWS)]
            sums = [c.sums([start, start]) for start in biases]
            with cgutils.for_range(builder, p.depth) as loop:
                row = c.at(x, c.read(offsets, loop.index))
                vectors = c.load(row), c.load(c.at(row, p.step_x))
                column = c.at(K, c.times(loop.index, ROWS))
                for m in range(ROWS):
                    weight = c.spread(c.read(column, number(m)))
                    for total, vector in zip(sums[m], vectors, strict=True):
                        c.add_product(total, weight, vector)
            for m in range(ROWS):
                with c.if_less(m, p.rows):
                    row = c.at(y, c.times(p.row_y, m))
                    write(c, sums[m][0], row, p.first)
                    write(c, sums[m][1], c.at(row, p.step_y), p.second)
            return context.get_dummy_value()

        return types.void(x, K, offsets, bias, y, place), code

    def write(c: Code, total: ir.Value, pointer: ir.Value, count: ir.Value) -> None:
        """The first `count` numbers of the vector."""
        whole = c.builder.icmp_signed("==", count, number(c.lanes))
        with c.builder.if_else(whole) as (then, otherwise):
            with then:
                c.store(c.builder.load(total), pointer)
            with otherwise:
                # from a copy: the address of the sum itself would keep it out of the registers
                copy = cgutils.alloca_once_value(c.builder, c.builder.load(total))
                numbers = c.builder.bitcast(copy, c.real.as_pointer())
                with cgutils.for_range(c.builder, count) as loop:
                    c.builder.store(c.read(numbers, loop.index), c.at(pointer, loop.index))

    @intrinsic
    def gradient(typing, dy, x, offsets_dy, offsets_x, dK, place):
        """dK += dy x^T, over a Gradient."""

        def code(context, builder, signature, args):
            c = Code(context, builder, signature.args)
            (dy, x, offsets_dy, offsets_x, dK), p = c.unpack(args)
            maps = [c.read(offsets_dy, p.at_m, number(m)) for m in range(MAPS)]
            taps = [c.read(offsets_x, p.at_k, number(k)) for k in range(TAPS)]
            zero = ir.Constant(c.vector, [0.0] * c.lanes)
            sums = [c.sums([zero] * TAPS) for _ in range(MAPS)]
            with cgutils.for_range(builder, p.images) as image:
                dy_b = c.at(dy, c.times(image.index, p.image_dy))
                x_b = c.at(x, c.times(image.index, p.image_x))
                with cgutils.for_range(builder, p.vectors) as vector:
                    n = c.times(vector.index, c.lanes)
                    dy_n = [c.at(dy_b, offset, n) for offset in maps]
                    x_n = [c.at(x_b, offset, n) for offset in taps]
                    with cgutils.for_range(builder, p.rows) as row:
                        at_dy, at_x = c.times(row.index, p.row_dy), c.times(row.index, p.row_x)
                        seen = [c.load(c.at(pointer, at_x)) for pointer in x_n]
                        for m in range(MAPS):
                            slope = c.load(c.at(dy_n[m], at_dy))
                            for total, values in zip(sums[m], seen, strict=True):
                                c.add_product(total, slope, values)
            name = f"llvm.vector.reduce.fadd.v{c.lanes}f{8 * c.bytes}"
            reduce = ir.FunctionType(c.real, [c.real, c.vector])
            reduce = cgutils.get_or_insert_function(builder.module, reduce, name)
            for m in range(MAPS):
                with c.if_less(m, p.maps):
                    for k in range(TAPS):
                        with c.if_less(k, p.taps):
                            start = ir.Constant(c.real, 0.0)
                            vector = builder.load(sums[m][k])
                            total = builder.call(reduce, [start, vector], fastmath=["reassoc"])
                            entry = c.at(dK, p.at_dK, c.times(p.row_dK, m), number(k))
                            builder.store(builder.fadd(builder.load(entry), total), entry)
            return context.get_dummy_value()

        return types.void(dy, x, offsets_dy, offsets_x, dK, place), code
