"""How one thread waits for another.

A thread that sleeps takes some 50 us to begin again, as long as a small product takes in all. So
whoever waits looks again and again for a while first, in compiled code without the interpreter's
lock, and gives up its core between two looks to any thread that wants it; then it sleeps. Without
Numba, or on a system without `sched_yield`, it sleeps at once.

Two threads that look by turns on one core would stay there, since the system does not move a thread
that has just run. One that sleeps is woken on a core that is free: so a worker that finds itself on
its caller's core sleeps at once.

A thread that wants the interpreter's lock while another has it sleeps too, for 20 us. So a worker
answers from compiled code, when it has given the lock away; and it lets a caller that has just
called it go on for a moment, into a kernel of its own, before it asks for the lock.
"""

import ctypes
import os
import threading
from collections.abc import Callable
from functools import cache

import numpy as np

LOOKS = 1000  # some 0.2 ms: longer than the work of one thread between two parts of a training step
MOMENT = 20  # looks: some 5 us


class Signal:
    """A count of the times that one thread `send`s it.

    >>> done = Signal()
    >>> worker = threading.Thread(target=done.send)
    >>> worker.start()
    >>> done.wait(1)
    """

    def __init__(self) -> None:
        self.count = np.array([0, -1], np.int64)  # and the core of the thread that waits for it
        self.sleeping = False
        self.condition = threading.Condition()

    def send(self) -> None:
        """Let those go on that wait for the count that this makes."""
        self.count[0] += 1
        self._wake()

    def wait(self, count: int) -> None:
        """Return once it was sent `count` times in all."""
        if not looks()(self.count, count, LOOKS, 0, np.array([0, -1], np.int64)):
            self._sleep(count)

    def wait_after(self, other: "Signal", count: int) -> None:
        """`other.send()`, and then wait for this one. Return a moment after it was sent."""
        seen = looks()(self.count, count, LOOKS, MOMENT, other.count)
        other._wake()
        if not seen:
            self._sleep(count)

    def _wake(self) -> None:
        if self.sleeping:  # set before the count is looked at, so that none sleeps through this
            with self.condition:
                self.condition.notify_all()

    def _sleep(self, count: int) -> None:
        with self.condition:
            self.sleeping = True
            self.condition.wait_for(lambda: self.count[0] >= count)
            self.sleeping = False


@cache
def looks() -> Callable:
    """The compiled `look`, or the plain one, without a look."""
    from minihash.compile.body import bound, compiled
    from minihash.compile.jit import HAVE_NUMBA, njit  # Numba, which not every process wants

    if not HAVE_NUMBA or not hasattr(os, "sched_yield"):
        return blind
    from numba import config, types

    if config.DISABLE_JIT:
        return blind
    names = {"give_way": types.ExternalFunction("sched_yield", types.intc())}
    if hasattr(ctypes.CDLL(None), "sched_getcpu"):
        names["core"] = types.ExternalFunction("sched_getcpu", types.intc())
    return compiled(bound(look, f"look{len(names)}", **names), njit)


def core():
    """On a system that does not say: none, and none is another's."""
    return -1


def look(seen, count, times, moment, sent):
    """Count `sent`; return whether seen[0] reached `count` at one of so many looks."""
    sent[0] += 1
    seen[1] = core()
    for _ in range(times):
        if seen[0] >= count:
            for _ in range(moment):
                give_way()  # noqa: F821  bound by `looks`
            return True
        if 0 <= core() == sent[1]:
            return False
        give_way()  # noqa: F821  after it `seen` is read anew: another thread may have written it
    return False


def blind(seen, count, times, moment, sent):
    sent[0] += 1
    return bool(seen[0] >= count)
