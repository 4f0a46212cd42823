"""Room 5: layers one after another.

    forward     y = f_L( ... f_1(x))
    backward    dx = J_1^T ... J_L^T dy

The gradient of a table is the sum over all its readers.
"""

import dataclasses
import math

import numpy as np

from minihash.hashes.xxh32 import stream, unit
from minihash.layers.layer import Layer
from minihash.sources import Weight, add
from minihash.weights import VirtualWeight


@dataclasses.dataclass(frozen=True)
class Sequential:
    """Layers one after another; parameters are one flat dict for all of them.

    Raises ValueError if two virtual weights name one table but differ in their number of buckets,
    or if two layers hold arrays of one name.

    >>> from minihash.hashes import Uniform
    >>> from minihash.layers import ELU, Dense
    >>> w = VirtualWeight((2, 3), Uniform(4))
    >>> net = Sequential((Dense(w), ELU()))
    >>> params = net.init(seed=0)
    >>> y, caches = net.forward(params, np.ones((5, 3), np.float32))
    >>> dx, grads = net.backward(params, caches, y)
    >>> dx.shape, grads["table"].shape
    ((5, 3), (4,))
    """

    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        sizes: dict[str, int] = {}
        for w in self.weights():
            if sizes.setdefault(w.table, w.hash.buckets) != w.hash.buckets:
                raise ValueError(
                    f"all weights that read the table {w.table!r} must have hashes of one size, "
                    f"got {sizes[w.table]} and {w.hash.buckets} buckets; rename one table"
                )
        met = set(sizes)
        for name in (name for layer in self.layers for name in layer.arrays()):
            if name in met:
                raise ValueError(f"two layers hold an array called {name!r}; rename one layer")
            met.add(name)

    def weights(self) -> list[VirtualWeight]:
        """The virtual weights of all layers, in order."""
        return [w for layer in self.layers for w in layer.weights()]

    def sources(self) -> list[Weight]:
        """The weights of all layers, in order: virtual ones, and other sources."""
        return [s for layer in self.layers for s in layer.sources()]

    def init(
        self, seed: int = 0, dtype: type = np.float32, scale: float = 1.0
    ) -> dict[str, np.ndarray]:
        """Fresh parameters.

        A table that matrices read is scale U(-b, b), b^2 = (sum of their fan_out) / (sum of their
        sizes): for one matrix b = 1 / sqrt(fan_in), as in HashedNets. A table of biases alone is 0.
        A source that is made of others asks of each what gives its V that variance, b^2 / 3.
        Raises ValueError unless scale is a positive number.
        """
        if not 0 < scale < math.inf:
            raise ValueError(f"the scale of initial tables must be positive, got {scale}; try 1")
        params: dict[str, np.ndarray] = {}
        asked = [pair for source in self.sources() for pair in _energies(source)]
        for name, buckets in {w.table: w.hash.buckets for w, _ in asked}.items():
            readers = [(w.size, energy) for w, energy in asked if w.table == name and energy]
            total, size = sum(e for _, e in readers), sum(size for size, _ in readers)
            bound = math.sqrt(total / size) if readers else 0.0
            ids = np.arange(buckets, dtype=np.uint64)
            table = scale * bound * (2.0 * unit(ids, stream(seed, f"init/{name}")) - 1.0)
            params[name] = (table if readers else np.zeros(ids.size)).astype(dtype)
        for layer in self.layers:
            for name, (shape, value) in layer.arrays().items():
                params[name] = np.full(shape, value, dtype)
        return params

    def forward(
        self, params: dict[str, np.ndarray], x: np.ndarray, step: int | None = None
    ) -> tuple[np.ndarray, list]:
        """y and what `backward` needs. step: None to evaluate, else the number of the training
        step."""
        caches = []
        for layer in self.layers:
            x, cache = layer.forward(params, x, step)
            caches.append(cache)
        return x, caches

    def backward(
        self, params: dict[str, np.ndarray], caches: list, dy: np.ndarray
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """dx, and the gradient of each parameter, summed over the layers that share it."""
        grads: dict[str, np.ndarray] = {}
        for layer, cache in zip(reversed(self.layers), reversed(caches), strict=True):
            dy, more = layer.backward(params, cache, dy)
            add(grads, more)
        return dy, grads

    def gradients(
        self, params: dict[str, np.ndarray], caches: list, dy: np.ndarray
    ) -> dict[str, np.ndarray]:
        """The gradient of each parameter as `backward` gives it, without dx. Layers before the
        first that has parameters are left out."""
        grads: dict[str, np.ndarray] = {}
        first = next((k for k, f in enumerate(self.layers) if f.weights() or f.trainable()), None)
        if first is None:
            return grads
        for k in range(len(self.layers) - 1, first, -1):
            dy, more = self.layers[k].backward(params, caches[k], dy)
            add(grads, more)
        add(grads, self.layers[first].gradients(params, caches[first], dy))
        return grads

    def running(self, params: dict[str, np.ndarray], caches: list) -> dict[str, np.ndarray]:
        """The running statistics after the training step that left `caches`."""
        new: dict[str, np.ndarray] = {}
        for layer, cache in zip(self.layers, caches, strict=True):
            new.update(layer.running(params, cache))
        return new


def _energies(source: Weight) -> list[tuple[VirtualWeight, float]]:
    """Each virtual weight of a source, and its size times the b^2 that it asks for; 0: it asks for
    nothing, as a bias does."""
    if isinstance(source, VirtualWeight):
        return [(source, source.shape[0] if len(source.shape) > 1 else 0)]
    variance = source.shape[0] / source.size / 3  # of U(-b, b)
    return [(w, 3 * asked * w.size) for w, asked in source.initial(variance)]
