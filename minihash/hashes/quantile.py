"""Quantile hash: entries are used as unequally as under a Dirichlet hash, but nothing is random
about who uses which: the bucket is a monotone function of the identifier.

    p ~ symmetric Dirichlet(alpha) over the n entries                  the p of `Dirichlet`
    bucket(i) = the quantile of p at (i + 1/2) / N,                    N = `domain`
              = the k with start_k <= i < start_k+1,    start_k = round(N (p_0 + .. + p_k-1))

Dirichlet draws its bucket at a random place of the same distribution function; here the places are
an even grid, sorted. So the load of entry k is N p_k within one, without noise, and it tells
whether a hash is bad since it is unbalanced, or since it is noisy. With alpha = infinity it is
balanced.

Source: the p is that of Chang & Lipson, ArbNets, eq. 8.
"""

from dataclasses import dataclass, field

import numpy as np

from minihash.checks import check_field
from minihash.hashes.dirichlet import Dirichlet
from minihash.hashes.hash import MAX_DOMAIN, Hash, check_buckets
from minihash.hashes.lookup import itself
from minihash.hashes.xxh32 import U64


@dataclass(frozen=True)
class Quantile(Hash):
    """The quantile of Dirichlet(alpha) at an identifier's place among all of them.

    domain: how many identifiers there are, 1 .. 2^52. alpha > 0, infinity allowed.
    Raises TypeError or ValueError for anything else. Keeps 8 to 24 bytes for each bucket.

    >>> Quantile(4, domain=8, alpha=1.0).bucket(range(8))
    array([0, 1, 1, 1, 2, 2, 3, 3])
    """

    buckets: int
    domain: int = field()  # of Hash it would have a default
    alpha: float = field()
    seed: int = 0
    signed: bool = False

    def __post_init__(self) -> None:
        check_buckets(self)
        check_field(self, "domain", 1, MAX_DOMAIN)
        object.__setattr__(self, "alpha", self.law.alpha)

    @property
    def law(self) -> Dirichlet:
        """The hash whose probabilities these are."""
        return Dirichlet(self.buckets, self.alpha, self.seed)

    draw = staticmethod(itself)

    @staticmethod
    def place(word, state):
        """The last k with start_k <= word, by halving from where its cell of identifiers begins;
        unused entries start where the next does."""
        _, length, shift, first, starts = state
        k = first[word >> shift]
        while length > U64(1):
            half = length >> U64(1)
            k = k + half * U64(starts[k + half] <= word)
            length = length - half
        return k

    def constants(self) -> tuple:
        """Cells are 2^shift identifiers, at most one for each bucket. length: the most entries that
        one may choose from; first: which is the first of these."""
        starts = self.starts()
        shift = max((self.domain - 1).bit_length() - self.buckets.bit_length() + 1, 0)
        edges = np.arange(((self.domain - 1) >> shift) + 2, dtype=np.uint64) << U64(shift)
        first = np.searchsorted(starts, edges[:-1], "right") - 1
        last = np.searchsorted(starts, edges[1:] - U64(1), "right") - 1
        length = int((last - first).max()) + 1
        beyond = np.full(length, self.domain, np.uint64)  # where no identifier comes
        starts = np.concatenate([starts, beyond])
        return U64(self.buckets), U64(length), U64(shift), first.astype(np.uint64), starts

    def starts(self) -> np.ndarray:
        """The first identifier of each bucket, uint64 (n,); each step is one of IEEE float64.

        >>> Quantile(4, domain=8, alpha=float("inf")).starts()
        array([0, 2, 4, 6], dtype=uint64)
        """
        ends = np.cumsum(self.law.weights())
        shares = ends[:-1].astype(np.float64) / float(ends[-1])
        starts = np.floor(shares * float(self.domain) + 0.5)
        return np.concatenate([np.zeros(1, np.uint64), starts.astype(np.uint64)])
