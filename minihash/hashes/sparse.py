"""Sparse hash: n connections at random, each with an entry of its own, and no others.

    bucket(i) = pi(i) mod n,   sign(i) = 1 if pi(i) < n else 0,   pi a permutation of 0 .. N-1

pi is that of the Balanced hash, N = `domain`. Random edge removal: of N weights exactly n are kept,
and nothing says which but the seed. Where there is no connection the bucket means nothing.

pi costs six words of XXH32, so that this hash keeps an index of 5 bytes for each virtual weight,
made at its first use, and `nbytes` counts it.

Source: as a baseline, "RER": Chen et al., HashedNets, arXiv 1504.04788, section 6, after Ciresan et
al., High-performance neural networks for visual object classification (2011).
"""

from dataclasses import dataclass, field

import numpy as np

from minihash.checks import check_field
from minihash.derived import derived
from minihash.hashes.balanced import Balanced
from minihash.hashes.hash import MAX_BUCKETS, Hash, Stages, check_buckets
from minihash.hashes.lookup import itself, written, written_sign
from minihash.hashes.xxh32 import U32, U64


@dataclass(frozen=True)
class Sparse(Hash):
    """Random connections: `buckets` of the identifiers have an entry each, others are 0.

    domain: how many identifiers there are, 1 .. 2^31 - 1. Raises TypeError or ValueError if it is
    not.

    >>> h = Sparse(2, domain=6)
    >>> h.bucket(range(6)), h.sign(range(6))
    (array([0, 0, 0, 1, 1, 1]), array([0, 1, 0, 0, 1, 0], dtype=int8))
    """

    buckets: int
    domain: int = field()  # of Hash it would have a default
    seed: int = 0

    def __post_init__(self) -> None:
        check_buckets(self)
        check_field(self, "domain", 1, MAX_BUCKETS)

    @property
    def stages(self) -> Stages:
        return itself, written, written_sign

    @derived
    def state(self) -> tuple[tuple, tuple]:
        places = Balanced(self.domain, self.domain, self.seed).bucket(np.arange(self.domain))
        kept = (places < self.buckets).astype(np.int8)
        return (U64(self.buckets), (places % self.buckets).astype(U32)), (kept,)
