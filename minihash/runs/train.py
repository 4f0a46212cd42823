"""Training, saved after each epoch and when it is told to stop.

A signal (Ctrl-C, SIGTERM, SIGHUP) lets the step at hand end, saves the run and stops; a second one
acts at once. What a run computes depends on its config and data alone: stopped and resumed at any
moments, killed and resumed, it ends with the same model, bit for bit.
"""

import math
import re
import shlex
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from minihash import training
from minihash.checks import counted
from minihash.data import Dataset, Text
from minihash.networks.storage import counts
from minihash.runs import brought, creation, teaching
from minihash.runs import folder as disk
from minihash.runs.config import Config, check_place, is_own
from minihash.runs.folder import Run
from minihash.runs.kinds import KINDS
from minihash.runs.machine import check_memory, machine, peak_memory
from minihash.runs.model import FILE
from minihash.runs.progress import Progress
from minihash.runs.stop import Stop
from minihash.runs.validation import loss_of, named, split

# What may change when a run is resumed: where and how fast it computes, and when it ends.
FREE = ("epochs", "patience", "data_dir", "backend", "threads")
# What the config of the run reads as it is typed.
TYPED = ("hash_options", "compression", "validation")


class Stopped(Exception):
    """The run was told to stop, and is saved in `folder`. number: of the signal."""

    def __init__(self, number: int, folder: Path, run: Run) -> None:
        where = f"stopped after {run.state.epoch} of {counted(run.config.epochs, 'epoch')}"
        if run.state.batch:
            where += f" and {counted(run.state.batch, 'batch', 'es')}"
        super().__init__(f"{where}; go on with: {resume_command(folder, run)}")
        self.number = number


def resume_command(folder: Path, run: Run | None = None) -> str:
    """What to type, in the shell of this system.

    >>> resume_command(Path("runs/digits-001"))
    'minihash train --resume runs/digits-001'
    """
    name = str(folder)
    if sys.platform != "win32":
        name = shlex.quote(name)
    elif re.search(r"[^\w\\/:.-]", name):
        name = f'"{name}"'  # the one quote that both of its shells know; no name holds one
    command = "train" if run is None or not under_way(run) else "compress"
    return f"minihash {command} --resume {name}"


def under_way(run: Run) -> bool:
    """Whether it is a compression that has stages to come."""
    return bool(run.sharing) and not run.sharing["done"]


def begin(
    config: Config,
    out: Path | None = None,
    download: bool = False,
    progress: Progress | None = None,
) -> dict:
    """Train a new run; return its `summary`.

    The folder is made after the first step: a run that cannot make one leaves nothing behind.
    Raises Stopped, ValueError, TypeError, OSError and MemoryError; ImportError for a download
    without pooch.
    """
    with machine(config.backend, config.threads):
        if out is not None:
            creation.check_free(out)
        kind = KINDS[config.model].model
        check_place(config.dataset, config.data_dir, download)
        config.training()  # raises before the data are read
        own = {name: getattr(config, name) for name in kind.READ}
        data = kind.load(config.dataset, config.data_dir, download, **own)
        progress = progress or Progress()
        own_set = is_own(config.dataset) and isinstance(data, Dataset)
        taken_for = data.about(config.standardise) if own_set else ""
        run, data, held = begun(config, data, disk.fingerprint(data))
        if taken_for:  # by a network that takes them: an error stands alone
            progress.say(taken_for)
        before: dict[str, float] = {}
        if config.weights is not None:
            before = run.initial.measure(data)
            measured = ", ".join(f"{x:.4f} {name}" for name, x in before.items())
            progress.say(f"{config.weights}: {brought.about(run.config, run.initial)}")
            progress.say(f"brought in: {measured}".replace("_", " "))
        done = go_on(run, data, held, lambda: creation.create(out, run), progress)
        return summary(*done, before)


def begun(
    config: Config, data: Dataset | Text, fingerprint: int
) -> tuple[Run, Dataset | Text, Dataset | Text | None]:
    """A run before its first step, what it learns from and is tested with, and what is held out.

    data, fingerprint: the whole data set, and its own (`folder.fingerprint`).
    Raises ValueError for what does not fit, MemoryError for tables that this machine cannot hold.
    """
    fingerprint = teaching.fingerprint(config, fingerprint)
    data, held = _split(config, data)
    if config.weights is not None:
        config, model = brought.bring(config, data)
    else:
        model = KINDS[config.model].model.begun(config, data)
        model.check(data)
    check_memory(sum({w.table: w.hash.buckets for w in model.network.weights()}.values()))
    dtype = np.dtype(config.dtype).type
    begin = model.network, model.training, dtype, config.init_scale, model.params or None
    state = training.start(*begin)
    run = Run(config, replace(model, params=state.params), state, fingerprint)
    return run, teaching.taught(config, data), held


def _split(config: Config, data: Dataset | Text) -> tuple[Dataset | Text, Dataset | Text | None]:
    """What to train and to test with, and what to validate with."""
    if config.validation is None:
        return data, None
    return split(data, config.validation, config.seed)


def resume(
    folder: Path,
    given: dict | None = None,
    download: bool = False,
    progress: Progress | None = None,
) -> dict:
    """Go on with the run in `folder`; return its `summary`.

    given: choices that must be those of the run, or are among `FREE`. Raises as `begin` does.
    """
    given = given or {}
    run = _with_choices(disk.load(folder), folder, given)
    if under_way(run):
        raise ValueError(
            f"{folder} is a compression that is not done: go on with {resume_command(folder, run)}"
        )
    check_place(run.config.dataset, given.get("data_dir"), download)
    with machine(run.config.backend, run.config.threads):
        data = data_of(run, folder, download)

        def open_folder() -> Path:
            disk.save(folder, run)  # a kill may have come between two files
            return folder

        data, held = _split(run.config, data)
        data = teaching.taught(run.config, data)
        return summary(*go_on(run, data, held, open_folder, progress or Progress()))


