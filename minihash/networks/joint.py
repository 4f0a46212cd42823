"""Room 5: networks side by side; tables of one name are shared.

    forward     y_n = f_n(x_n)        for each network n
    backward    dx_n = J_n^T dy_n

The gradient of a table is the sum over all its readers.

Two tasks with one table (hard parameter sharing: Caruana, Machine Learning 28, 1997) are two
networks whose weights name it, trained on the sum of their losses. With a table each and a SoftTie
between them (see training/penalties/tie.py) the sharing is soft.
"""

import dataclasses

import numpy as np

from minihash.derived import derived
from minihash.networks.sequential import Sequential
from minihash.sources import Weight, add
from minihash.weights import VirtualWeight

Params = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Joint:
    """Networks that are trained together, on one flat dict of parameters.

    Raises ValueError where Sequential would for all their layers together.

    >>> from minihash.hashes import Uniform
    >>> from minihash.layers import Dense
    >>> one, two = (VirtualWeight((n, 3), Uniform(4), first_id=3 * n) for n in (2, 5))
    >>> both = Joint((Sequential((Dense(one),)), Sequential((Dense(two),))))
    >>> params = both.init(seed=0)
    >>> ys, caches = both.forward(params, (np.ones((7, 3), np.float32),) * 2)
    >>> dxs, grads = both.backward(params, caches, ys)
    >>> [y.shape for y in ys], grads["table"].shape
    ([(7, 2), (7, 5)], (4,))
    """

    networks: tuple[Sequential, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "networks", tuple(self.networks))
        _ = self._all

    @derived
    def _all(self) -> Sequential:
        return Sequential(tuple(layer for network in self.networks for layer in network.layers))

    @property
    def layers(self) -> tuple:
        """The layers of all networks."""
        return self._all.layers

    def weights(self) -> list[VirtualWeight]:
        """The virtual weights of all networks, in order."""
        return self._all.weights()

    def sources(self) -> list[Weight]:
        """Their weights: virtual ones, and other sources."""
        return self._all.sources()

    def init(self, seed: int = 0, dtype: type = np.float32) -> Params:
        """Fresh parameters, as Sequential makes them for all layers together."""
        return self._all.init(seed, dtype)

    def forward(
        self, params: Params, xs: tuple[np.ndarray, ...], step: int | None = None
    ) -> tuple[tuple[np.ndarray, ...], list]:
        """The output of each network on its own x, and what `backward` needs."""
        results = [
            network.forward(params, x, step) for network, x in zip(self.networks, xs, strict=True)
        ]
        return tuple(y for y, _ in results), [caches for _, caches in results]

    def backward(
        self, params: Params, caches: list, dys: tuple[np.ndarray, ...]
    ) -> tuple[tuple, Params]:
        """The dx of each network, and the gradient of each parameter, summed over them."""
        dxs: list = []
        grads: Params = {}
        for network, cache, dy in zip(self.networks, caches, dys, strict=True):
            dx, more = network.backward(params, cache, dy)
            dxs.append(dx)
            add(grads, more)
        return tuple(dxs), grads

    def running(self, params: Params, caches: list) -> Params:
        """The running statistics after the training step that left `caches`."""
        new: Params = {}
        for network, cache in zip(self.networks, caches, strict=True):
            new.update(network.running(params, cache))
        return new
