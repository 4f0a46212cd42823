"""How everything here is measured: both sides in one run, alternating, medians, ratios.

A shared machine drifts, so a ratio is taken round by round, between neighbours in time, and its
median and quartiles are printed. There is no pause between calls: idle threads of other libraries
sleep (see the package). Peak memory is that of a process of its own, above the same
process without the work.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress


def alternate(
    sides: dict[str, Callable[[], object]],
    rounds: int = 15,
    prepare: Callable[[str], object] | None = None,
) -> dict[str, list[float]]:
    """Seconds of each side in each round. Round 0, where a side may compile or touch its memory for
    the first time, is not counted. prepare(name): done before each call, not timed."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for count in range(rounds + 1):
        for name, call in sides.items():
            if prepare:
                prepare(name)
            start = time.perf_counter()
            call()
            seconds = time.perf_counter() - start
            if count > 0:
                times[name].append(seconds)
    return times


def ratio(a: list[float], b: list[float]) -> tuple[float, float, float]:
    """Median, lower and upper quartile of a / b, round by round."""
    low, middle, high = statistics.quantiles(
        [x / y for x, y in zip(a, b, strict=True)], n=4, method="inclusive"
    )
    return middle, low, high


def printed(module: str, *arguments: str, **environment: str) -> list[float]:
    """The numbers that `python -m module arguments`, a process of its own, prints last."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, env=os.environ | environment
    )
    return [float(word) for word in done.stdout.splitlines()[-1].split()]


def own_peak() -> int:
    """Peak resident memory of this process so far, in bytes.

    Linux: VmHWM, since getrusage reports the parent's peak too, which a child inherits.
    """
    if os.path.exists("/proc/self/status"):
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def machine() -> dict[str, object]:
    """What the figures came from."""
    from importlib.metadata import PackageNotFoundError, version

    versions = {}
    for package in ("numpy", "numba", "torch"):
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    model, vectors = platform.processor() or platform.machine(), "unknown"
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            about = dict(line.split(":", 1) for line in file if ":" in line)
        known = {key.strip(): value.strip() for key, value in about.items()}
        model = known.get("model name", model) + f" (family {known.get('cpu family', 'unknown')})"
        flags = known.get("flags", "").split()
        vectors = next((f for f in ("avx512f", "avx2", "sse2") if f in flags), vectors)
    return {
        "cpu": model,
        "cores": cores,
        "vectors": vectors,
        "blas": ", ".join(_blas()),
        "python": platform.python_version(),
        **versions,
    }


def _blas() -> list[str]:
    """The BLAS of the process, and the kernels that it chose."""
    from threadpoolctl import threadpool_info

    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    return [
        f"{pool['internal_api']} {pool['version']} {pool.get('architecture', '')}".strip()
        for pool in pools
    ]


class Table:
    """One table of ratios with targets; JSON; the exit status."""

    def __init__(self, title: str) -> None:
        self.title, self.rows = title, []

    def add(
        self,
        what: str,
        value: float,
        target: float | None = None,
        spread: tuple[float, float] | None = None,
        unit: str = "x",
        note: str = "",
    ) -> None:
        """A row; it passes if value <= target."""
        passed = None if target is None else value <= target
        row = {"what": what, "value": value, "target": target, "spread": spread}
        self.rows.append(row | {"unit": unit, "passed": passed, "note": note})
        bounds = f"[{spread[0]:.2f} .. {spread[1]:.2f}]" if spread else ""
        goal = f"<= {target:g}" if target is not None else ""
        verdict = {None: "", True: "pass", False: "MISSED"}[passed]
        print(
            f"{what:<58} {value:>8.2f} {unit:<3} {bounds:<18} {goal:<8} {verdict:<6} {note}",
            flush=True,
        )

    def finish(self, path: str | None) -> int:
        """Write the JSON, and return the exit status: 1 where a target is missed."""
        missed = [row["what"] for row in self.rows if row["passed"] is False]
        if path:
            result = {"title": self.title, "machine": machine(), "rows": self.rows}
            with open(path, "w") as file:
                json.dump(result, file, indent=1)
                file.write("\n")
        print(f"{self.title}: {len(missed)} targets missed" if missed else f"{self.title}: all met")
        return 1 if missed else 0
