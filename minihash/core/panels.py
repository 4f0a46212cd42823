"""Products that never build V: panel by panel.

    forward    y[:, rows]     = sum over panels of x[:, columns] V[rows, columns]^T
    backward   dx[:, columns] = sum over panels of dy[:, rows] V[rows, columns]
               dV[rows, columns] = dy[:, rows]^T x[:, columns], scatter-added at once

A panel is a tile of V of bounded size. A *part* is the work of one thread: the panels of a block of
rows (forward) or of columns (backward). The cut depends on the shape and the table alone. Parts of
a scatter-add are dealt to `LANES` partial tables, each summed in one fixed order, and the lanes are
merged in another: so the bits are the same for any number of threads.

A backend gives four primitives on panels, where the entry (r, c) of a panel has the identifier
firsts[r] + c:

    window(table, w)                   V as a view of the table, where it is one; else None
    locate(w, firsts, width)           where the entries of a panel are in the table
    read(table, where, V, top, left)   V[top + r, left + c] = sign * table[bucket] over the panel
    add(panel, where, dtable)          dtable[bucket] += sign * panel; the panel may be overwritten

A tile of a transposed weight is a panel of the weight itself, read and added lying down (`lying`).

V itself, `kept`, is held from forward to backward only where the caller gives an array for it.
"""

import threading
from collections.abc import Callable, Iterator
from types import ModuleType

import numpy as np

from minihash.core.threads import run
from minihash.weights import VirtualWeight

LONG, SHORT = 1024, 256  # sizes of a panel along and across its part
LANES = 4  # partial tables of a scatter-add
INLINE = 2**16  # virtual weights below which one lane does everything
_own = threading.local()


