"""minihash: hashed weight-sharing networks from scratch, in NumPy and Numba.

Every weight-sharing scheme is a hash from a weight's identifier to a (bucket, sign):

    V[id] = sign(id) * table[bucket(id)]

Read it in this order: compile, hashes, weights, core, layers, networks, training, data, files,
runs, cli. What is listed in `__all__` is imported when it is first asked for.

>>> import minihash
>>> minihash.arbnet((784, 200, 10), hash="uniform", compression=0.1).weights()[0].shape
(200, 784)
"""

from importlib import import_module

__version__ = "0.1.0"

TYPE_CHECKING = False  # as `typing` has it, which takes longer to import than all of this
if TYPE_CHECKING:
    from minihash import core, data, files, hashes, layers, networks, runs, training, weights
    from minihash.data import load
    from minihash.files.spec import register
    from minihash.hashes import check_hash
    from minihash.layers import (
        ELU,
        GRU,
        LSTM,
        RNN,
        AveragePool2d,
        BatchNorm1d,
        BatchNorm2d,
        Conv1d,
        Conv2d,
        Dense,
        Dropout,
        Embedding,
        Flatten,
        GlobalAveragePool,
        MaxPool2d,
        ReLU,
        Reshape,
        Sigmoid,
        Tanh,
    )
    from minihash.networks.arbnet import arbnet
    from minihash.networks.autoencoder import tied_autoencoder
    from minihash.networks.cnn import cnn
    from minihash.networks.language_model import LanguageModel, language_model
    from minihash.networks.sequential import Sequential
    from minihash.runs.kinds import load_model
    from minihash.training import Training
    from minihash.weights import VirtualWeight

__all__ = [
    "ELU",
    "GRU",
    "LSTM",
    "RNN",
    "AveragePool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv1d",
    "Conv2d",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GlobalAveragePool",
    "LanguageModel",
    "MaxPool2d",
    "ReLU",
    "Reshape",
    "Sequential",
    "Sigmoid",
    "Tanh",
    "Training",
    "VirtualWeight",
    "arbnet",
    "check_hash",
    "cnn",
    "core",
    "data",
    "files",
    "hashes",
    "language_model",
    "layers",
    "load",
    "load_model",
    "networks",
    "register",
    "runs",
    "tied_autoencoder",
    "training",
    "weights",
]

_ROOMS = ["core", "data", "files", "hashes", "layers", "networks", "runs", "training", "weights"]
_HOMES = {  # where a name is, unless it is a room or a layer
    "LanguageModel": "networks.language_model",
    "Sequential": "networks.sequential",
    "Training": "training",
    "VirtualWeight": "weights",
    "arbnet": "networks.arbnet",
    "check_hash": "hashes",
    "cnn": "networks.cnn",
    "language_model": "networks.language_model",
    "load": "data",
    "load_model": "runs.kinds",
    "register": "files.spec",
    "tied_autoencoder": "networks.autoencoder",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'minihash' has no attribute {name!r}")
    home = name if name in _ROOMS else _HOMES.get(name, "layers")
    module = import_module(f"minihash.{home}")
    found = module if name in _ROOMS else getattr(module, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
