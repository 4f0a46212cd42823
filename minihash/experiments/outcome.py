"""One run, in memory: from a configuration and its data to the record that a sweep keeps.

The bits are those of `minihash train`: the same functions, on one thread instead of all, which the
core promises to change nothing. A record holds no dates and no places. Its times ("seconds") apart,
it depends on the configuration, the data and the versions alone.
"""

import os
import platform
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from minihash import __version__, core
from minihash.data import Dataset, Text
from minihash.experiments.grid import WHERE, without
from minihash.networks.storage import balances, counts
from minihash.runs import folder
from minihash.runs.config import Config, check_place
from minihash.runs.kinds import KINDS
from minihash.runs.machine import machine
from minihash.runs.train import advance, begun

Source = tuple[object, ...]
Loaded = tuple[Dataset | Text, int]  # a data set, and its CRC-32


class Abandoned(Exception):
    """Nobody waits for the run any more."""


def outcome(
    config: Config, loaded: Loaded, wanted: Callable[[], bool] = lambda: True
) -> dict[str, Any]:
    """Train and test after each epoch, on one thread; return the record.

    wanted: asked after each step; Abandoned is raised if it says no. Raises as `fit` does, too.

    >>> config = Config(hidden=(9,), epochs=2)
    >>> record = outcome(config, load(config))
    >>> [line["epoch"] for line in record["metrics"]], record["config"]["hidden"]
    ([1, 2], [9])
    """
    with machine(config.backend, 1), core.steady():
        for run, _ in advance(*begun(config, *loaded)):
            if not (run.finished or wanted()):
                raise Abandoned
        network = run.initial.network
        return {
            "minihash": __version__,
            **versions(),
            "backend": core.get_backend().__name__.rpartition(".")[2],
            "config": without(config, WHERE),
            "data": run.data,
            **counts(network),
            "entropy": {name: found.entropy for name, found in balances(network).items()},
            "metrics": list(run.metrics),
        }


def versions() -> dict[str, str | None]:
    """Of what computes: its last bits may depend on them."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in ("numpy", "numba"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found | {"processor": platform.machine()}


def source(config: Config) -> Source:
    """What the data of a run are read by: runs that share it share the data."""
    kind = KINDS[config.model].model
    own = tuple((name, getattr(config, name)) for name in kind.READ)
    return kind.load, config.dataset, config.data_dir, own


def load(config: Config, download: bool = False) -> Loaded:
    """The data of a run. Raises ValueError, OSError and ImportError as `minihash train` does."""
    check_place(str(config.dataset), config.data_dir, download)
    kind = KINDS[config.model].model
    own = {name: getattr(config, name) for name in kind.READ}
    data = kind.load(str(config.dataset), config.data_dir, download, **own)
    return data, folder.fingerprint(data)


def orphaned(parent: int) -> bool:
    """Whether the process that began this one, of this number, has ended."""
    return os.getppid() != parent
