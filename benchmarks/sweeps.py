"""Many small runs: eight of the 4,000 embedded digits, on two cores and one by one on one.

    python -m benchmarks.sweeps [--json FILE] [--rounds N]

Every run is a process, forked from one that has the package and the data loaded, and has one
thread, and whole steps (training/whole.py), compiled beforehand. On two cores there are two at a
time, as `minihash sweep` has them, or all eight at once, which share caches. Verified: each ends
with the bits of a run by itself. Memory is what a run shares with no other process. Beside it the
machine's own limit: as many processes that multiply matrices of these sizes by BLAS, and do nothing
else.
"""

import argparse
import hashlib
import os
import select
import sys
from collections import deque
from collections.abc import Callable

import numpy as np

from benchmarks.measure import Table, alternate, ratio
from minihash import core
from minihash.data import Dataset, load
from minihash.networks.arbnet import arbnet
from minihash.training import Training, start, steps, whole

RUNS, EPOCHS = 8, 5


def run(seed: int, data: Dataset) -> bytes:
    """A digest of the parameters that a run ends with."""
    network, training = arbnet((784, 200, 200, 10), seed=seed), Training(EPOCHS, seed=seed)
    examples = data.x_train, data.y_train, data.standardiser()
    every = steps(network, training, start(network, training), *examples)
    [(state, _)], digest = deque(every, maxlen=1), hashlib.sha256()
    for name in sorted(state.params):
        digest.update(state.params[name].tobytes())
    return digest.digest()


def multiply(seed: int, data: Dataset) -> bytes:
    """As many products of the first layer as a run has steps, forward and backward."""
    rng = np.random.default_rng(seed)
    x, V, dy = (rng.standard_normal(s, np.float32) for s in ((50, 784), (784, 200), (50, 200)))

    def products() -> None:
        for _ in range(EPOCHS * len(data.x_train) // len(x)):
            np.matmul(x, V)
            np.matmul(x.T, dy)

    core.run([products])  # BLAS on one thread
    return hashlib.sha256().digest()


def forked(
    seed: int, data: Dataset, cores: set[int], work: Callable[[int, Dataset], bytes] = run
) -> tuple[int, int]:
    """A process on these cores: its number, and where its digest and bytes can be read."""
    read, write = os.pipe()
    child = os.fork()
    if child:
        os.close(write)
        return child, read
    os.sched_setaffinity(0, cores)
    core.set_threads(1)
    os.write(write, work(seed, data) + own_memory().to_bytes(8, "little"))
    os._exit(0)


def own_memory() -> int:
    """Bytes of this process that no other has."""
    with open("/proc/self/smaps_rollup") as file:
        lines = [line.split() for line in file if line.startswith("Private_")]
    return sum(int(kilobytes) for _, kilobytes, _ in lines) * 1024


def results(
    data: Dataset, cores: set[int], most: int, work: Callable[[int, Dataset], bytes] = run
) -> list[tuple[bytes, int]]:
    """The digest and the bytes of each run, of which so many are done at a time."""
    waiting, found = deque(range(RUNS)), {}
    running: dict[int, tuple[int, int]] = {}
    while waiting or running:
        while waiting and len(running) < most:
            child, read = forked(waiting[0], data, cores, work)
            running[read] = waiting.popleft(), child
        for read in select.select([*running], [], [])[0]:
            seed, child = running.pop(read)
            with os.fdopen(read, "rb") as pipe:
                text = pipe.read()
            os.waitpid(child, 0)
            found[seed] = text[:-8], int.from_bytes(text[-8:], "little")
    return [found[seed] for seed in range(RUNS)]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", metavar="FILE", help="write the table there")
    parser.add_argument("--rounds", type=int, default=7, help="timed rounds (default 7)")
    options = parser.parse_args(arguments)
    table = Table("benchmarks.sweeps")
    cores = sorted(os.sched_getaffinity(0))[:2] if hasattr(os, "sched_getaffinity") else []
    if len(cores) < 2 or not os.path.exists("/proc/self/smaps_rollup"):
        print("two cores and Linux are needed: nothing was timed")
        return table.finish(options.json)
    data = load("digits")
    whole.PAYS = 0
    with core.use_threads(1):
        alone = [run(seed, data) for seed in range(RUNS)]
    largest = 0

    def checked(cores: set[int], most: int) -> None:
        nonlocal largest
        found = results(data, cores, most)
        if [digest for digest, _ in found] != alone:
            raise SystemExit(f"{most} runs at a time end with other bits than one by itself")
        largest = max(largest, *(size for _, size in found))

    def add(what: str, times: dict[str, list[float]], name: str, target: float | None) -> None:
        middle, *spread = ratio(times[name], times["one by one"])
        note = f"{np.median(times[name]):.2f} s beside {np.median(times['one by one']):.2f} s"
        table.add(what, middle, target, tuple(spread), note=note)

    sides = {
        "two at a time": lambda: checked({*cores}, 2),
        "all at once": lambda: checked({*cores}, RUNS),
        "one by one": lambda: checked({cores[0]}, 1),
    }
    times = alternate(sides, options.rounds)
    for name in ("two at a time", "all at once"):
        add(f"{RUNS} runs {name} on two cores / one by one on one", times, name, 1 / 1.9)
    sides = {
        "two at a time": lambda: results(data, {*cores}, 2, multiply),
        "one by one": lambda: results(data, {cores[0]}, 1, multiply),
    }
    times = alternate(sides, options.rounds)
    add("two at a time, of products alone", times, "two at a time", None)
    table.add("memory of a run that no other has", largest / 2**20, 30, unit="MB")
    return table.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())
