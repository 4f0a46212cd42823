"""Bodies of real numbers, entry by entry, in compiled loops.

y[k] = body(x[k], ...)                     a block of entries a part
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from minihash.compile.jit import quietly
from minihash.core.numba.loops import kernel
from minihash.core.threads import blocks, run_kernels

ENTRIES = 2**16  # of a part


@quietly
def each(body: Callable, *arrays: np.ndarray) -> np.ndarray:
    y = np.empty_like(arrays[0])
    loop = kernel(TEMPLATES[len(arrays)], y.dtype, f=body)
    if y.size <= ENTRIES:
        loop(*(x.reshape(-1) for x in (*arrays, y)))
        return y

    def part(some: slice) -> None:
        loop(*(x.reshape(-1)[some] for x in (*arrays, y)))

    run_kernels([partial(part, some) for some in blocks(y.size, ENTRIES)])
    return y


def of_one(x, y):
    for k in range(y.size):
        y[k] = f(x[k])


def of_two(x, z, y):
    for k in range(y.size):
        y[k] = f(x[k], z[k])


TEMPLATES = {1: of_one, 2: of_two}
