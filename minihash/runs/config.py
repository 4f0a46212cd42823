"""What a run is: every choice that it depends on, with the defaults of the engine.

What a run computes follows from all of these but `data_dir`, `backend` and `threads`, which say
where and how fast (two backends differ in the last bits, as their sums have another order).
"""

from dataclasses import dataclass, fields

from minihash.data import NAMES, TEXTS
from minihash.data.catalogue import CATALOGUE
from minihash.files.spec import decode, encode
from minihash.hashes import HASHES
from minihash.hashes.options import option
from minihash.networks.sequential import Sequential
from minihash.runs.kinds import KINDS
from minihash.training import Training
from minihash.training.optimisers import Adam, Clipped

# The choices that some model has, beside those of all.
OF_SOME = sorted({name for kind in KINDS.values() for name in kind.choices})


@dataclass(frozen=True)
class Config:
    """The choices of a run. None: the model's default, or a model or hash without that choice.

    hash_options: more options of the hash, as pairs or a dict; text is read by the type of the
    option, and kept as what it says.
    Raises ValueError for another model, a choice that the model has not, an option that the hash
    has not, or a compression of the identity hash; what else is wrong is said where it is used.

    >>> Config().hidden, Config().compression, Config(model="lstm").hidden
    ((200, 200), 0.1, (256,))
    """

    dataset: str | None = None
    data_dir: str | None = None
    standardise: str | None = None
    channels_last: bool | None = None
    model: str = "mlp"
    hash: str | None = None
    alpha: float | None = None
    radius: int | None = None
    signed: bool = False
    hash_options: tuple[tuple[str, object], ...] = ()
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
        if self.model not in KINDS:
            raise ValueError(f"model must be one of {', '.join(KINDS)}, got {self.model!r}")
        defaults = KINDS[self.model].choices
        if self.hash == "identity":
            if self.compression not in (None, 1):
                raise ValueError(
                    "the identity hash stores every weight, which is compression 1, got "
                    f"{self.compression}: leave it out, or choose a hash that shares, as uniform"
                )
            defaults = defaults | {"compression": 1.0}
        elif (self.hash, self.compression) != (None, None):
            hashed = {name: KINDS["mlp"].choices[name] for name in ("hash", "compression")}
            defaults = defaults | hashed  # one of both was asked for, so that there is sharing
        for name in OF_SOME:
            given = getattr(self, name)
            if given is None:
                object.__setattr__(self, name, defaults.get(name))
            elif name not in defaults:
                those = ", ".join(model for model in KINDS if name in KINDS[model].choices)
                raise ValueError(
                    f"the model {self.model} has no {name.replace('_', '-')}: leave it out, or "
                    f"choose a model that has: {those}"
                )
        options = dict(self.hash_options)
        if cls := HASHES.get(self.hash):
            options = {name: option(cls, name, value) for name, value in options.items()}
        object.__setattr__(self, "hash_options", tuple(sorted(options.items())))

    def network(self, *sizes: object) -> Sequential:
        """The network between examples and classes, of sizes (shape, classes), or of text, of the
        size of its vocabulary.

        Raises and warns as its builder does (kinds.py).

        >>> Config(hidden=(5,)).network((8, 8), 3).weights()[0].shape
        (5, 64)
        """
        return KINDS[self.model].build(self, *sizes)

    def hashing(self) -> dict[str, object]:
        """What a builder of networks is told of the hash. Raises ValueError for an option that is
        given twice.

        >>> Config(hash="dirichlet", hash_options={"alpha": "2"}).hashing()
        {'hash': 'dirichlet', 'compression': 0.1, 'alpha': 2.0}
        """
        given = {"alpha": self.alpha, "radius": self.radius, "signed": self.signed or None}
        given = {name: value for name, value in given.items() if value is not None}
        if twice := given.keys() & dict(self.hash_options):
            name = min(twice)
            raise ValueError(f"--{name} and --hash-option {name} are one: give only one of them")
        return {"hash": self.hash, "compression": self.compression, **given} | dict(
            self.hash_options
        )

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
