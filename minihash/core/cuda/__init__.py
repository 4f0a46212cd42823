"""The GPU backend: numba.cuda kernels that hash on the fly (kernels.py), and their launch.

    gather           V[i] = sign(i) table[bucket(i)]
    scatter_add      atomic, or the same bits in every run (the default)
    matmul           y  = x V^T + b   in tiles: a tile of V is made by hashing, in shared memory
    matmul_backward  dx = dy V        the same;  dV = dy^T x, each tile scatter-added, never stored
    column_sum, add  below;  convolution: images.py;  recurrence: recurrence.py, cells.py
    each, normalise  entries.py

NumPy arrays give NumPy arrays; where any input is a device array (`__cuda_array_interface__`), the
results are device arrays of Numba. NUMBA_ENABLE_CUDASIM=1 runs the same kernels without a GPU,
slowly.

The extra memory is 16 bytes for each bucket (deterministic scatter-add) and at most 2^21 partial
sums of a product. A deterministic `matmul_backward` makes each tile of dV twice, for the largest
|dV| of each bucket and for the sums (see kernels.py), rather than hold dV.
"""

import math
from collections.abc import Callable
from functools import cache

import numpy as np

from minihash.checks import on_host
from minihash.core import numpy as plain
from minihash.core.cuda import device, kernels, products
from minihash.core.cuda.device import Array, far, flat
from minihash.core.cuda.entries import each, normalise, normalise_backward  # noqa: F401
from minihash.core.cuda.images import convolve, convolve_backward  # noqa: F401
from minihash.core.cuda.products import bodies, multiply, times
from minihash.core.cuda.recurrence import recur, recur_backward  # noqa: F401
from minihash.hashes.xxh32 import U64
from minihash.weights import VirtualWeight

DEVICE = True  # arrays on the device are taken


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
    return add_up(dV, w, by_axes(w), deterministic)


def scatter_add_rows(
    dE: Array, rows: np.ndarray, w: VirtualWeight, deterministic: bool = True
) -> Array:
    return add_up(dE, w, by_rows(w, rows), deterministic)


def matmul(x: Array, table: Array, w: VirtualWeight, b: Array | None = None) -> Array:
    batch, (fan_out, fan_in), (down, along) = len(x), w.shape, w.strides
    V = (w.first_id, along, down)
    y = times(flat(x), (0, fan_in, 1), flat(table), V, (batch, fan_out, fan_in), w)
    if b is not None:
        device.launch(device.kernel(kernels.shift, x.dtype), device.over(y.size), y, flat(b))
    return device.home(y, (batch, fan_out), far(x, table, b))


def matmul_backward(
    dy: Array, x: Array, table: Array, w: VirtualWeight, need_dx=True, deterministic=True
) -> tuple[Array | None, Array]:
    batch, (fan_out, fan_in), (down, along) = len(x), w.shape, w.strides
    flat_dy, flat_x, stays = flat(dy), flat(x), far(dy, x, table)
    dx, V = None, (w.first_id, down, along)
    if need_dx:
        dx = times(flat_dy, (0, fan_out, 1), flat(table), V, (batch, fan_in, fan_out), w)
        dx = device.home(dx, (batch, fan_in), stays)

    def spread(out: tuple, add: Callable) -> None:
        """Adds dV = dy^T x."""
        sizes, o = (fan_out, fan_in, batch, batch), (w.first_id, 0, down, along)
        roles = {"entry": kernels.stored, "put": kernels.spill, "add": add}
        multiply(flat_dy, (0, 1, fan_out), flat_x, (0, fan_in, 1), out, o, sizes, w, **roles)

    dtable = total(w, w.size, table.dtype, deterministic, spread)
    return dx, device.home(dtable, (w.hash.buckets,), stays)


def column_sum(dy: Array) -> Array:
    return device.home(products.column_sum(flat(dy), *dy.shape), (dy.shape[1],), far(dy))


def cross_entropy(logits: Array, labels: np.ndarray) -> tuple[np.ndarray, Array]:
    """On the host: logits are few."""
    nats, p = plain.cross_entropy(on_host(logits), labels)
    return nats, device.home(flat(p), p.shape, far(logits))


def add(one: Array, other: Array) -> Array:
    sums = device.empty(one.size, one.dtype)
    run = device.kernel(kernels.add_pairs, one.dtype)
    device.launch(run, device.over(sums.size), flat(one), flat(other), sums)
    return device.home(sums, one.shape, far(one, other))


# Entries of V.


def by_axes(w: VirtualWeight) -> tuple[Callable, tuple]:
    """How the entries of V are located; without divisions where they are a run of identifiers."""
    shape, strides = (w.shape, w.strides) if w.transposed else ((w.size,), (1,))
    return kernels.by_axes, (U64(w.first_id), tuple(map(U64, shape)), tuple(map(U64, strides)))


def by_rows(w: VirtualWeight, rows: np.ndarray) -> tuple[Callable, tuple]:
    numbers = map(U64, (w.first_id, w.shape[1], *w.strides))
    return kernels.by_rows, (*numbers, flat(rows.astype(np.int64)))


def read(
    table: Array, w: VirtualWeight, shape: tuple[int, ...], located: tuple[Callable, tuple]
) -> Array:
    """The entries of V that are located, in their shape."""
    locate, where = located
    V = device.empty(math.prod(shape), table.dtype)
    run = device.kernel(kernels.fill, table.dtype, bodies(w), locate=locate)
    state = device.resident(w.hash.state)
    device.launch(run, device.over(V.size), flat(table), V, where, state)
    return device.home(V, shape, far(table))


def add_up(
    dV: Array, w: VirtualWeight, located: tuple[Callable, tuple], deterministic: bool
) -> Array:
    """dtable of the entries of V that are located."""
    locate, where = located
    terms = flat(dV)

    def spread(out: tuple, add: Callable) -> None:
        run = device.kernel(kernels.scatter, dV.dtype, bodies(w), locate=locate, add=add)
        state = device.resident(w.hash.state)
        device.launch(run, device.over(dV.size), terms, out, where, state)

    dtable = total(w, dV.size, dV.dtype, deterministic, spread)
    return device.home(dtable, (w.hash.buckets,), far(dV))


def total(
    w: VirtualWeight, terms: int, dtype: np.dtype, deterministic: bool, spread: Callable
) -> Array:
    """dtable, after `spread(out, add)` has added all terms to `out` in the way of `add`."""
    dtable = device.zeros(w.hash.buckets, dtype)
    if not deterministic:
        spread((dtable,), kernels.add_atomic)
        return dtable
    out = (dtable, device.zeros(2 * w.hash.buckets, np.dtype(np.int64)), limb_bits(terms))
    spread(out, kernels.raise_peak)
    spread(out, kernels.add_fixed)
    device.launch(device.kernel(kernels.finish, dtype), device.over(w.hash.buckets), out)
    return dtable


def limb_bits(terms: int) -> int:
    """So many that a sum of limbs stays within 63."""
    return 62 - max(terms - 1, 0).bit_length()
