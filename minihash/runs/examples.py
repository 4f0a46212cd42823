"""Models of examples: of classes, or of the examples themselves.

probabilities(x) = softmax(network(standardise(x)))        x as the data set stores it
error(x)         = mean of (network(z) - z)^2,             z = standardise(x)
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from minihash import data as datasets
from minihash import training
from minihash.data import Dataset, Standardiser
from minihash.layers import Reshape
from minihash.runs.model import Model

if TYPE_CHECKING:
    from minihash.runs.config import Config


@dataclass(frozen=True, eq=False, kw_only=True)
class OfExamples(Model):
    """Base of both. shape: of one example before it is laid flat."""

    standardiser: Standardiser
    shape: tuple[int, ...]

    UNIT: ClassVar[str] = "examples"

    @staticmethod
    def load(name: str, data_dir: str | Path | None = None, download: bool = False) -> Dataset:
        """As `minihash.data.load`. Raises ValueError for a text."""
        if name in datasets.TEXTS or name.endswith(".txt"):
            raise ValueError(f"{name} is text, which only the models rnn, gru and lstm read")
        return datasets.load(name, data_dir, download)

    @classmethod
    def choices(cls, config: "Config", data: Dataset) -> dict[str, object]:
        """The network between the examples and the classes."""
        network = config.network(data.shape, data.classes)
        return {"network": network, "standardiser": data.standardiser(), "shape": data.shape}

    @property
    def features(self) -> int:
        """Numbers in one example."""
        first = self.network.layers[0]
        if isinstance(first, Reshape):
            return math.prod(first.shape)
        return self.network.weights()[0].shape[1]

    @property
    def outputs(self) -> int:
        """Outputs of the network."""
        return [w for w in self.network.weights() if len(w.shape) == 2][-1].shape[0]

    def validate(self) -> None:
        """Raises ValueError unless standardiser and shape are those of the network's input."""
        if not isinstance(self.standardiser, Standardiser):
            raise ValueError("its parts are not those of a model")
        channels = len(self.standardiser.mean)
        if self.features != math.prod(self.shape) or self.features % channels:
            raise ValueError("its network does not fit its examples")

    def count(self, data: Dataset) -> int:
        """Examples to test with."""
        return len(data.x_test)


@dataclass(frozen=True, eq=False, kw_only=True)
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
        """Raises ValueError unless the network takes the examples and knows the classes."""
        if data.features != self.features or data.classes > self.outputs:
            raise ValueError(
                f"the network takes examples of {self.features} numbers of {self.outputs} classes, "
                f"but data set {data.name} has {data.features} and {data.classes}; it was trained "
                f"on {self.dataset}"
            )

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
        """x (examples, features) as stored -> float64 (examples, classes), rows that sum to 1."""
        dtype = next(iter(self.params.values())).dtype
        logits, _ = self.network.forward(self.params, self.standardiser(x, dtype))
        p = np.exp((logits - logits.max(axis=1, keepdims=True)).astype(np.float64))
        return p / p.sum(axis=1, keepdims=True)

    def about(self) -> dict[str, object]:
        """The names of its classes."""
        return {"classes": list(self.class_names)}


@dataclass(frozen=True, eq=False, kw_only=True)
class Autoencoder(OfExamples):
    """A network whose outputs are its inputs again. Errors are in variances of all pixels, so that
    1 is that of answering with their mean."""

    METRICS: ClassVar = {"test_error": ("test error", "mean square; 1 is the variance")}
    SHORT: ClassVar[str] = "test error"

    def check(self, data: Dataset) -> None:
        """Raises ValueError unless the network takes the examples."""
        if data.features != self.features:
            raise ValueError(
                f"the autoencoder takes examples of {self.features} numbers, but data set "
                f"{data.name} has {data.features}; it was trained on {self.dataset}"
            )

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
        return {"shape": list(self.shape)}
