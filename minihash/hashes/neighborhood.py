"""Neighborhood hash: the modulus hash, blurred by a radius.

    bucket(i) = (i + Uniform{-radius .. radius}) mod n             (ArbNets, eq. 10)

radius 0 is the modulus hash. The paper calls radius >= n/2 the uniform hash; it is exactly so only
when (2 radius + 1) mod n = 0, since otherwise some offsets modulo n are drawn once more than
others.

Source: Chang & Lipson, ArbNets, eq. 10.
"""

from dataclasses import dataclass

from minihash.checks import check_field
from minihash.hashes.hash import Hash, check_buckets
from minihash.hashes.xxh32 import U64, scale, stream, xxh32


@dataclass(frozen=True)
class Neighborhood(Hash):
    """A bucket within `radius` of i mod buckets.

    >>> Neighborhood(100, radius=2).bucket([50, 50, 51])
    array([50, 50, 53])
    """

    buckets: int
    radius: int
    seed: int = 0
    signed: bool = False

    def __post_init__(self) -> None:
        check_buckets(self)
        check_field(self, "radius", 0, 2**31 - 1)

    @property
    def run(self) -> int:
        return self.buckets if self.radius == 0 and not self.signed else 1

    @staticmethod
    def draw(i, residue, state):
        n, seed, width, back = state
        b = residue + scale(xxh32(i, seed), width) + back  # below 3 n
        b -= n * U64(b >= n)
        return b - n * U64(b >= n)

    @property
    def stages(self):
        draw, place, sign = super().stages
        return draw if 2 * self.radius < self.buckets else draw_far, place, sign

    def constants(self) -> tuple:
        n, radius = self.buckets, self.radius
        return U64(n), stream(self.seed, "bucket"), U64(2 * radius + 1), U64(n - radius % n)


def draw_far(i, residue, state):
    """`draw` where the neighborhood is wider than the table."""
    n, seed, width, back = state
    return (residue + scale(xxh32(i, seed), width) + back) % n
