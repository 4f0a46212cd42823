"""Many runs on one machine: processes of one thread each, never more than there are cores.

Runs are independent, so that a core a run wastes nothing, while the threads of one small run wait
for each other. A process takes one run after another. Data and kernels are made ready once:

    fork     where it is safe, on Linux and without other threads, all is there already: the data
             are shared, compiled kernels too, and to replace a process costs milliseconds
    spawn    elsewhere: another thread may hold a lock at the moment of a fork, and the BLAS of
             macOS and a GPU do not survive one. The data are in a file that all map

Each process has a pipe of its own: a queue that all share has a lock, which one that is killed may
hold. One that dies gives its run back; a run that dies `TRIES` times is given up, with what killed
it. A process whose parent has died stops at its next step.
"""

import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from pathlib import Path

from minihash.experiments.mapped import Mapped
from minihash.experiments.outcome import Abandoned, Loaded, Source, orphaned, outcome, source
from minihash.runs.config import Config

TRIES = 3
TICK = 0.2  # seconds between two looks at `stopped`

Data = Mapping[Source, Loaded]
Result = tuple[Config, dict | str]  # a record, or why there is none


def cores() -> int:
    """Those that this process may use.

    >>> cores() >= 1
    True
    """
    fair = hasattr(os, "sched_getaffinity")
    return len(os.sched_getaffinity(0)) if fair else os.cpu_count() or 1


def in_processes(
    configs: Sequence[Config],
    data: Data,
    stopped: Callable[[], bool] = lambda: False,
    workers: int | None = None,
    imports: Sequence[str] = (),
) -> Iterator[Result]:
    """The result of each run, as they come; it ends early, and the runs at hand with it, once
    `stopped` says so.

    data: by `source`. workers: at most so many processes (None: a core each). imports: modules that
    register hashes, for processes that are not forked.
    """
    waiting, tries = deque(configs), dict.fromkeys(map(id, configs), 0)
    most = min(workers or cores(), cores(), len(configs))
    with tempfile.TemporaryDirectory(prefix="minihash-") as folder:
        begin = _forked(data) if fork_is_safe(configs) else _spawned(data, Path(folder), imports)
        staff: dict[Connection, _Worker] = {}
        try:
            while (waiting or staff) and not stopped():
                while waiting and len(staff) < most:
                    worker = begin()
                    staff[worker.pipe] = worker
                    worker.give(waiting.popleft())
                for pipe in wait([*staff], TICK):
                    worker = staff[pipe]
                    config, result = worker.taken, worker.result()
                    assert config is not None
                    if result is None:
                        del staff[worker.pipe]
                        tries[id(config)] += 1
                        if tries[id(config)] < TRIES:
                            waiting.appendleft(config)
                            continue
                        result = f"its process died {TRIES} times, {worker.death()}"
                    elif waiting:
                        worker.give(waiting.popleft())
                    else:
                        staff.pop(worker.pipe).end()
                    yield config, result
        finally:
            for worker in staff.values():
                worker.end()


class _Worker:
    """A process and this end of its pipe. taken: the run that it is at."""

    def __init__(self, context: BaseContext, data: object, imports: Sequence[str] = ()) -> None:
        self.taken: Config | None = None
        self.pipe, other = context.Pipe()
        arguments = (other, data, os.getpid(), tuple(imports))
        self.process = context.Process(target=_serve, args=arguments, daemon=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which BLAS has
            self.process.start()
        other.close()  # what is left is the process's own: its death ends the pipe

    def give(self, config: Config) -> None:
        self.taken = config
        with suppress(OSError):  # it has died already: the pipe's end says so
            self.pipe.send(config)

    def result(self) -> dict | str | None:
        """What came of the run; None if the process has died."""
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            self.end()
            return None

    def end(self) -> None:
        self.process.terminate()
        self.process.join()
        self.pipe.close()

    def death(self) -> str:
        """What it died of."""
        code = self.process.exitcode or 0
        if code >= 0:
            return f"with status {code}"
        hint = ", as the system does when memory runs out" if -code == 9 else ""
        return f"by signal {-code}{hint}"


def _forked(data: Data) -> Callable[[], _Worker]:
    context = multiprocessing.get_context("fork")
    return lambda: _Worker(context, data)


def _spawned(data: Data, folder: Path, imports: Sequence[str]) -> Callable[[], _Worker]:
    mapped = Mapped(dict(data), folder / "arrays")
    context = multiprocessing.get_context("spawn")
    return lambda: _Worker(context, mapped, imports)


def fork_is_safe(configs: Sequence[Config]) -> bool:
    """The threads of the core survive a fork (core/threads.py); of others nothing is known."""
    others = [thread for thread in threading.enumerate() if thread.name != "minihash"]
    backends = {config.backend or os.environ.get("MINIHASH_BACKEND") for config in configs}
    return sys.platform == "linux" and len(others) == 1 and "cuda" not in backends


def _serve(pipe: Connection, data: object, parent: int, imports: Sequence[str]) -> None:
    """A process: one run after another, until the pipe ends. Ctrl-C is its parent's to answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    warnings.simplefilter("ignore")  # what there is to say of a run its record says
    for name in imports:
        import_module(name)
    sets = data.get() if isinstance(data, Mapped) else data
    with suppress(EOFError, OSError, Abandoned):
        while True:
            # The end of the pipe does not say it: forked processes have their parent's ends too.
            while not pipe.poll(TICK):
                if orphaned(parent):
                    return
            config = pipe.recv()
            try:
                result: dict | str = outcome(
                    config, sets[source(config)], lambda: not orphaned(parent)
                )
            except Abandoned:
                raise
            except Exception as error:
                result = f"{type(error).__name__}: {error}"
            pipe.send(result)
