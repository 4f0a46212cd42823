"""Loops over the entries of arrays: one source, two readings.

    def kernel_of(step, rows, columns, x, b):
        for r in each(rows):
            for c in each(columns):
                x[r, c] = tanh(x[r, c] + half * b[c])

Numba compiles it as it stands: loops over numbers, fused, a row at a time in the cache. Without
Numba `each` gives one slice of all, so that NumPy does the loops, and tanh is NumPy's. For this

- nothing branches on r and c, and they index as they are: c, not c + 1;
- within a pass over the columns, x = a[r, c] may be a view: it is used before a[r, c] is stored to;
- a number comes in the arrays' dtype, as `half` and `one` do: a literal would turn float32 into
  float64.

A kernel may call other functions of such loops, by names that `kernel` gives a meaning.
"""

from collections.abc import Callable
from functools import cache

import numpy as np

from minihash.compile.body import bound, compiled
from minihash.compile.jit import HAVE_NUMBA, njit
from minihash.core.numba.simd_tanh import tanh32, tanh64

# Names for kernels to use; `kernel` says what they mean in a reading.
each, tanh, larger, choose = range, np.tanh, np.maximum, np.where
half, one = 0.5, 1.0


def kernel(function: Callable, dtype: np.dtype, **calls: Callable) -> Callable:
    """The function, which loops as above, for arrays of this dtype; calls: what names in it mean.

    >>> def row(r, columns, x, b):
    ...     for c in each(columns):
    ...         x[r, c] = tanh(half * x[r, c] + b[c])
    >>> def add(rows, columns, x, b):
    ...     for r in each(rows):
    ...         do(r, columns, x, b)
    >>> x = np.zeros((2, 3))
    >>> kernel(add, x.dtype, do=row)(2, 3, x, np.array([0.0, 1.0, np.inf]))
    >>> x.round(3)
    array([[0.   , 0.762, 1.   ],
           [0.   , 0.762, 1.   ]])
    """
    read = read_by_numba if HAVE_NUMBA else read_by_numpy
    return read(function, np.dtype(dtype).type, tuple(calls.items()))


Calls = tuple[tuple[str, Callable], ...]


@cache
def read_by_numba(function: Callable, real: type, calls: Calls = ()) -> Callable:
    return compiled(read(function, real, calls, tanh32 if real == np.float32 else tanh64), njit)


@cache
def read_by_numpy(function: Callable, real: type, calls: Calls = ()) -> Callable:
    return read(function, real, calls, np.tanh, each=lambda n: (slice(n),))


def read(
    function: Callable, real: type, calls: Calls, tanh: Callable, each: Callable = range
) -> Callable:
    """The function and those that it calls, of plain Python, with all names bound."""
    names = {"tanh": tanh, "each": each, "half": real(0.5), "one": real(1)}
    label = ", ".join([real.__name__, *(f"{f.__module__}.{f.__qualname__}" for _, f in calls)])
    for name, call in calls:
        names[name] = bound(call, f"{call.__qualname__}<{real.__name__}>", **names)
    return bound(function, f"{function.__qualname__}<{label}>", **names)
