"""Products that never build V: panel by panel.

    forward    y[:, rows]   = sum over panels of x[:, columns] V[rows, columns]^T
    backward   dx[:, columns] = sum over panels of dy[:, rows] V[rows, columns]
               dV[rows, columns] = dy[:, rows]^T x[:, columns], scatter-added at once

A panel is a tile of V of bounded size. A *part* is the work of one thread: the panels of a block of
rows (forward) or of columns (backward). The cut depends on the shape and the table alone. Parts
of a scatter-add are dealt to `lanes` of partial tables, each summed in one fixed order, and the lanes
are merged in another: so the bits are the same for any number of threads.

A backend gives two primitives on contiguous panels, where (first, stride) say that the panel's entry
(r, c) has the identifier first + r stride + c:

    fill(table, w, first, stride, panel)      panel[r, c] = V[...]
    spill(panel, w, first, stride, dtable)    dtable[bucket] += sign * panel[r, c]
"""

import threading
from collections.abc import Callable, Iterator

import numpy as np

from minihash.core.threads import run
from minihash.weights import VirtualWeight

LONG, SHORT = 1024, 256  # sizes of a panel along and across its part
LANES = 4  # partial tables of a scatter-add
INLINE = 2**16  # virtual weights below which one part does everything
_own = threading.local()


def workspace(name: str, shape: tuple[int, int], dtype: np.dtype) -> np.ndarray:
    """An array of this thread's own, kept from call to call: fresh memory would cost a page fault
    for every 4 kB."""
    key, size = (name, np.dtype(dtype)), shape[0] * shape[1]
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


def gather(table: np.ndarray, w: VirtualWeight, fill: Callable) -> np.ndarray:
    V = np.empty(w.shape, table.dtype)
    flat = V.reshape(1, -1)

    def part(cut: slice) -> None:
        fill(table, w, w.first_id + cut.start, w.size, flat[:, cut])

    run([lambda cut=cut: part(cut) for cut in blocks(w.size, LONG * SHORT)])
    return V


def scatter_add(dV: np.ndarray, w: VirtualWeight, spill: Callable) -> np.ndarray:
    flat = dV.reshape(1, -1)

    def part(cut: slice, dtable: np.ndarray) -> None:
        spill(flat[:, cut], w, w.first_id + cut.start, w.size, dtable)

    return lanes(w, dV.dtype, list(blocks(w.size, LONG * SHORT)), part)


def lanes(w: VirtualWeight, dtype: np.dtype, cuts: list[slice], part: Callable) -> np.ndarray:
    """Sum of part(cut, dtable) over all cuts: cuts are dealt to lanes in turn, lanes merged in order."""
    count = min(LANES, len(cuts)) if w.size > INLINE else 1
    partial = np.zeros((count, w.hash.buckets), dtype)

    def lane(k: int) -> None:
        for cut in cuts[k::count]:
            part(cut, partial[k])

    run([lambda k=k: lane(k) for k in range(count)])
    for k in range(1, count):
        partial[0] += partial[k]
    return partial[0] if count == 1 else partial[0].copy()


def matmul(x: np.ndarray, table: np.ndarray, w: VirtualWeight, fill: Callable) -> np.ndarray:
    fan_out, fan_in = w.shape
    y = np.empty((len(x), fan_out), table.dtype)

    def part(rows: slice) -> None:
        for columns in blocks(fan_in, LONG):
            V = panel(rows, columns, table.dtype)
            fill(table, w, w.first_id + rows.start * fan_in + columns.start, fan_in, V)
            put(x[:, columns], V.T, y[:, rows], add=columns.start > 0)

    run([lambda rows=rows: part(rows) for rows in blocks(fan_out, SHORT)])
    return y


def matmul_backward(
    dy: np.ndarray, x: np.ndarray, table: np.ndarray, w: VirtualWeight, fill: Callable, spill: Callable
) -> tuple[np.ndarray, np.ndarray]:
    fan_out, fan_in = w.shape
    dx = np.empty((len(x), fan_in), table.dtype)

    def part(columns: slice, dtable: np.ndarray) -> None:
        for rows in blocks(fan_out, LONG):
            V = panel(rows, columns, table.dtype)
            first = w.first_id + rows.start * fan_in + columns.start
            fill(table, w, first, fan_in, V)
            put(dy[:, rows], V, dx[:, columns], add=rows.start > 0)
            dV = np.matmul(dy[:, rows].T, x[:, columns], out=V)
            spill(dV, w, first, fan_in, dtable)

    return dx, lanes(w, table.dtype, list(blocks(fan_in, SHORT)), part)


def panel(rows: slice, columns: slice, dtype: np.dtype) -> np.ndarray:
    return workspace("panel", (rows.stop - rows.start, columns.stop - columns.start), dtype)


def put(a: np.ndarray, b: np.ndarray, out: np.ndarray, add: bool) -> None:
    """out = a b, or out += a b."""
    if add:
        out += np.matmul(a, b, out=workspace("product", out.shape, out.dtype))
    else:
        np.matmul(a, b, out=out)
