"""Room 6: schedules, which say how the rate changes during a run.

    Constant    rate = base
    Plateau     rate = base factor^drops; a drop whenever `patience` epochs in a row bring no
                accuracy above the best so far
    Decay       rate = base / (1 + decay step),   step = number of training steps so far

Whose accuracy a schedule is told, its `of` says: that of the "training" examples, or of those held
out for "validation". A loss is told as 1 / (1 + loss).

A schedule is a frozen dataclass of pure functions; what it remembers is a small dict that JSON can
hold, so that a stopped run goes on with the same rates.

Sources: Chang & Lipson, ArbNets, section 4.3 (Plateau: rate / 10 after four epochs);
PyTorch's ReduceLROnPlateau (whose patience is one less: of the epochs that it tolerates); the
released code of HashedNets, arXiv 1504.04788, through Torch7's optim.sgd (Decay).
"""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from minihash.checks import check_count, real_field

OF = ("training", "validation")


class Schedule:
    """Base of all schedules, with the answers of one that remembers nothing."""

    if TYPE_CHECKING:  # to be read only, so that a field may say it

        @property
        def of(self) -> str: ...
    else:
        of = "training"

    def init(self) -> dict:
        """The state before the first epoch."""
        return {}

    def rate(self, base_rate: float, state: dict, step: int) -> float:
        """The rate of training step number `step`, from 0."""
        raise NotImplementedError

    def after_epoch(self, state: dict, accuracy: float) -> dict:
        """The state after an epoch that ended with this accuracy."""
        return state


@dataclass(frozen=True)
class Constant(Schedule):
    """One rate for the whole run.

    >>> Constant().rate(0.1, {}, step=1000)
    0.1
    """

    def rate(self, base_rate: float, state: dict, step: int) -> float:
        """The base rate."""
        return base_rate


@dataclass(frozen=True)
class Plateau(Schedule):
    """The rate times `factor` whenever `patience` epochs in a row do not beat the best so far.

    After a drop the count begins again and the best accuracy stays. An epoch that equals the best
    does not beat it.
    Raises TypeError or ValueError unless patience >= 1, 0 <= factor <= 1 and `of` is one of `OF`.

    >>> schedule = Plateau(patience=2, factor=0.5)
    >>> state = schedule.init()
    >>> for accuracy in (0.7, 0.6, 0.7):
    ...     state = schedule.after_epoch(state, accuracy)
    >>> schedule.rate(0.1, state, step=0)
    0.05
    """

    patience: int = 4
    factor: float = 0.1
    of: str = field(default="training", metadata={"later": True})

    def __post_init__(self) -> None:
        check_count("patience", self.patience, 1, 2**31 - 1)
        real_field(self, "factor", 0, 1)
        if self.of not in OF:
            raise ValueError(f"of must be one of {', '.join(OF)}, got {self.of!r}")

    def init(self) -> dict:
        """No accuracy so far: -1 is below any."""
        return {"best": -1.0, "stale_epochs": 0, "drops": 0}

    def rate(self, base_rate: float, state: dict, step: int) -> float:
        """The base rate times factor to the number of drops."""
        return base_rate * self.factor ** state["drops"]

    def after_epoch(self, state: dict, accuracy: float) -> dict:
        """The state with the epoch counted."""
        if accuracy > state["best"]:
            return {**state, "best": float(accuracy), "stale_epochs": 0}
        stale = state["stale_epochs"] + 1
        dropped, stale = divmod(stale, self.patience)
        return {**state, "stale_epochs": stale, "drops": state["drops"] + dropped}


@dataclass(frozen=True)
class Decay(Schedule):
    """The rate divided by 1 + decay step.

    Raises TypeError or ValueError unless decay is a number >= 0.

    >>> Decay(1e-4).rate(0.1, {}, step=10_000)
    0.05
    """

    decay: float

    def __post_init__(self) -> None:
        real_field(self, "decay", 0, math.inf)

    def rate(self, base_rate: float, state: dict, step: int) -> float:
        """base_rate / (1 + decay step)."""
        return base_rate / (1 + self.decay * step)
