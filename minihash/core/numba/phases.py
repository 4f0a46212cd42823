"""The loops of a training step, which its threads enter together: see perceptron.py.

    turn       the phase that is worked on, how many of its parts are dealt, how many are done
    program    rows (what, layer, parts), one a phase
    net        how layers follow each other, are cut and where their numbers are (`Net`)
    flat       p and its bits, v, the new p, the new v: all parameters in a row, first those that
               have gradients
    memory     buffers (6, batch units), sums (4, units), rows (2, units), gradients, partial
               tables; what the caller wants to know: nats (batch,), and how many are right (1,)

perceptron.py gives `tiles`, `activate`, `normalise` and the like their meaning.
"""

from typing import NamedTuple

import numpy as np

FORWARD, LOSS, CLEAR, BACKWARD, MERGE, UPDATE = range(6)  # what a phase does
Z, A, X_HAT, Y, DY, DA = range(6)  # what buffers hold; that of z holds its gradient in the end
BIAS, GAMMA, BETA, MEAN, VAR = range(5)  # vectors of a layer
LOOKS = 2000  # some 40 us, before a core is given away


class Net(NamedTuple):
    """What a step knows of its layers, arrays with a row a layer. Units are those of all layers in
    a row: those of a layer are start[layer] .. start[layer + 1] - 1."""

    start: np.ndarray
    at: np.ndarray  # first number of each vector, -1 where there is none
    active: np.ndarray  # whether an activation follows
    eps: np.ndarray
    momentum: np.ndarray  # of running statistics
    table: np.ndarray  # first number, how many, whether a layer above reads it too
    parts: np.ndarray  # (layers, 2, most, 3): start, stop, beside; forward and backward
    counts: np.ndarray  # (layers, 3): parts forward, backward, partial tables; 0: one, all apart


def advance(turn, mutex, program, places, net, flat, memory, x, labels, own, rate, momentum):
    p, p_bits, v, new_p, new_v = flat
    batch, g, tables = len(x), memory[3], memory[4]
    for phase in range(len(program)):
        what, layer, parts = program[phase]
        width, size = net.start[layer + 1] - net.start[layer], net.table[layer, 1]
        table = table_of(p, net, layer), table_of(p_bits, net, layer)
        seen = x if layer == 0 else output(memory, net, batch, layer - 1)
        done, part = 0, deal(turn, mutex, phase, parts)
        while part >= 0:
            if what == FORWARD:
                start, stop, beside = net.parts[layer, 0, part]
                z = buffer(memory, net, batch, Z, layer)
                tiles(seen, z, table, places[layer], own, start, stop, beside)
                follow(layer, start, stop, batch, net, p, memory)
            elif what == LOSS:
                y, dy = output(memory, net, batch, layer), buffer(memory, net, batch, DY, layer)
                p_of_y = buffer(memory, net, batch, DA, layer)
                judge(y, labels, p_of_y, dy, memory[5], memory[6])
                follow_back(layer, net.start[0], width, batch, net, p, memory)
            elif what == CLEAR:
                clear(half(tables[:size], part))
            elif what == BACKWARD:
                step, last = net.counts[layer, 2], part + 1
                dtable = tables[:size]
                if step:  # all parts that add to one partial table, in their order
                    dtable, last = tables[part * size : (part + 1) * size], net.counts[layer, 1]
                    clear(dtable)
                dz = slope_of_z(memory, net, batch, layer)
                dx = x[:0] if layer == 0 else buffer(memory, net, batch, DY, layer - 1)
                for k in range(part, last, max(step, 1)):
                    start, stop, beside = net.parts[layer, 1, k]
                    tiles_back(dz, seen, dx, dtable, table, places[layer], own, start, stop, beside)
                    if layer > 0:
                        follow_back(layer - 1, start, stop, batch, net, p, memory)
            elif what == MERGE:
                count, more = net.counts[layer, 2], net.table[layer, 2]
                merge(part, tables, size, count, table_of(g, net, layer), more)
            else:
                old, new = half(p[: g.size], part), half(new_p[: g.size], part)
                update(old, new, half(v, part), half(new_v, part), half(g, part), rate, momentum)
                if part == 0:
                    run_on(net, p, new_p, memory, batch)
            done, part = done + 1, deal(turn, mutex, phase, parts)
        close(turn, mutex, phase, parts, done)


# Dealing.


def take(mutex):
    looks = 0
    while trylock(mutex.ctypes) != 0:
        looks += 1
        if looks > LOOKS:
            give_way()


def deal(turn, mutex, phase, parts):
    """The next part of the phase; -1 if there is none."""
    part = -1
    take(mutex)
    if turn[0] == phase and turn[1] < parts:
        part = turn[1]
        turn[1] += 1
    unlock(mutex.ctypes)
    return part


def close(turn, mutex, phase, parts, done):
    """Count what was done, and wait for the end of the phase."""
    take(mutex)
    turn[2] += done
    if turn[0] == phase and turn[2] == parts:
        turn[0], turn[1], turn[2] = phase + 1, 0, 0
    unlock(mutex.ctypes)
    looks = 0
    over = False
    while not over:
        looks += 1
        if looks > LOOKS:
            give_way()
        take(mutex)
        over = turn[0] > phase
        unlock(mutex.ctypes)


# Layers, the units start .. stop - 1 of each.


def buffer(memory, net, batch, kind, layer):
    first, last = net.start[layer], net.start[layer + 1]
    return memory[0][kind, batch * first : batch * last].reshape(batch, last - first)


def vector(numbers, net, kind, layer, start, stop):
    first = net.at[layer, kind]
    return numbers[first + start : first + stop]


