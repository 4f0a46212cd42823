"""A training step of a perceptron, in one compiled call that threads enter together.

A step of a small network is some hundred operations of a few microseconds each: what is between
them, in Python, takes longer than they do. Here the same loops are called by compiled code, in
*phases*:

    FORWARD    of a layer: products of some rows of V, then bias, activation, norm of these units
    LOSS       the loss, its gradient, and back through what follows the last product
    CLEAR      the table's gradient set to 0, where all parts add to one
    BACKWARD   of a layer: products of some columns of V, then back through what precedes these
    MERGE      partial tables summed
    UPDATE     SGD, running statistics

A phase begins when the one before is over. Its parts are those of products.py, and are dealt one by
one to the threads that are in the step, under a lock; a thread that comes late finds the phase that
is worked on, one that comes too late finds nothing. So no bit depends on who does what. A thread
that waits looks for a while before it gives its core away: phases take some 10 to 100 us.
"""

import ctypes
import os
from collections.abc import Callable, Sequence
from functools import cache
from itertools import accumulate
from operator import is_

import numpy as np

from minihash.checks import float_array, index_array, parameter
from minihash.compile.body import bound, compiled
from minihash.compile.jit import at_hand, njit, njit_within, quietly
from minihash.core.numba import blas, columns, losses, phases
from minihash.core.numba.each import TEMPLATES
from minihash.core.numba.guard import trusted
from minihash.core.numba.kernels import bits
from minihash.core.numba.loops import kernel
from minihash.core.numba.parts import tables_of
from minihash.core.numba.products import Plan, planned, space
from minihash.core.perceptron import Arrays, Block
from minihash.core.threads import blas_on_one_thread, get_threads, run_kernels
from minihash.weights import VirtualWeight, distinct

DEPTH = 8  # layers, at most: how many is part of what is compiled
LOOPS = (  # each after those that it calls
    *("take", "deal", "close", "half", "clear", "buffer", "vector", "of_units", "table_of"),
    *("output", "slope_of_z", "follow", "follow_back", "judge", "merge", "update", "run_on"),
)
OF_NORM = {phases.GAMMA: "gamma", phases.BETA: "beta"}
RUNNING = {phases.MEAN: "running_mean", phases.VAR: "running_var"}


def perceptron(blocks: tuple[Block, ...], dtype: np.dtype) -> "Perceptron | None":
    """The step of these blocks; None where it cannot be compiled, or would not be what the
    operations do one by one."""
    weights = [b.weight for b in blocks]
    tables = {w.table for w in weights}
    vectors = [b.bias for b in blocks if b.bias]
    fits = (
        len(blocks) <= DEPTH
        and dealing() is not None
        and len({b.activation for b in blocks if b.activation}) <= 1
        and len(set(vectors)) == len(vectors)
        and not tables & set(vectors)
        and all(trusted(w.hash) and not w.transposed and distinct(w) == w.shape for w in weights)
    )
    if not fits:
        return None
    plans = [planned(w, w.shape, dtype) for w in weights]
    alike = {(plan.forward, kind_of(plan.place)) for plan in plans}
    return Perceptron(blocks, plans, dtype) if len(alike) == 1 else None


def kind_of(place: tuple) -> object:
    from numba import typeof

    return typeof(place)


