"""Which kind of model each choice of --model is, and the file of any."""

import os
from pathlib import Path

import numpy as np

from minihash.files import checkpoint
from minihash.files.spec import decode
from minihash.networks.sequential import Sequential
from minihash.runs.examples import Autoencoder, Classifier
from minihash.runs.model import FILE, Model
from minihash.runs.writer import Writer
from minihash.training import Training

KINDS: dict[str, type[Model]] = {
    "mlp": Classifier,
    "cnn": Classifier,
    "autoencoder": Autoencoder,
    "rnn": Writer,
    "gru": Writer,
    "lstm": Writer,
}
TYPES = {kind.__name__: kind for kind in KINDS.values()}


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
        fields = {name: decode(spec[name], arrays) for name in spec if name != "type"}
        model = TYPES[spec["type"]](params=params, **fields)
        parts = (model.network, model.training, model.dataset, model.epochs, model.steps)
        if not all(map(isinstance, parts, (Sequential, Training, str, int, int))):
            raise ValueError("its parts are not those of a model")
        model.validate()
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
