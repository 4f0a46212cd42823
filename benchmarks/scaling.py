"""How forward + backward scales with width, batch, threads and table; JSON and one picture.

    python -m benchmarks.scaling [--out FOLDER]

Layer 2000 x 2000, batch 128, table 10 %, two threads, but for the one quantity that a panel varies.
Ours with a signed uniform and with a modulus hash (one bucket more, so that no rows repeat), beside
the dense layer and PyTorch's `table[index]` (see `core_cases`). Every result is verified first: in
full up to 2000 x 2000, rows and columns beyond. Of each panel the exponents are fitted: the p of
time = c value^p, and of ours the p of the memory that a first call takes, results included. Writes
scaling.json and scaling.png.
"""

import argparse
import gc
import json
import math
import os
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.core_cases import BATCH, Layer, N
from benchmarks.measure import alternate, machine
from minihash import core
from minihash.core.numba import parts
from minihash.hashes import Modulus, Uniform

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read by PyTorch; see benchmarks/__init__.py
SIZES = (256, 512, 1024, 2000, 4096, 8192)
BATCHES = (1, 8, 64, 512, 4096)
THREADS = (1, 2)
TABLES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)
SECONDS, LEAST, MOST = 0.5, 3, 9  # of ours at a point; fewest rounds, most
SIDES = ("uniform", "modulus", "dense", "PyTorch")
LABELS = {
    "uniform": "ours, uniform, signed",
    "modulus": "ours, modulus",
    "dense": "dense NumPy / BLAS",
    "PyTorch": "PyTorch table[index]",
}
PANELS = {
    "size": "fan-in = fan-out",
    "batch": "batch (examples)",
    "threads": "threads",
    "table": "table (numbers)",
}


def point(size: int = N, batch: int = BATCH, table: int | None = None) -> tuple[dict, dict]:
    """Milliseconds of each side: median and quartiles. Megabytes that ours takes."""
    buckets = table or size * size // 10
    uniform = Layer(Uniform(buckets, signed=True), batch, size)
    modulus = Layer(Modulus(buckets + 1), batch, size)
    for layer in (uniform, modulus):
        (layer.verify if size <= N else layer.verify_rows)(layer.ours())
    calls = (uniform.ours, modulus.ours, uniform.dense(), uniform.pytorch())
    sides = dict(zip(SIDES, calls, strict=True))
    start = time.perf_counter()
    uniform.ours()
    rounds = int(SECONDS / (time.perf_counter() - start))
    with threadpool_limits(core.get_threads(), "blas"):
        times = alternate(sides, min(max(rounds, LEAST), MOST))
    found = {}
    for side, seconds in times.items():
        low, middle, high = statistics.quantiles(seconds, n=4, method="inclusive")
        found[side] = [1e3 * value for value in (middle, low, high)]
    taken = {
        side: memory(layer.ours) for side, layer in zip(SIDES, (uniform, modulus), strict=False)
    }
    gc.collect()
    return found, taken


def memory(call: Callable[[], object]) -> float:
    """Megabytes at the most, of what NumPy allocates in a first call: threads start anew, and so
    do their workspaces."""
    core.set_threads(core.get_threads())
    parts._own.__dict__.clear()
    tracemalloc.start()
    results = call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    del results
    return peak / 1e6


def exponents(rows: list[dict]) -> list[dict[str, object]]:
    """Of each panel, the slopes of least squares through logarithms.

    >>> rows = [{"panel": "batch", "at": n, "ms": {"a": [n**2]}, "MB": {"a": n}} for n in (1, 2, 8)]
    >>> exponents(rows)
    [{'panel': 'batch', 'ms': {'a': 2.0}, 'MB': {'a': 1.0}}]
    """
    found = []
    for panel in dict.fromkeys(row["panel"] for row in rows):
        some = [row for row in rows if row["panel"] == panel]

        def slope(values: list[float], at: tuple = tuple(row["at"] for row in some)) -> float:
            return round(float(np.polyfit(np.log(at), np.log(values), 1)[0]), 2)

        ms = {side: slope([row["ms"][side][0] for row in some]) for side in some[0]["ms"]}
        MB = {side: slope([row["MB"][side] for row in some]) for side in some[0]["MB"]}
        found.append({"panel": panel, "ms": ms, "MB": MB})
    return found


def measure() -> list[dict[str, object]]:
    rows = []

    def add(panel: str, value: int, **changed: int) -> None:
        times, taken = point(**changed)
        rows.append({"panel": panel, "at": value, "ms": times, "MB": taken})
        shown = "  ".join(f"{side} {times[side][0]:.3g}" for side in SIDES)
        more = "  ".join(f"{side} {taken[side]:.3g}" for side in taken)
        print(f"{panel:<8} {value:>11,}  {shown}  ms   {more}  MB", flush=True)

    for size in SIZES:
        add("size", size, size=size)
    for batch in BATCHES:
        add("batch", batch, batch=batch)
    for count in THREADS:
        core.set_threads(count)
        add("threads", count)
    core.set_threads(None)
    for table in TABLES:
        add("table", table, table=table)
    return rows


def plot(rows: list[dict], about: dict[str, object], path: str) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import NullFormatter

    figure, axes = plt.subplots(2, 2, figsize=(11, 8.5), layout="constrained")
    for axis, (panel, label) in zip(axes.flat, PANELS.items(), strict=True):
        some = [row for row in rows if row["panel"] == panel]
        at = [row["at"] for row in some]
        for side, marker in zip(SIDES, "osD^", strict=True):
            middle, low, high = zip(*(row["ms"][side] for row in some), strict=True)
            (line,) = axis.plot(at, middle, marker=marker, markersize=5, label=LABELS[side])
            axis.fill_between(at, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
        axis.set(xscale="log", yscale="log", xlabel=label, ylabel="forward + backward (ms)")
        if panel != "table":
            axis.set_xticks(at, [f"{value:,}" for value in at])
            axis.xaxis.set_minor_formatter(NullFormatter())
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter("{x:g}" if panel == "threads" else NullFormatter())
        axis.grid(True, which="both", alpha=0.25)
    axes.flat[0].legend()
    figure.suptitle(
        f"Layer {N} x {N}, batch {BATCH}, table 10 %, float32, but for what a panel varies\n"
        f"{about['cpu']}, {about['cores']} cores; medians, shaded between the quartiles"
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", metavar="FOLDER", default=".", help="where to (default: here)")
    parser.add_argument("--redraw", action="store_true", help="only draw the JSON that is there")
    options = parser.parse_args(arguments)
    os.makedirs(options.out, exist_ok=True)
    path = os.path.join(options.out, "scaling.json")
    if not options.redraw:
        start = time.perf_counter()
        points = measure()
        found = exponents(points)
        for row in found:
            print(f"{row['panel']:<8} exponents of time {row['ms']}, of memory {row['MB']}")
        result = {"title": "benchmarks.scaling", "machine": machine(), "points": points}
        result["exponents"] = found
        with open(path, "w") as file:
            json.dump(result, file, indent=1)
            file.write("\n")
        print(f"{math.ceil(time.perf_counter() - start)} s")
    with open(path) as file:
        result = json.load(file)
    plot(result["points"], result["machine"], os.path.join(options.out, "scaling.png"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
