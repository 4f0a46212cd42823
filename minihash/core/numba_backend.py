"""The parallel backend: Numba kernels that hash on the fly, in panels, on all cores.

No array with an entry for each virtual weight exists. Hashes whose buckets run (identity, modulus)
are copied window by window instead of gathered.
"""

from collections.abc import Callable
from functools import cache

import numpy as np

from minihash.core import panels
from minihash.hashes.body import bound, compiled
from minihash.hashes.jit import HAVE_NUMBA, njit
from minihash.hashes.xxh32 import U64
from minihash.weights import VirtualWeight


def available() -> str:
    """Why the backend cannot be used here; empty if it can."""
    return "" if HAVE_NUMBA else "Numba is not installed; pip install numba"


# Kernels. `bucket` and `sign` are bound to the compiled bodies of a hash.


def fill_plain(table, first, stride, panel, state):
    for r in range(panel.shape[0]):
        start = first + U64(r) * stride
        for c in range(panel.shape[1]):
            panel[r, c] = table[bucket(start + U64(c), state[0])]  # noqa: F821


def fill_signed(table, first, stride, panel, state):
    for r in range(panel.shape[0]):
        start = first + U64(r) * stride
        for c in range(panel.shape[1]):
            i = start + U64(c)
            s = sign(i, state[1])  # noqa: F821
            v = table[bucket(i, state[0])]  # noqa: F821
            panel[r, c] = v if s > 0 else (-v if s < 0 else 0 * s)


def fill_runs(table, first, stride, panel, state, run):
    for r in range(panel.shape[0]):
        start = first + U64(r) * stride
        c = 0
        while c < panel.shape[1]:
            i = start + U64(c)
            b = np.int64(bucket(i, state[0]))  # noqa: F821
            length = min(panel.shape[1] - c, np.int64(run - i % run))
            for k in range(length):
                panel[r, c + k] = table[b + k]
            c += length


def spill_plain(panel, first, stride, dtable, state):
    for r in range(panel.shape[0]):
        start = first + U64(r) * stride
        for c in range(panel.shape[1]):
            dtable[bucket(start + U64(c), state[0])] += panel[r, c]  # noqa: F821


def spill_signed(panel, first, stride, dtable, state):
    for r in range(panel.shape[0]):
        start = first + U64(r) * stride
        for c in range(panel.shape[1]):
            i = start + U64(c)
            s = sign(i, state[1])  # noqa: F821
            g = panel[r, c]
            dtable[bucket(i, state[0])] += g if s > 0 else (-g if s < 0 else 0 * s)  # noqa: F821


def spill_runs(panel, first, stride, dtable, state, run):
    for r in range(panel.shape[0]):
        start = first + U64(r) * stride
        c = 0
        while c < panel.shape[1]:
            i = start + U64(c)
            b = np.int64(bucket(i, state[0]))  # noqa: F821
            length = min(panel.shape[1] - c, np.int64(run - i % run))
            for k in range(length):
                dtable[b + k] += panel[r, c + k]
            c += length


@cache
def kernel(template: Callable, bucket: Callable, sign: Callable | None) -> Callable:
    """The template compiled for one hash."""
    bodies = ",".join(f"{b.__module__}.{b.__qualname__}" for b in (bucket, sign) if b is not None)
    return compiled(bound(template, f"{template.__name__}({bodies})", bucket=bucket, sign=sign), njit)


def call(templates: tuple, w: VirtualWeight, *arguments) -> None:
    """Run the kernel for the hash of w: one of (plain, signed, runs)."""
    plain, signed, runs = templates
    bucket, sign = w.hash.bodies
    if w.hash.run > 1:
        kernel(runs, bucket, None)(*arguments, w.hash.state, U64(w.hash.run))
    else:
        kernel(plain if sign is None else signed, bucket, sign)(*arguments, w.hash.state)


def fill(table, w: VirtualWeight, first: int, stride: int, panel) -> None:
    """panel[r, c] = V at the identifier first + r stride + c."""
    call((fill_plain, fill_signed, fill_runs), w, table, U64(first), U64(stride), panel)


def spill(panel, w: VirtualWeight, first: int, stride: int, dtable) -> None:
    """dtable[bucket] += sign * panel[r, c], in the order of the identifiers."""
    call((spill_plain, spill_signed, spill_runs), w, panel, U64(first), U64(stride), dtable)


def gather(table: np.ndarray, w: VirtualWeight) -> np.ndarray:
    return panels.gather(table, w, fill)


def scatter_add(dV: np.ndarray, w: VirtualWeight) -> np.ndarray:
    return panels.scatter_add(dV, w, spill)


def matmul(x: np.ndarray, table: np.ndarray, w: VirtualWeight) -> np.ndarray:
    return panels.matmul(x, table, w, fill)


def matmul_backward(
    dy: np.ndarray, x: np.ndarray, table: np.ndarray, w: VirtualWeight
) -> tuple[np.ndarray, np.ndarray]:
    return panels.matmul_backward(dy, x, table, w, fill, spill)
