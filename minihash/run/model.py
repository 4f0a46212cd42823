"""A model: a trained network with all that it needs to classify, and the file that holds it.

    probabilities(x) = softmax(network(standardise(x)))        x as the data set stores it

The file is a checkpoint (checkpoint.py). Its arrays are the parameters alone, the tables among
them; its spec holds the network, the standardiser, the names of data set and classes and how it was
trained. It depends on what the run computed and on nothing else: no dates, no times, no places.
"""

import math
import os
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from minihash import checkpoint, training
from minihash.data import Dataset, Standardiser
from minihash.layers import Reshape
from minihash.network import Sequential
from minihash.spec import decode, encode
from minihash.training import Training

FILE = "model.safetensors"


@dataclass(frozen=True, eq=False)
class Model:
    """A network, its parameters, and what it was trained on.

    shape: of one example before it is laid flat. epochs, steps: how far its training went.
    """

    network: Sequential
    params: dict[str, np.ndarray]
    standardiser: Standardiser
    dataset: str
    shape: tuple[int, ...]
    class_names: tuple[str, ...]
    training: Training
    epochs: int = 0
    steps: int = 0

    def __repr__(self) -> str:
        return f"Model({self.dataset!r}, {len(self.network.layers)} layers, {self.epochs} epochs)"

    @property
    def features(self) -> int:
        """Numbers in one example."""
        first = self.network.layers[0]
        if isinstance(first, Reshape):
            return math.prod(first.shape)
        return self.network.weights()[0].shape[1]

    @property
    def classes(self) -> int:
        """Outputs of the network."""
        return [w for w in self.network.weights() if len(w.shape) == 2][-1].shape[0]

    def check(self, data: Dataset) -> None:
        """Raises ValueError unless the network takes the examples and knows the classes."""
        if data.features != self.features or data.classes > self.classes:
            raise ValueError(
                f"the network takes examples of {self.features} numbers of {self.classes} classes, "
                f"but data set {data.name} has {data.features} and {data.classes}; it was trained "
                f"on {self.dataset}"
            )

    def evaluate(self, data: Dataset) -> tuple[float, float]:
        """(mean loss in nats, accuracy) on the test set."""
        self.check(data)
        return training.evaluate(
            self.network, self.params, data.x_test, data.y_test, self.standardiser
        )

    @np.errstate(invalid="ignore")  # parameters that are not finite
    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """x (examples, features) as stored -> float64 (examples, classes), rows that sum to 1."""
        dtype = next(iter(self.params.values())).dtype
        logits, _ = self.network.forward(self.params, self.standardiser(x, dtype))
        p = np.exp((logits - logits.max(axis=1, keepdims=True)).astype(np.float64))
        return p / p.sum(axis=1, keepdims=True)

    def spec(self, arrays: dict[str, np.ndarray]) -> dict:
        """All but the parameters, as JSON; arrays of hashes are put into `arrays`."""
        names = [field.name for field in fields(self) if field.name != "params"]
        return {name: encode(getattr(self, name), arrays) for name in names}

    def save(self, path: str | os.PathLike) -> int:
        """Write the file, atomically; return its bytes."""
        arrays: dict[str, np.ndarray] = {}
        spec = {"kind": "model", "model": self.spec(arrays)}
        return checkpoint.save(path, spec, arrays | self.params)


def load_model(path: str | os.PathLike) -> Model:
    """Read the model of a run folder, or of a file.

    Raises FileNotFoundError if there is none, ValueError if it is damaged or no model.
    """
    path = Path(path)
    if path.is_dir():
        if not (path / FILE).is_file():
            raise FileNotFoundError(
                f"the folder {path} has no {FILE}: name the folder of a run that has finished an "
                "epoch, or a model file"
            )
        path /= FILE
    spec, arrays = checkpoint.load(path)
    if spec.get("kind") != "model":
        raise ValueError(f"{path} is no model: give a run folder, or the {FILE} in it")
    params = {name: array for name, array in arrays.items() if not name.startswith("spec/")}
    return decoded(path, spec.get("model"), arrays, params)


def decoded(path: Path, spec: dict, arrays: dict, params: dict[str, np.ndarray]) -> Model:
    """The model of a spec that a file held, with `params` proved to fit it."""
    try:
        model = Model(params=params, **{name: decode(spec[name], arrays) for name in spec})
        parts = (model.network, model.standardiser, model.training, model.epochs, model.steps)
        kinds = (Sequential, Standardiser, Training, int, int)
        if not all(map(isinstance, parts, kinds)):
            raise ValueError("its parts are none of a model")
        names = (model.dataset, *model.class_names)
        if len(names) != 1 + model.classes or not all(isinstance(name, str) for name in names):
            raise ValueError("it has not a name for each class")
        if model.features != math.prod(model.shape) or model.features % len(
            model.standardiser.mean
        ):
            raise ValueError("its network does not fit its examples")
        expected = {w.table: (w.hash.buckets,) for w in model.network.weights()}
        for layer in model.network.layers:
            expected |= {name: shape for name, (shape, _) in layer.arrays().items()}
        if expected != {name: array.shape for name, array in params.items()}:
            raise ValueError("its arrays do not fit its network")
        if {array.dtype.str[1:] for array in params.values()} not in ({"f4"}, {"f8"}):
            raise ValueError("its arrays are not all float32 or all float64")
        return model
    except (ArithmeticError, AttributeError, KeyError, LookupError, TypeError, ValueError) as error:
        raise ValueError(
            f"cannot load model {path}: {error}; give one that minihash saved"
        ) from None