def workspace(name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array of this thread's own, kept from call to call: fresh memory would cost a page fault
    for every 4 kB."""
    key, size = (name, np.dtype(dtype)), int(np.prod(shape))
    if key not in _own.__dict__ or _own.__dict__[key].size < size:
        _own.__dict__[key] = np.empty(size, dtype)
    return _own.__dict__[key][:size].reshape(shape)


def blocks(size: int, most: int) -> Iterator[slice]:
    """0 .. size cut into the fewest nearly equal slices of at most `most`.

    >>> list(blocks(10, 4))
    [slice(0, 3, None), slice(3, 6, None), slice(6, 10, None)]
    """
    count = -(-size // most)
    for k in range(count):
        yield slice(size * k // count, size * (k + 1) // count)


def lying(V: np.ndarray, w: VirtualWeight) -> np.ndarray:
    """V or a tile of it, as a view in which identifiers follow one another along the last axis."""
    return V.T if w.transposed else V


def upright(w: VirtualWeight, dtype: np.dtype) -> np.ndarray:
    """Fresh room for V, so that `lying` is C-contiguous."""
    return np.empty(w.shape[::-1], dtype).T if w.transposed else np.empty(w.shape, dtype)


def tile(w: VirtualWeight, rows: slice, columns: slice) -> tuple[np.ndarray, int]:
    """(firsts, width) of the panel that holds V[rows, columns]: uint64 (panel rows,), a number."""
    if w.transposed:
        w, rows, columns = w.T, columns, rows
    numbers = np.arange(rows.start, rows.stop, dtype=np.uint64)
    first = np.uint64(w.first_id + columns.start)
    return first + numbers * np.uint64(w.strides[0]), columns.stop - columns.start


def gather(table: np.ndarray, w: VirtualWeight, backend: ModuleType) -> np.ndarray:
    V = upright(w, table.dtype)
    flat = lying(V, w).reshape(1, -1)

    def part(cut: slice) -> None:
        where = backend.locate(w, first_of(w, cut), cut.stop - cut.start)
        backend.read(table, where, flat, 0, cut.start)

    run([lambda cut=cut: part(cut) for cut in blocks(w.size, LONG * SHORT)])
    return np.asarray(V, order="C")


def scatter_add(dV: np.ndarray, w: VirtualWeight, backend: ModuleType) -> np.ndarray:
    flat = lying(dV, w).reshape(1, -1)

    def part(cut: slice, dtable: np.ndarray) -> None:
        panel = workspace("panel", (1, cut.stop - cut.start), dV.dtype)
        panel[:] = flat[:, cut]
        backend.add(panel, backend.locate(w, first_of(w, cut), panel.shape[1]), dtable)

    return lanes(w.hash.buckets, dV.dtype, list(blocks(w.size, LONG * SHORT)), part)


def first_of(w: VirtualWeight, cut: slice) -> np.ndarray:
    return np.array([w.first_id + cut.start], np.uint64)


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

    run([lambda k=k: lane(k) for k in range(count)])

    def merge(cut: slice) -> None:
        for partial in others:
            dtable[cut] += partial[cut]

    if count > 1:
        run([lambda cut=cut: merge(cut) for cut in blocks(buckets, LONG * SHORT)])
    return dtable


def matmul(
    x: np.ndarray,
    table: np.ndarray,
    w: VirtualWeight,
    backend: ModuleType,
    shape: tuple[int, int] | None = None,
    kept: np.ndarray | None = None,
) -> np.ndarray:
    """y = x V^T. shape: the first rows and columns of V that count (default: all). kept: where V is
    to be written (default: nowhere)."""
    height, width = shape or w.shape
    y = np.empty((len(x), height), table.dtype)
    whole = backend.window(table, w)

    def part(rows: slice) -> None:
        for columns in blocks(width, LONG):
            if whole is not None:
                V = whole[rows, columns]
            else:
                V = panel(w, rows, columns, table.dtype)
                where = backend.locate(w, *tile(w, rows, columns))
                if kept is None:
                    backend.read(table, where, lying(V, w), 0, 0)
                else:
                    corner = rows.start, columns.start
                    corner = corner[::-1] if w.transposed else corner
                    backend.read(table, where, lying(kept, w), *corner)
                    V = kept[rows, columns]
            put(x[:, columns], V.T, y[:, rows], add=columns.start > 0)

    run([lambda rows=rows: part(rows) for rows in blocks(height, SHORT)])
    return y


def matmul_backward(
    dy: np.ndarray,
    x: np.ndarray,
    table: np.ndarray,
    w: VirtualWeight,
    backend: ModuleType,
    shape: tuple[int, int] | None = None,
    kept: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """dx = dy V and dtable. shape: as for `matmul`. kept: V, if `matmul` wrote it."""
    height, width = shape or w.shape
    dx = np.empty((len(x), width), table.dtype)
    whole = backend.window(table, w)

    def part(columns: slice, dtable: np.ndarray) -> None:
        for rows in blocks(height, LONG):
            if whole is not None:
                put(dy[:, rows], whole[rows, columns], dx[:, columns], add=rows.start > 0)
                np.matmul(dy[:, rows].T, x[:, columns], out=dwhole[rows, columns])
            else:
                V = panel(w, rows, columns, table.dtype)
                where = backend.locate(w, *tile(w, rows, columns))
                if kept is None:
                    backend.read(table, where, lying(V, w), 0, 0)
                    put(dy[:, rows], V, dx[:, columns], add=rows.start > 0)
                else:
                    put(dy[:, rows], kept[rows, columns], dx[:, columns], add=rows.start > 0)
                dV = np.matmul(dy[:, rows].T, x[:, columns], out=V)
                backend.add(lying(dV, w), where, dtable)

    cuts = list(blocks(width, SHORT))
    if whole is not None:
        dtable = np.zeros(w.hash.buckets, table.dtype)
        dwhole = backend.window(dtable, w)
        run([lambda columns=columns: part(columns, dtable) for columns in cuts])
        return dx, dtable
    if height * width <= INLINE:
        cuts = [slice(0, width)]
    return dx, lanes(w.hash.buckets, table.dtype, cuts, part)


def panel(w: VirtualWeight, rows: slice, columns: slice, dtype: np.dtype) -> np.ndarray:
    """This thread's room for V[rows, columns], so that `lying` is C-contiguous."""
    shape = rows.stop - rows.start, columns.stop - columns.start
    if w.transposed:
        return workspace("panel", shape[::-1], dtype).T
    return workspace("panel", shape, dtype)


def put(a: np.ndarray, b: np.ndarray, out: np.ndarray, add: bool) -> None:
    """out = a b, or out += a b."""
    if add:
        out += np.matmul(a, b, out=workspace("product", out.shape, out.dtype))
    else:
        np.matmul(a, b, out=out)
