"""The innermost loop of convolution and recurrence: sums that stay in vector registers.

    tile       c[m, n] += sum over k of a[k, m] b[k, n]     4 rows m; n in vectors that lie anywhere
    dot        sum over k of a[k] b[k]

A number of a is spread over a vector and multiplied by the vectors of b. The sums fill registers of
AVX2, AVX-512 or NEON (`available`). BLAS is as fast (benchmarks/NOTES.md), but wants whole
matrices: patches of images, or a step of a sequence, would go through memory, and be packed once
more, on their way to the product.

How to read: the loop is LLVM instructions, because Numba would keep an array of sums in memory.
`tile` is an intrinsic, a function that runs when a caller is compiled and appends instructions to
it. Python's loops in it are unrolled, its values are names of registers; `for_range` and `if_then`
are the loops and branches of the compiled code.

Nothing checks bounds.
"""

import platform
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from minihash.compile.jit import HAVE_NUMBA


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


class Place(NamedTuple):
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


def lanes(dtype: np.dtype) -> int:
    """How many n a vector of a tile has."""
    return LONG // np.dtype(dtype).itemsize


def dot(a, b):
    total = a.dtype.type(0)
    for k in range(a.size):
        total += a[k] * b[k]
    return total


if HAVE_NUMBA:
    import numba
    from llvmlite import ir
    from numba.core import cgutils, types
    from numba.extending import intrinsic

    @intrinsic
    def tile(typing, a, b, c, rows, across, along, place):
        def code(context, builder, signature, arguments):
            s = Sums(context, builder, signature)
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
            )
            return context.get_dummy_value()

        return types.void(a, b, c, rows, across, along, place), code

    class Sums:
        """The instructions of `tile`, for arrays of one dtype."""

        def __init__(self, context: object, builder: ir.IRBuilder, signature) -> None:
            self.context, self.builder, self.types = context, builder, signature.args
            real = self.types[0].dtype
            self.bytes = real.bitwidth // 8
            self.lanes = LONG // self.bytes
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

        def add_up(self, p: NamedTuple, a: Callable, b: Callable, c: Callable) -> None:
            """For m < TALL the vectors at c(m) += sums over k of the number at a(k)[m], times the
            vectors at b(k)."""
            builder, zero = self.builder, ir.Constant(self.vector, [0.0] * self.lanes)
            targets = [self.whole(pointer) for m in range(TALL) for pointer in c(m)]
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

    # Terms in the order of the vectors, which is the same in every run on a machine.
    dot = numba.njit(nogil=True, fastmath={"contract", "reassoc"})(dot)