class Perceptron:
    """See core/perceptron.py."""

    def __init__(self, blocks: Sequence[Block], plans: list[Plan], dtype: np.dtype) -> None:
        self.dtype = dtype
        self.shape = blocks[0].weight.shape[1], blocks[-1].weight.shape[0]
        self.names, self.trained = named(blocks)
        self.net = net_of(blocks, plans, self.names)
        self.program = program_of(self.net)
        places = [plan.place for plan in plans]
        self.places = (*places, *places[-1:] * (DEPTH - len(places)))
        self.largest = max(plans, key=lambda plan: plan.tile)
        most = 1 if dealing()["unlock"] is alone else self.program[:, 2].max()
        self.most = int(most)  # threads that have something to do
        bodies = next((b.activation for b in blocks if b.activation), None)
        self.advance = compiled_for(plans[0].forward, plans[0].backward, bodies, dtype)
        self.units = int(self.net.start[-1])
        tables = self.net.table[:, 1] * np.maximum(self.net.counts[:, 2], 1)
        sums, rows = np.empty((4, self.units)), np.empty((2, self.units), dtype)
        self.fixed = sums, rows, np.empty(self.trained, dtype), np.empty(tables.max(), dtype)
        self.buffers = np.empty((6, 0), dtype)
        self.last: tuple = ({}, {})  # what `step` gave last, and its flat arrays

    @quietly
    def step(
        self,
        params: Arrays,
        velocity: Arrays,
        x: np.ndarray,
        labels: np.ndarray,
        rate: float,
        momentum: float,
    ) -> tuple[Arrays, Arrays, float, int]:
        features, classes = self.shape
        x = float_array(x, "x", (None, features), self.dtype)
        labels = index_array(labels, "labels", classes)
        if len(x) < 2 or labels.shape != x.shape[:1]:
            raise ValueError(
                f"a step needs at least 2 examples, with a label each, got {len(x)} and labels of "
                f"shape {labels.shape}; correct one of them"
            )
        if same_arrays(params, self.last[0]) and same_arrays(velocity, self.last[1]):
            p, v = self.last[2:]
        else:
            p = self.flat(params, self.names)
            v = self.flat(velocity, self.moving() if momentum else {})
        if self.buffers.shape[1] < len(x) * self.units:
            self.buffers = np.empty((6, len(x) * self.units), self.dtype)
        new_p, new_v = np.empty_like(p), np.empty_like(v)
        turn, nats, right = np.zeros(3, np.int64), np.empty(len(x)), np.zeros(1, np.int64)
        flat, memory = (p, bits(p), v, new_p, new_v), (self.buffers, *self.fixed, nats, right)
        mutex = fresh_mutex()

        def enter() -> None:
            if turn[0] < len(self.program):
                step = turn, mutex, self.program, self.places, self.net, flat, memory
                self.advance(*step, x, labels, space(self.largest, self.dtype), rate, momentum)

        with blas_on_one_thread():
            run_kernels([enter] * min(get_threads(), self.most))
        new = params | {name: new_p[some] for name, some in self.names.items()}
        moving = self.moving().items() if momentum else ()
        moved = velocity | {name: new_v[some] for name, some in moving}
        self.last = dict(new), dict(moved), new_p, new_v
        return new, moved, float(np.mean(nats)), int(right[0])

    def ready(self) -> bool:
        return at_hand(self.advance)

    def moving(self) -> dict[str, slice]:
        """The names of the velocity."""
        return {f"momentum.{n}": s for n, s in self.names.items() if s.start < self.trained}

    def flat(self, arrays: Arrays, names: dict[str, slice]) -> np.ndarray:
        """These arrays in a row."""
        flat = np.empty(max((some.stop for some in names.values()), default=0), self.dtype)
        for name, some in names.items():
            flat[some] = parameter(arrays, name, (some.stop - some.start,), self.dtype)
        return flat


def same_arrays(some: Arrays, others: Arrays) -> bool:
    """Whether they are the same objects by the same names."""
    return some.keys() == others.keys() and all(map(is_, some.values(), others.values()))


def named(blocks: Sequence[Block]) -> tuple[dict[str, slice], int]:
    """Where each parameter is among all in a row, and how many numbers have a gradient."""
    norms = [(b.norm.name, b.weight.shape[0]) for b in blocks if b.norm]
    sizes = {b.weight.table: b.weight.hash.buckets for b in blocks}
    sizes |= {b.bias: b.weight.shape[0] for b in blocks if b.bias}
    sizes |= {f"{name}.{key}": size for name, size in norms for key in OF_NORM.values()}
    trained = sum(sizes.values())
    sizes |= {f"{name}.{key}": size for name, size in norms for key in RUNNING.values()}
    ends = dict(zip(sizes, accumulate(sizes.values()), strict=True))
    return {name: slice(ends[name] - size, ends[name]) for name, size in sizes.items()}, trained


