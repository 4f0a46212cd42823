"""What all trained models have: a network, its parameters, what it was trained on and how.

    Classifier, Autoencoder    examples.py      of images and the like
    Writer                     writer.py        of text

kinds.py has the file that holds one. It is a checkpoint (checkpoint.py) whose arrays are the
parameters alone, the tables among them, and whose spec holds all else. It depends on what the run
computed and on nothing else: no dates, no times, no places.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from minihash.checks import counted
from minihash.data import Dataset, Text
from minihash.files import checkpoint
from minihash.files.spec import encode, kept
from minihash.networks.sequential import Sequential
from minihash.training import State, Training, penalties

if TYPE_CHECKING:
    from minihash.runs.config import Config

FILE = "model.safetensors"


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Model:
    """Base of all models. dataset: the name of what it was trained on. epochs, steps: how far."""

    network: Sequential
    params: dict[str, np.ndarray]
    dataset: str
    training: Training
    epochs: int = 0
    steps: int = 0

    # What it is measured by on the test set: name -> (for people, of what); the first matters most.
    METRICS: ClassVar[dict[str, tuple[str, str]]]
    SHORT: ClassVar[str]  # the first one's name in a line of progress
    UNIT: ClassVar[str]  # what a test set is counted in
    RISES: ClassVar[bool] = False  # whether the first metric grows as it gets better
    READ: ClassVar[tuple[str, ...]] = ()  # the choices that `load` is told of

    def __repr__(self) -> str:
        kind, layers = type(self).__name__, len(self.network.layers)
        sizes = f"{counted(layers, 'layer')}, {counted(self.epochs, 'epoch')}"
        return f"{kind}({self.dataset!r}, {sizes})"

    @staticmethod
    def load(name: str, data_dir: str | Path | None = None, download: bool = False) -> Any:
        """The data set of this name, or file. Raises as `minihash.data.load` does."""
        raise NotImplementedError

    def reload(self, name: str, *places: Any, **options: Any) -> Any:
        """As `load`, in the terms of this model. Raises ValueError, too, if it cannot be brought to
        them."""
        return self.load(name, *places, **options)

    @classmethod
    def begun(cls, config: "Config", data: Dataset | Text) -> "Model":
        """The model of a new run, without parameters. Raises ValueError for wrong choices."""
        own = cls.choices(config, data)
        common = {"params": {}, "training": config.training(own["network"])}
        common["dataset"] = Path(config.dataset).name  # without the folder of one's own file
        return cls(**common, **own)

    @classmethod
    def choices(cls, config: "Config", data: Any) -> dict[str, object]:
        """The network, and the fields that a kind has of its own."""
        raise NotImplementedError

    def check(self, data: Any) -> None:
        """Raises ValueError unless the network takes these data."""
        raise NotImplementedError

    def validate(self) -> None:
        """Raises ValueError unless its own fields fit its network."""
        raise NotImplementedError

    def learn(self, state: State, data: Any) -> Iterator[tuple[State, dict]]:
        """Go on from `state`, as `minihash.training.steps` does."""
        raise NotImplementedError

    def measure(self, data: Any) -> dict[str, float]:
        """Its METRICS on the test set."""
        raise NotImplementedError

    def count(self, data: Any) -> int:
        """The size of the test set, in its UNIT."""
        raise NotImplementedError

    def about(self) -> dict[str, object]:
        """What `minihash inspect --json` says of its inputs or outputs."""
        raise NotImplementedError

    def spec(self, arrays: dict[str, np.ndarray]) -> dict:
        """All but the parameters, as JSON; arrays of hashes are put into `arrays`."""
        values = kept(self)
        encoded = {
            name: encode(value, arrays) for name, value in values.items() if name != "params"
        }
        return {"type": type(self).__name__} | encoded

    def save(self, path: str | os.PathLike) -> int:
        """Write the file, atomically, without what penalties own; return its bytes."""
        arrays: dict[str, np.ndarray] = {}
        spec = {"kind": "model", "model": self.spec(arrays)}
        params = penalties.of_network(self.training.penalties, self.params)
        return checkpoint.save(path, spec, arrays | params)
