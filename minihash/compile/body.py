"""One body, three readings: how a scalar body becomes NumPy, njit or CUDA device code.

A *body* is a plain function of one identifier and a tuple of constants, `body(i, state)`, written
without branches on `i`. NumPy reads it as it stands, with `i` an array. `compiled(body, jit)` gives
the same function to a compiler, after the plain functions that it calls by name.
Symbols read it too, and write it in other languages (exports/formula.py).

This is a copy with other globals rather than a closure, because Numba keeps compiled code on disk
for global names only: a closure over a compiled function would be compiled anew in each process.
On disk it finds code by the function's name and bytecode, and looks at no constant and at nothing
that the function calls: so the copy's name ends with a digest of all that (`digest`). A body that
is written anew under its old name, in a notebook or a file, is compiled anew; equal ones are not.
"""

import hashlib
from collections.abc import Callable
from types import CodeType, FunctionType
from weakref import WeakKeyDictionary

import numpy as np

LONGEST = 100  # characters of a name that go into the name of a file


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


def digest(function: Callable) -> str:
    """What a plain function computes, in 8 hexadecimal digits: of its code, and of the globals that
    it reads, as they are when this is first asked.

    >>> def one(i): return i + 1
    >>> def two(i): return i + 2
    >>> digest(one) == digest(two)
    False
    """
    return _digest(function, ())


def _digest(function: Callable, callers: tuple[Callable, ...]) -> str:
    if function not in _digests:
        code, space = function.__code__, function.__globals__
        read = [(name, space[name]) for name in code.co_names if name in space]
        text = _written(code, callers)
        text += "".join(f", {n}: {_written(value, (*callers, function))}" for n, value in read)
        _digests[function] = hashlib.sha256(text.encode()).hexdigest()[:8]
    return _digests[function]


def _written(value: object, callers: tuple[Callable, ...]) -> str:
    """What a compiler sees in a global or a constant, in words that all processes have alike."""
    value = getattr(value, "py_func", value)  # of what is compiled already
    if isinstance(value, FunctionType):
        return "again" if value in callers else _digest(value, callers)
    if isinstance(value, CodeType):
        consts = [_written(const, callers) for const in value.co_consts]
        return f"{value.co_code.hex()} {value.co_names} {consts}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(_written(item, callers) for item in value)}]"
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape} {value.tobytes().hex()}"
    if isinstance(value, np.generic | int | float | complex | str | bytes | None):
        return f"{type(value).__name__} {value!r}"
    return f"{type(value).__name__} {getattr(value, '__name__', '')}"


_digests: WeakKeyDictionary[Callable, str] = WeakKeyDictionary()
_compiled: dict[tuple[str, str, Callable], Callable] = {}
CALLED: dict[Callable, Callable] = {}  # a jit -> the one for what only compiled code calls


def compiled(body: Callable, jit: Callable) -> Callable:
    """`jit(body)`, with the plain functions that `body` calls compiled before it.

    Bodies of one name that compute the same are compiled once for each `jit`.

    >>> from minihash.hashes.xxh32 import xxh32
    >>> compiled(xxh32, lambda function: function).__name__.rpartition("-")[0]
    'xxh32'
    """
    name = f"{body.__qualname__[:LONGEST]}-{digest(body)}"
    if jit in CALLED.values():  # other code, and so another file on disk
        name += "-called"
    key = body.__module__, name, jit
    if key not in _compiled:
        calls = {
            called: compiled(value, CALLED.get(jit, jit))
            for called in body.__code__.co_names
            if isinstance(value := body.__globals__.get(called), FunctionType)
        }
        _compiled[key] = jit(bound(body, name, **calls))
    return _compiled[key]
