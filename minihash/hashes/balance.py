"""Balance of a hash: how evenly it uses its table.

    load_k = number of identifiers in bucket k;   p_k = load_k / number of connected identifiers
    H      = -sum_k p_k ln p_k   in nats, 0 .. ln n                        (ArbNets, eq. 7)

Identifiers of sign 0 are no connections and carry no load.

Source: Chang & Lipson, ArbNets, eq. 7.
"""

from dataclasses import dataclass, field

import numpy as np

from minihash.checks import check_count
from minihash.hashes.hash import Hash

BLOCK = 2**18  # identifiers hashed at once: the index of a large network never exists


@dataclass(frozen=True)
class Balance:
    """Loads of a hash over a block of identifiers, and what eq. 7 makes of them."""

    load: np.ndarray = field(repr=False)  # int64 (buckets,)
    entropy: float  # nats
    normalised_entropy: float  # entropy / ln(buckets), in [0, 1]; 1 for a single bucket
    empty: int  # buckets without load
    largest: int  # the largest load
    connections: int  # identifiers with a sign other than 0


def balance(hash_: Hash, size: int, first_id: int = 0) -> Balance:
    """Loads and entropy of `hash_` over identifiers first_id .. first_id + size - 1.

    Memory: the loads, and a block of 262,144 identifiers. Raises ValueError if the identifiers
    leave the domain of the hash, TypeError if it is none.

    >>> from minihash.hashes import Modulus
    >>> balance(Modulus(8), 24)
    Balance(entropy=2.0794415416798357, normalised_entropy=1.0, empty=0, largest=3, connections=24)
    """
    if not isinstance(hash_, Hash):
        raise TypeError(f"balance needs a hash of minihash.hashes, got {hash_!r}; build it first")
    size = check_count("size", size, 0, 2**63)
    first_id = check_count("first_id", first_id, 0, 2**64 - 1)
    if first_id + size > hash_.domain:
        raise ValueError(
            f"identifiers must lie in 0 .. {hash_.domain - 1}, got {first_id} .. "
            f"{first_id + size - 1}; use a hash that is defined for all of them"
        )
    load = np.zeros(hash_.buckets, np.int64)
    for start in range(first_id, first_id + size, BLOCK):
        stop = min(start + BLOCK, first_id + size)
        ids = np.arange(start, stop, dtype=np.uint64)
        buckets = hash_.bucket(ids)
        if hash_.bodies[1] is not None:
            buckets = buckets[hash_.sign(ids) != 0]
        if buckets.size:
            used = np.bincount(buckets)
            load[: used.size] += used
    return of_load(load)


def of_load(load: np.ndarray) -> Balance:
    """The balance of given loads, int64 (buckets,).

    >>> of_load(np.array([2, 2, 0])).empty
    1
    """
    connections = int(load.sum())
    p = load[load > 0] / max(connections, 1)
    entropy = float(-(p * np.log(p)).sum()) + 0.0
    most = float(np.log(load.size))
    return Balance(
        load=load,
        entropy=entropy,
        normalised_entropy=min(entropy / most, 1.0) if load.size > 1 else 1.0,
        empty=int((load == 0).sum()),
        largest=int(load.max()),
        connections=connections,
    )
