"""The innermost loops of every product: sums that stay in vector registers.

    product    c[m, n] += sum over k of a[k, m] b[k, n]     6 rows m; n in two vectors side by side
    tile       the same                                     4 rows m; n in vectors that lie anywhere
    dot        sum over k of a[k] b[k]
    square     b[c, r] = a[r, c]                            as many r and c as a vector has numbers

A number of a is spread over a vector and multiplied by the vectors of b. The sums fill registers of
AVX2, AVX-512 or NEON (`available`); elsewhere the loops are right, but slow. BLAS is as fast
(benchmarks/NOTES.md), but wants whole matrices: a tile of V, or patches of images, would go through
memory, and be packed once more, on their way to the product.

How to read: the loops are LLVM instructions, because Numba would keep an array of sums in memory.
`product`, `tile` and `square` are intrinsics, functions that run when a caller is compiled and
append instructions to it. Python's loops in them are unrolled, their values are names of registers;
`for_range` and `if_then` are the loops and branches of the compiled code.

Nothing checks bounds.
"""

import platform
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from minihash.compile.jit import HAVE_NUMBA

VECTOR, ROWS = 32, 6  # of a product: bytes of a vector, rows


@cache
def features() -> frozenset[str]:
    """What LLVM calls those of the processor that Numba compiles for; none where it does not."""
    if not HAVE_NUMBA:
        return frozenset()
    from numba import config
    from numba.core.codegen import get_host_cpu_features

    if config.DISABLE_JIT:
        return frozenset()
    chosen = get_host_cpu_features() if config.CPU_FEATURES is None else config.CPU_FEATURES
    always = {"neon"} if platform.machine().lower() in ("aarch64", "arm64") else set()
    return frozenset(always.union(name[1:] for name in chosen.split(",") if name[:1] == "+"))


def available() -> bool:
    """Whether there are registers for the sums of a tile, and Numba to use them."""
    return {"avx2", "fma"} <= features() or "neon" in features()


# Of a tile: bytes of a vector, vectors, rows. AVX-512 has 32 registers of 64 bytes, and needs half
# the instructions with such vectors.
LONG, WIDE = (64, 4) if "avx512f" in features() else (32, 3)
TALL = 4


class Block(NamedTuple):
    """Where a product is, in one-dimensional arrays: a[k, m] at a[at_a + k step_k + m step_m],
    b[k, n] at b[at_b + k step_b + n], c[m, n] at c[at_c + m step_c + n]."""

    depth: int  # of the sums: k < depth
    at_a: int
    step_k: int
    step_m: int
    at_b: int
    step_b: int
    at_c: int
    step_c: int
    fresh: int  # 1: the sums replace c, 0: they are added to it


class Tile(NamedTuple):
    """Where a tile is: a[k, m] at a[at_a + k + m step_m]. Vector v, of at <= v < at + WIDE, begins
    in b at b[at_b + rows[k] + across[v]], in c at c[at_c + m step_c + along[v]]."""

    depth: int
    at_a: int
    step_m: int
    at: int
    at_b: int
    at_c: int
    step_c: int
    fresh: int


class Square(NamedTuple):
    """Where a square is: a[r, c] at a[at_a + r step_a + c], b[c, r] at b[at_b + c step_b + r]."""

    at_a: int
    step_a: int
    at_b: int
    step_b: int


def columns(dtype: np.dtype) -> int:
    """How many n a product has.

    >>> columns(np.float32), columns(np.float64)
    (16, 8)
    """
    return 2 * VECTOR // np.dtype(dtype).itemsize


def lanes(dtype: np.dtype) -> int:
    """How many n a vector of a tile has."""
    return LONG // np.dtype(dtype).itemsize


def product_in_numpy(a, b, c, p):
    """`product`, where Numba does not compile."""
    k, m, n = np.arange(p.depth), np.arange(ROWS), np.arange(columns(a.dtype))
    A = a[p.at_a + k[:, None] * p.step_k + m * p.step_m]
    B = b[p.at_b + k[:, None] * p.step_b + n]
    C = p.at_c + m[:, None] * p.step_c + n
    c[C] = (0 if p.fresh else c[C]) + A.T @ B


