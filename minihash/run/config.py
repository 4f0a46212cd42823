"""What a run is: every choice that it depends on, with the defaults of the engine.

What a run computes follows from all of these but `data_dir`, `backend` and `threads`, which say
where and how fast (two backends differ in the last bits, as their sums have another order).
"""

import inspect
from dataclasses import dataclass, fields

from minihash.arbnet import arbnet
from minihash.network import Sequential
from minihash.spec import decode, encode
from minihash.training import Training

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
    hash: str = _ARBNET["hash"]
    alpha: float | None = None
    radius: int | None = None
    signed: bool = False
    compression: float = _ARBNET["compression"]
    scope: str = _ARBNET["scope"]
    bias: str = _ARBNET["bias"]
    hidden: tuple[int, ...] = (200, 200)
    epochs: int = Training.epochs
    batch_size: int = Training.batch_size
    lr: float = Training.rate
    seed: int = Training.seed
    dtype: str = "float32"
    backend: str | None = None
    threads: int | None = None

    def network(self, features: int, classes: int) -> Sequential:
        """The network between so many inputs and outputs. Raises and warns as `arbnet` does."""
        options = {"alpha": self.alpha, "radius": self.radius, "signed": self.signed or None}
        return arbnet(
            (features, *self.hidden, classes),
            self.hash,
            self.compression,
            self.scope,
            self.bias,
            self.seed,
            **{name: value for name, value in options.items() if value is not None},
        )

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
