"""Room 6: GrOWL, a penalty that ties and kills the inputs of a layer by their sorted norms.

    P = sum_i lambda_i ||w_[i]||,     ||w_[1]|| >= ... >= ||w_[n]||     w_j: all weights of input j
    lambda_i = strength + slope max(T - i, 0),    T = floor(part n),    i = 1 .. n

slope 0 is the group lasso without its sqrt(n_g); part 1 is OSCAR. The proximal step keeps the
directions and takes the norms v to

    z = v sorted down - rate lambda;    x = the closest sequence to z that never rises;
    norms' = max(x, 0), in the old order

Where z rises, neighbours are pooled to their mean: those inputs leave with one and the same norm.
Pooling two neighbours can make a rise before them, so it goes on until there is none: one pass is
not enough. Neighbours that rise all end in one pool, in whatever order they are joined, so that all
rises are joined at once.

Norms that are nearly equal are one pool, which dies as a whole once rate * mean(lambda) exceeds
their mean: so do all inputs of a fresh network, since a step takes more from each norm than one of
the loss moves them apart. Such a step is refused.

Sources: Zhang, Wang, Figueiredo, Balzano, ICLR 2018, GrOWL; Bogdan et al., arXiv 1407.3824, the
sorted l1 norm; Bondell & Reich, Biometrics 64 (2008), OSCAR; pooling: Barlow et al. (1972).
"""

import math
from dataclasses import dataclass

import numpy as np

from minihash.checks import parameter, real_field
from minihash.derived import derived
from minihash.hashes import Identity
from minihash.training.penalties import Params, Penalty
from minihash.weights import VirtualWeight


@dataclass(frozen=True)
class GrOWL(Penalty):
    """sum_i lambda_i ||w_[i]|| over the inputs of a layer, by their norms sorted down.

    weight: of a layer under Identity, of shape (fan_out, fan_in), or (out_channels, channels, ...)
    of a convolution. A group is all weights of one input: a column, or an input channel.
    Raises TypeError or ValueError for anything else; ValueError for a step after which every
    group would be 0.

    >>> penalty = GrOWL(1.0, 2.0, VirtualWeight((1, 3), Identity(3), "W"), part=2 / 3)
    >>> penalty.lambdas
    array([3., 1., 1.])
    >>> penalty.shrink({}, {"W": np.array([5.0, -4.9, 0.0])}, rate=1.0)
    {'W': array([ 2.95, -2.95,  0.  ])}
    """

    strength: float
    slope: float
    weight: VirtualWeight
    part: float = 0.5

    def __post_init__(self) -> None:
        for name, most in (("strength", math.inf), ("slope", math.inf), ("part", 1)):
            real_field(self, name, 0, most)
        w = self.weight
        if not isinstance(w, VirtualWeight):
            raise TypeError(f"the weight of GrOWL must be a VirtualWeight, got {w!r}")
        if len(w.shape) < 2:
            raise ValueError(
                f"the weight of GrOWL must have shape (outputs, inputs, ...), got {w.shape}"
            )
        if not isinstance(w.hash, Identity):
            raise ValueError(
                "the inputs of GrOWL must own their weights, as under Identity, got "
                f"{type(w.hash).__name__}; train under the identity hash"
            )

    @property
    def names(self) -> tuple[str, ...]:
        return (self.weight.table,)

    @derived
    def lambdas(self) -> np.ndarray:
        """lambda: float64 (inputs,), from that of the largest norm down."""
        n = self.weight.shape[1]
        top = math.floor(self.part * n)
        return self.strength + self.slope * np.maximum(top - np.arange(1.0, n + 1), 0)

    def _read(self, table: np.ndarray) -> np.ndarray:
        """The weights, a view of their table: identifiers are buckets."""
        w = self.weight
        own = table[w.first_id : w.first_id + w.size]
        return own.reshape(w.shape[::-1]).T if w.transposed else own.reshape(w.shape)

    def value(self, params: Params) -> float:
        norms = input_norms(self._read(params[self.weight.table]))
        return float(self.lambdas @ np.sort(norms)[::-1])

    @np.errstate(invalid="ignore", over="ignore", divide="ignore")
    def shrink(self, before: Params, after: Params, rate: float) -> Params:
        table = after[self.weight.table].copy()
        V = self._read(table)
        norms = input_norms(V)
        left = sorted_prox(norms, rate * self.lambdas)
        if norms.any() and not left.any():
            taken, mean = rate * self.lambdas.mean(), norms.mean()
            raise ValueError(
                f"a step of GrOWL would make all {norms.size} inputs of {self.weight.table!r} 0, "
                f"as it takes {taken:.3g} from a mean norm of {mean:.3g}: begin from a trained "
                "network, whose norms differ, and lower strength and slope until an epoch of steps "
                "takes less than that mean in all"
            )
        kept = np.where(left > 0, left / norms, 0)
        V *= kept.reshape(-1, *(1 for _ in V.shape[2:])).astype(V.dtype)
        return {self.weight.table: table}

    def check(self, params: Params) -> None:
        parameter(params, self.weight.table, (self.weight.hash.buckets,))


def sorted_prox(v: np.ndarray, lambdas: np.ndarray) -> np.ndarray:
    """The x that minimises |x - v|^2 / 2 + sum_i lambda_i |x|_[i].

    v: norms (n,), not negative. lambdas: (n,), never rising, not negative. Returns float64 (n,).

    >>> sorted_prox(np.array([4.9, 5.0, 4.8]), np.array([3.0, 1.0, 1.0])).round(4)
    array([3.2333, 3.2333, 3.2333])
    """
    order = np.argsort(-v, kind="stable")
    x = np.empty(v.size)
    x[order] = np.maximum(falling(v[order] - lambdas), 0)
    return x


def falling(z: np.ndarray) -> np.ndarray:
    """The closest sequence to z, in least squares, that never rises: float64 (n,).

    >>> falling(np.array([2.0, 3.9, 3.8])).round(4)
    array([3.2333, 3.2333, 3.2333])
    """
    total, size = np.asarray(z, np.float64), np.ones(len(z))
    while (rises := (mean := total / size)[1:] > mean[:-1]).any():
        first = np.flatnonzero(np.concatenate(([True], ~rises)))
        total, size = np.add.reduceat(total, first), np.add.reduceat(size, first)
    return np.repeat(mean, size.astype(int))


def input_norms(V: np.ndarray) -> np.ndarray:
    """The norm of all weights of each input: float64 (V.shape[1],).

    >>> input_norms(np.array([[3.0, 0.0], [4.0, 1.0]]))
    array([5., 1.])
    """
    flat = V.reshape(*V.shape[:2], -1)
    return np.sqrt(np.einsum("oit,oit->i", flat, flat, dtype=np.float64))
