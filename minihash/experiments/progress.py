"""How a sweep is shown: a line a finished run, on a terminal above one bar with the time left."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Any, TextIO

from minihash.runs.progress import clock


class Shown:
    """Lines on a stream, and a bar if it is a terminal; on no stream, nothing."""

    bar: Any = None

    def __init__(self, stream: TextIO | None) -> None:
        self.stream = stream

    @contextmanager
    def over(self, done: int, total: int) -> Iterator[None]:
        """Show runs within this block, of which so many were done before."""
        self.done, self.total, self.new, self.since = done, total, 0, time.monotonic()
        if self.stream is None or not self.stream.isatty() or not find_spec("tqdm"):
            yield
            return
        from tqdm import tqdm

        class Bar(tqdm):  # its thread would make a fork unsafe
            monitor_interval = 0

        form = {"bar_format": "{desc} |{bar}| {n_fmt}/{total_fmt}{unit}", "dynamic_ncols": True}
        with Bar(total=total, initial=done, file=self.stream, unit="", **form) as self.bar:
            yield
        self.bar = None

    def finished(self, text: str) -> None:
        """A run is over: what it was, and what came out."""
        self.done, self.new = self.done + 1, self.new + 1
        spent = time.monotonic() - self.since
        left = f"{clock(spent / self.new * (self.total - self.done))} left"
        if self.bar is None:
            self.say(f"{self.done}/{self.total} {text}, {left}")
        else:
            self.bar.unit = f", {left}"
            self.bar.update()
            self.say(text)

    def say(self, text: str) -> None:
        """Print a line, above the bar if there is one."""
        with suppress(OSError):  # a disk that is full of what was told stops no run
            if self.bar is not None:
                self.bar.write(text, file=self.stream)
            elif self.stream is not None:
                print(text, file=self.stream, flush=True)


def described(choices: dict, names: Sequence[str]) -> str:
    """The choices of these names, as they are typed; those that are not made are left out.

    >>> described({"alpha": None, "hidden": [20, 10], "seed": 0}, ["alpha", "hidden", "seed"])
    'hidden 20,10, seed 0'
    """
    given = [n for n in names if choices[n] not in ("", [], None) and choices[n] is not False]
    return ", ".join(f"{name.replace('_', '-')} {written(choices[name])}" for name in given)


def written(value: object) -> str:
    """A choice as it is typed; a hash's options as NAME=VALUE.

    >>> written([["size", 3]]), written({"float": "inf"}), written(None)
    ('size=3', 'inf', '-')
    """
    if value is None:
        return "-"
    if isinstance(value, dict):
        return str(value.get("float", value))
    if isinstance(value, list | tuple):
        pairs = [isinstance(item, list | tuple) for item in value]
        return ",".join(
            f"{item[0]}={written(item[1])}" if pair else str(item)
            for item, pair in zip(value, pairs, strict=True)
        )
    return str(value)
