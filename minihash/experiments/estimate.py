"""How long a grid takes on this machine: some steps of some of its runs are timed.

    time of a run ~ epochs (steps an epoch * time of a step + time of a test)
    time of all   ~ sum over the runs / processes

At most `SAMPLES` different runs are timed, evenly spread over the grid, and others taken for their
mean. Processes share caches, memory and often cores: a step that takes 0.8 ms alone can take 1.2
beside another. So a run is timed beside as many that do the same as there will be. A slow network
gets fewer steps and one try, and no network is tested on all examples: who asks is waiting.
"""

import multiprocessing
import os
import signal
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import TypeVar

from minihash import core
from minihash.data import Dataset, Text
from minihash.experiments.grid import seedless
from minihash.experiments.outcome import Loaded, orphaned, source
from minihash.experiments.processes import Data, cores, fork_is_safe
from minihash.runs.config import Config
from minihash.runs.machine import machine
from minihash.runs.train import begun

SAMPLES, STEPS, TRIES, TESTED = 5, 20, 3, 1000  # at most: runs, steps, tries, examples
ENOUGH = 1.0  # seconds of steps, and of tries

Item = TypeVar("Item")


def estimate(configs: Sequence[Config], data: Data, workers: int | None = None) -> float:
    """Seconds that the runs take, in so many processes (None: a core each).

    >>> from minihash.experiments.sweep import loaded
    >>> runs = [Config(hidden=(9,), epochs=epochs) for epochs in (1, 2)]
    >>> 0 < estimate(runs, loaded(runs)) < 60
    True
    """
    kinds = list({seedless(replace(c, epochs=None)): c for c in configs}.values())
    chosen = kinds[:: -(-len(kinds) // SAMPLES) or 1]
    together = min(workers or cores(), cores(), max(len(configs), 1))
    timed = {}
    for config in chosen:
        loaded = data[source(config)]
        epoch(config, loaded)  # compiles, before others are forked
        with company(config, loaded, together - 1):
            tries = (epoch(config, loaded) for _ in range(TRIES))  # until each has its core
            timed[seedless(replace(config, epochs=None))] = min(within(tries, ENOUGH))
    mean = sum(timed.values()) / max(len(timed), 1)
    each = [timed.get(seedless(replace(c, epochs=None)), mean) * (c.epochs or 1) for c in configs]
    return max(sum(each) / together, max(each, default=0.0))


@contextmanager
def company(config: Config, loaded: Loaded, count: int) -> Iterator[None]:
    """So many processes that do the same within this block, where processes can be forked."""
    others = []
    if fork_is_safe([config]):
        context = multiprocessing.get_context("fork")
        others = [context.Process(target=_again, args=(config, loaded)) for _ in range(count)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which BLAS has
        for process in others:
            process.start()
    try:
        yield
    finally:
        for process in others:
            process.kill()
            process.join()


def _again(config: Config, loaded: Loaded) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is the parent's to answer
    parent = os.getppid()
    while not orphaned(parent):
        epoch(config, loaded)


def epoch(config: Config, loaded: Loaded) -> float:
    """Seconds of one epoch and the test after it, on one thread. A teacher, who may not have learnt
    yet, answers once in a run: it is left out."""
    config = replace(config, teacher=None, temperature=None, mix=None)
    with machine(config.backend, 1), core.steady():
        run, data, _ = begun(config, *loaded)
        steps = run.initial.learn(run.state, data)
        seen = [next(steps)]  # which may compile
        then = time.perf_counter()
        seen += within(islice(steps, STEPS), ENOUGH)
        a_step = (time.perf_counter() - then) / max(len(seen) - 1, 1)
        state, report = seen[-1]
        some, times = part_of_test(data)
        then = time.perf_counter()
        replace(run.initial, params=state.params).measure(some)
        return report["batches"] * a_step + times * (time.perf_counter() - then)


def within(items: Iterable[Item], seconds: float) -> Iterator[Item]:
    """Items as they come, until so many seconds have passed; at least one.

    >>> list(within(iter("abc"), 0.0))
    ['a']
    """
    end = time.perf_counter() + seconds
    for item in items:
        yield item
        if time.perf_counter() > end:
            return


def part_of_test(data: Dataset | Text) -> tuple[Dataset | Text, float]:
    """The data with fewer examples to test with, and how many times as many there are.

    >>> from minihash.data import load
    >>> part_of_test(load("digits"))[1]
    1.0
    """
    if isinstance(data, Text):
        return data, 1.0
    x, y = data.x_test[:TESTED], data.y_test[:TESTED]
    return replace(data, x_test=x, y_test=y), len(data.x_test) / len(x)
