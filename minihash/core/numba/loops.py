"""Loops over the entries of arrays of one dtype, compiled.

    def loop(rows, columns, x, b):
        for r in range(rows):
            for c in range(columns):
                x[r, c] = tanh(x[r, c] + half * b[c])

`kernel` binds the names of compile/reals.py to numbers of the arrays' dtype, since a literal would
turn float32 into float64, and functions to what becomes SIMD (simd.py).
"""

from collections.abc import Callable
from functools import cache

import numpy as np

from minihash.compile.body import bound, compiled
from minihash.compile.jit import njit
from minihash.core.numba import simd


def kernel(function: Callable, dtype: np.dtype, **calls: Callable) -> Callable:
    """The function, which loops as above, for arrays of this dtype; calls: what names in it mean.

    >>> def row(r, columns, x, b):
    ...     for c in range(columns):
    ...         x[r, c] = tanh(half * x[r, c] + b[c])
    >>> def add(rows, columns, x, b):
    ...     for r in range(rows):
    ...         do(r, columns, x, b)
    >>> x = np.zeros((2, 3))
    >>> kernel(add, x.dtype, do=row)(2, 3, x, np.array([0.0, 1.0, np.inf]))
    >>> x.round(3)
    array([[0.   , 0.762, 1.   ],
           [0.   , 0.762, 1.   ]])
    """
    return _kernel(function, np.dtype(dtype).type, tuple(calls.items()))


# What names of compile/reals.py mean for scalars.


def larger_of(x, y):
    return x if x > y or x != x else y


def smaller_of(x, y):
    return x if x < y or x != x else y


def choice_of(condition, x, y):
    return x if condition else y


SCALAR = {"larger": larger_of, "smaller": smaller_of, "choose": choice_of, "size": abs}
EXPONENTIALS = {
    np.float32: {"tanh": simd.tanh32, "exp": simd.exp32, "expm1": simd.expm1_32},
    np.float64: {"tanh": simd.tanh64, "exp": simd.exp64, "expm1": simd.expm1_64},
}


@cache
def _kernel(function: Callable, real: type, calls: tuple[tuple[str, Callable], ...]) -> Callable:
    names = {name: real(value) for name, value in (("half", 0.5), ("one", 1), ("zero", 0))}
    names |= EXPONENTIALS[real] | SCALAR
    label = ", ".join([real.__name__, *(f"{f.__module__}.{f.__qualname__}" for _, f in calls)])
    for name, call in calls:  # one that reads no such name is the same for all dtypes
        reads = names.keys() & set(call.__code__.co_names)
        own = f"{call.__qualname__}<{real.__name__}>"
        names[name] = bound(call, own, **names) if reads else call
    return compiled(bound(function, f"{function.__qualname__}<{label}>", **names), njit)
