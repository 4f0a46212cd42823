"""The loop over time of the recurrent layers, and back through it.

The batch is cut into parts of a few sequences; a part goes through all its steps by itself, in one
kernel. Memory is in *part order*: part after part, and of a part first its steps, then its
sequences. So a step of a part is a block of rows, and all steps of all sequences meet a weight in
one product:

    before the loop   a = x V_ih^T for all t        within it   r = h V_hh^T,  dh += dr V_hh
    after it          dx = da V_ih,  dV_ih = da^T x,  dV_hh = dr^T h,  db_ih, db_hh: sums of da, dr

A sequence that has ended keeps its state; its outputs and the gradients of its gates are 0,
whatever is in the padding. Truncated: at the steps k, 2 k, ... (counted from 0) no gradient flows
on to the state before.
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from minihash.core import numpy as normative
from minihash.core.numba import skinny
from minihash.core.numba.cells import cell_of
from minihash.core.numba.loops import kernel
from minihash.core.numba.parts import workspace
from minihash.core.threads import blocks, run, together

ROWS = 16  # sequences of a part: fewer meet too little of a weight while it is in the cache
WORK = 10**6  # multiplications of a step up to which a part has more sequences
TALL = 256  # rows of a weight whose gradient is one part

States = tuple[np.ndarray, ...]  # the state of a cell: each array (batch, hidden)


class Tape(NamedTuple):
    """What backward needs, in part order. Arrays have a row for each sequence."""

    V_ih: np.ndarray  # (G hidden, features)
    V_hh: np.ndarray  # (G hidden, hidden)
    lengths: np.ndarray  # (batch,)
    inputs: np.ndarray  # length, features + hidden: x, 0 in the padding, and h before each step
    gates: np.ndarray  # length, G, hidden
    states: np.ndarray  # states, length + 1, hidden: before the first step and after each
    kept: np.ndarray  # what else the cell keeps, length, hidden


def parts(batch: int, V_hh: np.ndarray) -> list[slice]:
    """The sequences of each part: by the sizes alone, never by the number of threads."""
    return list(blocks(batch, max(ROWS, WORK // V_hh.size)))


# Kernels of loops.py: `multiply` is a product of skinny.py, `step` and `step_back` are a cell's.


def go_through(ends, z, states, kept, inputs, y, W, b_ih, b_hh):
    """All steps of a part. z (length, rows, G, hidden), of V_ih x, becomes the gates; states
    (states, length + 1, rows, hidden), of which the first is given; kept (kept, length, rows,
    hidden); h goes into inputs (length, rows, features + hidden) too, and into y (rows, length,
    hidden)."""
    length, rows, count, hidden = z.shape
    features, r = inputs.shape[2] - hidden, np.empty((rows, count, hidden), z.dtype)
    for t in range(length):
        multiply(states[0, t].reshape(-1), hidden, W, r.reshape(rows, count * hidden))
        step(t, rows, hidden, z, r, b_ih, b_hh, states, kept)
        for b in range(rows):
            over = ends[b] <= t
            if over:
                for k in range(len(states)):
                    for c in range(hidden):
                        states[k, t + 1, b, c] = states[k, t, b, c]
            for c in range(hidden):
                inputs[t, b, features + c] = states[0, t, b, c]
                y[b, t, c] = zero if over else states[0, t + 1, b, c]


def go_back(ends, z, states, kept, dy, dstate, da, dr, W, truncate):
    """All steps of a part, the last first. dy (rows, length, hidden); dstate (states, rows,
    hidden), of the last state, becomes that of the first; da and dr are written, each of z's shape,
    or one array."""
    length, rows, count, hidden = z.shape
    idle = np.empty((len(dstate), rows, hidden), z.dtype)
    through = np.empty((rows, hidden), z.dtype)
    for t in range(length - 1, -1, -1):
        for k in range(len(dstate)):
            for b in range(rows):
                for c in range(hidden):
                    idle[k, b, c] = dstate[k, b, c]
        step_back(t, rows, hidden, z, states, kept, dy, dstate, da, dr)
        for b in range(rows):
            if ends[b] <= t:
                for g in range(count):
                    for c in range(hidden):
                        da[t, b, g, c] = zero
                        dr[t, b, g, c] = zero
        cut = t > 0 and truncate > 0 and t % truncate == 0
        if not cut:
            multiply(dr[t].reshape(-1), count * hidden, W, through)
        for k in range(len(dstate)):
            for b in range(rows):
                if ends[b] <= t:
                    for c in range(hidden):
                        dstate[k, b, c] = idle[k, b, c]
                elif cut:
                    for c in range(hidden):
                        dstate[k, b, c] = zero
                elif k == 0:
                    for c in range(hidden):
                        dstate[k, b, c] += through[b, c]


def recur(
    layer: Any, x: np.ndarray, state: States, lengths: np.ndarray, weights: tuple
) -> tuple[np.ndarray, States, Tape | tuple]:
    """The contract's `recur`; equations that are not compiled go NumPy's way."""
    if (cell := cell_of(layer)) is None:
        return normative.recur(layer, x, state, lengths, weights)
    V_ih, V_hh, *biases = weights
    batch, length, features = x.shape
    count, hidden = layer.gates, V_hh.shape[1]
    none = np.zeros((count, hidden), x.dtype)
    biases = [none if b is None else b.reshape(count, hidden) for b in biases]
    sizes = [length * (features + hidden), length * count * hidden]
    sizes += [len(state) * (length + 1) * hidden, cell.kept * length * hidden]
    final = tuple(np.empty((batch, hidden), x.dtype) for _ in state)
    tape = Tape(V_ih, V_hh, lengths, *carve(batch, sizes, x.dtype))
    y = np.empty((batch, length, hidden), x.dtype)
    loop = kernel(go_through, x.dtype, multiply=skinny.inner_product(), step=cell.forward)
    W_ih, W_hh = together([partial(skinny.pack, V.T) for V in (V_ih, V_hh)])

    def go(part: slice) -> None:
        ends, rows = lengths[part], part.stop - part.start
        own = tape.inputs[part].reshape(length, rows, features + hidden)
        gates = tape.gates[part].reshape(length, rows, count, hidden)
        states = tape.states[part].reshape(len(state), length + 1, rows, hidden)
        kept = tape.kept[part].reshape(cell.kept, length, rows, hidden)
        own[:, :, :features] = x[part].swapaxes(0, 1)
        own[np.arange(length)[:, None] >= ends] = 0
        skinny.multiply(own.reshape(-1), features + hidden, W_ih, gates.reshape(-1, count * hidden))
        for k, initial in enumerate(state):
            states[k, 0] = initial[part]
        loop(ends, gates, states, kept, own, y[part], W_hh, *biases)
        for k, last in enumerate(final):
            last[part] = states[k, -1]

    run([partial(go, part) for part in parts(batch, V_hh)])
    return y, final, tape


def recur_backward(
    layer: Any, tape: Tape | tuple, dy: np.ndarray, dfinal: States
) -> tuple[np.ndarray, States, tuple[np.ndarray, ...]]:
    """The contract's `recur_backward`."""
    if (cell := cell_of(layer)) is None:
        return normative.recur_backward(layer, tape, dy, dfinal)
    V_ih, V_hh, dy = tape.V_ih, tape.V_hh, np.ascontiguousarray(dy)
    batch, length, hidden = dy.shape
    count, features = layer.gates, V_ih.shape[1]
    width = count * hidden
    da = workspace("recurrent da", tape.gates.shape, dy.dtype)
    dr = workspace("recurrent dr", tape.gates.shape, dy.dtype) if cell.splits else da
    dx = np.empty((batch, length, features), dy.dtype)
    dstate = tuple(np.empty_like(d) for d in dfinal)
    loop = kernel(go_back, dy.dtype, multiply=skinny.inner_product(), step_back=cell.backward)
    W_ih, W_hh = together([partial(skinny.pack, V) for V in (V_ih, V_hh)])

    def go(part: slice) -> None:
        ends, rows = tape.lengths[part], part.stop - part.start
        gates, da_, dr_ = (
            a[part].reshape(length, rows, count, hidden) for a in (tape.gates, da, dr)
        )
        states = tape.states[part].reshape(len(dfinal), length + 1, rows, hidden)
        kept = tape.kept[part].reshape(cell.kept, length, rows, hidden)
        own = np.stack([d[part] for d in dfinal])
        loop(ends, gates, states, kept, dy[part], own, da_, dr_, W_hh, layer.truncate or 0)
        for k, first in enumerate(dstate):
            first[part] = own[k]
        dx_ = workspace("recurrent dx", (length, rows, features), dy.dtype)
        skinny.multiply(da_.reshape(-1), width, W_ih, dx_.reshape(-1, features))
        dx[part] = dx_.swapaxes(0, 1)

    run([partial(go, part) for part in parts(batch, V_hh)])
    inputs, ones = tape.inputs.reshape(-1, features + hidden), np.ones(batch * length, dy.dtype)
    dV, db_ih, db_hh = (np.empty((width, *n), dy.dtype) for n in ((features + hidden,), (), ()))

    def sum_up(rows: slice) -> None:
        own = da.reshape(-1, width)[:, rows].T
        np.matmul(own, ones, out=db_ih[rows])
        if cell.splits:
            np.matmul(own, inputs[:, :features], out=dV[rows, :features])
            own = dr.reshape(-1, width)[:, rows].T
            np.matmul(own, inputs[:, features:], out=dV[rows, features:])
            np.matmul(own, ones, out=db_hh[rows])
        else:
            np.matmul(own, inputs, out=dV[rows])
            db_hh[rows] = db_ih[rows]

    run([partial(sum_up, rows) for rows in blocks(width, TALL)])
    return dx, dstate, (dV[:, :features], dV[:, features:], db_ih, db_hh)


def carve(batch: int, sizes: list[int], dtype: np.dtype) -> list[np.ndarray]:
    """Fresh arrays (batch, size) out of one block, which an operating system maps in fewer, larger
    pages."""
    ends = np.cumsum(sizes)
    block = np.empty(batch * ends[-1], dtype)
    return [
        block[batch * (e - n) : batch * e].reshape(batch, n)
        for n, e in zip(sizes, ends, strict=True)
    ]
