"""A run on disk: saved whole, so that it goes on as if it had never stopped.

    resume.safetensors    parameters, optimiser, schedule, counters, metrics, every choice: all that
                          the next step depends on, in one file, which is replaced in one moment
    model.safetensors     the model (model.py), from the first epoch or stop on
    metrics.jsonl         a line an epoch
    config.json           the choices, for people

Only the first is ever read to go on; the others are written after it, out of it. A run that is
killed between two of them writes them again when it is resumed. creation.py makes the folder.
"""

import json
import math
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from minihash import __version__
from minihash.data import Dataset, Text
from minihash.files import checkpoint
from minihash.files.atomic import atomic_write
from minihash.files.spec import UnknownType
from minihash.runs.config import Config
from minihash.runs.kinds import decoded
from minihash.runs.model import FILE, Model
from minihash.runs.validation import best
from minihash.training import State

RESUME, METRICS, CONFIG = "resume.safetensors", "metrics.jsonl", "config.json"
COUNTERS = ("epoch", "batch", "step", "correct", "seen")


@dataclass(frozen=True, eq=False)
class Run:
    """Where a run is. initial: the model before training; state: what training has made of it.

    data: the CRC-32 of the data set. metrics: a dict an epoch. seconds: spent in the current epoch.
    best: the parameters after the epoch that did best on validation examples; empty without one.
    sharing: of a run that is a compression, what it does and how far it is (compress.py).
    """

    config: Config
    initial: Model
    state: State
    data: int
    metrics: tuple[dict, ...] = ()
    seconds: float = 0.0
    best: dict[str, np.ndarray] = field(default_factory=dict)
    sharing: dict = field(default_factory=dict)

    @property
    def model(self) -> Model:
        """The model of the best epoch; without one, as it is now."""
        state = self.state
        if not self.best:
            return replace(self.initial, params=state.params, epochs=state.epoch, steps=state.step)
        steps = self.best_epoch * ((state.step - state.batch) // state.epoch)
        return replace(self.initial, params=self.best, epochs=self.best_epoch, steps=steps)

    @property
    def best_epoch(self) -> int:
        """The one that did best on validation examples, from 1; 0 without one."""
        return best(self.initial, self.metrics)

    @property
    def usable(self) -> bool:
        """Whether its model is more than where a network begins: trained, or brought in."""
        return self.state.step > 0 or self.config.weights is not None

    @property
    def finished(self) -> bool:
        """Whether no epoch is left, or patience."""
        epoch, patience = self.state.epoch, self.config.patience
        if epoch >= self.config.epochs or patience is None or self.state.batch:
            return epoch >= self.config.epochs
        return epoch - self.best_epoch >= patience


def fingerprint(data: Dataset | Text) -> int:
    """The CRC-32 of all examples and labels, or of a text: tells data sets apart that have one
    name."""
    crc = 0
    for array in data.arrays:
        crc = zlib.crc32(np.ascontiguousarray(array).data, crc)
    return crc


def save(folder: Path, run: Run) -> None:
    """Write all files of the run, each atomically. Raises OSError as `atomic_write` does, and
    ValueError for a symbolic link where a file should be."""
    check_files(folder)
    state, arrays = run.state, {}
    spec = {
        "kind": "run",
        "config": run.config.to_json(),
        "model": run.initial.spec(arrays),
        "data": run.data,
        "schedule": state.schedule,
        "counters": {name: getattr(state, name) for name in COUNTERS},
        "seconds": run.seconds,
    }
    if run.sharing:
        spec["sharing"] = run.sharing
    arrays |= {f"params/{name}": array for name, array in state.params.items()}
    arrays |= {f"best/{name}": array for name, array in run.best.items()}
    arrays |= {f"optimiser/{name}": array for name, array in state.optimiser.items()}
    arrays |= {f"carried/{name}": array for name, array in state.carried.items()}
    metrics = "".join(map(json_line, run.metrics)).encode()
    arrays["metrics"] = np.frombuffer(metrics, np.uint8)
    arrays["loss_sum"] = np.array(state.loss_sum)  # an array can be NaN, JSON cannot
    checkpoint.save(folder / RESUME, spec, arrays)
    if run.usable:
        run.model.save(folder / FILE)
    atomic_write(folder / METRICS, metrics)
    config = {"minihash": __version__, **run.config.to_json()}
    atomic_write(folder / CONFIG, json.dumps(config, indent=2).encode() + b"\n")


def check_files(folder: Path) -> None:
    """Raises ValueError if a file of the run is a symbolic link: what it leads to is not the run's,
    and would be overwritten."""
    for name in (RESUME, FILE, METRICS, CONFIG):
        if (folder / name).is_symlink():
            raise ValueError(
                f"{folder / name} is a symbolic link, and a run writes in its own folder alone: "
                "put the file itself there, or remove the link"
            )


def json_line(value: dict) -> str:
    """One line of strict JSON: a number that is not finite is null.

    >>> json_line({"epoch": 1, "loss": float("nan")})
    '{"epoch": 1, "loss": null}\\n'
    """

    def strict(value: object) -> object:
        if isinstance(value, dict):
            return {key: strict(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [strict(item) for item in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return json.dumps(strict(value), allow_nan=False) + "\n"


def load(folder: Path) -> Run:
    """The run in a folder, as it was saved last.

    Raises FileNotFoundError if there is none, ValueError if its file is damaged, or a symbolic link
    stands among its files.
    """
    path = folder / RESUME
    check_files(folder)
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no run to resume in {folder}: it has no {RESUME}; name the folder of a run"
        )
    spec, arrays = checkpoint.load(path)
    if spec.get("kind") != "run":
        raise ValueError(f"{path} is no saved run: restore it from a copy")
    try:
        metrics = tuple(map(json.loads, arrays.pop("metrics").tobytes().splitlines()))
        params, optimiser = _under(arrays, "params/"), _under(arrays, "optimiser/")
        best_params = _under(arrays, "best/")
        carried, loss_sum = _under(arrays, "carried/"), float(arrays.pop("loss_sum"))
        config = Config.from_json(spec["config"])
        model = decoded(path, spec["model"], arrays, params)
        if best_params:
            decoded(path, spec["model"], arrays, best_params)
        schedule, counters = spec["schedule"], spec["counters"]
        if schedule.keys() != model.training.schedule.init().keys():
            raise ValueError("the state of its schedule is invalid")
        if counters.keys() != set(COUNTERS) or any(type(n) is not int for n in counters.values()):
            raise ValueError("its counters are invalid")
        state = State(params, optimiser, schedule, loss_sum=loss_sum, carried=carried, **counters)
        told = {"best": best_params, "sharing": spec.get("sharing", {})}
        run = Run(config, model, state, spec["data"], metrics, spec["seconds"], **told)
        _ = run.model, run.finished  # which read the metrics
        return run
    except UnknownType as error:
        if str(path) in str(error):
            raise
        raise UnknownType(f"cannot resume from {path}: {error}") from None
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"cannot resume from {path}: {error}; restore it from a copy") from None


def config_of(path: Path) -> Config | None:
    """The choices of the run in a folder; None if there is none."""
    if not (path / RESUME).is_file():
        return None
    try:
        return Config.from_json(checkpoint.read_spec(path / RESUME)["config"])
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"{path / RESUME} is no saved run: restore it from a copy") from error


def _under(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name[len(prefix) :]: arrays[name] for name in arrays if name.startswith(prefix)}
