"""The gather / scatter-add core: forward + backward of one hashed layer, beside what it replaces.

    python -m benchmarks.core [--json FILE] [--rounds N] [--only GROUP]

Layer 2000 x 2000, batch 128, float32, unless a row says otherwise; forward and backward give y, dx
and the gradient. Beside it, in the same run and on the same threads, what `core_cases` names. Each
result is verified against float64 before anything is timed.
"""

import argparse
import os
import sys
import threading
import time
from collections.abc import Callable
from functools import lru_cache, partial
from unittest.mock import patch

import numpy as np

from benchmarks.core_cases import Layer, N
from benchmarks.measure import Table, alternate, printed, ratio
from minihash import core
from minihash.core import threads
from minihash.core.numba import parts
from minihash.core.numba import products as numba_products
from minihash.hashes import Dirichlet, Hash, Modulus, Neighborhood, Roast, Robe, Uniform

NAME = "benchmarks.core"
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read by PyTorch; see benchmarks/__init__.py
FIRST = Uniform(N * N // 10, signed=True)
# what, hash, beside what: at most how often its time
CASES: list[tuple[str, Hash, dict[str, float]]] = [
    ("uniform, signed, table 10 %", FIRST, {"dense": 1.45, "PyTorch": 0.35}),
    ("uniform, signed, table 1 %", Uniform(N * N // 100, signed=True), {"dense": 1.3}),
    ("uniform, signed, table 100 %", Uniform(N * N, signed=True), {"dense": 3.0}),
    ("neighborhood, radius 100", Neighborhood(N * N // 10, 100), {"dense": 1.3}),
    ("dirichlet, alpha 1", Dirichlet(N * N // 10, 1.0), {"dense": 1.9}),
    ("robe, block 32", Robe(N * N // 10), {"dense": 1.1}),
    ("robe, block 32, signed", Robe(N * N // 10, signed=True), {"dense": 1.1}),
    ("roast, tile 4 x 40", Roast(N * N // 10, N, (4, 40)), {"dense": 1.1}),
    ("modulus, n = 400,001", Modulus(400_001), {"dense": 1.1}),
    ("modulus, n = 2,003", Modulus(2_003), {"dense": 1.1}),
    ("neighborhood, radius 0, n = 400,001", Neighborhood(400_001, 0), {"dense": 1.1}),
    ("modulus, n = 200 fan_in", Modulus(200 * N), {"dense": 0.2}),
    ("modulus, n = 500", Modulus(500), {"dense": 0.4}),
]
# the same, of a forward pass of one example
SINGLE: list[tuple[str, Hash, dict[str, float]]] = [
    ("batch 1, forward, uniform, table 40,000", Uniform(40_000), {"PyTorch": 0.35}),
    ("batch 1, forward, modulus, n = 400,001", Modulus(400_001), {"dense": 1.1}),
]
# the same, of other batches and sizes
LARGE: list[tuple[str, Hash, int, int, dict[str, float]]] = [
    ("batch 1,024, uniform, signed", FIRST, 1024, N, {"dense": 1.25, "PyTorch": 1.0}),
    ("batch 1,024, modulus, n = 400,001", Modulus(400_001), 1024, N, {"dense": 1.1}),
    ("8000 x 8000, uniform, signed", Uniform(6_400_000, signed=True), 128, 8000, {"dense": 3.2}),
]
QUIET = 0.15  # seconds after which threads that spin have given up
layer_of = lru_cache(maxsize=1)(Layer)  # so that groups of one layer verify against one V


def products(table: Table, rounds: int) -> None:
    for what, hash_, targets in CASES:
        layer = layer_of(hash_)
        layer.verify(layer.ours())
        makers = {"dense": layer.dense, "PyTorch": layer.pytorch}
        times = alternate({"ours": layer.ours} | {k: makers[k]() for k in targets}, rounds)
        compare(table, what, times, targets)


def large(table: Table, rounds: int) -> None:
    for what, hash_, batch, size, targets in LARGE:
        layer = Layer(hash_, batch, size)
        (layer.verify if size <= N else layer.verify_rows)(layer.ours())
        makers = {"dense": layer.dense, "PyTorch": layer.pytorch}
        sides = {"ours": layer.ours} | {k: makers[k]() for k in targets}
        compare(table, what, alternate(sides, rounds if size <= N else 5), targets)


def inference(table: Table, rounds: int) -> None:
    for what, hash_, targets in SINGLE:
        layer = Layer(hash_, batch=1)
        layer.verify_forward(layer.forward())
        makers = {"dense": layer.dense, "PyTorch": layer.pytorch}
        sides = {"ours": layer.forward} | {k: makers[k](forward=True) for k in targets}
        compare(table, what, alternate(sides, 5 * rounds), targets)


def compare(
    table: Table, what: str, times: dict[str, list[float]], targets: dict[str, float | None]
) -> None:
    """Rows: the first side beside each of the others."""
    ours = next(iter(times))
    for side, most in targets.items():
        middle, *spread = ratio(times[ours], times[side])
        both = [1e3 * np.median(times[name]) for name in (ours, side)]
        note = "{:.3g} / {:.3g} ms".format(*both)
        table.add(f"{what} / {side}", middle, most, tuple(spread), note=note)


def loose(work: list[Callable], buckets: int, dtype: np.dtype, *_: object) -> np.ndarray:
    """`parts.scattered` as fast as it can be where bits may depend on who is free: one partial
    table a thread instead of `parts.PARTIALS`, and parts for whoever comes."""
    own, tables = threading.local(), []

    def add(part: Callable) -> None:
        if not hasattr(own, "dtable"):
            own.dtable = parts.workspace("loose", (buckets,), dtype)
            own.dtable[:] = 0
            tables.append(own.dtable)
        part(own.dtable)

    threads.run_kernels([partial(add, part) for part in work])
    dtable = tables[0].copy()

    def merge(some: slice) -> None:
        for other in tables[1:]:
            dtable[some] += other[some]

    if len(tables) > 1:
        somes = core.blocks(buckets, parts.ENTRIES)
        threads.run_kernels([partial(merge, some) for some in somes])
    return dtable


def determinism(table: Table, rounds: int) -> None:
    layer = layer_of(FIRST)

    def unordered() -> tuple[np.ndarray, np.ndarray]:
        with patch.object(numba_products, "scattered", loose):
            return layer.backward()

    layer.verify_backward(*layer.backward())
    layer.verify_backward(*unordered())
    bits = set()
    for count in (1, 2, 3, 7):
        core.set_threads(count)
        bits.add(b"".join(result.tobytes() for result in layer.backward()))
    core.set_threads(None)
    if len(bits) != 1:
        raise SystemExit("backward depends on the number of threads: not timed")
    times = alternate({"ours": layer.backward, "in any order": unordered}, rounds)
    compare(table, "backward, same bits always", times, {"in any order": 1.1})


def scaling(table: Table, rounds: int) -> None:
    layer = layer_of(FIRST)
    layer.verify(layer.ours())

    def prepare(side: str) -> None:
        os.environ["MINIHASH_NUM_THREADS"] = side.split()[0]
        core.set_threads(None)  # as the environment says
        for _ in range(2):
            layer.ours()  # starts the threads, and lets each touch its memory

    sides = dict.fromkeys(("2 threads", "1 thread", "8 threads"), layer.ours)
    with patch.dict(os.environ):
        times = alternate(sides, rounds, prepare)
    core.set_threads(None)
    compare(table, "2 threads (0.5 is ideal)", times, {"1 thread": 0.65})
    times = {name: times[name] for name in ("8 threads", "2 threads")}
    compare(table, "8 threads asked for by the environment", times, {"2 threads": 1.1})


def busy(table: Table, rounds: int) -> None:
    what = "directly after a product of BLAS"
    compare(table, what, beside_blas(rounds), {"alone": 1.1})
    middle, *spread = printed(NAME, "--beside", str(rounds), OPENBLAS_THREAD_TIMEOUT="0")
    what = "the same without OPENBLAS_THREAD_TIMEOUT / alone"
    table.add(what, middle, None, tuple(spread), note="a user's default")


def beside_blas(rounds: int) -> dict[str, list[float]]:
    """Times of our call after a multi-threaded product, and after nothing of the kind."""
    layer = layer_of(FIRST)
    product = layer.dense(forward=True)

    def prepare(side: str) -> None:
        if side == "alone":
            time.sleep(QUIET)
        layer.ours()
        if side == "after":
            product()

    return alternate({"after": layer.ours, "alone": layer.ours}, rounds, prepare)


GROUPS = {g.__name__: g for g in (products, large, inference, determinism, scaling, busy)}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", metavar="FILE", help="write the table there")
    parser.add_argument("--rounds", type=int, default=15, help="timed rounds (default 15)")
    parser.add_argument("--only", choices=GROUPS, help="one group of rows")
    parser.add_argument("--beside", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.beside:
        print(*ratio(*beside_blas(options.beside).values()))
        return 0
    table = Table(NAME)
    for name, group in GROUPS.items():
        if options.only in (None, name):
            group(table, options.rounds)
    return table.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())
