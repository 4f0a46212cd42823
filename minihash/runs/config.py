"""What a run is: every choice that it depends on, with the defaults of the engine.

What a run computes follows from all of these but `data_dir`, `backend` and `threads`, which say
where and how fast (two backends differ in the last bits, as their sums have another order).
"""

import inspect
import math
from dataclasses import dataclass, fields

from minihash.data import NAMES, TEXTS
from minihash.data.catalogue import CATALOGUE
from minihash.files.spec import decode, encode
from minihash.layers import ELU
from minihash.networks.arbnet import arbnet
from minihash.networks.autoencoder import tied_autoencoder
from minihash.networks.cnn import cnn
from minihash.networks.language_model import LanguageModel, language_model
from minihash.networks.sequential import Sequential
from minihash.training import Training
from minihash.training.optimisers import Adam, Clipped

_ARBNET = {name: p.default for name, p in inspect.signature(arbnet).parameters.items()}
_DENSE = {
    "dataset": "digits",
    **{name: _ARBNET[name] for name in ("hash", "compression", "scope", "bias")},
    "hidden": (200, 200),
    "epochs": Training.epochs,
    "batch_size": Training.batch_size,
    "lr": Training.rate,
}
_TEXT = {
    "dataset": "tinyshakespeare",
    "hash": "identity",
    "compression": 1.0,
    "scope": "network",
    "hidden": (256,),
    "embedding": None,
    "tied": False,
    "layers": 1,
    "length": 64,
    "truncate": None,
    "clip": 1.0,
    "epochs": 5,
    "batch_size": 32,
    "lr": 5e-3,
}
# The choices that each model has, beside those of all, with its defaults.
MODELS: dict[str, dict[str, object]] = {
    "mlp": _DENSE,
    "cnn": _DENSE | {"channels": (16, 32)},
    "rnn": _TEXT,
    "gru": _TEXT,
    "lstm": _TEXT,
    "autoencoder": {name: value for name, value in _DENSE.items() if name != "scope"}
    | {"hidden": (128, 32), "lr": 3e-3},
}
OF_SOME = sorted({name for choices in MODELS.values() for name in choices})


