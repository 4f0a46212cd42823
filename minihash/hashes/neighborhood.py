"""Neighborhood hash: the modulus hash, blurred by a radius.

    bucket(i) = (i + Uniform{-radius .. radius}) mod n             (ArbNets, eq. 10)

radius 0 is the modulus hash. The paper calls radius >= n/2 the uniform hash; it is exactly so only
when (2 radius + 1) mod n = 0, since otherwise some offsets modulo n are drawn once more than others.

Source: Chang & Lipson, ArbNets, eq. 10.
"""

from dataclasses import dataclass

from minihash.hashes.hash import Hash, check_buckets, check_count
from minihash.hashes.xxh32 import U64, scale, stream, xxh32


@dataclass(frozen=True)
class Neighborhood(Hash):
    """A bucket within `radius` of i mod buckets.

    >>> Neighborhood(100, radius=2).bucket([50, 50, 51])
    array([49, 49, 53])
    """

    buckets: int
    radius: int
    seed: int = 0
    signed: bool = False

    def __post_init__(self) -> None:
        check_buckets(self)
        check_count("radius", self.radius, 0, 2**31 - 1)

    @property
    def run(self) -> int:
        return self.buckets if self.radius == 0 and not self.signed else 1

    @staticmethod
    def body(i, state):
        seed, n, width, back = state
        return (i % n + scale(xxh32(i, seed), width) + back) % n

    def constants(self) -> tuple:
        n, radius = self.buckets, self.radius
        return stream(self.seed, "bucket"), U64(n), U64(2 * radius + 1), U64(n - radius % n)
