"""How a run is shown while it trains: not at all, a line an epoch, or a bar on a terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import TextIO

from minihash.runs.folder import Run


class Progress:
    """Shows nothing; base of those that do."""

    @contextmanager
    def shown(self, run: Run) -> Iterator[None]:
        """Show the run within this block."""
        yield

    def say(self, text: str) -> None:
        """Say it, if anything is said."""

    def step(self, run: Run, report: dict) -> None:
        """A step is over; report: as `minihash.training.steps` gives it."""


class Lines(Progress):
    """A line an epoch, for logs."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def say(self, text: str) -> None:
        """Print it."""
        print(text, file=self.stream, flush=True)

    def step(self, run: Run, report: dict) -> None:
        """Print a line if it was the last step of an epoch."""
        if run.state.batch:
            return
        metrics, epochs = run.metrics[-1], run.config.epochs
        left = (epochs - run.state.epoch) * metrics["seconds"]
        with suppress(OSError):  # a disk that is full of what was told stops no run
            print(
                f"epoch {metrics['epoch']}/{epochs}: {_figures(run, report, 4)}, "
                f"rate {metrics['rate']:.3g}, {metrics['seconds']:.1f} s, {left:.0f} s left",
                file=self.stream,
                flush=True,
            )


class Bar(Lines):
    """One bar for the whole run: epoch, time left, loss and accuracies, rate."""

    FORMAT = "{desc} |{bar}| {remaining} left{postfix}"

    @contextmanager
    def shown(self, run: Run) -> Iterator[None]:
        """Open the bar before the first step, which may compile for some seconds."""
        if run.finished:
            yield
            return
        from tqdm import tqdm

        with tqdm(
            total=1, bar_format=self.FORMAT, file=self.stream, dynamic_ncols=True
        ) as self.bar:
            self.bar.set_description_str("first step")
            yield

    def step(self, run: Run, report: dict) -> None:
        """Move on by a step."""
        epochs, batches = run.config.epochs, report["batches"]
        if self.bar.total != epochs * batches:
            self.bar.reset(epochs * batches)
            self.bar.initial = self.bar.n = run.state.step - 1
        self.bar.set_description_str(f"{report['epoch']}/{epochs}", refresh=False)
        text = f"{_figures(run, report, 3)}, rate {report['rate']:.3g}"
        self.bar.set_postfix_str(text, refresh=False)
        self.bar.update()


def _figures(run: Run, report: dict, digits: int) -> str:
    """Loss, accuracy if there is one, and what the last epoch was on the test set."""
    figures = {"loss": report["loss"], "accuracy": report.get("train_accuracy")}
    if run.metrics:
        figures[run.initial.SHORT] = run.metrics[-1][next(iter(run.initial.METRICS))]
    parts = (f"{name} {x:.{digits}f}" for name, x in figures.items() if x is not None)
    return ", ".join(parts)


def progress(quiet: bool = False) -> Progress:
    """What suits standard error."""
    if quiet:
        return Progress()
    stream = sys.stderr
    if stream is None:  # as a service has it
        return Progress()
    return Bar(stream) if stream.isatty() and find_spec("tqdm") else Lines(stream)
