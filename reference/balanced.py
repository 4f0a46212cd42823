"""The two hashes that part balance from noise: each is told its domain N, the identifiers 0 .. N-1.

    balanced   bucket(i) = pi(i) mod n, pi a keyed permutation of 0 .. N-1: balanced, at random
    quantile   bucket(i) = quantile of p ~ Dirichlet(alpha) at (i + 1/2) / N: unbalanced, no noise

Sources: the networks are M. Luby & C. Rackoff's (1988), over numbers as in J. Black & P. Rogaway,
"Ciphers with arbitrary finite domains" (2002); p is ArbNets' (arXiv 2312.08401), eq. 8.
"""

from functools import lru_cache
from math import floor, inf

from reference.dirichlet import weights
from reference.streams import h, random_sign, scale, stream


def permuted(i: int, domain: int, seed: int) -> int:
    """pi(i): the identifiers stand row by row in a grid of 2^s columns, the last row cut at N.

    s = ceil(bits of N - 1, halved);  in each of three rounds
    column = (column + scale(h(b, row + 2^32 (2 round)), length of the row)) mod that length
    row = (row + scale(h(b, column + 2^32 (2 round + 1)), height of the column)) mod that height

    >>> sorted(permuted(i, 7, seed=1) for i in range(7))
    [0, 1, 2, 3, 4, 5, 6]
    """
    s = ((domain - 1).bit_length() + 1) // 2
    columns = 2**s
    row, column = i // columns, i % columns
    b = stream(seed, "bucket")
    for turn in range(3):
        length = min(columns, domain - row * columns)
        column = (column + scale(h(b, row + 2**32 * (2 * turn)), length)) % length
        height = (domain - column + columns - 1) // columns
        row = (row + scale(h(b, column + 2**32 * (2 * turn + 1)), height)) % height
    return row * columns + column


def balanced(
    i: int, buckets: int, domain: int, seed: int = 0, signed: bool = False
) -> tuple[int, int]:
    """bucket = pi(i) mod n.

    >>> sorted(balanced(i, buckets=2, domain=4)[0] for i in range(4))
    [0, 0, 1, 1]
    """
    if not 0 <= i < domain:
        raise ValueError(f"balanced needs an identifier below {domain}, got {i}")
    return permuted(i, domain, seed) % buckets, random_sign(seed, i) if signed else 1


def sparse(i: int, buckets: int, domain: int, seed: int = 0) -> tuple[int, int]:
    """bucket = pi(i) mod n, and no connection (sign 0) unless pi(i) < n.

    >>> sorted(sparse(i, buckets=2, domain=4) for i in range(4))
    [(0, 0), (0, 1), (1, 0), (1, 1)]
    """
    if not 0 <= i < domain:
        raise ValueError(f"sparse needs an identifier below {domain}, got {i}")
    place = permuted(i, domain, seed)
    return place % buckets, 1 if place < buckets else 0


@lru_cache(maxsize=64)
def starts(buckets: int, domain: int, alpha: float, seed: int) -> list[int]:
    """The first identifier of each bucket: N P_k rounded, P_k = p_0 + ... + p_{k-1}, in float64.

    >>> starts(4, 8, float("inf"), 0)
    [0, 2, 4, 6]
    """
    w = [2**32] * buckets if alpha == inf else weights(buckets, float(alpha), seed)
    total, below, found = float(sum(w)), 0, []
    for w_k in w:
        found.append(floor(float(below) / total * float(domain) + 0.5))
        below += w_k
    return found


def quantile(
    i: int, buckets: int, domain: int, alpha: float, seed: int = 0, signed: bool = False
) -> tuple[int, int]:
    """bucket = the last k that starts at i or before.

    >>> [quantile(i, buckets=2, domain=4, alpha=float("inf"))[0] for i in range(4)]
    [0, 0, 1, 1]
    """
    if not 0 <= i < domain:
        raise ValueError(f"quantile needs an identifier below {domain}, got {i}")
    bucket = max(k for k, start in enumerate(starts(buckets, domain, alpha, seed)) if start <= i)
    return bucket, random_sign(seed, i) if signed else 1
