"""Threads: a fixed list of parts, done by any number of workers.

What is computed is cut into parts by the size of the problem alone, and each part is computed by
one worker, with BLAS held to one thread: so the number of threads changes when a part is done, not
its bits. The kernels release the GIL; the workers are plain Python threads, which nest safely,
survive a fork and do not fight with BLAS over the cores, as the threading layers of Numba do. Where
no thread can be started, the caller does all parts itself.

Without threadpoolctl BLAS keeps the threads it has: results are then the same from run to run, but
bits of real numbers may depend on how many those are, unless OPENBLAS_NUM_THREADS=1 (or the like of
another BLAS) holds it to one.
"""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache, partial
from typing import Any, TypeVar

import numpy as np

try:
    from threadpoolctl import ThreadpoolController
except ImportError:
    ThreadpoolController = None

Result = TypeVar("Result")
_lock = threading.Lock()
_threads: int | None = None
_pool: ThreadPoolExecutor | None = None
_holders = 0
_before: list[tuple[Any, int]] = []


def get_threads() -> int:
    """How many threads work: as set by `set_threads`, or one for each core this process may use,
    or at most MINIHASH_NUM_THREADS of these."""
    if _threads is not None:
        return _threads
    asked = os.environ.get("MINIHASH_NUM_THREADS", "")
    fair = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if fair else os.cpu_count() or 1
    if not asked:
        return cores
    if not asked.isdecimal() or int(asked) < 1:
        raise ValueError(
            f"MINIHASH_NUM_THREADS must be a positive integer, got {asked!r}; unset or correct it"
        )
    return min(int(asked), cores)


def set_threads(n: int | None) -> None:
    """Let n threads work (None: back to the default). Results do not depend on it.

    >>> set_threads(2); get_threads()
    2
    >>> set_threads(None)
    """
    global _threads, _pool
    if n is not None and (isinstance(n, bool) or not isinstance(n, int) or n < 1):
        raise ValueError(f"the number of threads must be a positive integer, got {n!r}")
    with _lock:
        _threads = n
        _pool = None  # workers of the old pool end once it is idle and forgotten


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
    with blas_on_one_thread():
        run_kernels(parts)


def run_kernels(parts: list[Callable[[], None]]) -> None:
    """`run`, for parts that do not call BLAS. Workers see the caller's context: its backend."""
    left = iter(parts)  # next() on a list iterator is atomic: each part goes to one worker

    def work() -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            for part in left:
                part()

    helpers = min(get_threads(), len(parts)) - 1
    waiting: list[Future] = []
    try:
        for _ in range(helpers):
            waiting.append(Future())
            try:
                _get_pool().submit(_keep, waiting[-1], partial(copy_context().run, work))
            except RuntimeError:  # no thread can be started; who is there already may still come
                break
        work()
    finally:
        # What has not begun by now has nothing left to do, and may wait for this very thread.
        begun = [future for future in waiting if not future.cancel()]
        for future in begun:
            future.exception()
    for future in begun:
        future.result()


def _keep(future: Future, work: Callable[[], None]) -> None:
    """Do the work, unless it was called off, and let the future tell of its end."""
    if future.set_running_or_notify_cancel():
        try:
            work()
            future.set_result(None)
        except BaseException as error:
            future.set_exception(error)


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


def _get_pool() -> ThreadPoolExecutor:
    global _pool
    with _lock:
        if _pool is None:
            # The calling thread works too.
            _pool = ThreadPoolExecutor(max(get_threads() - 1, 1), "minihash")
        return _pool


@contextmanager
def blas_on_one_thread() -> Iterator[None]:
    """Hold every BLAS of the process to one thread; the last one out restores what it found."""
    global _holders
    with _lock:
        if _holders == 0:
            _before[:] = [(library, library.get_num_threads()) for library in _blas()]
            for library, _ in _before:
                library.set_num_threads(1)
        _holders += 1
    try:
        yield
    finally:
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
    global _lock, _pool, _holders
    _lock, _pool, _holders = threading.Lock(), None, 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
