"""GrOWL: train inputs of a layer to one norm or to 0, tie those that are alike, train the ties.

    penalty   sum_i lambda_i ||w_[i]|| beside the loss (training/sorted_norms.py)
    ties      s_ij = <w_i, w_j> / max(||w_i||, ||w_j||)^2 over the inputs that are left, with the
              preference on the diagonal; clusters by affinity propagation; each input gets the
              mean of its cluster, in a block of a table that the cluster shares:

        V[:, j] = sign_j table[cluster_j size : (cluster_j + 1) size]        sign_j = 0: j is dead

    training of the ties: the gradient of a block is the sum over its cluster

The authors train on untied and average each cluster once an epoch. After a step of plain SGD on
equal inputs that is this one with the rate divided by the size of the cluster; momentum, which they
do not average, makes it differ further.

The paper's rate is weights / distinct weights, and counts no index. The file has one: a block and a
sign for each input, which its bytes count.

A dead input comes back where the gradient, averaged over the steps that momentum remembers, exceeds
its lambda: the noise of small batches does that. So the penalty is trained with large ones. And
where the layers behind grow as this one shrinks, the network stays and the penalty falls: L2 on
these stops that (benchmarks/GROWL.md).

Source: Zhang, Wang, Figueiredo & Balzano, Learning to Share, ICLR 2018, sections 2 and 3.
"""

from dataclasses import dataclass, replace

import numpy as np

from minihash.checks import check_field, real_field
from minihash.hashes import Blocks, Hash, Identity
from minihash.networks.sequential import Sequential
from minihash.sharing.affinity import affinity_propagation
from minihash.sharing.method import Stage, moved
from minihash.sharing.rebuild import Params, Shared, matrices, share, values
from minihash.training import Training
from minihash.training.optimisers import SGD
from minihash.training.penalties import L2, Penalty
from minihash.training.schedules import Constant, Decay
from minihash.training.sorted_norms import GrOWL, input_norms

RESTLESS = 0.05  # of the inputs: what they change between is worth the same to 0.1 % of the whole


@dataclass(frozen=True)
class Growl:
    """The penalty, then ties.

    layers: which of `matrices`, from 1. strength, slope, part: as of the penalty; slope 0 is the
    group lasso. l2: of the other layers meanwhile. penalty_epochs: 0 ties the network as it was
    trained. penalty_batch, penalty_rate: of these epochs, by SGD with momentum 0.9. preference: how
    alike inputs must be to be tied. epochs, rate: of the ties, by the same SGD, the rate divided by
    1 + step / 1000, where steps of the penalty count.
    Raises TypeError or ValueError for what cannot be.

    >>> Growl(slope=0.0).layers
    (1,)
    """

    layers: tuple[int, ...] = (1,)
    strength: float = 4e-4
    slope: float = 2.5e-6
    part: float = 0.5
    l2: float = 0.0
    penalty_epochs: int = 12
    penalty_batch: int = 500
    penalty_rate: float = 0.05
    preference: float = 0.5
    epochs: int = 8
    rate: float = 0.03

    def __post_init__(self) -> None:
        numbers = (("penalty_epochs", 0), ("penalty_batch", 1), ("epochs", 1))
        for name, least in numbers:
            check_field(self, name, least, 2**31 - 1)
        for name, most in (("part", 1.0), ("preference", 1.0)):
            real_field(self, name, 0, most)
        for name in ("strength", "slope", "l2", "penalty_rate", "rate"):
            real_field(self, name, 0, float("inf"))
        known = isinstance(self.layers, tuple) and all(type(k) is int for k in self.layers)
        if not known or not self.layers or min(self.layers) < 1:
            raise ValueError(f"layers must be numbers from 1, got {self.layers}; try 1, or 1,2")

    def stage(
        self, number: int, network: Sequential, params: Params, training: Training, examples: int
    ) -> Stage | None:
        """See `Method`."""
        names = list(matrices(network))
        if max(self.layers) > len(names):
            raise ValueError(
                f"the network has {len(names)} layers with matrices, {', '.join(names)}; got "
                f"layers {', '.join(map(str, self.layers))}"
            )
        chosen = [names[k - 1] for k in self.layers]
        if number > bool(self.penalty_epochs):
            return None
        penalties = self._penalties(chosen, network)  # refuses weights that are shared
        training = replace(training, optimiser=SGD(momentum=0.9))
        if number == 0 and self.penalty_epochs:
            plan = replace(training, epochs=self.penalty_epochs, batch_size=self.penalty_batch)
            plan = replace(plan, rate=self.penalty_rate, schedule=Constant())
            plan = replace(plan, penalties=(*moved(plan, network).penalties, *penalties))
            return Stage("sorted norms of inputs", network, params, plan)
        found = values(network, params)
        new: dict[str, Shared] = {name: tied(found[name], self.preference) for name in chosen}
        told = ", ".join(_told(found[name], new[name][1]) for name in chosen)
        left = {matrices(network)[name].table for name in chosen}
        for name, w in matrices(network).items():
            if w.table in left and name not in chosen:  # it would keep the whole table
                new[name] = Identity(w.size), found[name].reshape(-1)
        network, params = share(network, params, new)
        plan = replace(training, epochs=self.epochs, rate=self.rate, schedule=Decay(1e-3))
        return Stage(told, network, params, moved(plan, network))

    def _penalties(self, chosen: list[str], network: Sequential) -> tuple[Penalty, ...]:
        on = {name: w for name, w in matrices(network).items() if name in chosen}
        others = (w.table for name, w in matrices(network).items() if name not in chosen)
        decay = L2(self.l2, tuple(dict.fromkeys(others)))
        sorted_ = (GrOWL(self.strength, self.slope, w, self.part) for w in on.values())
        return (*([decay] if self.l2 else []), *sorted_)


