"""How a run is shown while it trains: not at all, a line an epoch, or a bar on a terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from minihash.run.folder import Run


class Progress:
    """Shows nothing; base of those that do."""

    @contextmanager
    def shown(self, run: Run) -> Iterator[None]:
        """Show the run within this block."""
        yield

    def step(self, run: Run, report: dict) -> None:
        """A step is over; report: as `minihash.training.steps` gives it."""


class Lines(Progress):
    """A line an epoch, for logs."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def step(self, run: Run, report: dict) -> None:
        """Print a line if it was the last step of an epoch."""
        if run.state.batch:
            return
        metrics, epochs = run.metrics[-1], run.config.epochs
        left = (epochs - run.state.epoch) * metrics["seconds"]
        print(
            f"epoch {metrics['epoch']}/{epochs}: loss {metrics['loss']:.4f}, "
            f"accuracy {metrics['train_accuracy']:.4f}, test {metrics['test_accuracy']:.4f}, "
            f"rate {metrics['rate']:.3g}, {metrics['seconds']:.1f} s, {left:.0f} s left",
            file=self.stream,
            flush=True,
        )


class Bar(Progress):
    """One bar for the whole run: epoch, time left, loss and accuracies, rate."""

    FORMAT = "{desc} |{bar}| {remaining} left{postfix}"

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

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
        text = f"loss {report['loss']:.3f}, accuracy {report['train_accuracy']:.3f}"
        if run.metrics:
            text += f", test {run.metrics[-1]['test_accuracy']:.3f}"
        self.bar.set_postfix_str(f"{text}, rate {report['rate']:.3g}", refresh=False)
        self.bar.update()


def progress(quiet: bool = False) -> Progress:
    """What suits standard error."""
    if quiet:
        return Progress()
    return Bar(sys.stderr) if sys.stderr.isatty() else Lines(sys.stderr)
