"""How the choices of a run become its optimiser, its schedule and its loss."""

from dataclasses import replace
from typing import TYPE_CHECKING

from minihash.layers import Distillation
from minihash.training.optimisers import SGD, Adam, Clipped
from minihash.training.schedules import Decay, Plateau

if TYPE_CHECKING:
    from minihash.runs.config import Config

OPTIMISERS = {"sgd": SGD(momentum=0.9), "adam": Adam()}


def optimiser(config: "Config") -> SGD | Adam | Clipped:
    """The optimiser, on clipped gradients if so chosen; momentum and dampening are of sgd alone.
    Raises ValueError for another.

    >>> from minihash.runs.config import Config
    >>> optimiser(Config(momentum=0.5, dampening=0.5))
    SGD(momentum=0.5, weight_decay=0.0, nesterov=False, dampening=0.5)
    """
    name = config.optimiser or "sgd"  # a model without the choice
    if name not in OPTIMISERS:
        raise ValueError(f"optimiser must be one of {', '.join(OPTIMISERS)}, got {name!r}")
    given = _given(momentum=config.momentum, dampening=config.dampening)
    if given and name != "sgd":
        raise ValueError(
            f"{min(given)} is of the optimiser sgd, got {name}: leave it out, or choose sgd"
        )
    found = replace(OPTIMISERS[name], **given)
    if config.clip is None:
        return found
    if not config.clip > 0:
        raise ValueError(f"clip must be a positive norm, got {config.clip}; try 1")
    return Clipped(found, config.clip)


def schedule(config: "Config") -> Plateau | Decay:
    """How the rate changes. Raises ValueError for a plateau beside a decay.

    >>> from minihash.runs.config import Config
    >>> schedule(Config(decay=1e-4)), schedule(Config(plateau=2))
    (Decay(decay=0.0001), Plateau(patience=2, factor=0.1, of='training'))
    """
    given = _given(patience=config.plateau, of=config.plateau_of)
    if config.decay is None:
        return Plateau(**given)
    if given:
        raise ValueError(
            "the rate falls by a decay or at plateaus: leave --decay out, or --plateau and "
            "--plateau-of"
        )
    return Decay(config.decay)


def loss(config: "Config") -> str | Distillation:
    """That of the model; with a teacher, of what it answers, too. Raises ValueError as
    `Distillation` does.

    >>> from minihash.runs.config import Config
    >>> loss(Config()), loss(Config(teacher="run", mix=0.9))
    ('cross-entropy', Distillation(temperature=4.0, mix=0.9))
    """
    if config.teacher is not None:
        return Distillation(**_given(temperature=config.temperature, mix=config.mix))
    return "squared-error" if config.model == "autoencoder" else "cross-entropy"


def _given(**values: object) -> dict:
    return {name: value for name, value in values.items() if value is not None}
