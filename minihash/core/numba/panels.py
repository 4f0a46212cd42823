"""What is common to all work on a virtual weight: how it is cut, and whose results are merged how.

A *part* is the work of one thread. The cut depends on the shape and the table alone. Parts of a
scatter-add are dealt to `LANES` partial tables, each summed in one fixed order, and the lanes are
merged in another: so the bits are the same for any number of threads.
"""

import math
import threading
from collections.abc import Callable, Iterator

import numpy as np

from minihash.core.threads import run_kernels
from minihash.weights import VirtualWeight

ENTRIES = 2**18  # of a panel, and of a table that a thread merges
LANES = 4  # partial tables of a scatter-add
_own = threading.local()


def workspace(name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array of this thread's own, kept from call to call: fresh memory would cost a page fault
    for every 4 kB."""
    rooms, key, size = _own.__dict__, (name, dtype), math.prod(shape)
    room = rooms.get(key)
    if room is None or room.size < size:
        room = rooms[key] = np.empty(size, dtype)
    return room[:size].reshape(shape)


def blocks(size: int, most: int) -> Iterator[slice]:
    """0 .. size cut into the fewest nearly equal slices of at most `most`.

    >>> list(blocks(10, 4))
    [slice(0, 3, None), slice(3, 6, None), slice(6, 10, None)]
    """
    return cut(size, -(-size // most))


def cut(size: int, count: int) -> Iterator[slice]:
    """0 .. size cut into `count` nearly equal slices."""
    for k in range(count):
        yield slice(size * k // count, size * (k + 1) // count)


def lying(V: np.ndarray, w: VirtualWeight) -> np.ndarray:
    """V or a tile of it, as a view in which identifiers follow one another along the last axis."""
    return V.T if w.transposed else V


def upright(w: VirtualWeight, dtype: np.dtype) -> np.ndarray:
    """Fresh room for V, so that `lying` is C-contiguous."""
    return np.empty(w.shape[::-1], dtype).T if w.transposed else np.empty(w.shape, dtype)


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
    run, last = w.hash.run, w.first_id + sum(step * (size - 1) for step, size in steps)
    return run > 1 and w.first_id // run == last // run


def lanes(
    buckets: int, dtype: np.dtype, cuts: list[slice], part: Callable, most: int | None = None
) -> np.ndarray:
    """The table (buckets,) that is the sum of part(cut, dtable) over all cuts: cuts are dealt to
    lanes in turn, and lanes merged in order. most: of the lanes, if fewer are to do."""
    count = min(LANES, len(cuts), LANES if most is None else most)
    dtable = np.empty(buckets, dtype)
    others = workspace("lanes", (count - 1, buckets), dtype)

    def lane(k: int) -> None:
        partial = others[k - 1] if k else dtable
        partial[:] = 0
        for cut in cuts[k::count]:
            part(cut, partial)

    run_kernels([lambda k=k: lane(k) for k in range(count)])

    def merge(cut: slice) -> None:
        for partial in others:
            dtable[cut] += partial[cut]

    if count > 1:
        run_kernels([lambda cut=cut: merge(cut) for cut in blocks(buckets, ENTRIES)])
    return dtable
