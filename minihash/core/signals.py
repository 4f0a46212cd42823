"""How one thread waits for another.

A thread that sleeps takes some 50 us to begin again, as long as a small product takes in all. So
whoever waits looks again and again for a while first, in compiled code without the interpreter's
lock, and gives up its core between two looks to any thread that wants it; then it sleeps. Without
Numba, or on a system without `sched_yield`, it sleeps at once.

Only a hint is read without the lock. What a thread does next it finds under the lock, which orders
all that was written before.
"""

import os
import threading
from collections.abc import Callable
from functools import cache

import numpy as np

from minihash.compile.body import bound, compiled
from minihash.compile.jit import HAVE_NUMBA, njit

LOOKS = 400  # some 0.2 ms: longer than the work of one thread between two parts of a training step


class Signal:
    """A count of the times that one thread `send`s it.

    >>> done = Signal()
    >>> worker = threading.Thread(target=done.send)
    >>> worker.start()
    >>> done.wait(1)
    """

    def __init__(self) -> None:
        self.count = np.zeros(1, np.int64)
        self.sleeping = False
        self.condition = threading.Condition()

    def send(self) -> None:
        """Let those go on that wait for the count that this makes."""
        self.count[0] += 1
        if self.sleeping:  # set before the count is read, so that none sleeps through this
            with self.condition:
                self.condition.notify_all()

    def wait(self, count: int) -> None:
        """Return once it was sent `count` times in all."""
        if self.count[0] >= count or looks()(self.count, count, LOOKS):
            return
        with self.condition:
            self.sleeping = True
            self.condition.wait_for(lambda: self.count[0] >= count)
            self.sleeping = False


@cache
def looks() -> Callable:
    """The compiled `look`, or one that has seen nothing."""
    if not HAVE_NUMBA or not hasattr(os, "sched_yield"):
        return lambda seen, count, times: False
    from numba import config, types

    if config.DISABLE_JIT:
        return lambda seen, count, times: False
    give_way = types.ExternalFunction("sched_yield", types.intc())
    return compiled(bound(look, "look", give_way=give_way), njit)


def look(seen, count, times):
    """Whether seen[0] reached `count` at one of so many looks."""
    for _ in range(times):
        if seen[0] >= count:
            return True
        give_way()  # noqa: F821  bound by `looks`; what is outside may write: it is read anew
    return False
