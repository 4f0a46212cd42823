"""What a method of learned sharing is: stages of training, each found from the one before.

    stage(0, a trained network), stage(1, what stage 0 has trained) ... until there is none

A method is a frozen dataclass whose fields are its options: numbers, text, or tuples of them. What
a stage is follows from its number, the network and the parameters before it, and the options alone,
so that a compression which was stopped goes on from the file of the stage it was in. The last
network is the result.
"""

from dataclasses import dataclass, field, replace
from typing import Protocol

from minihash.networks.sequential import Sequential
from minihash.sharing.rebuild import Params, matrices
from minihash.training import Training
from minihash.training.penalties import OnTables


@dataclass(frozen=True, eq=False)
class Stage:
    """A network to train, where it begins, and how. name: what is told of it, as "pruned to 8 %".

    The epochs, rate, optimiser and penalties of `training` are the stage's own; its names are those
    of the tables of `network` (see `moved`). told: what else the result says of it, as JSON.
    """

    name: str
    network: Sequential
    params: Params
    training: Training
    told: dict = field(default_factory=dict)


class Method(Protocol):
    """A method of `METHODS`: codebook.py is one."""

    def stage(
        self, number: int, network: Sequential, params: Params, training: Training, examples: int
    ) -> Stage | None:
        """The stage of this number, from 0; None after the last.

        network, params: as the stage before has left them, with what its penalties own, or the
        trained network. training: how that was trained; the same for all stages. examples: to train
        with.
        Raises ValueError for options that do not fit the network.
        """
        ...


def moved(training: Training, network: Sequential) -> Training:
    """The training with its penalties on the tables of all `matrices` of this network. A group
    lasso, whose groups are those of the network before, is left out."""
    tables = tuple(dict.fromkeys(w.table for w in matrices(network).values()))
    penalties = (replace(p, tables=tables) for p in training.penalties if isinstance(p, OnTables))
    return replace(training, penalties=tuple(penalties))
