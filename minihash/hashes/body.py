"""One body, three readings: how a scalar body becomes NumPy, njit or CUDA device code.

A *body* is a plain function of one identifier and a tuple of constants, `body(i, state)`, written
without branches on `i`. NumPy reads it as it stands, with `i` an array. `compiled(body, jit)` gives
the same function to a compiler, after the plain functions that it calls by name.

This is a copy with other globals rather than a closure, because Numba keeps compiled code on disk
for global names only: a closure over a compiled function would be compiled anew in each process.
"""

from collections.abc import Callable
from types import FunctionType


def bound(function: Callable, name: str, **globals_: object) -> Callable:
    """A copy of the plain `function`, called `name`, in which the given global names mean
    something else.

    >>> def twice(x): return f(f(x))
    >>> bound(twice, "add_two", f=lambda x: x + 1)(40)
    42
    """
    copy = FunctionType(function.__code__, {**function.__globals__, **globals_}, name)
    copy.__qualname__ = name
    copy.__module__ = function.__module__
    copy.__doc__ = function.__doc__
    return copy


_compiled: dict[tuple[str, Callable], Callable] = {}


def compiled(body: Callable, jit: Callable) -> Callable:
    """`jit(body)`, with the plain functions that `body` calls compiled before it.

    Bodies of one name are compiled once for each `jit`.

    >>> from minihash.hashes.xxh32 import xxh32
    >>> compiled(xxh32, lambda function: function).__name__
    'xxh32'
    """
    key = (f"{body.__module__}.{body.__qualname__}", jit)
    if key not in _compiled:
        calls = {
            name: compiled(value, jit)
            for name in body.__code__.co_names
            if isinstance(value := body.__globals__.get(name), FunctionType)
        }
        _compiled[key] = jit(bound(body, body.__qualname__, **calls))
    return _compiled[key]
