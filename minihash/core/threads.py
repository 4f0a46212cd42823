"""Threads: a fixed list of parts, done by any number of workers.

What is computed is cut into parts by the size of the problem alone, and each part is computed by
one worker, with BLAS held to one thread: so the number of threads changes when a part is done, not
its bits. The kernels release the GIL; the workers are plain Python threads, which nest safely,
survive a fork and do not fight with BLAS over the cores, as the threading layers of Numba do. Where
no thread can be started, the caller does all parts itself. How one waits for another: signals.py.

Without threadpoolctl BLAS keeps the threads it has: results are then the same from run to run, but
bits of real numbers may depend on how many those are, unless OPENBLAS_NUM_THREADS=1 (or the like of
another BLAS) holds it to one.
"""

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar, copy_context
from functools import cache, partial
from typing import Any, TypeVar

import numpy as np

try:
    from threadpoolctl import ThreadpoolController
except ImportError:
    ThreadpoolController = None

from minihash.core.signals import Signal

Result = TypeVar("Result")
_lock = threading.Lock()
_threads: int | None = None
settled: ContextVar[int | None] = ContextVar("threads", default=None)
_idle: list["Worker"] = []
_busy = 0  # workers with a job
_holders = 0
_before: list[tuple[Any, int]] = []


def get_threads() -> int:
    """How many threads work: as set by `set_threads`, or one for each core this process may use,
    or at most MINIHASH_NUM_THREADS of these; without that, at most NUMBA_NUM_THREADS, by which
    joblib tells each of its workers its share."""
    if _threads is not None:
        return _threads
    if (number := settled.get()) is not None:
        return number
    names = "MINIHASH_NUM_THREADS", "NUMBA_NUM_THREADS"
    name, asked = next(((n, v) for n in names if (v := os.environ.get(n))), ("", ""))
    fair = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if fair else os.cpu_count() or 1
    if not asked:
        return cores
    if not asked.isdecimal() or int(asked) < 1:
        raise ValueError(f"{name} must be a positive integer, got {asked!r}; unset or correct it")
    return min(int(asked), cores)


def set_threads(n: int | None) -> None:
    """Let n threads work (None: back to the default). Results do not depend on it.

    >>> set_threads(2); get_threads()
    2
    >>> set_threads(None)
    """
    global _threads
    if n is not None and (isinstance(n, bool) or not isinstance(n, int) or n < 1):
        raise ValueError(f"the number of threads must be a positive integer, got {n!r}")
    _threads = n


@contextmanager
def use_threads(n: int | None) -> Iterator[None]:
    """Let n threads work within this block (None: leave the choice as it is)."""
    before = _threads
    if n is not None:
        set_threads(n)
    try:
        yield
    finally:
        if n is not None:
            set_threads(before)


def run(parts: list[Callable[[], None]]) -> None:
    """Do all parts, each once, each with BLAS on one thread. The first error is raised again.

    Sums that overflow become infinities without a warning, in whichever thread they are.
    """

    def quietly(part: Callable[[], None]) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            part()

    with blas_on_one_thread():
        run_kernels([partial(quietly, part) for part in parts])


def run_kernels(parts: list[Callable[[], None]]) -> None:
    """`run`, for parts that are compiled loops, which warn of nothing, and take no BLAS of NumPy's.
    Workers see the caller's context: its backend."""
    if len(parts) == 1:
        return parts[0]()
    left = iter(parts)  # next() on a list iterator is atomic: each part goes to one worker

    def work() -> None:
        for part in left:
            part()

    hired = _hired(min(get_threads(), len(parts)) - 1)
    jobs = [Job(work) for _ in hired]
    for worker, job in zip(hired, jobs, strict=True):
        worker.begin(job)
    try:
        work()
    finally:
        try:
            for worker in hired:
                worker.end()
        finally:  # also where Ctrl-C ends the wait: a worker answers every call, if late
            _let_go(hired)
    for job in jobs:
        if job.error is not None:
            raise job.error


def blocks(size: int, most: int) -> Iterator[slice]:
    """0 .. size cut into the fewest nearly equal slices of at most `most`.

    >>> list(blocks(10, 4))
    [slice(0, 3, None), slice(3, 6, None), slice(6, 10, None)]
    """
    return split(size, -(-size // most))


def split(size: int, count: int) -> Iterator[slice]:
    """0 .. size cut into `count` nearly equal slices."""
    for k in range(count):
        yield slice(size * k // count, size * (k + 1) // count)


def together(calls: list[Callable[[], Result]]) -> list[Result]:
    """What the calls return, each done by one thread.

    >>> together([lambda: 1, lambda: 2])
    [1, 2]
    """
    results: list = [None] * len(calls)

    def one(k: int) -> None:
        results[k] = calls[k]()

    run([partial(one, k) for k in range(len(calls))])
    return results


class Job:
    """What a worker is asked to do, and the error it ended with."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.context, self.work = copy_context(), work
        self.error: BaseException | None = None

    def do(self) -> None:
        try:
            self.context.run(self.work)
        except BaseException as error:
            self.error = error


class Worker:
    """A thread that does one job after another. It answers every call, if by then the job is gone
    too: so it can be called again before it has noticed."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []  # its methods are atomic
        self.calls, self.called, self.answered = 0, Signal(), Signal()
        threading.Thread(target=self._serve, name="minihash", daemon=True).start()

    def begin(self, job: Job) -> None:
        self.jobs.append(job)
        self.calls += 1
        self.called.send()

    def end(self) -> None:
        """Wait for the job, unless it has not begun: then there is nothing left for it to do."""
        if self.jobs:
            with suppress(IndexError):
                self.jobs.pop()
                return
        self.answered.wait(self.calls)

    def _serve(self) -> None:
        self.called.wait(1)
        for count in itertools.count(2):
            with suppress(IndexError):
                self.jobs.pop().do()
            self.called.wait_after(self.answered, count)


def _hired(count: int) -> list[Worker]:
    """So many workers, or as many as there are still to be had: all callers together have no more
    than there are threads beside one of them."""
    global _busy
    hired: list[Worker] = []
    if count > 0:
        with _lock:
            for _ in range(min(count, get_threads() - 1 - _busy)):
                try:
                    hired.append(_idle.pop() if _idle else Worker())
                except RuntimeError:  # the system has no thread left: the caller does the work
                    break
            _busy += len(hired)
    return hired


def _let_go(workers: list[Worker]) -> None:
    global _busy
    if workers:
        with _lock:
            _busy -= len(workers)
            _idle.extend(workers)


class blas_on_one_thread:
    """Hold every BLAS of the process to one thread; the last one out restores what it found."""

    def __enter__(self) -> None:
        global _holders
        with _lock:
            if _holders == 0:
                _before[:] = [(library, library.get_num_threads()) for library in _blas()]
                for library, _ in _before:
                    library.set_num_threads(1)
            _holders += 1

    def __exit__(self, *_: object) -> None:
        global _holders
        with _lock:
            _holders -= 1
            if _holders == 0:
                for library, threads in _before:
                    library.set_num_threads(threads)


@cache
def _blas() -> tuple:
    if ThreadpoolController is None:
        return ()
    return tuple(ThreadpoolController().select(user_api="blas").lib_controllers)


def _after_fork() -> None:
    global _lock, _busy, _holders
    _lock, _busy, _holders = threading.Lock(), 0, 0
    _idle.clear()  # a child has the thread that forked, and no other


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
