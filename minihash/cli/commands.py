"""The commands: from parsed arguments to printed results. Each returns its exit status.

`predict`, which is to answer at once, stands in predict.py.
"""

import sys
from argparse import Namespace
from dataclasses import fields
from pathlib import Path

import numpy as np

from minihash import core
from minihash.checks import counted
from minihash.cli import plots, terminal
from minihash.cli.report import pages, report
from minihash.compile.places import expanded
from minihash.data import Dataset, Text
from minihash.data.own import own_path
from minihash.experiments.drawing import suffix
from minihash.runs import brought, validation
from minihash.runs import folder as disk
from minihash.runs import train as training
from minihash.runs.config import Config, check_place, is_own
from minihash.runs.confusion import confusion, pairs
from minihash.runs.examples import Classifier, OfExamples
from minihash.runs.folder import config_of, json_line
from minihash.runs.kinds import KINDS, load_model
from minihash.runs.machine import machine, size
from minihash.runs.model import Model
from minihash.runs.progress import progress
from minihash.runs.writer import Writer

MOST = 10  # pairs of classes that are shown as confused


def train(args: Namespace) -> int:
    """minihash train"""
    given = _given(args)
    shown = progress(args.quiet)
    try:
        if args.resume is None:
            out = None if args.out is None else Path(args.out)
            config = Config(**brought.choices(given))
            result = training.begin(config, out, args.download, shown)
        else:
            if args.out is not None:
                raise ValueError("--resume goes on in the folder of the run: leave --out out")
            result = training.resume(Path(args.resume), given, args.download, shown)
    except training.Stopped as stopped:
        again = "".join(f" --import {name}" for name in args.imports or ())
        print(f"minihash: {stopped}{again}", file=sys.stderr, flush=True)
        return 128 + stopped.number
    if not args.quiet:
        show(_table(result))
    return finish(args, result)


def _given(args: Namespace) -> dict[str, object]:
    """The choices of a run among the arguments, by name."""
    given = {field.name: getattr(args, field.name, None) for field in fields(Config)}
    if given["data_dir"] is not None:
        given["data_dir"] = str(expanded(args.data_dir).absolute())
    if given["weights"] is not None:
        given["weights"] = str(Path(args.weights).absolute())
    return {name: value for name, value in given.items() if value is not None}


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
    config, matrix = _of_weights(args), None
    model = load_model(args.model) if config is None else None
    kind = KINDS[config.model].model if model is None else type(model)
    plot = picture(args)
    if (args.confusion or plot) and not issubclass(kind, Classifier):
        raise ValueError(
            f"{args.model} holds a model that has no classes, and so confuses none: leave "
            "--confusion and --plot out"
        )
    with machine(args.backend, args.threads):
        if config is None:
            data, told = data_of(args, model), ""
        else:
            model, data, told = brought.opened(config, args.download)
        measured, count = model.measure(data), model.count(data)
        if args.confusion or plot:
            matrix = confusion(model, data)
    if plot:
        plots.matrix(plot, matrix, model.class_names)
    if not args.json:
        (label, value, unit), *rest = _measured(type(model), measured)
        about = f"{unit}; of " if unit else "of "
        about += f"{counted(count, model.UNIT.removesuffix('s'))} of {data.name}"
        show(terminal.table([(label, value, about), *rest], "<><"))
        if told:
            show(f"taken for: {told}")
        if args.confusion:
            show(_confused(matrix, model.class_names))
    unit = model.UNIT.rpartition(" ")[2]
    measured |= {unit: count, "dataset": data.name} | ({"taken_for": told} if told else {})
    return finish(args, measured | ({"confusion": matrix.tolist()} if args.confusion else {}))


def _of_weights(args: Namespace) -> Config | None:
    """The choices of a file of another framework; None of one of minihash, or a run, which says
    them itself."""
    given = _given(args) | {"model": args.as_model}
    if not brought.is_state(args.model):
        ours = ("dataset", "data_dir", "channels_last", "backend", "threads")
        for name in [name for name in given if given[name] is not None and name not in ours]:
            raise ValueError(
                f"--{name.replace('_', '-')} is for weights of another framework, and {args.model} "
                "is none of these: leave it out"
            )
        return None
    chosen = brought.choices(given | {"weights": args.model})
    if args.dataset is None:
        raise ValueError(f"{args.model} does not say what to test it on: name it with --dataset")
    return Config(**chosen)


