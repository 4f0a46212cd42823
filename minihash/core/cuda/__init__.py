"""The GPU backend: numba.cuda kernels that hash on the fly (`cuda_kernels`), and their launch.

    gather           V[i] = sign(i) table[bucket(i)]
    scatter_add      atomic, or the same bits in every run (the default)
    matmul           y  = x V^T     in tiles: a tile of V is made by hashing, in shared memory
    matmul_backward  dx = dy V      the same;  dV = dy^T x, each tile scatter-added, never stored

NumPy arrays give NumPy arrays; where any input is a device array (`__cuda_array_interface__`), the
results are device arrays of Numba. NUMBA_ENABLE_CUDASIM=1 runs the same kernels without a GPU,
slowly.

The extra memory is 16 bytes for each bucket (deterministic scatter-add) and at most 2^21 partial
sums of a product. A deterministic `matmul_backward` makes each tile of dV twice, for the largest
|dV| of each bucket and for the sums (see `cuda_kernels`), rather than hold dV.
"""

import math
import weakref
from collections.abc import Callable
from functools import cache
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from minihash import checks
from minihash.compile.body import compiled, digest
from minihash.core.cuda import kernels as kernels
from minihash.hashes.xxh32 import U64
from minihash.weights import VirtualWeight

Array = Any  # NumPy's, or one on the device
BLOCKS = 512  # that a product is cut into where its size allows: enough to fill a large GPU
MOST_BLOCKS = 8192  # of a kernel that strides over its elements


@cache
def available() -> str:
    """Why the backend cannot be used here; empty if it can."""
    try:
        from numba import config, cuda
    except ImportError:
        return "numba.cuda is not installed; pip install numba-cuda"
    if config.ENABLE_CUDASIM or cuda.is_available():
        return ""
    return "no NVIDIA GPU with its driver was found; NUMBA_ENABLE_CUDASIM=1 simulates one, slowly"


def gather(table: Array, w: VirtualWeight) -> Array:
    return read(table, w, w.shape, by_axes(w))


def gather_rows(table: Array, w: VirtualWeight, rows: np.ndarray) -> Array:
    return read(table, w, (len(rows), w.shape[1]), by_rows(w, rows))


def scatter_add(dV: Array, w: VirtualWeight, deterministic: bool = True) -> Array:
    return add(dV, w, by_axes(w), deterministic)


def scatter_add_rows(
    dE: Array, rows: np.ndarray, w: VirtualWeight, deterministic: bool = True
) -> Array:
    return add(dE, w, by_rows(w, rows), deterministic)


def matmul(x: Array, table: Array, w: VirtualWeight) -> Array:
    batch, (fan_out, fan_in), (down, along) = len(x), w.shape, w.strides
    y = times_weight(flat(x), (batch, fan_out, fan_in), flat(table), (w.first_id, along, down), w)
    return home(y, (batch, fan_out), x, table)


def matmul_backward(
    dy: Array, x: Array, table: Array, w: VirtualWeight, need_dx=True, deterministic=True
) -> tuple[Array | None, Array]:
    batch, (fan_out, fan_in), (down, along) = len(x), w.shape, w.strides
    flat_dy, flat_x = flat(dy), flat(x)
    b = (w.first_id, down, along)
    dx, inputs = None, (dy, x, table)
    if need_dx:
        dx = times_weight(flat_dy, (batch, fan_in, fan_out), flat(table), b, w)
        dx = home(dx, (batch, fan_in), *inputs)

    def spread(out: tuple, add: Callable) -> None:
        """Adds dV = dy^T x."""
        sizes = (fan_out, fan_in, batch, batch)
        b, o = (0, fan_in, 1), (w.first_id, 0, down, along)
        roles = {"entry": kernels.stored, "put": kernels.spill, "add": add}
        multiply(flat_dy, (1, fan_out), flat_x, b, out, o, sizes, w, **roles)

    dtable = total(w, w.size, table.dtype, deterministic, spread)
    return dx, home(dtable, (w.hash.buckets,), *inputs)


def by_axes(w: VirtualWeight) -> tuple[Callable, tuple]:
    """How the entries of V are located; without divisions where they are a run of identifiers."""
    shape, strides = (w.shape, w.strides) if w.transposed else ((w.size,), (1,))
    return kernels.by_axes, (U64(w.first_id), tuple(map(U64, shape)), tuple(map(U64, strides)))


def by_rows(w: VirtualWeight, rows: np.ndarray) -> tuple[Callable, tuple]:
    numbers = map(U64, (w.first_id, w.shape[1], *w.strides))
    return kernels.by_rows, (*numbers, flat(rows.astype(np.int64)))


def read(table, w: VirtualWeight, shape: tuple[int, ...], located: tuple[Callable, tuple]):
    """The entries of V that are located, in their shape."""
    locate, where = located
    V = numba_cuda().device_array(math.prod(shape), table.dtype)
    run = kernel(kernels.fill, table.dtype, w, locate=locate)
    launch(run, over(V.size), flat(table), V, where, resident(w.hash.state))
    return home(V, shape, table)


def add(dV, w: VirtualWeight, located: tuple[Callable, tuple], deterministic: bool):
    """dtable of the entries of V that are located."""
    locate, where = located
    terms = flat(dV)

    def spread(out: tuple, add: Callable) -> None:
        run = kernel(kernels.scatter, dV.dtype, w, locate=locate, add=add)
        launch(run, over(dV.size), terms, out, where, resident(w.hash.state))

    return home(total(w, dV.size, dV.dtype, deterministic, spread), (w.hash.buckets,), dV)


