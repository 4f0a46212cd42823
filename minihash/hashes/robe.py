"""ROBE hash: random offsets of blocks. Blocks of identifiers read windows of the table.

    h(a, b)   = (a R3 + b R2 + R1) mod P                                 a universal hash, P prime
    bucket(i) = h(a, b) mod (n - Z + 1) + d mod Z                        Z = `block`
    d = i,    a = 0,           b = i div Z                               without rows
    d = i mod row, a = i div row, b = d div Z                            with rows of this length

Windows overlap: two blocks share some entries more often than all of them. Which entries meet is
random, as under the uniform hash, yet the core reads slices of the table at the speed of a dense
layer. `roast.py` has the same in tiles.

P and the numbers R are the released code's if `numbers` = (P, R1, R2, R3) are its random numbers
(P = 2038074743; a is the category, rows are embeddings). Without, R1, R2 and R3 are drawn from the
stream "bucket". Signs, where there are any, are drawn for whole runs.

Sources: Desai, Chou & Shrivastava, Random offset block embedding (ROBE), MLSys 2022; its code.
"""

import math
from dataclasses import dataclass

import numpy as np

from minihash.checks import check_count, check_field
from minihash.derived import derived
from minihash.hashes.division import divided, divisor
from minihash.hashes.hash import Hash, Stages, check_buckets, coin_sign
from minihash.hashes.xxh32 import U64, stream, xxh32

PRIME = 2038074743
WORD = 2**31  # how many blocks, and how many rows, have identifiers


def offset(a, b, state):
    """The start of the window of block (a, b). A body."""
    _, span, prime, r1, r2, r3 = state[:6]
    return divided(divided(a * r3 + b * r2 + r1, prime)[1], span)[1]


def of_block(i, residue, state):
    """The bucket, without rows. A body."""
    b, d = divided(i, state[6])
    return offset(U64(0), b, state) + d


def of_row(i, residue, state):
    """The bucket, with rows. A body."""
    a, d = divided(i, state[7])
    b, d = divided(d, state[6])
    return offset(a, b, state) + d


def run_coin(i, state):
    """xi of a run: coin_sign of its first identifier. A body."""
    return coin_sign(i - divided(i, state[1])[1], state)


@dataclass(frozen=True)
class Robe(Hash):
    """Blocks of identifiers read windows of the table at random offsets.

    block: identifiers of a block, at most `buckets`. row: None, or the length of a row, in each of
    which blocks begin anew. numbers: None, or (P, R1, R2, R3), 0 <= R < P,
    2^15 <= P < 2^31.
    Raises TypeError or ValueError for anything else. Defined for 2^31 blocks, or rows.

    >>> Robe(1000, block=4).bucket(range(10))
    array([967, 968, 969, 970, 833, 834, 835, 836, 699, 700])
    """

    buckets: int
    block: int = 32
    row: int | None = None
    seed: int = 0
    signed: bool = False
    numbers: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        check_buckets(self)
        check_field(self, "block", 1, self.buckets)
        if self.row is not None:
            check_field(self, "row", 1, 2**31 - 1)
        object.__setattr__(self, "numbers", checked(self.numbers))

    @property
    def domain(self) -> int:
        return WORD * (self.block if self.row is None else self.row)

    @property
    def run(self) -> int:
        return self.block if self.row is None else math.gcd(self.block, self.row)

    @property
    def stages(self) -> Stages:
        return of_block if self.row is None else of_row, None, run_coin if self.signed else None

    @derived
    def state(self) -> tuple[tuple, tuple]:
        span = self.buckets - self.block + 1
        sizes = (self.block,) if self.row is None else (self.block, self.row)
        constants = window(self.buckets, span, self.seed, self.numbers, *sizes)
        return constants, (stream(self.seed, "sign"), divisor(self.run)) if self.signed else ()


def window(
    buckets: int, span: int, seed: int, numbers: tuple[int, ...] | None, *sizes: int
) -> tuple:
    """What bodies read: the buckets, how many windows there are, P, R1, R2, R3, and sizes."""
    if numbers is None:
        words = xxh32(np.arange(1, 4, dtype=np.uint64), stream(seed, "bucket"))
        numbers = PRIME, *(int(word) % PRIME for word in words)
    prime, *others = numbers
    return U64(buckets), divisor(span), divisor(prime), *map(U64, others), *map(divisor, sizes)


def checked(numbers: object) -> tuple[int, ...] | None:
    """`numbers` of a hash, refused unless they are (P, R1, R2, R3) with each R below P, or None."""
    if numbers is None:
        return None
    if not isinstance(numbers, (tuple, list)) or len(numbers) != 4:
        raise ValueError(
            f"numbers must be four integers, (P, R1, R2, R3), got {numbers!r}; leave them out to "
            "have them drawn"
        )
    prime = check_count("P of numbers", numbers[0], 2**15, 2**31 - 1)
    return prime, *(check_count("each R of numbers", r, 0, prime - 1) for r in numbers[1:])
