"""Memory that does not grow with the virtual weight.

    python -m benchmarks.memory [--json FILE]

Forward + backward of one layer, uniform hash, batch 8, table of 10^6 (4 MB): the peak memory of a
process above that of the same process with parameters, activations and results but no product, for
virtual weights up to 10^9, whose matrix, gradient and index would take 16 GB. Verified: rows and
columns of y and dx against V computed entry by entry.

Then the same of layer 2000 x 2000, batch 128, table 10 %, beside dense NumPy and PyTorch with
`table[index]`: above a process that has imported the same and holds the same data.
"""

import argparse
import math
import sys
import time

import numpy as np

from benchmarks.core_cases import Layer, N
from benchmarks.measure import Table, own_peak, printed
from minihash import core
from minihash.hashes import Uniform
from minihash.weights import VirtualWeight

NAME = "benchmarks.memory"
BUCKETS, BATCH = 10**6, 8
MOST_MB = 8 + 4 * 4 * BUCKETS / 1e6  # 8 MB and four copies of the table
MOST_SECONDS = 60
SIDES = ("import", "ours", "dense", "import torch", "pytorch")


def layer(size: int) -> tuple[VirtualWeight, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    side = math.isqrt(size - 1) + 1
    table = rng.standard_normal(BUCKETS, np.float32)
    x, dy = rng.standard_normal((2, BATCH, side), np.float32)
    return VirtualWeight((side, side), Uniform(BUCKETS, signed=True)), table, x, dy


def child(size: int, work: bool) -> int:
    """Print the seconds of one forward + backward (0 without work), and the peak memory."""
    small, table, x, dy = layer(10**4)
    core.matmul(x, table, small)
    core.matmul_backward(dy, x, table, small)  # compilation
    w, table, x, dy = layer(size)
    start = time.perf_counter()
    if work:
        y = core.matmul(x, table, w)
        dx, _ = core.matmul_backward(dy, x, table, w)
        seconds = time.perf_counter() - start
        verify(w, table, x, dy, y, dx)
    else:
        results = np.ones_like(dy), np.ones_like(x), np.ones_like(table)  # noqa: F841
        seconds = 0.0
    print(seconds, own_peak())
    return 0


def verify(w: VirtualWeight, table, x, dy, y, dx) -> None:
    side = w.shape[1]
    for k in (0, side // 2, side - 1):
        row = np.arange(side, dtype=np.uint64) + np.uint64(k * side)
        column = np.arange(side, dtype=np.uint64) * np.uint64(side) + np.uint64(k)
        for ids, a, got in ((row, x, y[:, k]), (column, dy, dx[:, k])):
            v = w.hash.sign(ids) * table[w.hash.bucket(ids)].astype(np.float64)
            bound = 2 * side * 2.0**-24 * (np.abs(a).astype(np.float64) @ np.abs(v))
            if not (np.abs(got - a.astype(np.float64) @ v) <= bound).all():
                raise SystemExit("the product is wrong: its memory means nothing")


def side_by_side(table: Table) -> None:
    base = {name: printed(NAME, "--side", name)[0] for name in SIDES}
    for side in ("ours", "dense", "pytorch"):
        above = base[side] - base["import torch" if side == "pytorch" else "import"]
        what = f"memory of {side}, layer 2000 x 2000, batch 128"
        table.add(what, above / 1e6, unit="MB")


def one_side(side: str) -> int:
    """Print the peak memory of a process that does one side three times."""
    case = Layer(Uniform(N * N // 10, signed=True))
    if side == "import torch":
        import torch  # noqa: F401
    elif side != "import":
        call = case.ours if side == "ours" else getattr(case, side)()
        for _ in range(3):
            call()
    if side in ("import", "ours"):
        # Compilation has a peak of its own, which a small layer pays in both kinds of process.
        Layer(Uniform(50, signed=True), 2, 5).ours()
    print(own_peak())
    return 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", metavar="FILE", help="write the table there")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        return child(int(options.child[0]), options.child[1] == "work")
    if options.side:
        return one_side(options.side)
    table = Table(NAME)
    printed(NAME, "--child", "10000", "idle")  # fills the cache of kernels: compiling has its peak
    for exponent in (6, 7, 8, 9):
        size = str(10**exponent)
        seconds, peak = printed(NAME, "--child", size, "work")
        _, base = printed(NAME, "--child", size, "idle")
        most = MOST_SECONDS if exponent == 9 else None
        table.add(
            f"extra memory at 10^{exponent} virtual weights",
            (peak - base) / 1e6,
            MOST_MB,
            unit="MB",
        )
        table.add(f"seconds at 10^{exponent} virtual weights", seconds, most, unit="s")
    side_by_side(table)
    return table.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())
