"""Blocks hash: a look-up of whole blocks of identifiers.

    b = i div size,   bucket(i) = assignment[b] size + i mod size,   sign(i) = signs[b]

The table is cut into blocks, too, and a block of identifiers reads one of them. It is what ties of
whole rows end in (GrOWL: size = fan_in), and product quantisation. One entry is kept for each block
(Lookup has size 1), and the core reads slices of the table.

Sources: GrOWL: Zhang, Wang, Figueiredo & Balzano, ICLR 2018; product quantisation: Jegou, Douze &
Schmid, IEEE TPAMI 33 (2011).
"""

from dataclasses import dataclass

import numpy as np

from minihash.checks import check_field
from minihash.derived import derived
from minihash.hashes.division import divided, divisor
from minihash.hashes.hash import Hash, Stages, check_buckets
from minihash.hashes.lookup import Lookup, itself
from minihash.hashes.xxh32 import U64


def block_written(word, state):
    """The bucket, from the block that is written down. A body."""
    block, rest = divided(word, state[2])
    return U64(state[1][block]) * state[2][0] + rest


def block_sign(i, state):
    """The sign written down for an identifier's block. A body."""
    return np.int8(state[0][divided(i, state[1])[0]])


@dataclass(frozen=True, eq=False)
class Blocks(Hash):
    """The given assignment of blocks of `size` identifiers to blocks of the table.

    assignment: integers (blocks,), each in 0 .. buckets / size - 1. signs: as Lookup's, one for
    each block. Raises TypeError or ValueError where they are not that, or if size does not divide
    buckets.

    >>> Blocks(6, size=3, assignment=[1, 0, 1], signs=[1, 1, -1]).bucket(range(9))
    array([3, 4, 5, 0, 1, 2, 3, 4, 5])
    """

    by_size = False

    buckets: int
    size: int
    assignment: np.ndarray
    signs: np.ndarray | None = None

    def __post_init__(self) -> None:
        check_buckets(self, seed=False)
        check_field(self, "size", 1, self.buckets)
        if self.buckets % self.size:
            raise ValueError(
                f"size must divide the {self.buckets} buckets, got {self.size}; a table has whole "
                "blocks alone"
            )
        lookup = Lookup(self.buckets // self.size, self.assignment, self.signs)
        object.__setattr__(self, "assignment", lookup.assignment)
        object.__setattr__(self, "signs", lookup.signs)

    @derived
    def lookup(self) -> Lookup:
        """The block that each block of identifiers reads, and its sign."""
        return Lookup(self.buckets // self.size, self.assignment, self.signs)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and (self.size, self.lookup) == (other.size, other.lookup)

    def __hash__(self) -> int:
        return hash((self.size, self.lookup))

    @property
    def domain(self) -> int:
        return self.assignment.size * self.size

    @property
    def run(self) -> int:
        return self.size

    @property
    def stages(self) -> Stages:
        return itself, block_written, block_sign if self.signs is not None else None

    @derived
    def state(self) -> tuple[tuple, tuple]:
        size, (_, signs) = divisor(self.size), self.lookup.state
        return (U64(self.buckets), self.assignment, size), (*signs, size) if signs else ()
