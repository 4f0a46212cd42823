"""minihash: hashed weight-sharing networks from scratch, in NumPy and Numba.

Every weight-sharing scheme is a hash from a weight's identifier to a (bucket, sign):

    V[id] = sign(id) * table[bucket(id)]

Read it in this order: compile, hashes, weights, core, sources, layers, networks, training, data,
files, sharing, runs, experiments, cli. Three rooms lead out of it: exports (models elsewhere),
conformance (other implementations), estimators (scikit-learn); checks and derived serve all. Rooms,
builders, layers and what else `dir(minihash)` lists are imported when they are first asked for.

>>> import minihash
>>> minihash.arbnet((784, 200, 10), hash="uniform", compression=0.1).weights()[0].shape
(200, 784)
"""

from importlib import import_module

__version__ = "0.1.0"

TYPE_CHECKING = False  # as `typing` has it, which takes longer to import than all of this
if TYPE_CHECKING:
    from minihash import conformance as conformance
    from minihash import core as core
    from minihash import data as data
    from minihash import experiments as experiments
    from minihash import exports as exports
    from minihash import files as files
    from minihash import hashes as hashes
    from minihash import layers as layers
    from minihash import networks as networks
    from minihash import runs as runs
    from minihash import sharing as sharing
    from minihash import sources as sources
    from minihash import training as training
    from minihash import weights as weights
    from minihash.conformance import check as check
    from minihash.data import assemble as assemble
    from minihash.data import load as load
    from minihash.files.spec import register as register
    from minihash.hashes import check_hash as check_hash
    from minihash.layers import *  # noqa: F403
    from minihash.networks.arbnet import arbnet as arbnet
    from minihash.networks.autoencoder import tied_autoencoder as tied_autoencoder
    from minihash.networks.cnn import cnn as cnn
    from minihash.networks.language_model import LanguageModel as LanguageModel
    from minihash.networks.language_model import language_model as language_model
    from minihash.networks.sequential import Sequential as Sequential
    from minihash.runs.fit import fit as fit
    from minihash.runs.kinds import load_model as load_model
    from minihash.training import Training as Training
    from minihash.weights import VirtualWeight as VirtualWeight

ROOMS: tuple[str, ...] = ("conformance", "core", "data", "experiments", "exports", "files")
ROOMS += ("hashes", "layers", "networks", "runs", "sharing", "sources", "training", "weights")
HOMES = {  # where a name is that is neither a room nor a layer
    "LanguageModel": "networks.language_model",
    "Sequential": "networks.sequential",
    "Training": "training",
    "VirtualWeight": "weights",
    "arbnet": "networks.arbnet",
    "assemble": "data",
    "check": "conformance",
    "check_hash": "hashes",
    "cnn": "networks.cnn",
    "fit": "runs.fit",
    "language_model": "networks.language_model",
    "load": "data",
    "load_model": "runs.kinds",
    "register": "files.spec",
    "tied_autoencoder": "networks.autoencoder",
}


def __getattr__(name: str) -> object:
    if name in (*ROOMS, "checks", "cli", "compile", "derived", "estimators"):
        found: object = import_module(f"minihash.{name}")
    elif name in HOMES:
        found = getattr(import_module(f"minihash.{HOMES[name]}"), name)
    else:
        layers = () if name.startswith("_") and name != "__all__" else _layers()
        if name == "__all__":
            found = sorted([*ROOMS, *HOMES, *layers])
        elif name in layers:
            found = getattr(import_module("minihash.layers"), name)
        else:
            raise AttributeError(f"module 'minihash' has no attribute {name!r}")
    globals()[name] = found
    return found


def _layers() -> tuple[str, ...]:
    """The names of layers and losses, which stand in their room alone."""
    return tuple(getattr(import_module("minihash.layers"), "__all__", ()))


def __dir__() -> list[str]:
    return sorted({*globals(), *ROOMS, *HOMES, *_layers()})
