"""Start-up: import, a first training step, `minihash predict` and `train`, after a fresh install.

    python -m benchmarks.startup [--json FILE]

Whole processes. A first start compiles its kernels into an empty cache folder; a later one finds
them. What `train` compiles is the difference of both, of one epoch of the embedded digits, or of
the characters of this package's README.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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


WHOLE = "from minihash.training import whole; whole.PAYS = 0\n" + STEP
ROOT = Path(__file__).resolve().parents[1]
MODELS = {
    "mlp": (),
    "cnn": ("--model", "cnn"),
    "lstm": ("--model", "lstm", "--dataset", str(ROOT / "README.md")),
}


def seconds(cache: str, *arguments: str) -> float:
    """Wall time of a Python process with these arguments, above one that does nothing. Run folders
    go into that of the cache."""
    place = {"cwd": cache, "env": os.environ | {"MINIHASH_CACHE": cache, "PYTHONPATH": str(ROOT)}}

    def once(*arguments: str) -> float:
        start = time.perf_counter()
        command = [sys.executable, *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **place)
        return time.perf_counter() - start

    return once(*arguments) - once("-c", "pass")


def first_and_later(*arguments: str, later: int = 1) -> tuple[list[float], list[float]]:
    """Seconds of three first starts, and of so many later ones after each."""
    firsts, laters = [], []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as cache:
            firsts.append(seconds(cache, *arguments))
            laters += [seconds(cache, *arguments) for _ in range(later)]
    return firsts, laters


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", metavar="FILE", help="write the table there")
    options = parser.parse_args(arguments)
    table = Table("benchmarks.startup")

    def add(what: str, times: list[float], most: float | None = None) -> None:
        low, middle, high = statistics.quantiles(times, n=4)
        table.add(what, middle, most, (low, high), "s")

    with tempfile.TemporaryDirectory() as folder:
        add("import minihash", [seconds(folder, "-c", "import minihash") for _ in range(15)], 0.5)
        first, later = first_and_later("-c", STEP, later=3)
        add("first start to the end of a training step", first, 3)
        add("later start to the end of a training step", later, 1.5)
        add("the first, as one compiled call (training/whole.py)", first_and_later("-c", WHOLE)[0])
        train = ("-m", "minihash", "train", "--epochs", "1", "--quiet")
        for model, choices in MODELS.items():
            first, later = first_and_later(*train, *choices)
            compiling = [a - b for a, b in zip(first, later, strict=True)]
            add(f"train --model {model}: what a first run takes longer", compiling, 6)
        for model in ("mlp", "cnn"):
            run = os.path.join(folder, model)
            seconds(folder, *train, *MODELS[model], "--out", run)
            first, later = first_and_later("-m", "minihash", "predict", run, "0", later=3)
            add(f"predict, one example, {model}: first process", first, 2)
            add(f"predict, one example, {model}: later ones", later, 1)
    return table.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())
