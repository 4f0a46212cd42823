"""Matrix products for compiled loops, by the BLAS that NumPy brings.

    product(a, b, c, more)      c = a b, or c += a b

The library is asked for `gemm` under the names that builds of NumPy give it. Where none is found
(`available`), a plain loop multiplies.
"""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.linalg import _umath_linalg  # type: ignore[attr-defined]  # a file that is linked to BLAS

from minihash.compile.body import bound
from minihash.compile.jit import HAVE_NUMBA

# Prefix, suffix and bits of the integers.
NAMES = (
    ("scipy_cblas_", "64_", 64),
    ("cblas_", "64_", 64),
    ("cblas_", "$NEWLAPACK$ILP64", 64),
    ("scipy_cblas_", "", 32),
    ("cblas_", "", 32),
)
LETTERS = (("f4", "s"), ("f8", "d"))
BY_ROWS, AS_IT_IS, TRANSPOSED = np.int32(101), np.int32(111), np.int32(112)


@cache
def found() -> dict[np.dtype, tuple[str, int]]:
    """The symbol of `gemm` for each dtype, and the bits of its integers; empty if there is none."""
    library = ctypes.CDLL(_umath_linalg.__file__)
    for before, after, bits in NAMES:
        letters = {np.dtype("f4"): "s", np.dtype("f8"): "d"}
        symbols = {dtype: f"{before}{letter}gemm{after}" for dtype, letter in letters.items()}
        if all(hasattr(library, symbol) for symbol in symbols.values()):
            from llvmlite import binding

            for symbol in symbols.values():
                address = ctypes.cast(getattr(library, symbol), ctypes.c_void_p).value
                binding.add_symbol(symbol, address)
            return {dtype: (symbol, bits) for dtype, symbol in symbols.items()}
    return {}


def available() -> bool:
    """Whether compiled loops can multiply."""
    if not HAVE_NUMBA:
        return False
    from numba import config

    return not config.DISABLE_JIT and bool(found())


@cache
def product_of(dtype: np.dtype) -> Callable:
    """`product` for loops over arrays of this dtype."""
    if not available():
        return plain
    from numba import types

    symbol, bits = found()[dtype]
    real: Any = types.float32 if dtype == np.float32 else types.float64
    size, mode, pointer = getattr(types, f"int{bits}"), types.int32, types.voidptr
    matrix = pointer, size
    gemm = types.ExternalFunction(
        symbol,
        types.void(mode, mode, mode, size, size, size, real, *matrix, *matrix, real, *matrix),
    )
    return bound(product, f"product<{symbol}>", gemm=gemm, real=dtype.type)


def product(a, b, c, more):
    """c = a b, or c += a b if there is `more`. c has rows one after another, a and b rows or
    columns."""
    (rows, depth), columns = a.shape, b.shape[1]
    mode_a, step_a = stored(a)
    mode_b, step_b = stored(b)
    step_c = max(c.strides[0] // c.itemsize, columns)
    left, right, result = (a.ctypes, step_a), (b.ctypes, step_b), (c.ctypes, step_c)
    sizes = rows, columns, depth
    gemm(BY_ROWS, mode_a, mode_b, *sizes, real(1), *left, *right, real(more), *result)


def stored(a):
    """How a matrix is stored, and the step from one of its rows (columns) to the next; where there
    is one alone, NumPy leaves the step open."""
    rows, columns = a.shape
    if a.strides[1] == a.itemsize or columns == 1:
        return AS_IT_IS, max(a.strides[0] // a.itemsize, columns)
    return TRANSPOSED, max(a.strides[1] // a.itemsize, rows)


def plain(a, b, c, more):
    for i in range(len(a)):
        if not more:
            c[i] = 0
        for k in range(a.shape[1]):
            c[i] += a[i, k] * b[k]
