"""Loops over the entries of arrays: one source, two readings.

    for r in each(rows):
        for c in each(columns):
            y[r, c] = tanh(x[r, c] + b[c])

Numba compiles it as it stands: loops over numbers, fused, a row at a time in the cache. Without
Numba `each` gives one slice of all, so that NumPy does the loops, and tanh is NumPy's. For this

- nothing branches on r and c, and they index as they are: c, not c + 1;
- within a pass over the columns, x = a[r, c] may be a view: it is used before a[r, c] is stored to;
- a number comes as a scalar of the arrays' dtype: a literal would turn float32 into float64.
"""

from collections.abc import Callable
from functools import cache

import numpy as np

from minihash.hashes.body import bound, compiled
from minihash.hashes.jit import HAVE_NUMBA, njit
from minihash.layers.simd_tanh import tanh32, tanh64

each, tanh = range, np.tanh  # names for kernels to use; `kernel` says what they mean in a reading


def kernel(function: Callable, dtype: np.dtype) -> Callable:
    """The function, which loops as above, for arrays of this dtype.

    >>> def add(rows, columns, x, b):
    ...     for r in each(rows):
    ...         for c in each(columns):
    ...             x[r, c] = tanh(x[r, c] + b[c])
    >>> x = np.zeros((2, 3))
    >>> kernel(add, x.dtype)(2, 3, x, np.array([0.0, 1.0, np.inf]))
    >>> x.round(3)
    array([[0.   , 0.762, 1.   ],
           [0.   , 0.762, 1.   ]])
    """
    return (read_by_numba if HAVE_NUMBA else read_by_numpy)(function, np.dtype(dtype).itemsize)


@cache
def read_by_numba(function: Callable, itemsize: int) -> Callable:
    name = f"{function.__qualname__}<{8 * itemsize}>"
    by_dtype = bound(function, name, tanh=tanh32 if itemsize == 4 else tanh64, each=range)
    return compiled(by_dtype, njit)


@cache
def read_by_numpy(function: Callable, itemsize: int) -> Callable:
    return bound(function, function.__qualname__, tanh=np.tanh, each=lambda n: (slice(n),))