def net_of(blocks: Sequence[Block], plans: Sequence[Plan], names: dict[str, slice]) -> phases.Net:
    """What the loops know of the layers."""
    count, most = len(blocks), max(len(p) for plan in plans for p in (plan.rows, plan.columns))
    net = phases.Net(
        start=np.cumsum([0, *(b.weight.shape[0] for b in blocks)]),
        at=np.full((count, 5), -1),
        active=np.array([b.activation is not None for b in blocks]),
        eps=np.array([b.norm.eps if b.norm else 0.0 for b in blocks]),
        momentum=np.array([b.norm.momentum if b.norm else 0.0 for b in blocks]),
        table=np.empty((count, 3), np.int64),
        parts=np.zeros((count, 2, most, 3), np.int64),
        counts=np.empty((count, 3), np.int64),
    )
    for layer, (block, plan) in enumerate(zip(blocks, plans, strict=True)):
        w = block.weight
        if block.bias:
            net.at[layer, phases.BIAS] = names[block.bias].start
        for kind, key in (OF_NORM | RUNNING).items() if block.norm else ():
            net.at[layer, kind] = names[f"{block.norm.name}.{key}"].start
        above = any(b.weight.table == w.table for b in blocks[layer + 1 :])
        net.table[layer] = names[w.table].start, w.hash.buckets, above
        net.parts[layer, 0, : len(plan.rows)] = plan.rows
        net.parts[layer, 1, : len(plan.columns)] = plan.columns
        net.counts[layer] = len(plan.rows), len(plan.columns), partials(plan, w)
    return net


def partials(plan: Plan, w: VirtualWeight) -> int:
    """To how many partial tables the parts add, as in `scattered`; 0: to one, all apart."""
    return 0 if plan.apart else tables_of(len(plan.columns), max(2, w.size // w.hash.buckets))


def program_of(net: phases.Net) -> np.ndarray:
    """The phases: what, layer, parts."""
    layers = range(len(net.at))
    program = [(phases.FORWARD, layer, net.counts[layer, 0]) for layer in layers]
    program.append((phases.LOSS, layers[-1], 1))
    for layer in reversed(layers):
        apart, parts = net.counts[layer, 2] == 0, net.counts[layer, 2] or net.counts[layer, 1]
        program += [(phases.CLEAR, layer, 2)] if apart else []
        program += [(phases.BACKWARD, layer, parts), (phases.MERGE, layer, 2)]
    return np.array([*program, (phases.UPDATE, 0, 2)], np.int64)


@cache
def dealing() -> dict[str, Callable] | None:
    """What the loops call to deal parts; None where the system has no such lock."""
    from numba import config, types

    if config.DISABLE_JIT:
        return dict.fromkeys(("trylock", "unlock", "give_way"), alone)
    library = ctypes.CDLL(None) if os.name == "posix" else None
    needed = "pthread_mutex_init", "pthread_mutex_trylock", "pthread_mutex_unlock", "sched_yield"
    if not blas.available() or not all(hasattr(library, name) for name in needed):
        return None
    mutex = types.intc(types.voidptr)
    return {
        "trylock": types.ExternalFunction("pthread_mutex_trylock", mutex),
        "unlock": types.ExternalFunction("pthread_mutex_unlock", mutex),
        "give_way": types.ExternalFunction("sched_yield", types.intc()),
    }


def fresh_mutex() -> np.ndarray:
    """A lock of the system's. Each step has its own: a fork in its middle leaves none locked."""
    mutex = np.zeros(16, np.int64)  # more bytes than any system's
    if os.name == "posix":
        begin_mutex()(mutex.ctypes.data, None)
    return mutex


@cache
def begin_mutex() -> Callable:
    init = ctypes.CDLL(None).pthread_mutex_init
    init.argtypes = ctypes.c_void_p, ctypes.c_void_p
    return init


@cache
def compiled_for(
    forward: Callable, backward: Callable, bodies: tuple[Callable, Callable] | None, dtype: np.dtype
) -> Callable:
    """`phases.advance` for the products of a hash and an activation."""
    known: dict = {"tiles": forward, "tiles_back": backward, "real": dtype.type, **dealing()}
    known |= {"normalise": columns.loop(columns.forward)}
    known |= {"normalise_back": columns.loop(columns.backward)}
    known |= {"column_sums": columns.loop(columns.column_sums)}
    known |= {"cross_entropy": losses.loop_of(dtype)}
    f, f_backward = bodies or (same, same_back)
    known["activate"] = kernel(TEMPLATES[1], dtype, f=f)
    known["activate_back"] = kernel(TEMPLATES[2], dtype, f=f_backward)
    label = f"{forward.__name__}, {f.__module__}.{f.__qualname__}, {dtype}"
    for name in LOOPS:
        known[name] = njit_within(bound(getattr(phases, name), f"{name}<{label}>", **known))
    return compiled(bound(phases.advance, f"advance<{label}>", **known), njit)


def alone(*_):
    """For one thread, which waits for none."""
    return 0


def same(x):
    return x


def same_back(y, dy):
    return dy
