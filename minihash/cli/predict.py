"""minihash predict: inputs of any kind and number -> a class each, as bars, rows, CSV or JSON.

Inputs are read one by one and computed in batches: ten thousand pictures take the memory of some
hundred. A few examples are computed by NumPy, since what would be compiled for them runs once.
"""

import csv
import os
import re
import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from minihash.cli import terminal
from minihash.cli.commands import data_of, finish, show
from minihash.networks.storage import counts
from minihash.runs import predict as examples
from minihash.runs.examples import BATCH, Classifier
from minihash.runs.kinds import load_model
from minihash.runs.machine import machine
from minihash.runs.writer import Writer

MOST, FIRST = 10, 3  # classes that are shown of one example, and of each of many
FEW, SMALL = 16, 10**7  # examples, and weights of all of them, that are not worth a compiler
INDEX = re.compile(r"-?\d+")


def predict(args: Namespace) -> int:
    """minihash predict"""
    model = load_model(args.model)
    if not isinstance(model, Classifier):
        raise ValueError(
            f"{args.model} holds a model that has no classes, and so predicts none: use minihash "
            f"{'generate' if isinstance(model, Writer) else 'eval'}"
        )
    _check(args)
    with ExitStack() as stack:
        files = {
            name: stack.enter_context(examples.piped(sys.stdin.buffer))
            if name == "-"
            else Path(name)
            for name in args.input
            if not INDEX.fullmatch(name)
        }
        backend = args.backend or os.environ.get("MINIHASH_BACKEND")
        if backend is None and _few(model, args.input, files):
            backend = "numpy"
        stack.enter_context(machine(backend, args.threads))
        inputs = Inputs(args, model, files)
        found = _counted(examples.predictions(model, inputs), args.csv and sys.stdout.isatty())
        if args.csv:
            return _csv(model, found)
        if args.json:
            several = len(args.input) > 1
            predictions = [
                ({"input": name, "example": k} if several else {}) | one for name, k, one in found
            ]
            return finish(
                args, {"class_names": list(model.class_names), "predictions": predictions}
            )
        show(_page(model, found, inputs))
    return 0


def _check(args: Namespace) -> None:
    """Raises ValueError for options that do not go together, or are of another kind of input."""
    if args.csv and args.json:
        raise ValueError("--csv and --json are two forms of one answer: give one of them")
    if args.input.count("-") > 1:
        raise ValueError("- is standard input, which can be read once: give it once")
    indices = [name for name in args.input if INDEX.fullmatch(name)]
    for name in ("dataset", "data_dir", "download", "channels_last"):
        if not indices and getattr(args, name, None):
            raise ValueError(
                f"--{name.replace('_', '-')} is for the index of an example, got {args.input[0]}: "
                "leave it out"
            )
    if args.invert and indices:
        raise ValueError(f"--invert is for an image file, got {indices[0]}: leave it out")


def _few(model: Classifier, names: list[str], files: dict[str, Path]) -> bool:
    """Whether so little is to be computed that it is done before anything is compiled."""
    arrays = [path for path in files.values() if path.suffix.lower() in (".npy", ".csv")]
    size = sum(path.stat().st_size for path in arrays if path.is_file())
    count = len(names) - len(arrays) + size / (8 * model.features)
    return count <= FEW and count * counts(model.network)["virtual_weights"] <= SMALL


class Inputs:
    """The examples of each input, read when it is asked for: (name, x). about: what the data set
    says of the one that an index has chosen."""

    def __init__(self, args: Namespace, model: Classifier, files: dict[str, Path]) -> None:
        self.args, self.model, self.files = args, model, files
        self.about = ""

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        data = None
        for name in self.args.input:
            if name in self.files:
                yield name, examples.of_file(self.model, self.files[name], self.args.invert)
                continue
            data = data or data_of(self.args, self.model)
            x, label = examples.indexed(self.model, data, int(name))
            self.about = f"example {name} of the test set of {data.name}, labelled "
            self.about += data.class_names[label]
            yield name, x


def _counted(found: Iterable[tuple], quiet: bool) -> Iterator[tuple]:
    """The same, with their number on the terminal from the second batch on."""
    shown = 0
    for k, one in enumerate(found):
        if k and k % BATCH == 0 and not quiet and sys.stderr.isatty():
            shown = k
            print(f"\r{k:,} examples", end="", file=sys.stderr, flush=True)
        yield one
    if shown:
        print("\r" + " " * len(f"{shown:,} examples") + "\r", end="", file=sys.stderr, flush=True)


def _csv(model: Classifier, found: Iterable[tuple[str, int, dict]]) -> int:
    """A header, and a row an example, as soon as it is computed."""
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(["input", "example", "class", *model.class_names])
    for name, k, one in found:
        rows.writerow([name, k, one["class"], *one["probabilities"]])
    return 0


def _page(model: Classifier, found: Iterable[tuple[str, int, dict]], inputs: Inputs) -> str:
    """Bars for one example, a row each for many; of many, no more is kept than is shown."""
    first, rows = None, []
    several = len(inputs.args.input) > 1
    for name, k, one in found:
        first = first or one
        shown = [f"{label} {p:.4f}" for label, p in _ranked(model, one, FIRST)]
        rows.append((f"{name} {k}" if several and k else name if several else str(k), *shown))
    if len(rows) == 1:
        return _one(model, first, inputs.about)
    align = "<" if several else ">"
    return terminal.table(rows, align + "<" * (len(rows[0]) - 1))


def _ranked(model: Classifier, prediction: dict, most: int) -> list[tuple[str, float]]:
    pairs = zip(model.class_names, prediction["probabilities"], strict=True)
    return sorted(pairs, key=lambda pair: -pair[1])[:most]


def _one(model: Classifier, prediction: dict, about: str) -> str:
    best = _ranked(model, prediction, MOST)
    room = terminal.width() - max(len(name) for name, _ in best) - len("  0.0000  ")
    blocks = terminal.draws(sys.stdout)
    rows = [
        (name, f"{p:.4f}", terminal.bar(round(p, 4), min(room, 50), blocks)) for name, p in best
    ]
    lines = [terminal.plain(about)] if about else []
    lines.append(terminal.table(rows, "<><"))
    if len(model.class_names) > MOST:
        lines.append(f"and {len(model.class_names) - MOST} more, less likely")
    return "\n".join(lines)
