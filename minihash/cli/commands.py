"""The commands: from parsed arguments to printed results. Each returns its exit status."""

import re
import sys
from argparse import Namespace
from dataclasses import fields
from pathlib import Path

import numpy as np

from minihash import core
from minihash.checks import counted
from minihash.cli import plots, terminal
from minihash.cli.report import pages, report
from minihash.data import Dataset, Text
from minihash.runs import folder as disk
from minihash.runs import predict as examples
from minihash.runs import train as training
from minihash.runs import validation
from minihash.runs.config import Config, check_place, is_own
from minihash.runs.confusion import confusion, pairs
from minihash.runs.examples import Classifier
from minihash.runs.folder import config_of, json_line
from minihash.runs.kinds import KINDS, load_model
from minihash.runs.machine import machine, size
from minihash.runs.model import Model
from minihash.runs.progress import progress
from minihash.runs.writer import Writer

MOST = 10  # classes that predict shows


def train(args: Namespace) -> int:
    """minihash train"""
    names = [field.name for field in fields(Config)]
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    if "data_dir" in given:
        given["data_dir"] = str(Path(args.data_dir).expanduser().absolute())
    shown = progress(args.quiet)
    try:
        if args.resume is None:
            out = None if args.out is None else Path(args.out)
            result = training.begin(Config(**given), out, args.download, shown)
        else:
            if args.out is not None:
                raise ValueError("--resume goes on in the folder of the run: leave --out out")
            result = training.resume(Path(args.resume), given, args.download, shown)
    except training.Stopped as stopped:
        again = "".join(f" --import {name}" for name in args.imports or ())
        print(f"minihash: {stopped}{again}", file=sys.stderr, flush=True)
        return 128 + stopped.number
    if not args.quiet:
        print(_table(result))
    return _finish(args, result)


def _table(result: dict) -> str:
    share = result["stored_weights"] / result["virtual_weights"]
    kind, spent = KINDS[result["model"]].model, f"in {result['seconds']:.1f} s"
    if "best_epoch" in result:
        spent += f"; the model is that of epoch {result['best_epoch']}, the best"
    rows = [
        *_measured(kind, result)[:1],
        *[(name.replace("_", " "), f"{result[name]:.4f}", "") for name in _chosen_by(kind, result)],
        ("virtual weights", result["virtual_weights"], "read through the hash"),
        ("stored weights", result["stored_weights"], f"{share:.1%} of them, in tables"),
        ("other parameters", result["other_parameters"], "free biases, BatchNorm"),
        ("bytes on disk", result["bytes_on_disk"], "model.safetensors"),
        ("peak memory", size(result["peak_memory"]), "of this process, data included"),
        ("epochs", result["epochs"], spent),
    ]
    return f"{terminal.table(rows, '<><')}\nsaved in {result['run']}"


def _chosen_by(kind: type[Model], result: dict) -> list[str]:
    """The metric that the epoch was chosen by, if it was."""
    return [name for name in validation.named(kind.METRICS) if name in result][:1]


def _measured(kind: type[Model], result: dict) -> list[tuple[str, str, str]]:
    """A row for each metric."""
    metrics = [(name, *words) for name, words in kind.METRICS.items() if name in result]
    return [(label, f"{result[name]:.4f}", unit) for name, label, unit in metrics]


def evaluate(args: Namespace) -> int:
    """minihash eval"""
    model, matrix = load_model(args.model), None
    plot = _picture(args)
    if (args.confusion or plot) and not isinstance(model, Classifier):
        raise ValueError(
            f"{args.model} holds a model that has no classes, and so confuses none: leave "
            "--confusion and --plot out"
        )
    with machine(args.backend, args.threads):
        data = _data(args, model)
        measured, count = model.measure(data), model.count(data)
        if args.confusion or plot:
            matrix = confusion(model, data)
    if plot:
        plots.matrix(plot, matrix, model.class_names)
    if not args.json:
        (label, value, unit), *rest = _measured(type(model), measured)
        about = f"{unit}; of " if unit else "of "
        about += f"{counted(count, model.UNIT.removesuffix('s'))} of {data.name}"
        print(terminal.table([(label, value, about), *rest], "<><"))
        if args.confusion:
            print(_confused(matrix, model.class_names))
    unit = model.UNIT.rpartition(" ")[2]
    measured |= {unit: count, "dataset": data.name}
    return _finish(args, measured | ({"confusion": matrix.tolist()} if args.confusion else {}))


def _confused(matrix: np.ndarray, names: tuple[str, ...]) -> str:
    """The confusion matrix, a row a class; where it is too wide, what is confused oftenest."""
    rows = [(name, *row) for name, row in zip(names, matrix.tolist(), strict=True)]
    table = terminal.table([("", *names), *rows], "<" + ">" * len(names))
    if max(map(len, table.splitlines())) <= terminal.width():
        return f"\n{table}\na row is a class, a column what its examples are taken for"
    found = [(names[i], "taken for", names[j], n) for i, j, n in pairs(matrix, MOST)]
    return "\n" + (terminal.table(found, "<<<>") if found else "nothing is confused")


