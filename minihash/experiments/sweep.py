"""A sweep: what a file of records lacks of a list of runs is run, and appended as it comes.

    missing = the runs whose identity no record has
    for each result of schedule(missing): append it

A sweep that is stopped or killed at any moment and begun again does what is missing then, and gives
the same records but for their order and times. `schedule` is what computes: a function of runs and
their data that yields results as they come, in any order; processes.py has the one of this machine.

A run that fails is told and not recorded: the next sweep tries it again.
"""

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from minihash.experiments.grid import WHERE, identity, seedless, without
from minihash.experiments.ledger import Ledger, read
from minihash.experiments.outcome import load, source
from minihash.experiments.processes import Data, Result, cores, in_processes
from minihash.experiments.progress import Shown, described
from minihash.experiments.results import figure, varying
from minihash.runs.config import Config
from minihash.runs.machine import machine
from minihash.runs.stop import Stop
from minihash.runs.teaching import fingerprint
from minihash.runs.train import begun

Schedule = Callable[[Sequence[Config], Data, Callable[[], bool]], Iterable[Result]]


@dataclass(frozen=True)
class Swept:
    """What a sweep did. records: of the runs that were asked for, in their order. new: how many of
    them it computed. failed: why a run has no record. signal: the number of what stopped it, or
    0."""

    records: tuple[dict, ...]
    new: int
    failed: tuple[str, ...] = field(default=())
    signal: int = 0


def sweep(
    configs: Sequence[Config],
    path: Path,
    schedule: Schedule | None = None,
    shown: Shown | None = None,
    download: bool = False,
) -> Swept:
    """Run what the file at `path` lacks of `configs`; schedule: processes, one a core, by default.

    Raises ValueError, before anything is written, for choices or data that do not fit, or if the
    file holds runs on other data of the same name; and as `Ledger` does.

    >>> import tempfile
    >>> grid = [Config(hidden=(9,), epochs=1, seed=seed) for seed in range(2)]
    >>> path = Path(tempfile.mkdtemp(), "runs.jsonl")
    >>> sweep(grid, path, one_after_another).new, sweep(grid, path, one_after_another).new
    (2, 0)
    """
    shown, schedule = shown or Shown(None), schedule or in_processes
    known = read(path) if path.exists() else []
    missing = lacking(configs, known)
    data = loaded(missing, download)
    _same_data(path, known, missing, data)
    rehearse(missing, data)
    path.parent.mkdir(parents=True, exist_ok=True)
    with Ledger(path) as ledger:
        missing = lacking(missing, ledger.records)  # another sweep may have gone on since
        names, failed, new = varying([config.to_json() for config in configs]), [], 0
        stop = Stop()
        with stop, shown.over(len(configs) - len(missing), len(configs)):
            stop.listen()
            for config, result in schedule(missing, data, lambda: stop.number != 0):
                said = described(config.to_json(), names) or str(config.dataset)
                if isinstance(result, str):
                    failed.append(f"{said}: {result}")
                    shown.finished(f"{said}: no result, {result}")
                    continue
                ledger.append(result)
                new += 1
                shown.finished(f"{said}: {figure(result)}")
        found = {identity(Config.from_json(r["config"])): r for r in ledger.records[::-1]}
    asked = (identity(config) for config in configs)
    return Swept(tuple(found[k] for k in asked if k in found), new, tuple(failed), stop.number)


def lacking(configs: Sequence[Config], records: Sequence[dict]) -> list[Config]:
    """The runs that no record is of."""
    done = {identity(Config.from_json(record["config"])) for record in records}
    return [config for config in configs if identity(config) not in done]


def loaded(configs: Sequence[Config], download: bool = False) -> Data:
    """The data of all runs, each set read once. Raises as `load` does."""
    first = {source(config): config for config in configs}
    return {key: load(config, download) for key, config in first.items()}


def rehearse(configs: Sequence[Config], data: Data) -> None:
    """One step of each run, seeds apart: it refuses what does not fit before anything is computed,
    tells each warning once, and compiles the kernels that forked processes then have; whole steps
    (training/whole.py), too, where they pay over a core's share of all seeds.

    Raises ValueError, TypeError and MemoryError as `fit` does."""
    told: set[str] = set()
    seeds = Counter(map(seedless, configs))
    for kind, config in {seedless(config): config for config in configs}.items():
        config = replace(config, epochs=config.epochs * -(-seeds[kind] // cores()))
        with warnings.catch_warnings(record=True) as caught, machine(config.backend, 1):
            warnings.simplefilter("always", UserWarning)
            run, rest, _ = begun(config, *data[source(config)])
            next(iter(run.initial.learn(run.state, rest)))
        for text in {str(warning.message) for warning in caught} - told:
            warnings.warn(text, stacklevel=3)
            told.add(text)


def one_after_another(
    configs: Sequence[Config], data: Data, stopped: Callable[[], bool]
) -> Iterable[Result]:
    """The schedule without processes: for a debugger, and for systems that can start none."""
    from minihash.experiments.outcome import outcome

    for config in configs:
        if stopped():
            return
        yield config, outcome(config, data[source(config)])


def _same_data(path: Path, records: Sequence[dict], configs: Sequence[Config], data: Data) -> None:
    """Raises ValueError if records are of other data that have the name of these."""
    names = ("dataset", "channels_last", "tokens", "teacher")
    for config in {(source(config), config.teacher): config for config in configs}.values():
        ours, crc = without(config, WHERE), fingerprint(config, data[source(config)][1])
        for record in records:
            same = all(record["config"].get(name) == ours[name] for name in names)
            if same and record["data"] != crc:
                also = f", or by another teacher {ours['teacher']}" if config.teacher else ""
                raise ValueError(
                    f"{path} has runs on another data set that is called {config.dataset}, too"
                    f"{also}: find that one, or name another file with --out"
                )
