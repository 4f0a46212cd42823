"""How evenly a hash loads its table. ArbNets (arXiv 2312.08401), eq. 7.

Over a set of identifiers and a table of n entries:

    load_k = number of identifiers with bucket k and sign != 0 (sign 0 reads nothing)
    p_k    = load_k / sum load
    H      = -sum p_k ln p_k in nats (terms with p_k = 0 are 0);   0 <= H <= ln n
"""

from collections.abc import Iterable
from math import fsum, log

from reference.hashes import Hash


def loads(hash_function: Hash, buckets: int, identifiers: Iterable[int]) -> list[int]:
    """How many of the identifiers read each entry of the table; a sign 0 reads nothing.

    >>> loads(lambda i: (i % 3, 1), 3, range(7))
    [3, 2, 2]
    """
    counts = [0] * buckets
    for i in identifiers:
        bucket, sign = hash_function(i)
        if sign != 0:
            counts[bucket] += 1
    return counts


def entropy(counts: list[int]) -> float:
    """Shannon entropy of the loads, in nats; 0 if there are none.

    >>> round(entropy([1] * 1000), 2)
    6.91
    """
    total = sum(counts)
    return fsum(-(load / total) * log(load / total) for load in counts if load > 0)


def normalised_entropy(counts: list[int]) -> float:
    """Entropy over its largest possible value ln n, in [0, 1]; 1 for a table of one entry.

    >>> normalised_entropy([5, 5])
    1.0
    """
    return entropy(counts) / log(len(counts)) if len(counts) > 1 else 1.0