def data_of(run: Run, folder: Path, download: bool = False) -> Dataset | Text:
    """The data set of a run. Raises ValueError if it, or its teacher, is another by now."""
    data = run.initial.reload(run.config.dataset, run.config.data_dir, download)
    run.initial.check(data)
    if teaching.fingerprint(run.config, disk.fingerprint(data)) != run.data:
        also = " or teacher" if run.config.teacher else ""
        raise ValueError(
            f"the data set{also} {run.config.dataset} is not the one that {folder} began with: "
            "find that one, or begin a new run without --resume"
        )
    return data


def _with_choices(run: Run, folder: Path, given: dict) -> Run:
    """The run with its free choices changed. Raises ValueError for others that differ."""
    for name, value in given.items():
        was = getattr(run.config, name)
        if name in TYPED:
            value = getattr(replace(run.config, **{name: value}), name)
        moved = name == "dataset" and is_own(value) and is_own(was)
        if value != was and name not in FREE and not moved:
            raise ValueError(
                f"{folder} was begun with {name.replace('_', '-')} {was}, got {value}: leave it "
                "out, or begin a new run without --resume"
            )
    config = replace(run.config, **given)
    if config.epochs < run.state.epoch or (config.epochs == run.state.epoch and run.state.batch):
        raise ValueError(
            f"{folder} has begun epoch {run.state.epoch + bool(run.state.batch)}, got --epochs "
            f"{config.epochs}: give at least that many"
        )
    schedule = replace(run.initial.training, epochs=max(config.epochs, 1))
    return replace(run, config=config, initial=replace(run.initial, training=schedule))


def go_on(
    run: Run,
    data: Dataset | Text,
    held: Dataset | Text | None,
    open_folder: Callable[[], Path],
    progress: Progress,
) -> tuple[Run, Path]:
    """All steps that are left. The folder is opened after the first of them. Raises Stopped."""
    folder, stop, now = None, Stop(), run
    with stop, progress.shown(run):
        for now, report in advance(run, data, held):
            if folder is None:
                stop.listen()
                folder = open_folder()
            if now.state.batch == 0:
                _save(folder, now)
            progress.step(now, report)
            if stop.number and not now.finished:
                _save(folder, now)
                raise Stopped(stop.number, folder, now)
    return now, folder or open_folder()


def advance(
    run: Run, data: Dataset | Text, held: Dataset | Text | None
) -> Iterator[tuple[Run, dict]]:
    """The run after each step that is left of it, with the step's report: with the metrics of an
    epoch that is over, and the seconds of one that is not."""
    then = time.perf_counter()
    while not run.finished:  # epoch by epoch: a schedule may wait for what validation says
        for state, report in run.initial.learn(run.state, data):
            now = time.perf_counter()
            run, then = replace(run, state=state, seconds=run.seconds + now - then), now
            if state.batch == 0:
                run, then = after_epoch(run, report, data, held), time.perf_counter()
            yield run, report
            if state.batch == 0:
                break


def after_epoch(run: Run, report: dict, data: Dataset | Text, held: Dataset | Text | None) -> Run:
    """The run with a line of metrics for the epoch that is over, on validation examples and on the
    test set, and what is best by now. report: of the epoch's last step."""
    then, now = time.perf_counter(), replace(run.initial, params=run.state.params)
    measured = ({} if held is None else named(now.measure(held))) | now.measure(data)
    seconds = time.perf_counter() - then
    if not math.isfinite(report["loss"]) and all(
        math.isfinite(m["loss"] or 0) for m in run.metrics
    ):
        warnings.warn(
            f"the loss is {report['loss']} in epoch {report['epoch']}: the run has diverged, try a "
            "smaller --lr",
            stacklevel=2,
        )
    of_epoch = {name: value for name, value in report.items() if name != "batches"}
    metrics = of_epoch | measured | {"seconds": round(run.seconds + seconds, 3)}
    run = replace(run, metrics=(*run.metrics, metrics), seconds=0.0)
    if (schedule := run.initial.training.schedule).of == "validation":
        seen = schedule.after_epoch(run.state.schedule, 1 / (1 + loss_of(run.initial, metrics)))
        run = replace(run, state=replace(run.state, schedule=seen))
    return replace(run, best=run.state.params) if run.best_epoch == run.state.epoch else run


def _save(folder: Path, run: Run) -> None:
    try:
        disk.save(folder, run)
    except OSError as error:
        again = resume_command(folder, run)
        error.__notes__ = [f"then go on with: {again}"]  # 3.11: add_note
        raise


def summary(run: Run, folder: Path, before: dict[str, float] | None = None) -> dict:
    """What came out: model and its metrics, sizes, bytes, seconds, and where it all is.

    bytes_on_disk: of the model's file. peak_memory: bytes of this process, all told. best_epoch,
    with validation alone: the one that the model and its metrics are of. before: the metrics of
    weights that were brought in.
    """
    of_best = {"best_epoch": run.best_epoch} if run.best_epoch else {}
    # without a best one, the last
    shown = run.metrics[run.best_epoch - 1] if run.metrics else before or {}
    return {
        "model": run.config.model,
        **{name: shown[name] for name in shown if name not in ("epoch", "rate", "seconds")},
        **counts(run.initial.network),
        "bytes_on_disk": (folder / FILE).stat().st_size,
        "peak_memory": peak_memory(),
        "epochs": run.state.epoch,
        **of_best,
        **({"before": before} if before else {}),
        "seconds": round(sum(metrics["seconds"] for metrics in run.metrics), 3),
        "run": str(folder),
    }
