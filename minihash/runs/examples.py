"""Models of examples: of classes, or of the examples themselves.

probabilities(x) = softmax(network(standardise(x)))        x as the data set stores it
error(x)         = mean of (network(z) - z)^2,             z = standardise(x)

What a model has learnt from says what numbers and labels mean (units.py, labels.py): all that comes
later is brought to these units and class numbers, or refused.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from minihash import data as datasets
from minihash import training
from minihash.data import Dataset, Standardiser, Units
from minihash.data.labels import aligned
from minihash.layers import Reshape
from minihash.runs.model import Model
from minihash.weights import MAX_DIMENSIONS

if TYPE_CHECKING:
    from minihash.runs.config import Config

BATCH = 500  # examples at once
FAR = 4.0  # deviations from the mean, of half of a test set: it is another set, or another unit


def _near(data: Dataset, standardiser: Standardiser) -> Dataset:
    """The data, refused if they are a table whose test set is far from what was learnt from.

    The distance of a set is the median of its examples' mean |z|, on a thousand of them. That of
    the training set is 2 at most, whatever it is, as the mean of z^2 is 1 (Markov)."""
    if len(data.shape) == 1 and any(standardiser.mean):
        some = data.x_test[:: max(len(data.x_test) // 1000, 1)]
        distance = np.median(np.abs(standardiser(some, np.float64)).mean(axis=1))
        if distance > FAR:
            raise ValueError(
                f"half of the test examples of {data.name} are {distance:.0f} deviations from the"
                " mean of what is learnt from: bring both to the same units and order of columns"
            )
    return data


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class OfExamples(Model):
    """Base of both. shape: of one example before it is laid flat. units: of its numbers; files of
    old have none, but that bytes were given by peak 255."""

    standardiser: Standardiser
    shape: tuple[int, ...]
    units: Units | None = field(default=None, metadata={"later": True})

    UNIT: ClassVar[str] = "examples"
    READ: ClassVar = ("channels_last",)

    @staticmethod
    def load(
        name: str,
        data_dir: str | Path | None = None,
        download: bool = False,
        channels_last: bool | None = None,
    ) -> Dataset:
        """As `minihash.data.load`. Raises ValueError for a text."""
        if name in datasets.TEXTS or name.endswith(".txt"):
            raise ValueError(f"{name} is text, which only the models rnn, gru and lstm read")
        return datasets.load(name, data_dir, download, channels_last)

    def reload(
        self,
        name: str,
        data_dir: str | Path | None = None,
        download: bool = False,
        channels_last: bool | None = None,
    ) -> Dataset:
        """As `load`, with the test set in the units of this model, and a file's channels where this
        model had them, unless it is said. Raises ValueError, too, if it cannot be brought to
        these units."""
        last = channels_last
        if last is None and name.endswith(".npz"):
            last = self.known_units.channels_last
        data = self.load(name, data_dir, download, last)
        self.check(data)
        units, pictures = self.known_units, len(data.shape) > 1
        if data.units == units:
            return data
        x = data.x_test.reshape(-1, *data.shape)
        name, every = f"the test set of {data.name}", self.units is not None
        x = units.bring(x, name, pictures, data.units.dtype, every).reshape(data.x_test.shape)
        return _near(replace(data, x_test=x), self.standardiser)

    @property
    def known_units(self) -> Units:
        """`units`, or what can be said without them."""
        if self.units is not None:
            return self.units
        if self.standardiser.peak == 255:
            return Units("uint8", 0.0, 255.0, 0.0, True, 255.0)
        return Units("", -math.inf, math.inf, 0.0, False, 1.0)

    @classmethod
    def choices(cls, config: "Config", data: Dataset) -> dict[str, object]:
        """The network between the examples and the classes. Raises ValueError for a table whose
        test set is far from what is learnt from."""
        network = config.network(data.shape, data.classes)
        standardiser = data.standardiser(config.standardise)
        _near(data, standardiser)
        parts = {"network": network, "standardiser": standardiser, "shape": data.shape}
        return parts | {"units": data.units}

    @property
    def features(self) -> int:
        """Numbers in one example."""
        first = self.network.layers[0]
        if isinstance(first, Reshape):
            return math.prod(first.shape)
        return self.network.sources()[0].shape[1]

    @property
    def outputs(self) -> int:
        """Outputs of the network."""
        return [w for w in self.network.sources() if len(w.shape) == 2][-1].shape[0]

    def validate(self) -> None:
        """Raises ValueError unless standardiser and shape are those of the network's input."""
        if not isinstance(self.standardiser, Standardiser) or not isinstance(
            self.units, Units | None
        ):
            raise ValueError("its parts are not those of a model")
        channels = len(self.standardiser.mean)
        fits = len(self.shape) <= MAX_DIMENSIONS and self.features == math.prod(self.shape)
        if not fits or not channels or self.features % channels:
            raise ValueError("its network does not fit its examples")

    def check(self, data: Dataset) -> None:
        """Raises ValueError unless the network takes the examples."""
        ours, theirs = f"examples of {self.features} numbers", str(data.features)
        if data.features == self.features:
            if len(self.shape) != len(data.shape) or self.shape == data.shape:
                return
            ours, theirs = f"examples of shape {self.shape}", f"shape {data.shape}"
        raise ValueError(
            f"the network takes {ours}, but data set {data.name} has {theirs}; it was trained on"
            f" {self.dataset}"
        )

    def count(self, data: Dataset) -> int:
        """Examples to test with."""
        return len(data.x_test)

    def about(self) -> dict[str, object]:
        """What its inputs are taken for."""
        if self.units is None:
            return {}
        about: dict[str, object] = {"units": str(self.units)}
        if len(self.shape) > 1:
            about["white"] = self.units.white
        return about | {"means": len(self.standardiser.mean)}


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Classifier(OfExamples):
    """A network whose outputs are classes."""

    class_names: tuple[str, ...]

    METRICS: ClassVar = {"test_accuracy": ("test accuracy", ""), "test_loss": ("test loss", "nats")}
    SHORT: ClassVar[str] = "test"
    RISES: ClassVar[bool] = True

    @classmethod
    def choices(cls, config: "Config", data: Dataset) -> dict[str, object]:
        """With the names of the classes."""
        return super().choices(config, data) | {"class_names": data.class_names}

    def check(self, data: Dataset) -> None:
        """Raises ValueError, too, unless it knows as many classes."""
        if data.features != self.features or data.classes > self.outputs:
            raise ValueError(
                f"the network takes examples of {self.features} numbers of {self.outputs} classes, "
                f"but data set {data.name} has {data.features} and {data.classes}; it was trained "
                f"on {self.dataset}"
            )
        super().check(data)

    def reload(self, name: str, *places: object, **options: object) -> Dataset:
        """With the classes of this model, too. Raises ValueError, too, for a class that it has
        not."""
        data = super().reload(name, *places, **options)
        number, known = aligned(data.name, data.class_names, self.class_names), self.class_names
        y = {"y_train": number[data.y_train], "y_test": number[data.y_test]}
        return replace(data, **y, classes=len(known), class_names=known)

    def validate(self) -> None:
        """Raises ValueError, too, unless each class has a name."""
        super().validate()
        names = self.class_names
        if len(names) != self.outputs or not all(isinstance(name, str) for name in names):
            raise ValueError("it has not a name for each class")

    def learn(self, state: training.State, data: Dataset) -> Iterator[tuple[training.State, dict]]:
        """Learn the labels."""
        examples = data.x_train, data.y_train, self.standardiser
        return training.steps(self.network, self.training, state, *examples)

    def measure(self, data: Dataset) -> dict[str, float]:
        """Accuracy, and mean loss in nats."""
        self.check(data)
        examples = data.x_test, data.y_test, self.standardiser
        loss, accuracy = training.evaluate(self.network, self.params, *examples)
        return {"test_accuracy": accuracy, "test_loss": loss}

    @np.errstate(invalid="ignore")  # parameters that are not finite
    def probabilities(self, x: np.ndarray) -> np.ndarray:
        """x (examples, features) as stored -> float64 (examples, classes), rows that sum to 1.
        The memory beside is that of a batch."""
        dtype = next(iter(self.params.values())).dtype
        p = np.empty((len(x), self.outputs))
        for first in range(0, len(x), BATCH):
            part = slice(first, first + BATCH)
            logits, _ = self.network.forward(self.params, self.standardiser(x[part], dtype))
            p[part] = logits - logits.max(axis=1, keepdims=True)
        np.exp(p, out=p)
        p /= p.sum(axis=1, keepdims=True)
        return p

    def about(self) -> dict[str, object]:
        """The names of its classes."""
        return {"classes": list(self.class_names)} | super().about()


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Autoencoder(OfExamples):
    """A network whose outputs are its inputs again. Errors are in variances of the inputs, so that
    1 is that of answering with their mean, unless they were not standardised."""

    METRICS: ClassVar = {"test_error": ("test error", "mean square; 1 is the variance")}
    SHORT: ClassVar[str] = "test error"

    def validate(self) -> None:
        """Raises ValueError, too, unless it has as many outputs as inputs."""
        super().validate()
        if self.outputs != self.features:
            raise ValueError("it is no autoencoder")

    def learn(self, state: training.State, data: Dataset) -> Iterator[tuple[training.State, dict]]:
        """Learn the examples themselves."""
        return training.steps(
            self.network, self.training, state, data.x_train, None, self.standardiser
        )

    def measure(self, data: Dataset) -> dict[str, float]:
        """The mean squared error of a standardised number."""
        self.check(data)
        error, _ = training.evaluate(
            self.network, self.params, data.x_test, None, self.standardiser, loss="squared-error"
        )
        return {"test_error": error}

    def about(self) -> dict[str, object]:
        """The shape of what goes in and comes out."""
        return {"shape": list(self.shape)} | super().about()