def square_in_numpy(a, b, p):
    """`square`, where Numba does not compile."""
    n = np.arange(VECTOR // a.itemsize)
    b[p.at_b + n[:, None] * p.step_b + n] = a[p.at_a + n * p.step_a + n[:, None]]


def dot(a, b):
    total = a.dtype.type(0)
    for k in range(a.size):
        total += a[k] * b[k]
    return total


if not HAVE_NUMBA:
    product, square = product_in_numpy, square_in_numpy
else:
    import numba
    from llvmlite import ir
    from numba.core import cgutils, types
    from numba.extending import intrinsic

    @intrinsic
    def compiled_product(typing, a, b, c, block):
        def code(context, builder, signature, arguments):
            s = Sums(context, builder, signature, VECTOR)
            (a, b, c), p = s.read(arguments)
            s.add_up(
                p,
                lambda k: [s.at(a, p.at_a, (m, p.step_m), (k, p.step_k)) for m in range(ROWS)],
                lambda k: [s.at(b, p.at_b, (k, p.step_b), v * s.lanes) for v in range(2)],
                lambda m: [s.at(c, p.at_c, (m, p.step_c), v * s.lanes) for v in range(2)],
                ROWS,
            )
            return context.get_dummy_value()

        return types.void(a, b, c, block), code

    @intrinsic
    def tile(typing, a, b, c, rows, across, along, place):
        def code(context, builder, signature, arguments):
            s = Sums(context, builder, signature, LONG)
            (a, b, c, rows, across, along), p = s.read(arguments)
            across, along = (
                [builder.load(s.at(starts, p.at, v)) for v in range(WIDE)]
                for starts in (across, along)
            )
            a = [s.at(a, p.at_a, (m, p.step_m)) for m in range(TALL)]
            b = [s.at(b, p.at_b, start) for start in across]
            s.add_up(
                p,
                lambda k: [s.at(pointer, k) for pointer in a],
                lambda k: [s.at(pointer, builder.load(s.at(rows, k))) for pointer in b],
                lambda m: [s.at(c, p.at_c, (m, p.step_c), start) for start in along],
                TALL,
            )
            return context.get_dummy_value()

        return types.void(a, b, c, rows, across, along, place), code

    @intrinsic
    def compiled_square(typing, a, b, place):
        def code(context, builder, signature, arguments):
            s = Sums(context, builder, signature, VECTOR)
            (a, b), p = s.read(arguments)
            steps = [(n, p.step_a) for n in range(s.lanes)]
            rows = [builder.load(s.whole(s.at(a, p.at_a, n)), align=s.bytes) for n in steps]
            half = s.lanes // 2
            for _ in range(half.bit_length()):  # each row's number becomes a digit of the column's
                pairs = zip(rows[:half], rows[half:], strict=True)
                rows = [s.interleaved(*pair, start) for pair in pairs for start in (0, half)]
            for n, row in enumerate(rows):
                target = s.whole(s.at(b, p.at_b, (n, p.step_b)))
                builder.store(row, target, align=s.bytes)
            return context.get_dummy_value()

        return types.void(a, b, place), code

    class Sums:
        """The instructions of all, for arrays of one dtype."""

        def __init__(self, context: object, builder: ir.IRBuilder, signature, size: int) -> None:
            self.context, self.builder, self.types = context, builder, signature.args
            real = self.types[0].dtype
            self.bytes = real.bitwidth // 8
            self.lanes = size // self.bytes
            self.vector = ir.VectorType(context.get_data_type(real), self.lanes)

        def read(self, arguments: list[ir.Value]) -> tuple[list[ir.Value], NamedTuple]:
            """Pointers to the arrays' first numbers, and the place, whose fields are integers."""
            pointers = [
                self.context.make_array(type_)(self.context, self.builder, array).data
                for type_, array in zip(self.types[:-1], arguments[:-1], strict=True)
            ]
            place = cgutils.unpack_tuple(self.builder, arguments[-1])
            return pointers, self.types[-1].instance_class(*place)

        def at(self, pointer: ir.Value, *steps: ir.Value | int | tuple) -> ir.Value:
            """The pointer, so many numbers on: integers, and products of two."""
            word = ir.IntType(64)
            for step in steps:
                factors = step if isinstance(step, tuple) else (step,)
                first, *more = (ir.Constant(word, f) if isinstance(f, int) else f for f in factors)
                step = self.builder.mul(first, *more) if more else first
                pointer = self.builder.gep(pointer, [step])
            return pointer

        def whole(self, pointer: ir.Value) -> ir.Value:
            """The pointer, to a vector."""
            return self.builder.bitcast(pointer, self.vector.as_pointer())

        def spread(self, number: ir.Value) -> ir.Value:
            """A number in all lanes."""
            nothing, word = ir.Constant(self.vector, ir.Undefined), ir.IntType(32)
            one = self.builder.insert_element(nothing, number, ir.Constant(word, 0))
            zeros = ir.Constant(ir.VectorType(word, self.lanes), [0] * self.lanes)
            return self.builder.shuffle_vector(one, nothing, zeros)

        def interleaved(self, a: ir.Value, b: ir.Value, start: int) -> ir.Value:
            """a[start], b[start], a[start + 1], b[start + 1] ..., a vector of them."""
            word = ir.IntType(32)
            places = [start + n // 2 + n % 2 * self.lanes for n in range(self.lanes)]
            mask = ir.Constant(ir.VectorType(word, self.lanes), places)
            return self.builder.shuffle_vector(a, b, mask)

        def add_up(self, p: NamedTuple, a: Callable, b: Callable, c: Callable, rows: int) -> None:
            """For m < rows the vectors at c(m) += sums over k of the number at a(k)[m], times the
            vectors at b(k)."""
            builder, zero = self.builder, ir.Constant(self.vector, [0.0] * self.lanes)
            targets = [self.whole(pointer) for m in range(rows) for pointer in c(m)]
            sums = [cgutils.alloca_once_value(builder, zero) for _ in targets]  # LLVM: registers
            with builder.if_then(builder.icmp_signed("==", p.fresh, ir.Constant(p.fresh.type, 0))):
                for total, target in zip(sums, targets, strict=True):
                    builder.store(builder.load(target, align=self.bytes), total)
            with cgutils.for_range(builder, p.depth) as loop:
                k = loop.index
                vectors = [builder.load(self.whole(row), align=self.bytes) for row in b(k)]
                for m, pointer in enumerate(a(k)):
                    factor = self.spread(builder.load(pointer))
                    for total, terms in zip(sums[m * len(vectors) :], vectors, strict=False):
                        term = builder.fmul(factor, terms, flags=["contract"])  # fused
                        more = builder.fadd(term, builder.load(total), flags=["contract"])
                        builder.store(more, total)
            for total, target in zip(sums, targets, strict=True):
                builder.store(builder.load(total), target, align=self.bytes)

    product = product_in_numpy if numba.config.DISABLE_JIT else compiled_product
    square = square_in_numpy if numba.config.DISABLE_JIT else compiled_square
    # Terms in the order of the vectors, which is the same in every run on a machine.
    dot = numba.njit(nogil=True, fastmath={"contract", "reassoc"})(dot)
