"""Hashes of whole blocks: what a block of identifiers reads is one piece of the table.

    blocks   bucket(i) = assignment[i div size] size + i mod size
    robe     bucket(i) = (h(a, b) mod (n - Z + 1)) + d mod Z          a block b of the row a
    roast    bucket(i) = (h(A, B) mod (n - height width)) + place     a tile (A, B) of a matrix

    h(a, b) = (a R3 + b R2 + R1) mod P

Sources: A. Desai, L. Chou & A. Shrivastava, "Random offset block embedding (ROBE)", MLSys 2022;
A. Desai, K. Zhou & A. Shrivastava, "Hardware-aware compression with random operation access
specific tile (ROAST) hashing", ICML 2023; and their released code.
"""

from collections.abc import Sequence
from math import gcd

from reference.streams import h, random_sign, stream

P = 2038074743  # of the released code of ROBE


def numbers_of(seed: int) -> tuple[int, int, int, int]:
    """(P, R1, R2, R3): R_k is the word of identifier k in the stream "bucket", modulo P.

    >>> numbers_of(0)[0] == P
    True
    """
    r1, r2, r3 = (h(stream(seed, "bucket"), k) % P for k in (1, 2, 3))
    return P, r1, r2, r3


def universal(a: int, b: int, numbers: Sequence[int]) -> int:
    """h(a, b) = (a R3 + b R2 + R1) mod P, of numbers = (P, R1, R2, R3).

    >>> universal(2, 3, (11, 1, 2, 3))
    2
    """
    p, r1, r2, r3 = numbers
    return (a * r3 + b * r2 + r1) % p


def sign_of_run(i: int, run: int, seed: int, signed: bool) -> int:
    """The sign of the first identifier of a run, for all of it.

    >>> sign_of_run(5, 4, 0, True) == sign_of_run(7, 4, 0, True)
    True
    """
    return random_sign(seed, i - i % run) if signed else 1


def blocks(
    i: int, buckets: int, size: int, assignment: Sequence[int], signs: Sequence[int] | None = None
) -> tuple[int, int]:
    """Any assignment of blocks: bucket = assignment[b] size + i mod size, b = i div size.

    >>> blocks(4, buckets=6, size=3, assignment=[0, 1], signs=[1, -1])
    (4, -1)
    """
    b = i // size
    bucket = assignment[b] * size + i % size
    if not 0 <= bucket < buckets:
        raise ValueError(f"blocks needs buckets below {buckets}, got {bucket} for identifier {i}")
    return bucket, 1 if signs is None else signs[b]


def robe(
    i: int,
    buckets: int,
    block: int = 32,
    row: int | None = None,
    seed: int = 0,
    signed: bool = False,
    numbers: Sequence[int] | None = None,
) -> tuple[int, int]:
    """A window for each block of Z = `block`: without rows a = 0, b = i div Z; with rows of a
    length, a = i div row, d = i mod row, b = d div Z.

    >>> robe(3, buckets=10, block=2, numbers=(11, 1, 2, 3))
    (4, 1)
    """
    a, d = (0, i) if row is None else (i // row, i % row)
    window = universal(a, d // block, numbers or numbers_of(seed)) % (buckets - block + 1)
    run = block if row is None else gcd(block, row)
    return window + d % block, sign_of_run(i, run, seed, signed)


def roast(
    i: int,
    buckets: int,
    columns: int,
    tile: Sequence[int] = (8, 16),
    seed: int = 0,
    signed: bool = False,
    numbers: Sequence[int] | None = None,
) -> tuple[int, int]:
    """A window for each tile of a matrix with this many columns, row-major inside.

    >>> roast(9, buckets=10, columns=4, tile=(2, 2), numbers=(11, 1, 2, 3))
    (5, 1)
    """
    height, width = tile
    r, c = i // columns, i % columns
    window = universal(r // height, c // width, numbers or numbers_of(seed))
    bucket = window % (buckets - height * width) + (r % height) * width + c % width
    return bucket, sign_of_run(i, gcd(width, columns), seed, signed)
