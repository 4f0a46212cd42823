"""Uniform hash: every weight takes an entry at random.

    bucket(i) = Uniform(n) = floor(h(i) n / 2^32),   h from the stream "bucket"    (ArbNets, eq. 2)

Source: Chang & Lipson, ArbNets, eq. 2; signed, it is HashedNets (Chen et al. 2015) up to the keys.
"""

from dataclasses import dataclass

from minihash.hashes.hash import Hash, check_buckets
from minihash.hashes.xxh32 import U64, scale, stream, xxh32


@dataclass(frozen=True)
class Uniform(Hash):
    """A bucket drawn uniformly for each identifier; with `signed`, a sign too.

    >>> Uniform(1000, seed=1, signed=True).bucket([0, 1, 2])
    array([ 86, 613, 719])
    """

    buckets: int
    seed: int = 0
    signed: bool = False

    def __post_init__(self) -> None:
        check_buckets(self)

    @staticmethod
    def draw(i, residue, state):
        n, seed = state
        return scale(xxh32(i, seed), n)

    def constants(self) -> tuple:
        return U64(self.buckets), stream(self.seed, "bucket")