def _told(V: np.ndarray, table: np.ndarray) -> str:
    """What became of the inputs of a weight, and the paper's rate."""
    left, clusters = np.count_nonzero(input_norms(V)), table.size * V.shape[1] // V.size
    about = f"{left} of {V.shape[1]} inputs in {clusters} clusters"
    return f"{about} (rate {V.size / table.size:.1f}, no index counted)"


def tied(V: np.ndarray, preference: float) -> tuple[Hash, np.ndarray, bool]:
    """The hash and the table of a weight whose alike inputs are tied, and whether its identifiers
    run down the columns, as they do but for a convolution: `share` takes these.

    V: (outputs, inputs, ...). Raises ValueError if every input is 0.

    >>> hash_, table, down = tied(np.array([[1.0, 0.0, 1.25], [2.0, 0.0, 2.25]]), 0.6)
    >>> hash_.assignment, hash_.signs, table, down
    (array([0, 0, 0], dtype=uint8), array([ True, False,  True]), array([1.125, 2.125]), True)
    """
    outputs = len(V)
    clusters, cluster = alike(V, preference)
    means = np.stack([V[:, cluster == k].mean(axis=1, dtype=np.float64) for k in range(clusters)])
    signs = None if (cluster >= 0).all() else cluster >= 0
    cluster = np.maximum(cluster, 0)
    if V.ndim == 2:  # identifier = input * outputs + output
        return Blocks(means.size, outputs, cluster, signs), means.reshape(-1), True
    size = V[0, 0].size  # block = output * inputs + input
    table = means.swapaxes(0, 1).reshape(-1)
    assignment = (np.arange(outputs)[:, None] * clusters + cluster).reshape(-1)
    signs = None if signs is None else np.tile(signs, outputs)
    return Blocks(table.size, size, assignment, signs), table, False


def alike(V: np.ndarray, preference: float) -> tuple[int, np.ndarray]:
    """How many clusters there are, and that of each input, intp (inputs,): -1 if it is 0.

    >>> alike(np.array([[1.0, 0.0, 1.25, -1.0], [2.0, 0.0, 2.25, -2.0]]), 0.6)
    (2, array([ 0, -1,  0,  1]))
    """
    norms = input_norms(V)
    left = np.flatnonzero(norms)
    if not left.size:
        raise ValueError("every input is 0, so that there are none to tie; lower the strength")
    rows = V.swapaxes(0, 1)[left].reshape(left.size, -1).astype(np.float64)
    squares = np.square(norms[left])
    S = rows @ rows.T / np.maximum.outer(squares, squares)
    np.fill_diagonal(S, preference)
    exemplars, cluster = np.unique(affinity_propagation(S, restless=RESTLESS), return_inverse=True)
    of = np.full(norms.size, -1)
    of[left] = cluster
    return exemplars.size, of
