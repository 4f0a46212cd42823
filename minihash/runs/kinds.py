"""Which models there are: every choice of --model, in one place.

    model      the class of a trained one: what it learns, how it is measured, what it is used for
    choices    which choices of a `Config` it has, beside those of all, with its own defaults
    build      its network: of the choices, and of the shape and the classes of examples, or of the
               size of a vocabulary

The command line, its help, runs and files read `KINDS`: an entry there is a new choice of --model.
"""

import inspect
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from minihash.files import checkpoint
from minihash.files.spec import UnknownType, decode
from minihash.files.types import check_types
from minihash.layers import ELU, ReLU, Sigmoid, Tanh
from minihash.layers.layer import Layer
from minihash.networks.arbnet import arbnet
from minihash.networks.autoencoder import tied_autoencoder
from minihash.networks.cnn import cnn
from minihash.networks.language_model import language_model
from minihash.networks.sequential import Sequential
from minihash.runs.examples import Autoencoder, Classifier
from minihash.runs.model import FILE, Model
from minihash.runs.writer import Writer
from minihash.training import Training, penalties

if TYPE_CHECKING:
    from minihash.runs.config import Config


@dataclass(frozen=True, eq=False)
class Kind:
    """A choice of --model."""

    model: type[Model]
    choices: dict[str, object]
    build: Callable[..., Sequential]


ACTIVATIONS: dict[str, Layer] = {
    "elu": ELU(),
    "relu": ReLU(),
    "sigmoid": Sigmoid(),
    "tanh": Tanh(),
}
RATES = {"sgd": 0.1, "adam": 3e-3}  # of an optimiser that is not the model's own


def _activation(config: "Config") -> Layer:
    if config.activation not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        raise ValueError(f"activation must be one of {known}, got {config.activation!r}")
    return ACTIVATIONS[config.activation]


def _dense(config: "Config") -> dict[str, object]:
    """What both builders of classifiers are told."""
    choices = {name: getattr(config, name) for name in ("scope", "bias", "seed", "norm", "dropout")}
    return choices | {"activation": _activation(config)} | config.hashing()


def _mlp(config: "Config", shape: tuple[int, ...], classes: int) -> Sequential:
    own = {name: getattr(config, name) for name in _OF_MLP}
    return arbnet((math.prod(shape), *config.hidden, classes), **own, **_dense(config))


def _cnn(config: "Config", shape: tuple[int, ...], classes: int) -> Sequential:
    choices = _dense(config) | {"kernel": config.kernel, "padding": config.padding}
    return cnn(shape, classes, config.channels, config.hidden, **choices)


def _autoencoder(config: "Config", shape: tuple[int, ...], classes: int) -> Sequential:
    if config.bias == "hashed":
        raise ValueError("the biases of an autoencoder are free or none, got hashed")
    sizes, choices = (math.prod(shape), *config.hidden), {"seed": config.seed}
    choices["bias"] = config.bias == "free"
    return tied_autoencoder(sizes, activation=_activation(config), **config.hashing(), **choices)


def _of_text(config: "Config", vocabulary: int) -> Sequential:
    if len(config.hidden) != 1:
        sizes = ",".join(map(str, config.hidden))
        raise ValueError(
            f"the layers of the model {config.model} have one size, got sizes {sizes}: give one, "
            "and the number of layers by --layers"
        )
    if config.truncate is not None and config.truncate > config.length:
        raise ValueError(
            f"gradients go back through a step at most, of length {config.length}, got truncate "
            f"{config.truncate}: lower it, or make the length larger"
        )
    choices = {name: getattr(config, name) for name in ("embedding", "truncate", "layers")}
    choices |= {"scope": config.scope, "seed": config.seed}
    (hidden,), cell = config.hidden, config.model
    return language_model(
        vocabulary, hidden, cell, config.tied, **config.hashing(), **choices
    ).network


_ARBNET = {name: p.default for name, p in inspect.signature(arbnet).parameters.items()}
_DENSE = {
    "dataset": "digits",
    "standardise": None,
    "channels_last": None,
    **{name: _ARBNET[name] for name in ("hash", "compression", "scope", "bias")},
    **{name: _ARBNET[name] for name in ("norm", "dropout")},
    "hidden": (200, 200),
    "activation": "elu",
    "optimiser": "sgd",
    "epochs": Training.epochs,
    "batch_size": Training.batch_size,
    "lr": Training.rate,
    **dict.fromkeys(("clip", "teacher", "temperature", "mix")),
}
_OF_MLP = ("input_dropout", "source")
_OF_CLASSES = ("scope", "norm", "dropout", "teacher", "temperature", "mix")
_CODE = {name: value for name, value in _DENSE.items() if name not in _OF_CLASSES}
_KERNELS = {"channels": (16, 32), "kernel": 3, "padding": None}
_CODE |= {"hidden": (128, 32), "optimiser": "adam", "lr": 3e-3}
_TEXT = {
    "dataset": "tinyshakespeare",
    "hash": "identity",
    "compression": 1.0,
    "scope": "network",
    "hidden": (256,),
    "embedding": None,
    "tied": False,
    "layers": 1,
    "tokens": "characters",
    "length": 64,
    "truncate": None,
    "clip": 1.0,
    "epochs": 5,
    "batch_size": 32,
    "optimiser": "adam",
    "lr": 5e-3,
}
KINDS: dict[str, Kind] = {
    "mlp": Kind(Classifier, _DENSE | {name: _ARBNET[name] for name in _OF_MLP}, _mlp),
    "cnn": Kind(Classifier, _DENSE | _KERNELS, _cnn),
    "rnn": Kind(Writer, _TEXT, _of_text),
    "gru": Kind(Writer, _TEXT, _of_text),
    "lstm": Kind(Writer, _TEXT, _of_text),
    "autoencoder": Kind(Autoencoder, _CODE, _autoencoder),
}


def load_model(path: str | os.PathLike) -> Model:
    """Read the model of a run folder, or of a file.

    Raises FileNotFoundError if there is none, ValueError if it is damaged or no model, UnknownType
    if it has a hash or a layer that is not registered.
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
        fields = {name: decode(spec[name], arrays) for name in spec if name != "type"}
        types = {kind.model.__name__: kind.model for kind in KINDS.values()}
        check_types(cls := types[spec["type"]], fields)
        model = cls(params=params, **fields)
        model.validate()
        expected = {w.table: (w.hash.buckets,) for w in model.network.weights()}
        for layer in model.network.layers:
            expected |= {name: shape for name, (shape, _) in layer.arrays().items()}
        own = penalties.of_network(model.training.penalties, params)
        if expected != {name: array.shape for name, array in own.items()}:
            raise ValueError("its arrays do not fit its network")
        for penalty in model.training.penalties if len(own) < len(params) else ():
            penalty.check(params)
        if {array.dtype.str[1:] for array in params.values()} not in ({"f4"}, {"f8"}):
            raise ValueError("its arrays are not all float32 or all float64")
        return model
    except UnknownType as error:
        raise UnknownType(f"cannot load model {path}: {error}") from None
    except (ArithmeticError, AttributeError, KeyError, LookupError, TypeError, ValueError) as error:
        raise ValueError(
            f"cannot load model {path}: {error}; give one that minihash saved"
        ) from None
