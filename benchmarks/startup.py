"""Start-up: import, the first training step after a fresh install, and later ones.

    python -m benchmarks.startup [--json FILE]

Whole processes. A first start compiles its kernels into an empty cache folder; a later one finds
them.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

from benchmarks.measure import Table

STEP = """
from minihash.networks.arbnet import arbnet
from minihash.data import load
from minihash.training import Training, start, steps
digits = load("digits")
network, training = arbnet((784, 200, 200, 10)), Training(epochs=1)
state = start(network, training)
run = steps(network, training, state, digits.x_train, digits.y_train, digits.standardiser())
state, report = next(run)
assert state.step == 1 and report["loss"] > 0
"""


def seconds(code: str, cache: str) -> float:
    """Wall time of a Python process that runs `code`, above one that does nothing."""
    environment = os.environ | {"MINIHASH_CACHE": cache}

    def once(source: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", source], check=True, env=environment)
        return time.perf_counter() - start

    return once(code) - once("pass")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", metavar="FILE", help="write the table there")
    options = parser.parse_args(arguments)
    table = Table("benchmarks.startup")
    imports = [seconds("import minihash", "off") for _ in range(15)]
    low, middle, high = statistics.quantiles(imports, n=4)
    table.add("import minihash", middle, 0.5, (low, high), unit="s")
    first, later = [], []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as cache:
            first.append(seconds(STEP, cache))
            later += [seconds(STEP, cache) for _ in range(3)]
    for what, times, most in (("first", first, 20), ("later", later, 3)):
        spread = min(times), max(times)
        table.add(
            f"{what} start to the end of a training step",
            statistics.median(times),
            most,
            spread,
            "s",
        )
    return table.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())
