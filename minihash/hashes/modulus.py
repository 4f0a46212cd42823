"""Modulus hash: the table, read again and again. A recurrent net is an ArbNet under this hash.

    bucket(i) = i mod n                                             (ArbNets, eq. 1)

A trap: in a table of one layer's own, with n a multiple of the fan-in, rows of V repeat, and only
n / fan_in different neurons exist.

Source: Chang & Lipson, ArbNets, eq. 1 and section 2.
"""

from dataclasses import dataclass

from minihash.hashes.hash import Hash, check_buckets
from minihash.hashes.xxh32 import U64


@dataclass(frozen=True)
class Modulus(Hash):
    """bucket(i) = i mod buckets.

    >>> Modulus(3).bucket([0, 1, 2, 3, 4])
    array([0, 1, 2, 0, 1])
    """

    buckets: int
    seed: int = 0
    signed: bool = False

    def __post_init__(self) -> None:
        check_buckets(self)

    @property
    def run(self) -> int:
        return 1 if self.signed else self.buckets

    @staticmethod
    def draw(i, residue, state):
        return residue

    def constants(self) -> tuple:
        return (U64(self.buckets),)