def of_units(numbers, net, row, layer, start, stop):
    first = net.start[layer]
    return numbers[row, first + start : first + stop]


def table_of(numbers, net, layer):
    return numbers[net.table[layer, 0] : net.table[layer, 0] + net.table[layer, 1]]


def output(memory, net, batch, layer):
    """What a layer hands on."""
    if net.at[layer, GAMMA] >= 0:
        return buffer(memory, net, batch, Y, layer)
    return buffer(memory, net, batch, A if net.active[layer] else Z, layer)


def slope_of_z(memory, net, batch, layer):
    """The gradient of z, where `follow_back` has left it."""
    if net.active[layer]:
        return buffer(memory, net, batch, Z, layer)
    return buffer(memory, net, batch, DA if net.at[layer, GAMMA] >= 0 else DY, layer)


def follow(layer, start, stop, batch, net, p, memory):
    """Bias, activation and norm."""
    z, a = buffer(memory, net, batch, Z, layer), buffer(memory, net, batch, A, layer)
    if net.at[layer, BIAS] >= 0:
        b = vector(p, net, BIAS, layer, start, stop)
        for k in range(batch):
            z_k = z[k, start:stop]
            for c in range(b.size):
                z_k[c] += b[c]
    if net.active[layer]:
        for k in range(batch):
            activate(z[k, start:stop], a[k, start:stop])
    if net.at[layer, GAMMA] >= 0:
        x, x_hat = a if net.active[layer] else z, buffer(memory, net, batch, X_HAT, layer)
        y, r = buffer(memory, net, batch, Y, layer), of_units(memory[2], net, 0, layer, start, stop)
        mean = of_units(memory[1], net, 0, layer, start, stop)
        var = of_units(memory[1], net, 1, layer, start, stop)
        clear(mean)
        clear(var)
        gamma = vector(p, net, GAMMA, layer, start, stop)
        beta = vector(p, net, BETA, layer, start, stop)
        normalise(x, gamma, beta, net.eps[layer], batch > 1, mean, var, r, x_hat, y, start, stop)


def follow_back(layer, start, stop, batch, net, p, memory):
    """Back through norm, activation and bias."""
    slope, g = buffer(memory, net, batch, DY, layer), memory[3]
    dots = of_units(memory[1], net, 2, layer, start, stop)
    sums = of_units(memory[1], net, 3, layer, start, stop)
    if net.at[layer, GAMMA] >= 0:
        x_hat, da = buffer(memory, net, batch, X_HAT, layer), buffer(memory, net, batch, DA, layer)
        gamma = vector(p, net, GAMMA, layer, start, stop)
        r = of_units(memory[2], net, 0, layer, start, stop)
        factor = of_units(memory[2], net, 1, layer, start, stop)
        dgamma = vector(g, net, GAMMA, layer, start, stop)
        dbeta = vector(g, net, BETA, layer, start, stop)
        clear(dots)
        clear(sums)
        normalise_back(
            slope, x_hat, gamma, r, batch < 2, dots, sums, factor, da, dgamma, dbeta, start, stop
        )
        slope = da
    if net.active[layer]:
        a, dz = buffer(memory, net, batch, A, layer), buffer(memory, net, batch, Z, layer)
        for k in range(batch):
            activate_back(a[k, start:stop], slope[k, start:stop], dz[k, start:stop])
        slope = dz
    if net.at[layer, BIAS] >= 0:
        clear(sums)
        column_sums(slope, sums, vector(g, net, BIAS, layer, start, stop), start, stop)


def judge(y, labels, p, dy, nats, right):
    """The loss and its gradient."""
    cross_entropy(y, labels, dy, p, nats)
    for k in range(len(y)):
        best = 0
        for c in range(1, y.shape[1]):
            if y[k, c] > y[k, best] or (y[k, c] != y[k, c] and y[k, best] == y[k, best]):
                best = c
        right[0] += best == labels[k]
        for c in range(y.shape[1]):
            dy[k, c] = (p[k, c] - real(c == labels[k])) / real(len(y))


def merge(part, tables, size, count, total, more):
    """The sum of the partial tables, added to what layers above found."""
    total, first = half(total, part), half(tables[:size], part)
    for t in range(1, count):
        other = half(tables[t * size : (t + 1) * size], part)
        for c in range(first.size):
            first[c] += other[c]
    if more:
        for c in range(first.size):
            total[c] += first[c]
    else:
        for c in range(first.size):
            total[c] = first[c]


def update(p, new_p, v, new_v, g, rate, momentum):
    """SGD."""
    if v.size:
        for c in range(g.size):
            new_v[c] = real(momentum) * v[c] + g[c]
            new_p[c] = p[c] - real(rate) * new_v[c]
    else:
        for c in range(g.size):
            new_p[c] = p[c] - real(rate) * g[c]


def run_on(net, p, new_p, memory, batch):
    """Running statistics."""
    for layer in range(len(net.at)):
        if net.at[layer, GAMMA] >= 0:
            width, m = net.start[layer + 1] - net.start[layer], net.momentum[layer]
            for row in range(2):
                seen = of_units(memory[1], net, row, layer, 0, width)
                old = vector(p, net, MEAN + row, layer, 0, width)
                new = vector(new_p, net, MEAN + row, layer, 0, width)
                unbiased = batch / (batch - 1) if row else 1.0
                for c in range(width):
                    new[c] = np.float64(old[c]) * (1 - m) + m * (seen[c] * unbiased)


def half(numbers, part):
    """The first or the second half."""
    return numbers[numbers.size * part // 2 : numbers.size * (part + 1) // 2]


def clear(numbers):
    for c in range(numbers.size):
        numbers[c] = 0
