"""Room 5: networks: layers one after another or side by side, and builders of some."""

from minihash.networks.arbnet import arbnet
from minihash.networks.autoencoder import tied_autoencoder
from minihash.networks.cnn import cnn
from minihash.networks.joint import Joint
from minihash.networks.language_model import LanguageModel, language_model
from minihash.networks.sequential import Sequential

__all__ = [
    "Joint",
    "LanguageModel",
    "Sequential",
    "arbnet",
    "cnn",
    "language_model",
    "tied_autoencoder",
]