def _confused(matrix: np.ndarray, names: tuple[str, ...]) -> str:
    """The confusion matrix, a row a class; where it is too wide, what is confused oftenest."""
    rows = [(name, *row) for name, row in zip(names, matrix.tolist(), strict=True)]
    table = terminal.table([("", *names), *rows], "<" + ">" * len(names))
    if max(map(len, table.splitlines())) <= terminal.width():
        return f"\n{table}\na row is a class, a column what its examples are taken for"
    found = [(names[i], "taken for", names[j], n) for i, j, n in pairs(matrix, MOST)]
    return "\n" + (terminal.table(found, "<<<>") if found else "nothing is confused")


def picture(args: Namespace) -> Path | None:
    """Where a picture is to go, refused before the work if it cannot."""
    if args.plot is None:
        return None
    suffix(path := Path(args.plot))
    return path


def data_of(args: Namespace, model: Model) -> Dataset | Text:
    """The data set asked for; without, the one of the run, or of the model."""
    config = config_of(Path(args.model))
    name = args.dataset or (config.dataset if config else model.dataset)
    check_place(name, args.data_dir, args.download)
    place = args.data_dir or (config.data_dir if config else None)
    if args.dataset is None and is_own(name) and not own_path(name).exists():
        raise FileNotFoundError(
            f"the network was trained on {name}, which is not there: name it with --dataset"
        )
    last = {} if args.channels_last is None else {"channels_last": args.channels_last}
    if last and not isinstance(model, OfExamples):
        raise ValueError("--channels-last is for pictures, and the model is of text: leave it out")
    return model.reload(name, place, args.download, **last)


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
        print(terminal.plain(text, ("\n", "\r\n", "\t")) if sys.stdout.isatty() else text)
    return finish(args, {"text": text})


def inspect(args: Namespace) -> int:
    """minihash inspect"""
    model = load_model(args.model)
    if plot := picture(args):
        if not Path(args.model).is_dir():
            raise ValueError(f"--plot is for a run folder, got {args.model}: name one")
        run = disk.load(Path(args.model))
        plots.curves(plot, run.metrics, run.best_epoch)
    about = report(model, Path(args.model))
    if not args.json:
        show(pages(about, terminal.width(), terminal.draws(sys.stdout)))
    return finish(args, about)


def explain(args: Namespace) -> int:
    """minihash explain"""
    from minihash.cli import explain as networks  # the layers that no other command needs
    from minihash.cli import picture as drawing

    path = picture(args)
    rows = networks.explain(args.backend)
    if path is not None:
        drawing.draw(path, rows)
    if not args.json:
        print(networks.page(rows, terminal.width()))
    return finish(args, {"networks": rows})


def backends(args: Namespace) -> int:
    """minihash backends"""
    with machine(args.backend, args.threads):
        taken = core.get_backend().__name__.rpartition(".")[2]
        threads = core.get_threads()
    reasons, kernels = core.backends(), _kernels()
    if not args.json:
        rows = [
            (name, f"no: {why}" if why else "taken" if name == taken else "usable")
            for name, why in reasons.items()
        ]
        where = f"{size(kernels['bytes'])} kept in {kernels['folder']}"
        rows.append(("threads", str(threads)))
        rows.append(("kernels", where if kernels["folder"] else "not kept"))
        print(terminal.table(rows, "<<"))
    about = {name: {"usable": not why, "why_not": why} for name, why in reasons.items()}
    return finish(args, {"backends": about, "taken": taken, "threads": threads, "kernels": kernels})


def _kernels() -> dict[str, object]:
    """Where compiled kernels are kept, of all versions, and their bytes; "" if nowhere."""
    from minihash.compile import jit, kept  # Numba, which no other command needs here

    folder = jit.cache_folder() if jit.HAVE_NUMBA else ""
    base = Path(folder).parent
    return {"folder": str(base), "bytes": kept.size(base)} if folder else {"folder": "", "bytes": 0}


def show(page: str) -> None:
    """Print a page, and nothing that is a command to a terminal."""
    print(terminal.plain(page, ("\n",)))


def finish(args: Namespace, result: dict) -> int:
    """With --json, the last line of standard output."""
    if args.json:
        print(json_line(result), end="")
    return 0