@dataclass(frozen=True)
class Config:
    """The choices of a run. None: the model's default, or a model or hash without that choice.

    Raises ValueError for another model, a choice that the model has not, or a compression of the
    identity hash; what else is wrong is said where it is used.

    >>> Config().hidden, Config().compression, Config(model="lstm").hidden
    ((200, 200), 0.1, (256,))
    """

    dataset: str | None = None
    data_dir: str | None = None
    model: str = "mlp"
    hash: str | None = None
    alpha: float | None = None
    radius: int | None = None
    signed: bool = False
    compression: float | None = None
    scope: str | None = None
    bias: str | None = None
    hidden: tuple[int, ...] | None = None
    channels: tuple[int, ...] | None = None
    embedding: int | None = None
    tied: bool | None = None
    layers: int | None = None
    length: int | None = None
    truncate: int | None = None
    clip: float | None = None
    epochs: int | None = None
    batch_size: int | None = None
    lr: float | None = None
    seed: int = Training.seed
    dtype: str = "float32"
    backend: str | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise ValueError(f"model must be one of {', '.join(MODELS)}, got {self.model!r}")
        defaults = MODELS[self.model]
        if self.hash == "identity":
            if self.compression not in (None, 1):
                raise ValueError(
                    "the identity hash stores every weight, which is compression 1, got "
                    f"{self.compression}: leave it out, or choose a hash that shares, as uniform"
                )
            defaults = defaults | {"compression": 1.0}
        elif (self.hash, self.compression) != (None, None):
            hashed = {name: _DENSE[name] for name in ("hash", "compression")}
            defaults = defaults | hashed  # one of both was asked for, so that there is sharing
        for name in OF_SOME:
            given = getattr(self, name)
            if given is None:
                object.__setattr__(self, name, defaults.get(name))
            elif name not in defaults:
                those = ", ".join(model for model in MODELS if name in MODELS[model])
                raise ValueError(
                    f"the model {self.model} has no {name.replace('_', '-')}: leave it out, or "
                    f"choose a model that has: {those}"
                )

    def network(self, shape: tuple[int, ...], classes: int) -> Sequential:
        """The network between examples of this shape and so many classes, or of an autoencoder.

        Raises and warns as `arbnet`, `cnn` and `tied_autoencoder` do.
        """
        choices = self._hashing()
        if self.model == "autoencoder":
            if self.bias == "hashed":
                raise ValueError("the biases of an autoencoder are free or none, got hashed")
            sizes, bias = (math.prod(shape), *self.hidden), self.bias == "free"
            return tied_autoencoder(sizes, activation=ELU(), bias=bias, seed=self.seed, **choices)
        choices |= {"scope": self.scope, "bias": self.bias, "seed": self.seed}
        if self.model == "cnn":
            return cnn(shape, classes, self.channels, self.hidden, **choices)
        return arbnet((math.prod(shape), *self.hidden, classes), **choices)

    def language_model(self, vocabulary: int) -> LanguageModel:
        """The language model of so many characters. Raises as `language_model` does, and ValueError
        for more than one hidden size, or windows of truncation longer than a step."""
        if len(self.hidden) != 1:
            sizes = ",".join(map(str, self.hidden))
            raise ValueError(
                f"the layers of the model {self.model} have one size, got sizes {sizes}: give one, "
                "and the number of layers by --layers"
            )
        if self.truncate is not None and self.truncate > self.length:
            raise ValueError(
                f"gradients go back through a step at most, of length {self.length}, got truncate "
                f"{self.truncate}: lower it, or make the length larger"
            )
        return language_model(
            vocabulary,
            self.hidden[0],
            self.model,
            self.tied,
            scope=self.scope,
            seed=self.seed,
            embedding=self.embedding,
            truncate=self.truncate,
            layers=self.layers,
            **self._hashing(),
        )

    def _hashing(self) -> dict[str, object]:
        options = {"alpha": self.alpha, "radius": self.radius, "signed": self.signed or None}
        given = {name: value for name, value in options.items() if value is not None}
        return {"hash": self.hash, "compression": self.compression} | given

    def training(self) -> Training:
        """Epochs, batches, rates, optimiser and loss. Raises ValueError as `Training` does.

        >>> Config(lr=0.5).training().rate
        0.5
        """
        plan = {"seed": self.seed}
        if self.model == "autoencoder":
            plan |= {"optimiser": Adam(), "loss": "squared-error"}
        elif self.clip is not None:
            if not self.clip > 0:
                raise ValueError(f"clip must be a positive norm, got {self.clip}; try 1")
            plan["optimiser"] = Clipped(Adam(), self.clip)
        return Training(self.epochs, self.batch_size, self.lr, **plan)

    def to_json(self) -> dict:
        """For a file.

        >>> Config.from_json(Config(alpha=float("inf")).to_json()).alpha
        inf
        """
        return {field.name: encode(getattr(self, field.name), {}) for field in fields(self)}

    @classmethod
    def from_json(cls, spec: dict) -> "Config":
        """The inverse of `to_json`. It takes any compression of the identity hash, which has no use
        for one, since runs have been saved with one."""
        choices = {name: decode(value, {}) for name, value in spec.items()}
        if choices.get("hash") == "identity":
            choices["compression"] = None
        return cls(**choices)


def is_own(dataset: str) -> bool:
    """Whether a data set is a file of the user's, and so may have moved.

    >>> is_own("mnist"), is_own("mine.npz")
    (False, True)
    """
    return dataset not in (*NAMES, *TEXTS)


def check_place(dataset: str, data_dir: str | None, download: bool) -> None:
    """Raises ValueError for a folder to look in, or a download, of what is neither looked for nor
    fetched: the embedded digits, and files.

    >>> check_place("mnist", "~/data", True)
    """
    for flag, given in (("--data-dir", data_dir), ("--download", download)):
        if given and dataset not in CATALOGUE:
            raise ValueError(
                f"{flag} is for the data sets {', '.join(CATALOGUE)}, got {dataset}: leave it out, "
                "or name one of these; a file is named by its path"
            )
