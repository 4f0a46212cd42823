"""What every hash is: identifier -> (bucket, sign).

    V[id] = sign(id) * table[bucket(id)]

A hash is a frozen dataclass of its hyperparameters. Beyond those it gives:

    buckets      the size of the table
    domain       it is defined for identifiers 0 .. domain - 1
    run          identifiers k run .. k run + run - 1 fall in consecutive buckets with sign +1 (a
                 window of the table, wrapping at its end), so that the core can read slices; 1 when
                 nothing is known
    bodies       the scalar bodies of bucket and sign (None: every sign is +1), see body.py
    state        the constants that they read: a tuple for each
"""

from collections.abc import Callable
from functools import cached_property
from typing import ClassVar

import numpy as np

from minihash.hashes.xxh32 import U32, U64, stream, xxh32

MAX_BUCKETS = 2**31 - 1


def coin_sign(i, state):
    """xi(i): +1 if the hash of the identifier in the stream "sign" is odd, else -1. A body."""
    return np.int8(2) * np.int8(xxh32(i, state[0]) & U32(1)) - np.int8(1)


class Hash:
    """Base of all hashes: validation, and the array reading of the bodies."""

    buckets: int
    signed: ClassVar[bool] = False
    domain: int = 2**64
    run: int = 1

    @staticmethod
    def body(i, state):
        """bucket(i). A body; each hash has its own."""
        raise NotImplementedError

    def constants(self) -> tuple:
        """What `body` reads: NumPy scalars and arrays."""
        raise NotImplementedError

    @cached_property
    def bodies(self) -> tuple[Callable, Callable | None]:
        return type(self).body, coin_sign if self.signed else None

    @cached_property
    def state(self) -> tuple[tuple, tuple]:
        return self.constants(), (stream(self.seed, "sign"),) if self.signed else ()

    def bucket(self, ids: np.ndarray) -> np.ndarray:
        """The bucket of each identifier: intp, the shape of `ids`, in 0 .. buckets - 1.

        Raises TypeError if `ids` are not integers, ValueError if one is outside the domain.
        """
        ids = identifiers(ids, self.domain)
        return self.bodies[0](ids.reshape(-1), self.state[0]).astype(np.intp).reshape(ids.shape)

    def sign(self, ids: np.ndarray) -> np.ndarray:
        """The sign of each identifier: int8, the shape of `ids`, each -1, 0 or +1 (0: no
        connection). Raises as `bucket` does."""
        ids = identifiers(ids, self.domain)
        if self.bodies[1] is None:
            return np.ones(ids.shape, np.int8)
        return self.bodies[1](ids.reshape(-1), self.state[1]).astype(np.int8).reshape(ids.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays that the hash keeps beside its fields."""

        def count(x: object) -> int:
            if isinstance(x, tuple):
                return sum(map(count, x))
            return x.nbytes if isinstance(x, np.ndarray) else 0

        return count(self.state)


def identifiers(ids: np.ndarray, domain: int) -> np.ndarray:
    """`ids` as uint64, refused unless they are integers in 0 .. domain - 1.

    >>> identifiers([3, 1], 4)
    array([3, 1], dtype=uint64)
    """
    if isinstance(ids, (list, tuple, int)):
        ids = np.array(ids, np.uint64 if not np.size(ids) or np.min(ids) >= 0 else None)
    ids = np.asarray(ids)
    if ids.dtype.kind not in "iu":
        raise TypeError(f"identifiers must be integers, got dtype {ids.dtype}; convert them first")
    if ids.size and (int(ids.min()) < 0 or int(ids.max()) >= domain):
        raise ValueError(
            f"identifiers must lie in 0 .. {domain - 1}, got {ids.min()} .. {ids.max()}; "
            "use a hash that is defined for all of them"
        )
    return ids.astype(np.uint64)


def check_count(name: str, value: int, low: int, high: int) -> None:
    """Refuse a hyperparameter that is not an integer in low .. high."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be an integer, got {value!r}; round it first")
    if not low <= value <= high:
        raise ValueError(f"{name} must lie in {low} .. {high}, got {value}; choose one in that range")


def check_buckets(hash_: Hash, seed: bool = True) -> None:
    """Refuse a hash whose `buckets` (and `seed`) are out of range."""
    check_count("buckets", hash_.buckets, 1, MAX_BUCKETS)
    if seed:
        check_count("seed", hash_.seed, 0, 2**32 - 1)


