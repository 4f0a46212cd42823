"""Records side by side: runs that differ in their seeds alone are one row, with mean and spread.

The figure of a run is the first metric of its model (accuracy on the test set, bits per character),
after the epoch that did best on validation examples, or, without any, after the last one. It is
None, NaN here, where the run had diverged.
"""

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minihash.derived import derived
from minihash.experiments import ledger
from minihash.experiments.grid import WHERE, seedless, without
from minihash.experiments.progress import written
from minihash.runs import folder
from minihash.runs.config import Config
from minihash.runs.kinds import KINDS
from minihash.runs.validation import named


def records_of(path: Path) -> list[dict]:
    """Those of a sweep's file, or of the folder of one run. Raises OSError, ValueError."""
    if not path.is_dir():
        return ledger.read(path)
    run = folder.load(path)
    if not run.metrics:
        raise ValueError(f"no epoch of the run in {path} is over yet: there is nothing to compare")
    return [{"config": without(run.config, WHERE), "metrics": list(run.metrics)}]


def varying(configs: Sequence[dict]) -> list[str]:
    """The names of the choices that are not the same in all.

    >>> varying([{"alpha": 1, "seed": 0}, {"alpha": 1, "seed": 1}])
    ['seed']
    """
    names = dict.fromkeys(name for config in configs for name in config)
    return [n for n in names if any(c.get(n) != configs[0].get(n) for c in configs)]


def metric(record: dict) -> str:
    """The name of what a run is measured by."""
    known = KINDS[record["config"]["model"]].model.METRICS
    return next(name for name in known if name in record["metrics"][-1])


def value(record: dict, name: str | None = None) -> float:
    """The figure of a run. Raises KeyError for a metric that it has not.

    >>> config = {"model": "mlp", "validation": 0.1}
    >>> first = {"validation_accuracy": 0.9, "test_accuracy": 0.8}
    >>> second = {"validation_accuracy": 0.7, "test_accuracy": 0.9}
    >>> value({"config": config, "metrics": [first, second]})
    0.8
    """
    found = counted(record)[name or metric(record)]
    return math.nan if found is None else found


def counted(record: dict) -> dict:
    """The metrics of the epoch that counts: the last, or with examples held out the one that does
    best on them."""
    lines = record["metrics"]
    if record["config"].get("validation") is None:
        return lines[-1]
    model = KINDS[record["config"]["model"]].model
    chosen = next(n for n in named(dict.fromkeys(model.METRICS)) if n in lines[0])
    sign = 1 if model.RISES else -1
    worth = [-math.inf if line[chosen] is None else sign * line[chosen] for line in lines]
    return lines[int(np.argmax(worth))]


def figure(record: dict) -> str:
    """The figure of a run, for people."""
    return f"{metric(record).replace('_', ' ')} {value(record):.4f}"


@dataclass(frozen=True)
class Row:
    """Runs that differ in their seeds alone. choices: those that other rows have otherwise."""

    choices: dict[str, str]
    records: tuple[dict, ...]
    metric: str

    @derived
    def values(self) -> np.ndarray:
        """A figure a run, in the order of their seeds."""
        return np.array([value(record, self.metric) for record in self.records])

    @property
    def mean(self) -> float:
        return float(self.values.mean())

    @property
    def spread(self) -> float:
        """The standard deviation over seeds, of n - 1; NaN for one."""
        return float(self.values.std(ddof=1)) if len(self.values) > 1 else math.nan

    @property
    def name(self) -> str:
        """The choices in one line."""
        return ", ".join(f"{name} {text}" for name, text in self.choices.items()) or "all"

    def curve(self, name: str, over: Callable = np.mean) -> np.ndarray:
        """The mean over seeds, or what else, of a metric after each epoch that all have had."""
        epochs = min(len(record["metrics"]) for record in self.records)
        lines = [[line.get(name) for line in r["metrics"][:epochs]] for r in self.records]
        return over(np.array(lines, float), axis=0)


def rows(records: Sequence[dict]) -> list[Row]:
    """Records by all but their seeds, in the order in which they first come; each run once.

    Raises ValueError if there are none, or if they are of models that share no measure.
    """
    if not records:
        raise ValueError("there is no run to compare: run a sweep first")
    first = metric(records[0])
    if other := next((r for r in records if first not in r["metrics"][-1]), None):
        models = records[0]["config"]["model"], other["config"]["model"]
        raise ValueError(
            f"a model {models[0]} is measured by {first}, a model {models[1]} is not: compare runs "
            "that are measured alike"
        )
    groups: dict[str, dict[int, dict]] = {}
    choices: dict[str, dict] = {}
    for record in records:
        config = Config.from_json(record["config"])  # of today: a choice may be younger than a run
        groups.setdefault(key := seedless(config), {}).setdefault(config.seed, record)
        choices.setdefault(key, without(config, (*WHERE, "seed")))
    names = varying([*choices.values()])
    return [
        Row(
            {n: written(choices[key][n]) for n in names},
            tuple(found[seed] for seed in sorted(found)),
            first,
        )
        for key, found in groups.items()
    ]


def crossed(
    records: Sequence[dict], row: Callable[[dict], str], column: Callable[[dict], str]
) -> str:
    """A Markdown table of mean and spread (standard deviation) over the runs of each cell, rows and
    columns in the order in which they come.

    >>> runs = [{"config": {"model": "mlp"}, "metrics": [{"test_accuracy": x}]} for x in (0.5, 0.7)]
    >>> print(crossed(runs, lambda run: "all", lambda run: "here"))
    | test accuracy | here |
    | --- | --- |
    | all | 0.6000 ± 0.1414 |
    """
    cells: dict[str, dict[str, list[float]]] = {}
    for record in records:
        cells.setdefault(row(record), {}).setdefault(column(record), []).append(value(record))
    columns = dict.fromkeys(column(record) for record in records)
    lines = [[metric(records[0]).replace("_", " "), *columns], ["---"] * (1 + len(columns))]
    lines += [[name, *(_cell(found.get(c, [])) for c in columns)] for name, found in cells.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(values: Sequence[float]) -> str:
    if not values:
        return ""
    spread = f" ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else ""
    return f"{np.mean(values):.4f}{spread}"


def as_csv(found: Sequence[Row], every: bool = True) -> str:
    """A line a run and epoch: the choices that differ, the seed, the epoch, and all metrics.
    every: of all epochs, not of the one that counts alone."""
    metrics = dict.fromkeys(
        name for row in found for r in row.records for line in r["metrics"] for name in line
    )
    shown = [name for name in metrics if name not in ("epoch", "seconds")]
    entropies = all("entropy" in record for row in found for record in row.records)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    before = [*found[0].choices, "seed", *(["entropy"] if entropies else [])]
    writer.writerow([*before, "epoch", *shown])
    for row in found:
        for record in row.records:
            own = [*row.choices.values(), record["config"]["seed"]]
            own += [repr(entropy(record))] if entropies else []
            for line in record["metrics"] if every else [counted(record)]:
                writer.writerow([*own, line["epoch"], *(line.get(name) for name in shown)])
    return stream.getvalue()


def entropy(record: dict) -> float:
    """The entropy of the tables, in nats; of several, their mean."""
    return sum(record["entropy"].values()) / len(record["entropy"])
