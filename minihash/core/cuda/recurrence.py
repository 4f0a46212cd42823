"""A recurrent cell through all steps of sequences, and back: the contract's `recur`.

    before the loop   a = x V_ih^T for all t
    a step            r = h V_hh^T, a product;   the cell's equations, a thread for each entry of h
    a step back       the cell's equations;   dh += dr V_hh, a product
    after it          dx = da V_ih,  dV_ih = da^T x,  dV_hh = dr^T h,  db_ih, db_hh: sums of da, dr

Arrays of all steps have a row for each (sequence, step), row-major; states and what a cell keeps
are planes of such arrays. A sequence that has ended keeps its state; its outputs and the gradients
of its gates are 0, whatever is in the padding.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from minihash.core.cuda import cells, device, kernels
from minihash.core.cuda.device import Array, far, flat
from minihash.core.cuda.products import column_sum, multiply, times
from minihash.hashes.xxh32 import U64

# device.py gives them a meaning: numba.cuda, the cell's bodies, and chains (cells.py).
cuda = step = step_back = None
gates = read_state = read_kept = write_state = write_kept = write_gates = None

DEVICE = ()


# Kernels. sizes: the step, steps, hidden.


def inside(x, ends, own, length, features):
    """own = x but in the padding."""
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        row = i // features
        if row % length < ends[row // length]:
            own[i] = x[i]


def go_on(a, r, b_ih, b_hh, ends, now, before, kept, y, sizes):
    """now: the state before the step becomes that after it."""
    t, length, hidden = sizes
    plane, all_, width = ends.size * hidden, y.size, b_ih.size
    for i in range(cuda.grid(1), plane, cuda.gridsize(1)):
        b, c = i // hidden, i % hidden
        row = b * length + t
        at = row * hidden + c
        state = read_state(now, i, plane)
        write_state(before, at, all_, state)
        if t < ends[b]:
            of_x = gates(a, row * width + c, b_ih, c, hidden)
            of_h = gates(r, b * width + c, b_hh, c, hidden)
            after, keep = step(of_x, of_h, state)
            write_state(now, i, plane, after)
            write_kept(kept, at, all_, keep)
            y[at] = after[0]


def go_back(dy, ends, dstate, before, kept, da, dr, sizes, cut):
    """dstate: of the state after the step becomes that of the state before, but for what comes
    through dr; 0 if it is cut off there."""
    t, length, hidden = sizes
    plane, all_, width = ends.size * hidden, dy.size, da.size // (ends.size * length)
    for i in range(cuda.grid(1), plane, cuda.gridsize(1)):
        b, c = i // hidden, i % hidden
        row = b * length + t
        at = row * hidden + c
        if t < ends[b]:
            dstate[i] += dy[at]
            keep, state = read_kept(kept, at, all_), read_state(before, at, all_)
            of_a, of_r, direct = step_back(keep, state, read_state(dstate, i, plane))
            write_gates(da, row * width + c, hidden, of_a)
            write_gates(dr, row * width + c, hidden, of_r)
            write_state(dstate, i, plane, direct)
            if cut:
                for k in range(i, dstate.size, plane):
                    dstate[k] = 0


# The contract.


class Tape(NamedTuple):
    """What backward needs, all on the device but the sizes."""

    sizes: tuple[int, int, int, int]  # batch, length, features, hidden
    stays: bool  # whether an input was on the device
    x: Array  # 0 in the padding
    ends: Array  # (batch,)
    V_ih: Array
    V_hh: Array
    before: Array  # the states before each step
    kept: Array


def recur(
    cell: Any, x: Array, state: tuple[Array, ...], lengths: np.ndarray, weights: tuple
) -> tuple[Array, tuple[Array, ...], Tape]:
    (batch, length, features), hidden, dtype = x.shape, state[0].shape[1], x.dtype
    rows, plane, width = batch * length, batch * hidden, cell.gates * hidden
    stays, count = far(x, *state, *weights), cells.kept_of(cell, len(state))
    ends = flat(lengths.astype(np.int64))
    V_ih, V_hh = map(flat, weights[:2])
    b_ih, b_hh = (device.zeros(width, dtype) if b is None else flat(b) for b in weights[2:])
    own, y = device.zeros(x.size, dtype), device.zeros(rows * hidden, dtype)
    run = device.kernel(inside, dtype)
    device.launch(run, device.over(x.size), flat(x), ends, own, length, features)
    a = times(own, (0, features, 1), V_ih, (0, 1, features), (rows, width, features))
    r, now = device.empty(batch * width, dtype), device.empty(len(state) * plane, dtype)
    before = device.empty(len(state) * rows * hidden, dtype)
    kept = device.empty(count * rows * hidden, dtype)
    for k, initial in enumerate(state):
        device.copy(flat(initial), 0, now, k * plane, plane)
    bodies = {"step": cells.body_of(cell.step, dtype), "gates": cells.gates(cell.gates)}
    bodies |= {"read_state": cells.read(len(state)), "write_state": cells.write(len(state))}
    run = device.kernel(go_on, dtype, bodies | {"write_kept": cells.write(count)})
    of_h = {"entry": kernels.stored, "put": kernels.place}
    for t in range(length):
        o, products = (0, 0, width, 1), (batch, width, hidden, hidden)
        multiply(now, (0, hidden, 1), V_hh, (0, 1, hidden), (r,), o, products, **of_h)
        arrays = a, r, b_ih, b_hh, ends, now, before, kept, y
        device.launch(run, device.over(plane), *arrays, (t, length, hidden))
    tape = Tape((batch, length, features, hidden), stays, own, ends, V_ih, V_hh, before, kept)
    final = planes(now, len(state), (batch, hidden), stays)
    return device.home(y, (batch, length, hidden), stays), final, tape


def recur_backward(
    cell: Any, tape: Tape, dy: Array, dfinal: tuple[Array, ...]
) -> tuple[Array, tuple[Array, ...], tuple[Array, ...]]:
    batch, length, features, hidden = tape.sizes
    rows, plane, width, dtype = batch * length, batch * hidden, cell.gates * hidden, dy.dtype
    stays = tape.stays or far(dy, *dfinal)
    da, dr = (device.zeros(rows * width, dtype) for _ in range(2))
    dstate, to_dy = device.empty(len(dfinal) * plane, dtype), flat(dy)
    for k, final in enumerate(dfinal):
        device.copy(flat(final), 0, dstate, k * plane, plane)
    count = tape.kept.size // max(1, rows * hidden)
    bodies = {"step_back": cells.body_of(cell.step_back, dtype)}
    bodies |= {"read_state": cells.read(len(dfinal)), "write_state": cells.write(len(dfinal))}
    bodies |= {"read_kept": cells.read(count), "write_gates": cells.write(cell.gates)}
    run = device.kernel(go_back, dtype, bodies)
    of_h = {"entry": kernels.stored, "put": kernels.carry}
    for t in reversed(range(length)):
        cut = bool(t > 0 and cell.truncate and t % cell.truncate == 0)
        arrays = to_dy, tape.ends, dstate, tape.before, tape.kept, da, dr
        device.launch(run, device.over(plane), *arrays, (t, length, hidden), cut)
        if not cut:
            a, out = (t * width, length * width, 1), (dstate, tape.ends, U64(hidden), t)
            products = (batch, hidden, width, width)
            multiply(dr, a, tape.V_hh, (0, hidden, 1), out, (0, 0, hidden, 1), products, **of_h)
    dx = times(da, (0, width, 1), tape.V_ih, (0, features, 1), (rows, features, width))
    dV_ih = times(da, (0, 1, width), tape.x, (0, features, 1), (width, features, rows))
    dV_hh = times(dr, (0, 1, width), tape.before, (0, hidden, 1), (width, hidden, rows))
    dweights = (
        device.home(dV_ih, (width, features), stays),
        device.home(dV_hh, (width, hidden), stays),
        *(device.home(column_sum(d, rows, width), (width,), stays) for d in (da, dr)),
    )
    dfirst = planes(dstate, len(dfinal), (batch, hidden), stays)
    return device.home(dx, (batch, length, features), stays), dfirst, dweights


def planes(states: Array, count: int, shape: tuple[int, int], stays: bool) -> tuple[Array, ...]:
    """So many states (batch, hidden), each by itself, out of one array of all."""
    size = math.prod(shape)
    found = [device.empty(size, states.dtype) for _ in range(count)]
    for k, state in enumerate(found):
        device.copy(states, k * size, state, 0, size)
    return tuple(device.home(state, shape, stays) for state in found)
