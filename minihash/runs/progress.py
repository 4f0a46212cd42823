"""How a run is shown while it trains: not at all, a line an epoch, or such lines above a bar.

The time that is left is that of the steps which are left, at the pace of those that were seen: from
the end of the first, which may compile for seconds, to the end of the first epoch; from then on
from that, so that what is measured between epochs is counted too.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import TextIO

from minihash.runs.folder import Run
from minihash.runs.validation import value_of


class Progress:
    """Shows nothing; base of those that do."""

    @contextmanager
    def shown(self, run: Run) -> Iterator[None]:
        """Show the run within this block."""
        yield

    def say(self, text: str) -> None:
        """Before the first step: what the data are taken for."""

    def step(self, run: Run, report: dict) -> None:
        """A step is over; report: as `minihash.training.steps` gives it."""


class Lines(Progress):
    """A line an epoch, for logs."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.since: tuple[float, int] | None = None  # when the pace was first taken, at which step
        self.epochs = 0  # seen to end

    def step(self, run: Run, report: dict) -> None:
        """Print a line if it was the last step of an epoch."""
        self.left = self._left(run, report)
        if run.state.batch:
            return
        metrics, epochs = run.metrics[-1], run.config.epochs
        self.say(
            f"epoch {metrics['epoch']}/{epochs}: {_figures(run, report, 4)}, "
            f"rate {metrics['rate']:.3g}, {metrics['seconds']:.1f} s{self.left}"
        )

    def say(self, text: str) -> None:
        """Print it."""
        with suppress(OSError):  # a disk that is full of what was told stops no run
            print(text, file=self.stream, flush=True)

    def _left(self, run: Run, report: dict) -> str:
        """How much time is left, for the end of a line; nothing before a pace can be told."""
        now, step = time.monotonic(), run.state.step
        if self.since is None:
            self.since = now, step
        before, first = self.since
        if not run.state.batch:
            self.epochs += 1
            if self.epochs == 1:
                self.since = now, step
        if run.finished:
            return ", 0 s left"
        if step == first:
            return ""
        left = run.config.epochs * report["batches"] - step
        return f", {clock(left * (now - before) / (step - first))} left"


class Bar(Lines):
    """The lines, and below them one bar for the whole run: epoch, time left, loss and accuracies,
    rate."""

    FORMAT = "{desc} |{bar}| {unit}"  # a postfix would bring a comma of its own
    bar = None

    @contextmanager
    def shown(self, run: Run) -> Iterator[None]:
        """Open the bar before the first step, which may compile for some seconds."""
        if run.finished:
            yield
            return
        from tqdm import tqdm

        form = {"bar_format": self.FORMAT, "unit": "", "dynamic_ncols": True}
        with tqdm(total=1, file=self.stream, **form) as self.bar:
            self.bar.set_description_str("first step")
            yield

    def step(self, run: Run, report: dict) -> None:
        """Move on by a step."""
        epochs, batches = run.config.epochs, report["batches"]
        if self.bar.total != epochs * batches:
            self.bar.reset(epochs * batches)
            self.bar.initial = self.bar.n = run.state.step - 1
        super().step(run, report)
        self.bar.set_description_str(f"{report['epoch']}/{epochs}", refresh=False)
        self.bar.unit = f"{_figures(run, report, 3)}, rate {report['rate']:.3g}{self.left}"
        self.bar.update()

    def say(self, text: str) -> None:
        """Print it, above the bar if there is one."""
        if self.bar is None:
            super().say(text)
        else:
            self.bar.write(text, file=self.stream)


def clock(seconds: float) -> str:
    """A time for people.

    >>> clock(9.4), clock(125), clock(7325)
    ('9 s', '2:05', '2:02:05')
    """
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    if not minutes:
        return f"{second} s"
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def _figures(run: Run, report: dict, digits: int) -> str:
    """Loss, accuracy if there is one, and what the last epoch was on validation examples and on the
    test set."""
    figures = {"loss": report["loss"], "accuracy": report.get("train_accuracy")}
    for line in run.metrics[-1:]:
        names = [name for name in run.initial.METRICS if name in line]
        figures |= {run.initial.SHORT: line[names[0]]} if names else {}
        if run.config.validation is not None:
            figures["validation"] = value_of(run.initial, line)
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
