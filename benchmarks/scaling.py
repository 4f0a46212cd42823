"""How forward + backward scales with size, batch, threads and table; JSON and one picture.

    python -m benchmarks.scaling [--out FOLDER]

Layer 2000 x 2000, batch 128, table 10 %, two threads, but for the one quantity that a panel varies.
Ours with a signed uniform and with a modulus hash (one bucket more, so that no rows repeat), beside
the dense layer and PyTorch's `table[index]` (see `core_cases`). Every result is verified first: in
full up to 2000 x 2000, rows and columns beyond. Writes scaling.json and scaling.png.
"""

import argparse
import gc
import json
import math
import os
import statistics
import sys
import time

from threadpoolctl import threadpool_limits

from benchmarks.core_cases import BATCH, Layer, N
from benchmarks.measure import alternate, machine
from minihash import core
from minihash.hashes import Modulus, Uniform

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read by PyTorch; see benchmarks/__init__.py
SIZES = (250, 500, 1000, 2000, 4000, 8000)
BATCHES = (1, 8, 32, 128, 1024)
THREADS = (1, 2)
TABLES = (1_000, 10_000, 100_000, 1_000_000, 4_000_000)
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


def point(size: int = N, batch: int = BATCH, table: int | None = None) -> dict[str, list[float]]:
    """Milliseconds of each side: median and quartiles."""
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
    gc.collect()
    return found


def measure() -> list[dict[str, object]]:
    rows = []

    def add(panel: str, value: int, **changed: int) -> None:
        times = point(**changed)
        rows.append({"panel": panel, "at": value, "ms": times})
        shown = "  ".join(f"{side} {times[side][0]:.3g}" for side in SIDES)
        print(f"{panel:<8} {value:>9,}  {shown}  ms", flush=True)

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
        result = {"title": "benchmarks.scaling", "machine": machine(), "points": measure()}
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
