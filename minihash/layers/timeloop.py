"""The loop over time of the recurrent layers, and back through it.

The batch is cut into parts of a few sequences; a part goes through all its steps by itself. A
matrix with a row for each step of each sequence is in *part order*: part after part, in a part step
after step, in a step sequence after sequence. So a step of a part is a block of rows, and all steps
of all sequences meet a weight in one product:

    before the loop   a = x V_ih^T for all t        within it   r = h V_hh^T,  dh += dr V_hh
    after it          dx = da V_ih,  dV_ih = da^T x,  dV_hh = dr^T h,  db_ih, db_hh: sums of da, dr

A sequence that has ended keeps its state; its outputs and the gradients of its gates are 0,
whatever is in the padding. Truncated: at the steps k, 2 k, ... (counted from 0) no gradient flows
on to the state before.
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from minihash.core.panels import blocks, workspace
from minihash.core.threads import run
from minihash.layers.skinny import in_panels, panels

ROWS = 16  # sequences of a part: fewer leave the kernels of BLAS half empty
WORK = 10**6  # multiplications of a step up to which a part has more sequences
TALL = 512  # rows of a weight whose gradient is one part

States = tuple[np.ndarray, ...]  # the state of a cell: each array (batch, hidden)


class Weights(NamedTuple):
    """What a cell with G gates reads."""

    V_ih: np.ndarray  # (G hidden, features)
    V_hh: np.ndarray  # (G hidden, hidden)
    b_ih: np.ndarray  # (G, hidden); 0 if there is none
    b_hh: np.ndarray  # (G, hidden); 0 if there is none


class Tape(NamedTuple):
    """What backward needs. Matrices in part order have batch * length rows."""

    weights: Weights
    lengths: np.ndarray  # (batch,)
    inputs: np.ndarray  # (rows, features + hidden): x, 0 in the padding, and h before each step
    gates: np.ndarray  # (rows, G hidden)
    before: States  # each (rows, hidden): the rest of the state before each step
    kept: States  # each (rows, hidden): what else the cell keeps
    final: States  # each (batch, hidden): the state after the last step


def parts(batch: int, V_hh: np.ndarray) -> list[slice]:
    """The sequences of each part: by the sizes alone, never by the number of threads."""
    return list(blocks(batch, max(ROWS, WORK // V_hh.size)))


def slab(matrix: np.ndarray, part: slice, length: int, *shape: int) -> np.ndarray:
    """The rows of a part, as (length, sequences, *shape), the shape of a row by default."""
    rows = matrix[part.start * length : part.stop * length]
    return rows.reshape(length, part.stop - part.start, *(shape or rows.shape[1:]))


def carve(shapes: list[tuple[int, int]], dtype: np.dtype) -> list[np.ndarray]:
    """Fresh matrices out of one block, which an operating system maps in fewer, larger pages."""
    ends = np.cumsum([rows * columns for rows, columns in shapes])
    block = np.empty(ends[-1], dtype)
    return [block[e - n * m : e].reshape(n, m) for (n, m), e in zip(shapes, ends, strict=True)]


def forward(
    cell: Any, x: np.ndarray, state: States, lengths: np.ndarray, weights: Weights
) -> tuple[np.ndarray, Tape]:
    """y (batch, length, hidden), and the tape. cell: a layer, for its `step` and what it keeps."""
    V_ih, V_hh, *biases = weights
    batch, length, features = x.shape
    count, hidden = biases[0].shape
    columns = [features + hidden, count * hidden] + [hidden] * (len(state) - 1 + cell.kept)
    inputs, all_gates, *rest = carve([(batch * length, n) for n in columns], x.dtype)
    before, kept = tuple(rest[: len(state) - 1]), tuple(rest[len(state) - 1 :])
    final = tuple(np.empty((batch, hidden), x.dtype) for _ in state)
    tape = Tape(weights, lengths, inputs, all_gates, before, kept, final)
    y = np.empty((batch, length, hidden), x.dtype)
    cuts = parts(batch, V_hh)
    W_hh = panels(V_hh.T, cuts[0].stop) if cuts else None

    def go_through(part: slice) -> None:
        ends = lengths[part]
        shortest = ends.min()
        own, gates = slab(inputs, part, length), slab(all_gates, part, length, count, hidden)
        own[:, :, :features] = x[part].swapaxes(0, 1)
        own[np.arange(length)[:, None] >= ends] = 0
        of_x = own.reshape(-1, features + hidden)[:, :features]
        np.matmul(of_x, V_ih.T, out=gates.reshape(-1, count * hidden))
        h = workspace("recurrent h", (length + 1, len(ends), hidden), x.dtype)
        others = [slab(s, part, length) for s in before]
        states = [list(h), *([*s, f[part]] for s, f in zip(others, final[1:], strict=True))]
        more = [list(slab(k, part, length)) for k in kept]
        for s, initial in zip(states, state, strict=True):
            s[0][:] = initial[part]
        r = np.empty_like(gates[0])
        r_in_panels = in_panels(r, W_hh)
        for t, z in enumerate(gates):
            old, new = [s[t] for s in states], [s[t + 1] for s in states]
            np.matmul(old[0], W_hh, out=r_in_panels)
            cell.step(z, r, *biases, old, new, [k[t] for k in more])
            if t >= shortest:
                ended = ends <= t
                for a, b in zip(old, new, strict=True):
                    b[ended] = a[ended]
        own[:, :, features:] = h[:-1]
        final[0][part] = h[-1]
        y[part] = h[1:].swapaxes(0, 1)
        y[part][np.arange(length) >= ends[:, None]] = 0

    run([partial(go_through, part) for part in cuts])
    return y, tape


def backward(
    cell: Any, tape: Tape, dy: np.ndarray, dfinal: States
) -> tuple[np.ndarray, States, tuple[np.ndarray, ...]]:
    """dx, the gradient of the initial state, and those of V_ih, V_hh, b_ih and b_hh.

    dfinal: the gradient of the final state. cell: the layer, for its `step_backward`.
    """
    V_ih, V_hh, *biases = tape.weights
    batch, length, hidden = dy.shape
    count, features = len(biases[0]), V_ih.shape[1]
    width = count * hidden
    da = workspace("recurrent da", tape.gates.shape, dy.dtype)
    dr = workspace("recurrent dr", tape.gates.shape, dy.dtype) if cell.direct else da
    dx = np.empty((batch, length, features), dy.dtype)
    dstate = tuple(d.copy() for d in dfinal)
    cuts = parts(batch, V_hh)
    W_hh = panels(V_hh, cuts[0].stop) if cuts else None

    def go_back(part: slice) -> None:
        ends = tape.lengths[part]
        shortest = ends.min()
        own = slab(da, part, length)
        gates, da_, dr_ = (list(slab(m, part, length, count, hidden)) for m in (tape.gates, da, dr))
        h = slab(tape.inputs, part, length)[:, :, features:]
        states = [list(h), *(list(slab(s, part, length)) for s in tape.before)]
        more = [list(slab(k, part, length)) for k in tape.kept]
        dstates = [d[part] for d in dstate]
        dy_ = workspace("recurrent dy", (length, len(ends), hidden), dy.dtype)
        dy_[:] = dy[part].swapaxes(0, 1)
        through = np.empty_like(dstates[0]) if cell.direct else dstates[0]
        through_in_panels = in_panels(through, W_hh)
        for t in reversed(range(length)):
            if t >= shortest:
                ended = ends <= t
                idle = [d[ended] for d in dstates]
            old, kept = [s[t] for s in states], [k[t] for k in more]
            cell.step_backward(gates[t], old, kept, dy_[t], dstates, da_[t], dr_[t])
            if t >= shortest:
                da_[t][ended] = dr_[t][ended] = 0
            if t and cell.truncate and t % cell.truncate == 0:
                for d in dstates:
                    d[:] = 0
            else:
                np.matmul(dr_[t].reshape(-1, width), W_hh, out=through_in_panels)
                if cell.direct:
                    dstates[0] += through
            if t >= shortest:
                for d, same in zip(dstates, idle, strict=True):
                    d[ended] = same
        dx_ = workspace("recurrent dx", (length, len(ends), features), dy.dtype)
        np.matmul(own.reshape(-1, width), V_ih, out=dx_.reshape(-1, features))
        dx[part] = dx_.swapaxes(0, 1)

    def sum_up(d: np.ndarray, met: np.ndarray, dw: np.ndarray, rows: slice) -> None:
        np.matmul(d[:, rows].T, met, out=dw[rows])

    run([partial(go_back, part) for part in cuts])
    ones = np.ones(len(da), dy.dtype)
    dV, db_ih, db_hh = (np.empty((width, *n), dy.dtype) for n in ((features + hidden,), (), ()))
    sums = [(da, ones, db_ih), (dr, ones, db_hh)]
    if dr is da:
        sums = [(da, tape.inputs, dV), *sums]
    else:
        halves = slice(features), slice(features, None)
        sums += [(d, tape.inputs[:, h], dV[:, h]) for d, h in zip((da, dr), halves, strict=True)]
    run([partial(sum_up, *s, rows) for s in sums for rows in blocks(width, TALL)])
    return dx, dstate, (dV[:, :features], dV[:, features:], db_ih, db_hh)
