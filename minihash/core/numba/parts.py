"""How work on a virtual weight is split among threads, and how what they scatter is summed.

A *part* is the work of one thread. The split depends on the shape and the table alone. Parts that
scatter are dealt to `PARTIALS` partial tables, each summed in one fixed order, and the partial
tables are summed in another: so the bits are the same for any number of threads.
"""

import math
import threading
from collections.abc import Callable
from functools import partial

import numpy as np

from minihash.compile.jit import quietly
from minihash.core.numba.guard import run_of
from minihash.core.threads import blocks, run_kernels
from minihash.weights import VirtualWeight

ENTRIES = 2**18  # of V, or of a table: what one thread takes at a time
PARTIALS = 4  # tables that are summed
_own = threading.local()


def workspace(name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array of this thread's own, kept from call to call: fresh memory would cost a page fault
    for every 4 kB."""
    kept, key, size = _own.__dict__, (name, dtype), math.prod(shape)
    flat = kept.get(key)
    if flat is None or flat.size < size:
        flat = kept[key] = np.empty(size, dtype)
    return flat[:size].reshape(shape)


def apart(w: VirtualWeight, shape: tuple[int, ...] | None = None) -> bool:
    """Whether every entry of V, or of a matrix of its first rows and columns of this shape, has a
    bucket of its own, since all of them lie in one run.

    >>> from minihash.hashes import Modulus
    >>> [apart(VirtualWeight((3, 4), Modulus(n))) for n in (11, 12)]
    [False, True]
    >>> apart(VirtualWeight((6, 4), Modulus(12)), (3, 4))
    True
    """
    steps = zip(w.strides, w.shape if shape is None else shape, strict=True)
    run, last = run_of(w.hash), w.first_id + sum(step * (size - 1) for step, size in steps)
    return run > 1 and w.first_id // run == last // run


def window(w: VirtualWeight) -> slice | None:
    """What of the table V is a copy of; None if V is not, or is worth several threads.

    >>> from minihash.hashes import Modulus
    >>> window(VirtualWeight((2, 3), Modulus(12), first_id=16))
    slice(4, 10, None)
    """
    if w.size > ENTRIES or w.transposed or w.hash.stages[2] is not None or not apart(w):
        return None
    first = int(w.hash.bucket(np.array([w.first_id], np.uint64))[0])
    return slice(first, first + w.size)


def tables_of(parts: int, most: int) -> int:
    """How many partial tables so many parts are dealt to."""
    return min(PARTIALS, parts, most)


@quietly
def scattered(
    parts: list[Callable[[np.ndarray], None]],
    buckets: int,
    dtype: np.dtype,
    most: int = PARTIALS,
    disjoint: bool = False,
) -> np.ndarray:
    """The table (buckets,) that all parts add to: part(table). They are dealt to at most `most`
    partial tables in turn; if no two of them add to one bucket, to a single one."""
    if disjoint or not parts:
        dtable = np.zeros(buckets, dtype)
        run_kernels([partial(part, dtable) for part in parts])
        return dtable
    count = tables_of(len(parts), most)
    tables = [np.empty(buckets, dtype)]
    if count > 1:
        tables.extend(workspace("partial tables", (count - 1, buckets), dtype))

    def fill(k: int) -> None:
        tables[k][:] = 0
        for part in parts[k::count]:
            part(tables[k])

    def merge(some: slice) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            for other in tables[1:]:
                tables[0][some] += other[some]

    run_kernels([partial(fill, k) for k in range(count)])
    if count > 1:
        run_kernels([partial(merge, some) for some in blocks(buckets, ENTRIES)])
    return tables[0]