def times_weight(A, sizes: tuple[int, int, int], table, b: tuple[int, int, int], w: VirtualWeight):
    """A (M, K) times a matrix (K, N) of virtual weights, whose entry (k, n) is b0 + k b1 + n b2.

    K is cut into parts until there are blocks enough; the cut depends on the sizes alone.
    """
    M, N, K = sizes
    C = numba_cuda().device_array(M * N, A.dtype)
    tiles, depth = max(1, math.prod(tiling(M, N))), int(kernels.DEPTH)
    parts = max(1, min(BLOCKS // tiles, K // (4 * depth)))
    length = depth * -(-K // (depth * parts))
    parts = -(-K // length)
    partial = C if parts == 1 else numba_cuda().device_array(parts * M * N, A.dtype)
    sizes, o = (M, N, K, length), (0, M * N, N, 1)
    roles = {"entry": kernels.weight, "put": kernels.place}
    multiply(A, (K, 1), table, b, (partial,), o, sizes, w, parts, **roles)
    if parts > 1:
        launch(kernel(kernels.merge, A.dtype), over(M * N), partial, C, parts)
    return C


def multiply(A, a, B, b, out, o, sizes, w: VirtualWeight, parts: int = 1, **roles: Callable):
    """Launch `product` over all tiles and all parts of K, if K is not 0."""
    M, N, K, _ = sizes
    tiles = tiling(M, N)
    a, b, o, sizes = (tuple(map(U64, numbers)) for numbers in (a, b, o, (*sizes, *tiles)))
    run = kernel(kernels.product, A.dtype, w, **roles)
    blocks = math.prod(tiles) * parts if K else 0
    launch(run, blocks, A, a, B, b, out, o, sizes, resident(w.hash.state))


def tiling(M: int, N: int) -> tuple[int, int]:
    """Tiles along m and n."""
    return -(-M // int(kernels.TILE_M)), -(-N // int(kernels.TILE_N))


def total(w: VirtualWeight, terms: int, dtype: np.dtype, deterministic: bool, spread: Callable):
    """dtable, after `spread(out, add)` has added all terms to `out` in the way of `add`."""
    dtable = zeros(w.hash.buckets, dtype)
    if not deterministic:
        spread((dtable,), kernels.add_atomic)
        return dtable
    out = (dtable, zeros(2 * w.hash.buckets, np.dtype(np.int64)), limb_bits(terms))
    spread(out, kernels.raise_peak)
    spread(out, kernels.add_fixed)
    launch(kernel(kernels.finish, dtype), over(w.hash.buckets), out)
    return dtable


def limb_bits(terms: int) -> int:
    """So many that a sum of limbs stays within 63."""
    return 62 - max(terms - 1, 0).bit_length()


def zeros(size: int, dtype: np.dtype):
    array = numba_cuda().device_array(size, dtype)
    launch(kernel(kernels.clear, dtype), over(size), array)
    return array


# Arrays.


def float_array(x: Array, name: str, shape: tuple[int | None, ...]) -> Array:
    """`checks.float_array`, which also lets a device array pass: as Numba's, on the device.

    Raises TypeError or ValueError as that does, and ValueError for a device array that is not
    C-contiguous.
    """
    if not on_device(x):
        return checks.float_array(x, name, shape)
    if not hasattr(x, "__cuda_ndarray__"):
        x = numba_cuda().as_cuda_array(x)
    if x.dtype not in (np.float32, np.float64):
        raise TypeError(
            f"{name} must be float32 or float64 on the device, got {x.dtype}; convert it there"
        )
    sizes = tuple(x.shape)
    if len(sizes) != len(shape) or any(
        want not in (None, have) for want, have in zip(shape, sizes, strict=True)
    ):
        expected = str(shape).replace("None", "any")
        raise ValueError(f"{name} must have shape {expected}, got {sizes}; reshape it")
    if not x.is_c_contiguous():
        raise ValueError(f"{name} must be C-contiguous on the device; pass a copy that is")
    return x


def on_device(x: Array) -> bool:
    """Whether x is a device array (the second name: the simulator's)."""
    return hasattr(x, "__cuda_array_interface__") or hasattr(x, "__cuda_ndarray__")


def flat(x):
    """x on the device, one-dimensional."""
    x = x.reshape(x.size)
    return x if on_device(x) else numba_cuda().to_device(x)


def home(result, shape: tuple[int, ...], *inputs):
    """The result in its shape: on the device if any input is there, else a NumPy array."""
    if any(map(on_device, inputs)):
        return result.reshape(shape)
    return result.copy_to_host().reshape(shape)


_resident: dict[int, object] = {}


def resident(state):
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
    template: Callable, dtype: np.dtype, w: VirtualWeight | None = None, **roles: Callable
) -> Callable:
    """The template compiled for one dtype, one hash (that of w) and the roles of device functions.

    It is a copy that shares one dict of globals with copies of all device functions: only so does
    the simulator, which puts its own module in the place of `cuda`, do that once for a launch and
    not, without a lock, in each thread.
    """
    bodies = dict(zip(("bucket", "sign"), w.hash.bodies, strict=True)) if w else {}
    bodies = {name: body or kernels.always for name, body in bodies.items()}
    key = (template, np.dtype(dtype), *map(digest, bodies.values()), *roles.values())
    if key not in _kernels:
        space = {**vars(kernels), "cuda": numba_cuda(), "real": np.dtype(dtype).type}
        space |= {f.__name__: device(FunctionType(f.__code__, space)) for f in kernels.DEVICE}
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
