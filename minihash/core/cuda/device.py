"""The device: where arrays lie, and how kernels are compiled and launched.

A *kernel* is a plain function in which some global names are empty: `cuda`, `real` (the dtype),
bodies of a hash or of a cell (compile/body.py), and roles that a device function beside it plays.
`kernel` fills them in. A file of kernels lists its device functions in DEVICE.
"""

import weakref
from collections.abc import Callable
from functools import cache
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from minihash.checks import on_device
from minihash.compile.body import compiled, digest
from minihash.core.cuda import kernels

Array = Any  # NumPy's, or one on the device
MOST_BLOCKS = 8192  # of a kernel that strides over its elements


def placed(x: Array) -> Array:
    """x on the device."""
    return x if on_device(x) else numba_cuda().to_device(x)


def flat(x: Array) -> Array:
    """x on the device, one-dimensional."""
    return placed(x.reshape(x.size))


def far(*arrays: Array) -> bool:
    """Whether any of them is on the device: then the results are."""
    return any(map(on_device, arrays))


def home(result: Array, shape: tuple[int, ...], stays: bool) -> Array:
    """The result in its shape: on the device if it stays there, else a NumPy array."""
    return result.reshape(shape) if stays else result.copy_to_host().reshape(shape)


def empty(size: int, dtype: np.dtype) -> Array:
    return numba_cuda().device_array(size, dtype)


def zeros(size: int, dtype: np.dtype) -> Array:
    array = empty(size, dtype)
    launch(kernel(kernels.clear, dtype), over(size), array)
    return array


def copy(source: Array, first: int, target: Array, start: int, count: int) -> None:
    """target[start + k] = source[first + k] for count k."""
    run = kernel(kernels.copy, target.dtype)
    launch(run, over(count), source, first, target, start, count)


_resident: dict[int, object] = {}


def resident(state: object) -> object:
    """The constants of a hash, arrays on the device: copied once, kept as long as the originals."""
    if isinstance(state, tuple):
        return tuple(map(resident, state))
    if not isinstance(state, np.ndarray):
        return state
    if id(state) not in _resident:
        weakref.finalize(state, _resident.pop, id(state), None).atexit = False
        _resident[id(state)] = numba_cuda().to_device(state)
    return _resident[id(state)]


# Compilation and launch.

_kernels: dict[tuple, Callable] = {}


def kernel(
    template: Callable,
    dtype: np.dtype,
    bodies: dict[str, Callable] | None = None,
    **roles: Callable,
) -> Callable:
    """The template compiled for one dtype, for these bodies, and these roles of device functions.

    It is a copy that shares one dict of globals with copies of all device functions: only so does
    the simulator, which puts its own module in the place of `cuda`, do that once for a launch and
    not, without a lock, in each thread.
    """
    bodies = bodies or {}
    key = (template, np.dtype(dtype), *map(digest, bodies.values()), *roles.values())
    if key not in _kernels:
        space = {**template.__globals__, "cuda": numba_cuda(), "real": np.dtype(dtype).type}
        space |= {f.__name__: device(FunctionType(f.__code__, space)) for f in space["DEVICE"]}
        space |= {name: compiled(body, device) for name, body in bodies.items()}
        space |= {role: space[function.__name__] for role, function in roles.items()}
        _kernels[key] = numba_cuda().jit(FunctionType(template.__code__, space))
    return _kernels[key]


def device(function: Callable) -> Callable:
    return numba_cuda().jit(device=True)(function)


def numba_cuda() -> ModuleType:
    from numba import cuda

    return cuda


def launch(run: Callable, blocks: int, *arguments) -> None:
    if blocks:
        run[max(blocks, fewest_blocks()), int(kernels.THREADS)](*arguments)


def over(elements: int) -> int:
    """Blocks for a kernel that strides over so many elements."""
    return min(-(-elements // int(kernels.THREADS)), MOST_BLOCKS)


@cache
def fewest_blocks() -> int:
    """Numba warns of a launch of fewer than 128 blocks; a block too many costs a GPU nothing."""
    from numba import config

    return 1 if config.ENABLE_CUDASIM else 128
