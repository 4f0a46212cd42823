"""A layer's equations, as they stand in it, as device code of one dtype.

Those of an activation are plain functions of numbers; a recurrent cell's, `step` and `step_back`,
of tuples of them. What they name of compile/reals.py, and what the plain functions that they call
name of it, means here a number of the dtype or a function of it; so does every other global float.

A kernel does not know how long the tuples are. `read`, `gates` and `write` are therefore chains: a
function for each length, which calls the one for a length less.
"""

import math
from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any

import numpy as np

from minihash.compile import reals
from minihash.compile.body import bound

real = rest = None  # the dtype, and the chain that is shorter by one


# Functions of compile/reals.py, for numbers on the device.


def tanh_of(x):
    return real(math.tanh(x))


def larger_of(x, y):
    """NaN if one of them is."""
    return x if x > y or x != x else y


def smaller_of(x, y):
    return x if x < y or x != x else y


def exp_of(x):
    return real(math.exp(x))


def expm1_of(x):
    return real(math.expm1(x))


def choice_of(condition, x, y):
    return x if condition else y


def size_of(x):
    return abs(x)


FUNCTIONS = (
    *((reals.tanh, tanh_of), (reals.exp, exp_of), (reals.expm1, expm1_of), (reals.size, size_of)),
    *((reals.larger, larger_of), (reals.smaller, smaller_of), (reals.choose, choice_of)),
)


# Chains.


def read_none(array, i, stride):
    return ()


def read_more(array, i, stride):
    """array[i], array[i + stride], ..."""
    return (array[i],) + rest(array, i + stride, stride)  # noqa: RUF005, Numba has no (x, *y)


def gates_none(a, i, b, k, stride):
    return ()


def gates_more(a, i, b, k, stride):
    """a[i] + b[k], a[i + stride] + b[k + stride], ..."""
    return (a[i] + b[k],) + rest(a, i + stride, b, k + stride, stride)  # noqa: RUF005


def write_none(array, i, stride, values):
    pass


def write_more(array, i, stride, values):
    """array[i], array[i + stride], ... = values"""
    array[i] = values[0]
    rest(array, i + stride, stride, values[1:])


@cache
def chain(none: Callable, more: Callable, length: int) -> Callable:
    """The chain of this length.

    >>> chain(read_none, read_more, 3)([0, 10, 20, 30, 40, 50], 1, 2)
    (10, 30, 50)
    """
    function = none
    for n in range(length):
        function = bound(more, f"{more.__name__}{n}", rest=function)
    return function


def read(length: int) -> Callable:
    return chain(read_none, read_more, length)


def gates(length: int) -> Callable:
    return chain(gates_none, gates_more, length)


def write(length: int) -> Callable:
    return chain(write_none, write_more, length)


# Bodies.


@cache
def body_of(function: Callable, dtype: np.dtype) -> Callable:
    """The plain function, with the meaning that its global names have for this dtype.

    Raises TypeError for another function.
    """
    if not isinstance(function, FunctionType) or function.__closure__:
        raise TypeError(
            f"equations must be plain functions, got {function!r}; write them with def, outside of "
            "any function, and make them a staticmethod of the layer"
        )
    type_, meaning = np.dtype(dtype).type, {}
    for name in function.__code__.co_names:
        value = function.__globals__.get(name)
        on_device = [function for known, function in FUNCTIONS if value is known]
        if isinstance(value, float):
            meaning[name] = type_(value)
        elif on_device:
            meaning[name] = bound(on_device[0], name, real=type_)
        elif isinstance(value, FunctionType):
            meaning[name] = body_of(value, dtype)
    return bound(function, function.__qualname__, **meaning)


def kept_of(cell: Any, states: int) -> int:
    """How many numbers `step` keeps for `step_back`, by asking it."""
    one = np.float64(1)
    with np.errstate(all="ignore"):
        _, kept = cell.step((one,) * cell.gates, (one,) * cell.gates, (one,) * states)
    return len(kept)
