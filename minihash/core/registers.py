"""The innermost loops of every product: sums that stay in vector registers.

    product    c[m, n] += sum over k of a[k, m] b[k, n]        ROWS rows m; n in two vectors
    dot        sum over k of a[k] b[k]

A number of a is spread over a vector and multiplied by the two vectors of b. Twelve sums of 32
bytes fit the registers of AVX2, AVX-512 and NEON; elsewhere the loop is right, but slow. BLAS is as
fast (benchmarks/NOTES.md), but wants whole matrices: a tile of V would go through memory, and be
packed once more, on its way from the hash to the product. The loop is written as LLVM instructions,
because Numba would keep an array of sums in memory.
"""

from typing import NamedTuple

import numpy as np

from minihash.hashes.jit import HAVE_NUMBA

VECTOR = 32  # bytes
ROWS = 6


class Block(NamedTuple):
    """Where a product is, in one-dimensional arrays: a[k, m] at a[at_a + k step_k + m step_m],
    b[k, n] at b[at_b + k step_b + n], c[m, n] at c[at_c + m step_c + n]. Nothing checks bounds."""

    depth: int  # of the sums: k < depth
    at_a: int
    step_k: int
    step_m: int
    at_b: int
    step_b: int
    at_c: int
    step_c: int
    fresh: int  # 1: the sums replace c, 0: they are added to it


def columns(dtype: np.dtype) -> int:
    """How many n a block has.

    >>> columns(np.float32), columns(np.float64)
    (16, 8)
    """
    return 2 * VECTOR // np.dtype(dtype).itemsize


def product_in_numpy(a, b, c, p):
    """`product`, where Numba does not compile."""
    k, m, n = np.arange(p.depth), np.arange(ROWS), np.arange(columns(a.dtype))
    A = a[p.at_a + k[:, None] * p.step_k + m * p.step_m]
    B = b[p.at_b + k[:, None] * p.step_b + n]
    C = p.at_c + m[:, None] * p.step_c + n
    c[C] = (0 if p.fresh else c[C]) + A.T @ B


def dot(a, b):
    total = a.dtype.type(0)
    for k in range(a.size):
        total += a[k] * b[k]
    return total


if not HAVE_NUMBA:
    product = product_in_numpy
else:
    import numba
    from llvmlite import ir
    from numba.core import cgutils, types
    from numba.extending import intrinsic

    @intrinsic
    def compiled_product(typing, a, b, c, block):
        return types.void(a, b, c, block), product_in_registers

    def product_in_registers(context, builder, signature, arguments):
        arrays = signature.args[:3]
        a, b, c = (
            context.make_array(type_)(context, builder, array).data
            for type_, array in zip(arrays, arguments[:3], strict=True)
        )
        p = Block(*cgutils.unpack_tuple(builder, arguments[3]))
        size = arrays[0].dtype.bitwidth // 8
        lanes = VECTOR // size
        vector = ir.VectorType(context.get_data_type(arrays[0].dtype), lanes)

        def number(value: int) -> ir.Constant:
            return ir.Constant(ir.IntType(64), value)

        def at(pointer: ir.Value, index: ir.Value, step: ir.Value | None = None) -> ir.Value:
            return builder.gep(pointer, [builder.mul(index, step) if step else index])

        def vectors(pointer: ir.Value) -> list[ir.Value]:
            """Pointers to the two vectors of a row."""
            row = (at(pointer, number(v * lanes)) for v in range(2))
            return [builder.bitcast(start, vector.as_pointer()) for start in row]

        def spread(value: ir.Value) -> ir.Value:
            nothing, word = ir.Constant(vector, ir.Undefined), ir.IntType(32)
            one = builder.insert_element(nothing, value, ir.Constant(word, 0))
            zeros = ir.Constant(ir.VectorType(word, lanes), [0] * lanes)
            return builder.shuffle_vector(one, nothing, zeros)

        a, b, c = at(a, p.at_a), at(b, p.at_b), at(c, p.at_c)
        a = [at(a, number(m), p.step_m) for m in range(ROWS)]
        c = [pointer for m in range(ROWS) for pointer in vectors(at(c, number(m), p.step_c))]
        zero = ir.Constant(vector, [0.0] * lanes)
        sums = [cgutils.alloca_once_value(builder, zero) for _ in c]  # LLVM makes them registers
        with builder.if_then(builder.icmp_signed("==", p.fresh, number(0))):
            for total, pointer in zip(sums, c, strict=True):
                builder.store(builder.load(pointer, align=size), total)
        with cgutils.for_range(builder, p.depth) as loop:
            pair = [builder.load(v, align=size) for v in vectors(at(b, loop.index, p.step_b))]
            for m in range(ROWS):
                factor = spread(builder.load(at(a[m], loop.index, p.step_k)))
                for total, terms in zip(sums[2 * m :], pair, strict=False):
                    term = builder.fmul(factor, terms, flags=["contract"])  # a fused multiply-add
                    more = builder.fadd(term, builder.load(total), flags=["contract"])
                    builder.store(more, total)
        for total, pointer in zip(sums, c, strict=True):
            builder.store(builder.load(total), pointer, align=size)
        return context.get_dummy_value()

    product = product_in_numpy if numba.config.DISABLE_JIT else compiled_product
    # Terms in the order of the vectors, which is the same in every run on a machine.
    dot = numba.njit(nogil=True, fastmath={"contract", "reassoc"})(dot)
