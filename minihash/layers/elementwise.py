"""Loops over the entries of arrays: one body, two readings.

A *body* is a plain function body(r, c, x, y, ...) that computes and stores what belongs to row r
and column c, as `y[r, c] = x[r, c] * b[c]`, without branches on them. Numba compiles it within a
loop over all rows and columns; without Numba it is called once, with slices for r and c, and NumPy
does the loop. Each operation is one IEEE operation in either reading, so the bits agree. For this

- a body stores into an array after its last read from it,
- a number comes as a scalar of the arrays' dtype: a literal would turn float32 into float64.
"""

from collections.abc import Callable
from functools import cache

from minihash.hashes.body import bound, compiled
from minihash.hashes.jit import HAVE_NUMBA, njit

EVERY = slice(None)


def elementwise(body: Callable) -> Callable:
    """The function f(rows, columns, x, y, ...) that does `body` for each of rows x columns entries.

    >>> import numpy as np
    >>> def scale(r, c, x, b): x[r, c] = x[r, c] * b[c]
    >>> x = np.ones((2, 3))
    >>> elementwise(scale)(2, 3, x, np.array([1.0, 2.0, 3.0]))
    >>> x
    array([[1., 2., 3.],
           [1., 2., 3.]])
    """
    if not HAVE_NUMBA:
        return read_by_numpy(body)
    return lambda *arguments: read_by_numba(body)(*arguments)  # nothing is compiled before its use


@cache
def read_by_numba(body: Callable) -> Callable:
    """The compiled loop."""
    loop = LOOPS[body.__code__.co_argcount - 2]
    return compiled(bound(loop, f"over({body.__module__}.{body.__qualname__})", body=body), njit)


def read_by_numpy(body: Callable) -> Callable:
    """`elementwise` without Numba."""
    return lambda rows, columns, *arrays: body(EVERY, EVERY, *arrays)


# The loop for each number of arguments: with *arrays LLVM would make no SIMD of it.


def over2(rows, columns, x1, x2):
    for r in range(rows):
        for c in range(columns):
            body(r, c, x1, x2)  # noqa: F821


def over3(rows, columns, x1, x2, x3):
    for r in range(rows):
        for c in range(columns):
            body(r, c, x1, x2, x3)  # noqa: F821


def over4(rows, columns, x1, x2, x3, x4):
    for r in range(rows):
        for c in range(columns):
            body(r, c, x1, x2, x3, x4)  # noqa: F821


def over5(rows, columns, x1, x2, x3, x4, x5):
    for r in range(rows):
        for c in range(columns):
            body(r, c, x1, x2, x3, x4, x5)  # noqa: F821


def over6(rows, columns, x1, x2, x3, x4, x5, x6):
    for r in range(rows):
        for c in range(columns):
            body(r, c, x1, x2, x3, x4, x5, x6)  # noqa: F821


def over7(rows, columns, x1, x2, x3, x4, x5, x6, x7):
    for r in range(rows):
        for c in range(columns):
            body(r, c, x1, x2, x3, x4, x5, x6, x7)  # noqa: F821


LOOPS = {2: over2, 3: over3, 4: over4, 5: over5, 6: over6, 7: over7}
