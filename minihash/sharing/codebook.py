"""Prune, then a codebook a layer: Deep Compression.

    rounds    keep the largest weights of each tensor, the others become 0; train what is kept:
              a Lookup with a bucket for each of them, so that neither a gradient nor a momentum
              reaches what was cut
    last      k-means of what is kept, a layer by itself; train the centroids:

        V[id] = c[cluster(id)],   dL/dc_k = sum of dL/dV over the cluster

In round r of R the density is density^(r/R), or the threshold is threshold r/R: a network that is
cut little by little loses less. With gradient "mean" the sum is divided by the cluster's load, and
the rate should be some thousand times as large.

b bits a value leave 2^b - 1 of them, as 0 is one. n weights of b bits that share k values have the
rate n b / (n log2 k + k b) (equation 1).

Source: Han, Mao & Dally, Deep Compression, arXiv 1510.00149, sections 2 and 3.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from minihash.checks import check_field
from minihash.hashes import Lookup
from minihash.networks.sequential import Sequential
from minihash.sharing.kmeans import STARTS, codebook
from minihash.sharing.method import Stage, moved
from minihash.sharing.prune import above, densest
from minihash.sharing.rebuild import Params, kept, matrices, share, values
from minihash.training import Training
from minihash.training.averaged import Averaged
from minihash.training.optimisers import SGD
from minihash.training.schedules import Constant

MOST_BITS = 16
CENTROIDS = SGD(momentum=0.9)


@dataclass(frozen=True)
class Codebook:
    """Prune in rounds, then a codebook of 2^bits - 1 values and 0 for each layer.

    density, threshold (times the deviation of a layer), bits: one for all layers, or one for each,
    in order; no density and no threshold: nothing is pruned. prune_epochs: of each round, or one
    for all. epochs, rate, gradient ("sum" or "mean"): of the centroids; prune_rate: of the rounds,
    None for that of the run.
    Raises TypeError or ValueError for what cannot be.

    >>> Codebook(density=(0.08, 0.09, 0.26), bits=(6,)).rounds
    3
    """

    density: tuple[float, ...] = ()
    threshold: tuple[float, ...] = ()
    rounds: int = 3
    prune_epochs: tuple[int, ...] = (3,)
    prune_rate: float | None = None
    bits: tuple[int, ...] = (5,)
    start: str = "optimal"
    epochs: int = 2
    rate: float = 1e-4
    gradient: str = "sum"

    def __post_init__(self) -> None:
        check_field(self, "rounds", 1, 1000)
        check_field(self, "epochs", 1, 2**31 - 1)
        if self.start not in STARTS:
            raise ValueError(f"start must be one of {', '.join(STARTS)}, got {self.start!r}")
        if self.gradient not in ("sum", "mean"):
            raise ValueError(f"gradient must be sum or mean, got {self.gradient!r}")
        if self.density and self.threshold:
            raise ValueError("density and threshold are two rules of one cut: give one of them")
        for name, low, high in (
            *(("density", 0, 1), ("threshold", 0, math.inf)),
            *(("bits", 1, MOST_BITS), ("prune_epochs", 1, 2**31 - 1)),
        ):
            numbers = getattr(self, name)
            if not isinstance(numbers, tuple) or not all(low <= x <= high for x in numbers):
                raise ValueError(f"{name} must be numbers in {low} .. {high}, got {numbers}")
        if not self.bits or len(self.prune_epochs) not in (1, self.rounds):
            raise ValueError(
                f"give bits, and prune_epochs for all {self.rounds} rounds or one for each, got "
                f"{self.bits} and {self.prune_epochs}"
            )

    def stage(
        self, number: int, network: Sequential, params: Params, training: Training, examples: int
    ) -> Stage | None:
        """See `Method`."""
        rounds = self.rounds if self.density or self.threshold else 0
        if number < rounds:
            return self._pruned(number, network, params, training)
        if number > rounds:
            return None
        chosen, found = {}, values(network, params)
        for (name, W), bits in zip(found.items(), _each("bits", self.bits, found), strict=True):
            chosen[name] = quantised(W, bits, self.start, training.seed)
        new, params = share(network, params, chosen)
        plan = replace(training, epochs=self.epochs, rate=self.rate, penalties=())
        plan = replace(plan, optimiser=CENTROIDS, schedule=Constant())
        if self.gradient == "mean":
            weights = tuple(matrices(new).values())
            plan = replace(plan, optimiser=Averaged(CENTROIDS, weights))
        return Stage("codebooks of " + _bits(self.bits), new, params, plan)

    def _pruned(
        self, number: int, network: Sequential, params: Params, training: Training
    ) -> Stage:
        part = (number + 1) / self.rounds
        chosen, found = {}, values(network, params)
        rule = "density" if self.density else "threshold"
        limits = _each(rule, getattr(self, rule), found)
        for (name, W), limit in zip(found.items(), limits, strict=True):
            mask = densest(W, limit**part) if self.density else above(W, limit * part)
            table = W[mask] if mask.any() else np.zeros(1, W.dtype)
            chosen[name] = kept(mask), table
        new, params = share(network, params, chosen)
        all_ = sum(hash_.domain for hash_, _ in chosen.values())
        left = sum(table.size for _, table in chosen.values())
        epochs = self.prune_epochs[number % len(self.prune_epochs)]
        plan = replace(training, epochs=epochs, rate=self.prune_rate or training.rate)
        return Stage(f"pruned to {left / all_:.1%}", new, params, moved(plan, new))


def quantised(
    W: np.ndarray, bits: int, start: str = "optimal", seed: int = 0
) -> tuple[Lookup, np.ndarray]:
    """The hash and the codebook of a tensor: 2^bits - 1 values at most, and 0 where W is 0.

    >>> quantised(np.array([[0.0, 1.0, 1.5], [5.0, 0.0, 5.25]]), 2)[1]
    array([1.   , 1.5  , 5.125])
    """
    mask = W.reshape(-1) != 0
    weights = W.reshape(-1)[mask]
    if not weights.size:
        return kept(mask), np.zeros(1, W.dtype)
    centroids, cluster = codebook(weights, 2**bits - 1, start, seed)
    assignment = np.zeros(W.size, np.int64)
    assignment[mask] = cluster
    return Lookup(centroids.size, assignment, mask), centroids.astype(W.dtype)


def rate(n: int, k: int, b: int = 32) -> float:
    """Equation 1: how often smaller n weights of b bits are, shared among k values.

    >>> rate(16, 4)
    3.2
    """
    return n * b / (n * math.log2(k) + k * b)


def _each(name: str, given: tuple, layers: Params) -> tuple:
    """One for each layer."""
    if len(given) not in (1, len(layers)):
        raise ValueError(
            f"{name} must be one number for all {len(layers)} layers, or one for each of "
            f"{', '.join(layers)}, got {len(given)}"
        )
    return given if len(given) > 1 else given * len(layers)


def _bits(bits: tuple[int, ...]) -> str:
    return f"{', '.join(map(str, bits))} bit{'s' if bits != (1,) else ''}"