def _picture(args: Namespace) -> Path | None:
    """Where a picture is to go, refused before the work if it cannot."""
    if args.plot is None:
        return None
    plots.suffix(path := Path(args.plot))
    return path


def _data(args: Namespace, model: Model) -> Dataset | Text:
    """The data set asked for; without, the one of the run, or of the model."""
    config = config_of(Path(args.model))
    name = args.dataset or (config.dataset if config else model.dataset)
    check_place(name, args.data_dir, args.download)
    place = args.data_dir or (config.data_dir if config else None)
    if args.dataset is None and is_own(name) and not Path(name).expanduser().is_file():
        raise FileNotFoundError(
            f"the network was trained on {name}, which is not there: name it with --dataset"
        )
    return model.reload(name, place, args.download)


def predict(args: Namespace) -> int:
    """minihash predict"""
    model = load_model(args.model)
    if not isinstance(model, Classifier):
        raise ValueError(
            f"{args.model} holds a model that has no classes, and so predicts none: use minihash "
            f"{'generate' if isinstance(model, Writer) else 'eval'}"
        )
    about, index = "", re.fullmatch(r"-?\d+", args.input)
    if not index:
        _only(args, "the index of an example", "dataset", "data_dir", "download")
    if index or args.input.endswith(".npy"):
        _only(args, "an image file", "invert")
    with machine(args.backend, args.threads):
        if index:
            data = _data(args, model)
            x, label = examples.indexed(model, data, int(args.input))
            about = f"example {args.input} of the test set of {data.name}, labelled "
            about += data.class_names[label]
        elif args.input.endswith(".npy"):
            x = examples.array(model, Path(args.input))
        else:
            x = examples.image(model, Path(args.input), args.invert)
        found = examples.predictions(model, x)
    if not args.json:
        print(_one(model, found[0], about) if len(found) == 1 else _many(model, found))
    return _finish(args, {"class_names": list(model.class_names), "predictions": found})


def _only(args: Namespace, what: str, *names: str) -> None:
    """Raises ValueError for options of another kind of input."""
    for name in names:
        if getattr(args, name):
            flag = f"--{name.replace('_', '-')}"
            raise ValueError(f"{flag} is for {what}, got {args.input}: leave it out")


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
    lines = [about, terminal.table(rows, "<><")] if about else [terminal.table(rows, "<><")]
    if len(model.class_names) > MOST:
        lines.append(f"and {len(model.class_names) - MOST} more, less likely")
    return "\n".join(lines)


def _many(model: Classifier, found: list[dict]) -> str:
    rows = [
        (k, *(f"{name} {p:.4f}" for name, p in _ranked(model, prediction, 3)))
        for k, prediction in enumerate(found)
    ]
    return terminal.table(rows, ">" + "<" * (len(rows[0]) - 1))


def generate(args: Namespace) -> int:
    """minihash generate"""
    model = load_model(args.model)
    if not isinstance(model, Writer):
        raise ValueError(
            f"{args.model} holds no model of text: give a run of --model rnn, gru or lstm"
        )
    with machine(args.backend, args.threads):
        text = model.write(args.prompt, args.length, args.temperature, args.seed)
    if not args.json:
        print(text)
    return _finish(args, {"text": text})


def inspect(args: Namespace) -> int:
    """minihash inspect"""
    model = load_model(args.model)
    if plot := _picture(args):
        if not Path(args.model).is_dir():
            raise ValueError(f"--plot is for a run folder, got {args.model}: name one")
        run = disk.load(Path(args.model))
        plots.curves(plot, run.metrics, run.best_epoch)
    about = report(model)
    if not args.json:
        print(pages(about, terminal.width(), terminal.draws(sys.stdout)))
    return _finish(args, about)


def explain(args: Namespace) -> int:
    """minihash explain"""
    from minihash.cli import explain as networks  # the layers that no other command needs
    from minihash.cli import picture

    path = _picture(args)
    rows = networks.explain(args.backend)
    if path is not None:
        picture.draw(path, rows)
    if not args.json:
        print(networks.page(rows, terminal.width()))
    return _finish(args, {"networks": rows})


def backends(args: Namespace) -> int:
    """minihash backends"""
    with machine(args.backend, args.threads):
        taken = core.get_backend().__name__.rpartition(".")[2]
        threads = core.get_threads()
    reasons = core.backends()
    if not args.json:
        rows = [
            (name, f"no: {why}" if why else "taken" if name == taken else "usable")
            for name, why in reasons.items()
        ]
        print(terminal.table([*rows, ("threads", str(threads))], "<<"))
    about = {name: {"usable": not why, "why_not": why} for name, why in reasons.items()}
    return _finish(args, {"backends": about, "taken": taken, "threads": threads})


def _finish(args: Namespace, result: dict) -> int:
    """With --json, the last line of standard output."""
    if args.json:
        print(json_line(result), end="")
    return 0
