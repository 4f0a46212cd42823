"""Balanced hash: the identifiers shuffled by a keyed permutation, then the modulus hash.

    bucket(i) = pi(i) mod n,   pi a permutation of 0 .. N-1, N = `domain`

Loads of the identifiers 0 .. N-1 differ by at most one, as under the modulus hash; but which
identifiers meet in a bucket is random, as under the uniform hash. So it tells whether a hash is
good since it is balanced, or since it has no noise.

pi is a Feistel network. Write the identifiers row by row into a grid of b columns, b a power of two
near sqrt N; the last row may be short. A round turns each row, or each column, by a random amount:

    along the rows      column := (column + F_k(row)) mod the length of this row
    along the columns   row := (row + F_k(column)) mod the height of this column

A line is turned onto itself, so that each round is a permutation, and all of them. Networks over
bits permute a power of two, and must be asked again until they answer below N (cycle walking);
here lines end where the identifiers end, so that there is no loop whose length is random.

Neighbours in a row are turned alike: they part when columns turn. Each coordinate is turned three
times, since after twice one pair of neighbours in sqrt N would still be neighbours.

Sources: Luby & Rackoff, How to construct pseudorandom permutations (1988); Black & Rogaway, Ciphers
with arbitrary finite domains (2002), where the grid is full.
"""

from dataclasses import dataclass, field

from minihash.checks import check_field
from minihash.hashes.hash import MAX_DOMAIN, Hash, check_buckets
from minihash.hashes.xxh32 import U64, scale, stream, xxh32

TURNS = 3  # of each coordinate


@dataclass(frozen=True)
class Balanced(Hash):
    """A bucket at random, yet loads of identifiers 0 .. domain - 1 differ by at most one.

    domain: how many identifiers there are, 1 .. 2^52. Raises TypeError or ValueError if it is not.

    >>> Balanced(3, domain=6).bucket(range(6))
    array([2, 0, 1, 0, 1, 2])
    """

    buckets: int
    domain: int = field()  # of Hash it would have a default
    seed: int = 0
    signed: bool = False

    def __post_init__(self) -> None:
        check_buckets(self)
        check_field(self, "domain", 1, MAX_DOMAIN)

    @staticmethod
    def draw(i, residue, state):
        """pi(i). Word 2 k of row r, and word 2 k + 1 of column c, is the hash of r, or of c, in the
        low 32 bits of an identifier, and the word's number in the high ones."""
        _, seed, shift, full, rows, rest = state
        row, column = i >> shift, i & (full - U64(1))
        for turn in range(TURNS):
            length = full - (full - rest) * U64(row == rows - U64(1))
            column = column + scale(xxh32(row | U64(2 * turn) << U64(32), seed), length)
            column = column - length * U64(column >= length)
            height = rows - U64(column >= rest)
            row = row + scale(xxh32(column | U64(2 * turn + 1) << U64(32), seed), height)
            row = row - height * U64(row >= height)
        return row << shift | column

    @staticmethod
    def place(word, state):  # apart, since no SIMD divides integers
        return word % state[0]

    def constants(self) -> tuple:
        """Buckets, stream, and the grid: log2 of the columns, columns, rows, length of the last."""
        shift = ((self.domain - 1).bit_length() + 1) // 2
        rows = -(-self.domain // 2**shift)
        rest = self.domain - (rows - 1) * 2**shift
        grid = map(U64, (shift, 2**shift, rows, rest))
        return U64(self.buckets), stream(self.seed, "bucket"), *grid
