"""What a run is: every choice that it depends on, with the defaults of the engine.

What a run computes follows from all of these but `data_dir`, `backend` and `threads`, which say
where and how fast (two backends differ in the last bits, as their sums have another order).
"""

import inspect
import math
from dataclasses import dataclass, fields

from minihash.arbnet import arbnet
from minihash.models import cnn
from minihash.network import Sequential
from minihash.spec import decode, encode
from minihash.training import Training

MODELS = ("mlp", "cnn")
_ARBNET = {name: p.default for name, p in inspect.signature(arbnet).parameters.items()}


@dataclass(frozen=True)
class Config:
    """The choices of a run; None: what the engine finds best, or a hash without that choice.

    Only stored here: what is wrong with them is said where they are used.

    >>> Config().hidden, Config().compression
    ((200, 200), 0.1)
    """

    dataset: str = "digits"
    data_dir: str | None = None
    model: str = "mlp"
    hash: str = _ARBNET["hash"]
    alpha: float | None = None
    radius: int | None = None
    signed: bool = False
    compression: float = _ARBNET["compression"]
    scope: str = _ARBNET["scope"]
    bias: str = _ARBNET["bias"]
    hidden: tuple[int, ...] = (200, 200)
    channels: tuple[int, ...] | None = None
    epochs: int = Training.epochs
    batch_size: int = Training.batch_size
    lr: float = Training.rate
    seed: int = Training.seed
    dtype: str = "float32"
    backend: str | None = None
    threads: int | None = None

    def network(self, shape: tuple[int, ...], classes: int) -> Sequential:
        """The network between examples of this shape and so many outputs.

        Raises and warns as `arbnet` and `cnn` do, and ValueError for another model.
        """
        options = {"alpha": self.alpha, "radius": self.radius, "signed": self.signed or None}
        choices = {name: getattr(self, name) for name in ("hash", "compression", "scope", "bias")}
        choices |= {name: value for name, value in options.items() if value is not None}
        if self.model == "cnn":
            channels = {} if self.channels is None else {"channels": self.channels}
            hidden = self.hidden
            return cnn(shape, classes, hidden=hidden, seed=self.seed, **channels, **choices)
        if self.model != "mlp":
            raise ValueError(f"model must be one of {', '.join(MODELS)}, got {self.model!r}")
        if self.channels is not None:
            raise ValueError(
                "the model mlp has no channels: choose the model cnn, or leave them out"
            )
        return arbnet((math.prod(shape), *self.hidden, classes), seed=self.seed, **choices)

    def training(self) -> Training:
        """Epochs, batches and rates. Raises ValueError as `Training` does.

        >>> Config(lr=0.5).training().rate
        0.5
        """
        return Training(self.epochs, self.batch_size, self.lr, seed=self.seed)

    def to_json(self) -> dict:
        """For a file.

        >>> Config.from_json(Config(alpha=float("inf")).to_json()).alpha
        inf
        """
        return {field.name: encode(getattr(self, field.name), {}) for field in fields(self)}

    @classmethod
    def from_json(cls, spec: dict) -> "Config":
        """The inverse of `to_json`."""
        return cls(**{name: decode(value, {}) for name, value in spec.items()})
