"""Identity hash: every weight has an entry of its own. An MLP is an ArbNet under this hash.

    bucket(i) = i        V[i] = table[i]

Source: Chang & Lipson, ArbNets, section 2.
"""

from dataclasses import dataclass

from minihash.hashes.hash import Hash, check_buckets
from minihash.hashes.xxh32 import U64


@dataclass(frozen=True)
class Identity(Hash):
    """bucket(i) = i, for identifiers below `buckets`.

    >>> Identity(4).bucket([3, 0])
    array([3, 0])
    """

    buckets: int

    def __post_init__(self) -> None:
        check_buckets(self, seed=False)

    @property
    def domain(self) -> int:
        return self.buckets

    @property
    def run(self) -> int:
        return self.buckets

    @staticmethod
    def draw(i, residue, state):
        return i

    def constants(self) -> tuple:
        return (U64(self.buckets),)
