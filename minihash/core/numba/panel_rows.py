"""Some rows of V, as an embedding reads them: panels of a few rows at a time.

    gather_rows         E[t] = V[row_t]
    scatter_add_rows    dtable[bucket] += sign * dE[t], over the entries of V[row_t], t in order

Only the identifiers of the rows that are asked for are hashed: first_id + row * width + column.

Where V is a window of the table, a part is a strip of columns, of all rows: strips have no bucket
in common, so that all add to one table. Elsewhere a part is some rows, and adds to a partial table
of its lane (see panels.py). Either way the order of the sums depends on sizes alone.
"""

import numpy as np

from minihash.core.numba.kernels import add_panel, read_panel
from minihash.core.numba.panels import apart, blocks, lanes, workspace
from minihash.core.threads import run_kernels
from minihash.weights import VirtualWeight

ENTRIES = 2**16  # of a panel, about
STRIP = 64  # columns


def lines(w: VirtualWeight, rows: np.ndarray, columns: slice) -> tuple[np.ndarray, int]:
    """(firsts, width) of the panel that holds V[rows, columns], for any row numbers. Rows of a
    transposed weight are no runs of identifiers: there each entry is a panel's row of its own."""
    down, along = map(np.uint64, w.strides)
    firsts = np.uint64(w.first_id) + rows.astype(np.uint64) * down
    if not w.transposed:
        return firsts + np.uint64(columns.start), columns.stop - columns.start
    across = np.arange(columns.start, columns.stop, dtype=np.uint64) * along
    return np.add.outer(firsts, across).reshape(-1), 1


def gather_rows(table: np.ndarray, w: VirtualWeight, rows: np.ndarray) -> np.ndarray:
    """V[rows] (n, width)."""
    V = np.empty((len(rows), w.shape[1]), table.dtype)

    def part(cut: slice) -> None:
        firsts, width = lines(w, rows[cut], slice(0, w.shape[1]))
        read_panel(table, V[cut].reshape(-1, width), w.hash, firsts)

    run_kernels([lambda cut=cut: part(cut) for cut in cuts(w, rows)])
    return V


def scatter_add_rows(dE: np.ndarray, rows: np.ndarray, w: VirtualWeight) -> np.ndarray:
    """dtable (buckets,) from dE (n, width)."""

    def part(cut: slice, columns: slice, dtable: np.ndarray) -> None:
        shape = cut.stop - cut.start, columns.stop - columns.start
        panel = workspace("panel", shape, dE.dtype)
        panel[:] = dE[cut, columns]
        firsts, width = lines(w, rows[cut], columns)
        add_panel(panel.reshape(-1, width), dtable, w.hash, firsts)

    whole = slice(0, w.shape[1])
    dtable = np.zeros(w.hash.buckets, dE.dtype)
    if len(rows) and not apart(w):
        most = max(1, dE.size // w.hash.buckets)  # a lane's table costs as much as its additions
        work = cuts(w, rows), lambda cut, partial: part(cut, whole, partial), most
        return lanes(w.hash.buckets, dE.dtype, *work)

    def strip(columns: slice) -> None:
        for cut in cuts(w, rows):
            part(cut, columns, dtable)

    run_kernels([lambda columns=columns: strip(columns) for columns in blocks(w.shape[1], STRIP)])
    return dtable


def cuts(w: VirtualWeight, rows: np.ndarray) -> list[slice]:
    return list(blocks(len(rows), -(-ENTRIES // w.shape[1])))
