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

from minihash.core.panels import blocks
from minihash.core.threads import run
from minihash.layers.layer import column_sum
from minihash.layers.skinny import panels, product

ROWS = 16  # sequences of a part: fewer leave the kernels of BLAS half empty
WORK = 10**6  # multiplications of a step up to which a part has more sequences
TALL = 256  # rows of a weight whose gradient is one part

quiet = partial(np.errstate, over="ignore", invalid="ignore")  # data that are not finite

States = tuple[np.ndarray, ...]  # the state of a cell: each array (batch, hidden)


class Weights(NamedTuple):
    """What a cell with G gates reads."""

    V_ih: np.ndarray  # (G hidden, features)
    V_hh: np.ndarray  # (G hidden, hidden)
    b_ih: np.ndarray  # (G hidden,); 0 if there is none
    b_hh: np.ndarray  # (G hidden,); 0 if there is none
    slope: np.ndarray  # (G hidden,): factor of a gate's argument, 1/2 where tanh makes a sigmoid


class Tape(NamedTuple):
    """What backward needs. Matrices in part order have batch * length rows."""

    weights: Weights
    lengths: np.ndarray  # (batch,)
    x: np.ndarray  # (rows, features), 0 in the padding
    gates: np.ndarray  # (rows, G hidden)
    before: States  # each (rows, hidden): the state before each step
    kept: States  # each (rows, hidden): what else the cell keeps
    final: States  # each (batch, hidden): the state after the last step


def parts(batch: int, V_hh: np.ndarray) -> list[slice]:
    """The sequences of each part: by the sizes alone, never by the number of threads."""
    return list(blocks(batch, max(ROWS, WORK // V_hh.size)))


def slab(matrix: np.ndarray, part: slice, length: int) -> np.ndarray:
    """The rows of a part, as (length, sequences, columns)."""
    rows = matrix[part.start * length : part.stop * length]
    return rows.reshape(length, part.stop - part.start, matrix.shape[1])


def slabs(matrices: States, part: slice, length: int) -> list[np.ndarray]:
    return [slab(matrix, part, length) for matrix in matrices]


def forward(
    cell: Any, x: np.ndarray, state: States, lengths: np.ndarray, weights: Weights
) -> tuple[np.ndarray, Tape]:
    """y (batch, length, hidden), and the tape. cell: a layer, for its `step` and what it keeps."""
    V_ih, V_hh, *_ = weights
    batch, length, features = x.shape
    width, hidden = V_hh.shape

    def matrix(rows: int, columns: int) -> np.ndarray:
        return np.empty((rows, columns), x.dtype)

    rows = batch * length
    tape = Tape(
        weights,
        lengths,
        matrix(rows, features),
        matrix(rows, width),
        tuple(matrix(rows, hidden) for _ in state),
        tuple(matrix(rows, hidden) for _ in range(cell.kept)),
        tuple(matrix(batch, hidden) for _ in state),
    )
    y = np.empty((batch, length, hidden), x.dtype)
    cuts = parts(batch, V_hh)
    W_hh = panels(V_hh.T, cuts[0].stop) if cuts else None

    @quiet()
    def go_through(part: slice) -> None:
        ends = lengths[part]
        shortest = ends.min()
        own, gates = slabs((tape.x, tape.gates), part, length)
        own[:] = x[part].swapaxes(0, 1)
        own[np.arange(length)[:, None] >= ends] = 0
        np.matmul(own.reshape(-1, features), V_ih.T, out=gates.reshape(-1, width))
        states, kept = slabs(tape.before, part, length), slabs(tape.kept, part, length)
        for s, initial in zip(states, state, strict=True):
            s[0] = initial[part]
        r = np.empty_like(gates[0])
        for t in range(length):
            before = [s[t] for s in states]
            after = [s[t + 1] for s in states] if t + 1 < length else [f[part] for f in tape.final]
            product(before[0], W_hh, r)
            cell.step(gates[t], r, weights, before, after, [k[t] for k in kept])
            y[part, t] = after[0]
            if t >= shortest:
                ended = ends <= t
                y[part, t][ended] = 0
                for old, new in zip(before, after, strict=True):
                    new[ended] = old[ended]

    run([lambda part=part: go_through(part) for part in cuts])
    return y, tape


def backward(
    cell: Any, tape: Tape, dy: np.ndarray, dfinal: States
) -> tuple[np.ndarray, States, tuple[np.ndarray, ...]]:
    """dx, the gradient of the initial state, and those of V_ih, V_hh, b_ih and b_hh.

    dfinal: the gradient of the final state. cell: the layer, for its `step_backward`.
    """
    V_ih, V_hh, *_ = tape.weights
    batch, length, _ = dy.shape
    width, features = V_ih.shape
    da = np.empty_like(tape.gates)
    dr = np.empty_like(tape.gates) if cell.own_dr else da
    dx = np.empty((batch, length, features), dy.dtype)
    dstate = tuple(d.copy() for d in dfinal)
    cuts = parts(batch, V_hh)
    W_hh = panels(V_hh, cuts[0].stop) if cuts else None

    @quiet()
    def go_back(part: slice) -> None:
        ends = tape.lengths[part]
        shortest = ends.min()
        gates, da_, dr_ = slabs((tape.gates, da, dr), part, length)
        states, kept = slabs(tape.before, part, length), slabs(tape.kept, part, length)
        dstates = [d[part] for d in dstate]
        through = np.empty_like(dstates[0])
        for t in reversed(range(length)):
            ended = ends <= t if t >= shortest else slice(0)
            idle = [d[ended] for d in dstates]
            dstates[0] += dy[part, t]
            before, more = [s[t] for s in states], [k[t] for k in kept]
            cell.step_backward(gates[t], before, more, dstates, da_[t], dr_[t])
            da_[t, ended] = dr_[t, ended] = 0
            if t and cell.truncate and t % cell.truncate == 0:
                for d in dstates:
                    d[:] = 0
            else:
                product(dr_[t], W_hh, through)
                dstates[0] += through
            for d, same in zip(dstates, idle, strict=True):
                d[ended] = same
        dx_ = da_.reshape(-1, width) @ V_ih
        dx[part] = dx_.reshape(length, -1, features).swapaxes(0, 1)

    dV_ih, dV_hh, db_ih, db_hh = (np.empty_like(w) for w in tape.weights[:4])

    @quiet()
    def sum_up(rows: slice) -> None:
        np.matmul(da[:, rows].T, tape.x, out=dV_ih[rows])
        np.matmul(dr[:, rows].T, tape.before[0], out=dV_hh[rows])
        db_ih[rows] = column_sum(da[:, rows])
        db_hh[rows] = db_ih[rows] if dr is da else column_sum(dr[:, rows])

    run([lambda part=part: go_back(part) for part in cuts])
    run([lambda rows=rows: sum_up(rows) for rows in blocks(width, TALL)])
    return dx, dstate, (dV_ih, dV_hh, db_ih, db_hh)
