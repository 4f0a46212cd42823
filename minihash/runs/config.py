"""What a run is: every choice that it depends on, with the defaults of the engine.

What a run computes follows from all of these but `data_dir`, `backend` and `threads`, which say
where and how fast (two backends differ in the last bits, as their sums have another order).
"""

from contextlib import suppress
from dataclasses import dataclass, fields, replace
from fractions import Fraction

from minihash.data import NAMES, TEXTS
from minihash.data.catalogue import CATALOGUE
from minihash.files.spec import decode, encode
from minihash.hashes import HASHES
from minihash.hashes.options import option
from minihash.networks.sequential import Sequential
from minihash.runs.kinds import KINDS, RATES
from minihash.runs.plan import loss, optimiser, schedule
from minihash.training import Training
from minihash.training.penalties import L1, L2, GroupLasso, Penalty, WeightDecay
from minihash.training.sorted_norms import GrOWL

# The choices that some model has, beside those of all.
OF_SOME = sorted({name for kind in KINDS.values() for name in kind.choices})
ON_TABLES = {"l1": L1, "l2": L2, "weight_decay": WeightDecay}


@dataclass(frozen=True)
class Config:
    """The choices of a run. None: the model's default, or a model or hash without that choice.

    hash_options: more options of the hash, as pairs or a dict; text is read by the type of the
    option, and kept as what it says. source: "table", or "lowrank", whose hash is identity, and
    whose compression is that of one of two factors. compression, validation: a decimal number is a
    float, another a Fraction, which text can say: "1/15". validation: the part, or the number, of
    the training examples that are held out, to keep the model of the epoch that does best on them.
    patience: epochs without a better one that end the run. momentum, dampening: of sgd (0.9 and 0).
    clip: the largest norm of a step's gradient (of text 1). decay: the rate is divided by 1 + decay
    times the updates so far; without it, by 10 after `plateau` epochs (4) that bring no better
    accuracy on the examples that are trained on (plateau_of "training"), or no lower loss on those
    held out ("validation"). teacher: the run folder or model file of a classifier to learn from,
    too; temperature, mix: of that (4 and 0.5). init_scale: a factor of the initial tables that
    matrices read. weight_decay ... group_lasso: the strengths of these penalties on all tables that
    matrices read. growl: the strength and slope of that penalty, and its part where it is not 1/2,
    on each matrix. weights: the file, of another framework, that parameters begin with; names: its
    modules, in the order of the layers; then epochs may be 0.
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
    compression: float | Fraction | None = None
    scope: str | None = None
    source: str | None = None
    bias: str | None = None
    hidden: tuple[int, ...] | None = None
    channels: tuple[int, ...] | None = None
    kernel: int | None = None
    padding: int | None = None
    activation: str | None = None
    norm: str | None = None
    dropout: float | None = None
    input_dropout: float | None = None
    init_scale: float = 1.0
    embedding: int | None = None
    tied: bool | None = None
    layers: int | None = None
    tokens: str | None = None
    length: int | None = None
    truncate: int | None = None
    clip: float | None = None
    epochs: int | None = None
    batch_size: int | None = None
    optimiser: str | None = None
    momentum: float | None = None
    dampening: float | None = None
    lr: float | None = None
    decay: float | None = None
    plateau: int | None = None
    plateau_of: str | None = None
    teacher: str | None = None
    temperature: float | None = None
    mix: float | None = None
    weight_decay: float | None = None
    l1: float | None = None
    l2: float | None = None
    group_lasso: float | None = None
    growl: tuple[float, ...] | None = None
    weights: str | None = None
    names: tuple[str, ...] | None = None
    validation: int | float | Fraction | None = None
    patience: int | None = None
    seed: int = Training.seed
    dtype: str = "float32"
    backend: str | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.model not in KINDS:
            raise ValueError(f"model must be one of {', '.join(KINDS)}, got {self.model!r}")
        for name in ("compression", "validation"):
            object.__setattr__(self, name, _exact(getattr(self, name)))
        if self.patience is not None and self.validation is None:
            raise ValueError(
                "patience counts epochs that do no better on validation examples: hold some out "
                "with --validation, or leave --patience out"
            )
        if self.teacher is None and (self.temperature, self.mix) != (None, None):
            raise ValueError(
                "temperature and mix are of what a teacher answers: name one by --teacher, or "
                "leave them out"
            )
        if self.plateau_of == "validation" and self.validation is None:
            raise ValueError(
                "a plateau of validation needs examples held out: add --validation, or leave "
                "--plateau-of out"
            )
        defaults = KINDS[self.model].choices
        if self.optimiser not in (None, defaults.get("optimiser")):
            defaults = defaults | {"lr": RATES.get(self.optimiser)}
        keyed = getattr(HASHES.get(self.hash), "__dataclass_fields__", ())
        if "scope" in defaults and "fan_in" in keyed:  # by the outputs and inputs of one layer
            defaults = defaults | {"scope": "layer"}
        if self.source == "lowrank":  # its matrices are free
            defaults = defaults | {"hash": "identity"}
        elif self.hash == "identity":
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

    def training(self, network: Sequential | None = None) -> Training:
        """Epochs, batches, rates, optimiser and loss; penalties on the tables of the network.
        Raises ValueError as `Training` does.

        >>> Config(lr=0.5).training().rate
        0.5
        """
        plan: dict = {"seed": self.seed, "penalties": self.penalties(network)}
        plan |= {"optimiser": optimiser(self), "schedule": schedule(self), "loss": loss(self)}
        epochs = max(self.epochs, int(self.weights is not None))  # none, of weights as they are
        return Training(epochs, self.batch_size, self.lr, **plan)

    def penalties(self, network: Sequential | None = None) -> tuple[Penalty, ...]:
        """Those that were asked for, on each table that a matrix or a kernel reads (without a
        network: on none). The groups of a group lasso are the rows of a matrix, the outputs; those
        of GrOWL are the inputs.

        Raises ValueError for a strength that is none, or groups of entries that are shared.

        >>> config = Config(hash="identity", hidden=(3,), l1=0.5, group_lasso=0.25)
        >>> [type(penalty).__name__ for penalty in config.penalties(config.network((8, 8), 2))]
        ['L1', 'GroupLasso', 'GroupLasso']
        """
        matrices = [w for w in network.weights() if len(w.shape) > 1] if network else []
        tables = tuple(dict.fromkeys(w.table for w in matrices))
        strengths = {name: getattr(self, name) for name in ON_TABLES}
        found = [ON_TABLES[name](x, tables) for name, x in strengths.items() if x is not None]
        once = {(w.table, w.first_id): w for w in reversed(matrices)}  # a tied one is met twice
        if self.group_lasso is not None:
            for w in reversed(once.values()):
                rows = replace(w, shape=(w.shape[0], w.size // w.shape[0]))
                found.append(GroupLasso(self.group_lasso, rows))
        if self.growl is not None:
            strength, slope, *part = self.growl
            found += [GrOWL(strength, slope, w, *part) for w in reversed(once.values())]
        return tuple(found)

    def to_json(self) -> dict:
        """For a file.

        >>> Config.from_json(Config(alpha=float("inf")).to_json()).alpha
        inf
        """
        choices = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {
            name: str(value) if isinstance(value, Fraction) else encode(value, {})
            for name, value in choices
        }

    @classmethod
    def from_json(cls, spec: dict) -> "Config":
        """The inverse of `to_json`. It takes any compression of the identity hash, which has no use
        for one, since runs have been saved with one; tokens that are not named are bytes."""
        choices = {name: decode(value, {}) for name, value in spec.items()}
        if "tokens" in KINDS[choices["model"]].choices:
            choices.setdefault("tokens", "bytes")
        if choices.get("hash") == "identity" and choices.get("source") != "lowrank":
            choices["compression"] = None
        return cls(**choices)


def _exact(value: object) -> object:
    """A number as it was meant; one that a decimal says is the float that shows so.

    >>> _exact("1/4"), _exact("1/15"), _exact(0.1), _exact(800)
    (0.25, Fraction(1, 15), 0.1, 800)
    """
    if isinstance(value, str):
        value = Fraction(value)
    if isinstance(value, Fraction):
        with suppress(OverflowError):
            if Fraction(str(float(value))) == value:
                return float(value)
    return value


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
