"""The mean of the gradients of a bucket in place of their sum.

    dtable_k = 1 / load_k  sum over ids in bucket k of sign(id) dV[id]

load_k is the number of weights that read entry k, those without a connection not counted. It is a
rate of its own for each entry, rate / load_k: an entry that many weights share moves as far as one
that few do.

Source: the option of clustering libraries; Deep Compression (Han, Mao & Dally, arXiv 1510.00149,
equation 3) sums.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from minihash.derived import derived
from minihash.hashes import balance
from minihash.training.optimisers import SGD, Adam, Arrays, Clipped
from minihash.weights import VirtualWeight


@dataclass(frozen=True)
class Averaged:
    """Another optimiser, on the mean gradients of the tables that these weights read; its state is
    the other's. Raises TypeError unless they are an optimiser and a tuple of virtual weights.

    >>> from minihash.hashes import Modulus
    >>> optimiser = Averaged(SGD(), (VirtualWeight((2, 3), Modulus(4)),))
    >>> w, grads = {"table": np.zeros(4)}, {"table": np.array([4.0, 4.0, 4.0, 4.0])}
    >>> optimiser.step(w, grads, {}, rate=1.0)[0]["table"]
    array([-2., -2., -4., -4.])
    """

    optimiser: SGD | Adam | Clipped
    weights: tuple[VirtualWeight, ...]

    def __post_init__(self) -> None:
        weights = self.weights
        fits = isinstance(weights, tuple) and all(isinstance(w, VirtualWeight) for w in weights)
        if not fits or not isinstance(self.optimiser, SGD | Adam | Clipped):
            raise TypeError(
                "Averaged needs an optimiser and a tuple of virtual weights, got "
                f"{self.optimiser!r} and {weights!r}"
            )

    @property
    def gain(self) -> float:
        """That of the optimiser; entries with a load have less."""
        return self.optimiser.gain

    @derived
    def loads(self) -> Arrays:
        """How many weights read each entry, at least 1, by table."""
        found: Arrays = {}
        for w in self.weights:
            load = balance(w.hash, w.size, w.first_id).load
            found[w.table] = found.get(w.table, 0) + load
        return {name: np.maximum(load, 1) for name, load in found.items()}

    def init(self, params: Arrays, names: Iterable[str]) -> Arrays:
        """The state before the first step on the parameters called `names`."""
        return self.optimiser.init(params, names)

    def step(
        self, params: Arrays, grads: Arrays, state: Arrays, rate: float
    ) -> tuple[Arrays, Arrays]:
        """(new_params, new_state), as the optimiser's with mean gradients. Raises as it does."""
        means = {
            name: grad / self.loads[name].astype(grad.dtype) if name in self.loads else grad
            for name, grad in grads.items()
        }
        return self.optimiser.step(params, means, state, rate)
