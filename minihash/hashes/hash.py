"""What every hash is: identifier -> (bucket, sign).

    V[id] = sign(id) * table[bucket(id)]

A hash is a frozen dataclass of its hyperparameters. Beyond those it gives:

    buckets      the size of the table
    by_size      whether a number of buckets and the options (options.py) make one, as builders do
    domain       it is defined for identifiers 0 .. domain - 1; a field where the hash depends on it
    run          identifiers k run .. k run + run - 1 fall in consecutive buckets, a window of the
                 table, and have one sign, so that the core can read slices; 1 when nothing is known
    bodies       the scalar bodies of bucket and sign (None: every sign is +1), see compile/body.py
    state        the constants that they read: a tuple for each

Each hash writes its bucket as one to three bodies: `draw` is arithmetic on an identifier and its
residue modulo n, which compilers turn into SIMD; `place`, where there is one, looks the result up.
They are apart because one look-up in a loop makes all of it scalar. What comes after a look-up is
a third body, `pick`.

    bucket(i) = place(w), or pick(w, place(w)),   w = draw(i, i mod n)

A sign of its own is the third of its `stages`. check.py proves what is said here.
"""

from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from minihash.checks import check_field
from minihash.compile.body import bound
from minihash.derived import derived
from minihash.hashes.xxh32 import U32, stream, xxh32

MAX_BUCKETS = 2**31 - 1
MAX_DOMAIN = 2**52  # of a hash that is told its domain: float64 holds its halves exactly
Stages = tuple[Callable, Callable | None, Callable | None]


def coin_sign(i, state):
    """xi(i): +1 if the hash of the identifier in the stream "sign" is odd, else -1. A body."""
    return np.int8(2) * np.int8(xxh32(i, state[0]) & U32(1)) - np.int8(1)


def drawn(i, state):
    return draw(i, i % state[0], state)


def drawn_and_placed(i, state):
    return place(draw(i, i % state[0], state), state)


def drawn_placed_and_picked(i, state):
    word = draw(i, i % state[0], state)
    return pick(word, place(word, state))


def bucket_body(draw: Callable, place: Callable | None, pick: Callable | None) -> Callable:
    """The body bucket(i, state) that these make up."""
    name = f"bucket({draw.__qualname__},{place.__qualname__ if place else ''})"
    last = drawn_placed_and_picked if pick else drawn_and_placed
    return bound(last if place else drawn, name, draw=draw, place=place, pick=pick)


class Hash:
    """Base of all hashes: validation, and the array reading of the bodies."""

    by_size: ClassVar[bool] = True
    __dataclass_fields__: ClassVar[dict[str, Any]]
    if TYPE_CHECKING:  # to be read only, so that a field or a property may say each

        @property
        def buckets(self) -> int: ...
        @property
        def seed(self) -> int: ...
        @property
        def signed(self) -> bool: ...
        @property
        def domain(self) -> int: ...
        @property
        def run(self) -> int: ...
    else:
        signed, domain, run = False, 2**64, 1

    @staticmethod
    def draw(i, residue, state):
        """The bucket, or what `place` needs to look it up. A body; each hash has its own."""
        raise NotImplementedError

    place: ClassVar[Callable | None] = None  # place(word, state): the bucket of a drawn word,
    # or what pick(word, found) makes a bucket of: then `place` reads the low half of the word alone
    pick: ClassVar[Callable | None] = None

    def constants(self) -> tuple:
        """What `draw` and `place` read: NumPy scalars and arrays; buckets first."""
        raise NotImplementedError

    @derived
    def stages(self) -> Stages:
        """The bodies draw, place (None: what is drawn is the bucket), sign (None: always +1)."""
        cls = type(self)
        return cls.draw, cls.place, coin_sign if self.signed else None

    @derived
    def bodies(self) -> tuple[Callable, Callable | None]:
        """The bodies bucket(i, state[0]) and sign(i, state[1])."""
        draw, place, sign = self.stages
        return bucket_body(draw, place, self.pick), sign

    @derived
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

    def __getstate__(self) -> dict:
        """Pickles and copies hold the hyperparameters; what follows from them is derived anew."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

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
        ids = np.array(ids, object)  # as it stands: NumPy's guess may be float64 beyond 2^63
        whole = all(isinstance(i, (int, np.integer)) and not isinstance(i, bool) for i in ids.flat)
    else:
        ids = np.asarray(ids)
        whole = ids.dtype.kind in "iu"
    if not whole:
        raise TypeError(f"identifiers must be integers, got dtype {ids.dtype}; convert them first")
    if ids.size and (int(ids.min()) < 0 or int(ids.max()) >= domain):
        raise ValueError(
            f"identifiers must lie in 0 .. {domain - 1}, got {ids.min()} .. {ids.max()}; "
            "use a hash that is defined for all of them"
        )
    return ids.astype(np.uint64)


def check_buckets(hash_: Hash, seed: bool = True) -> None:
    """Refuse a hash whose `buckets` (and `seed` and `signed`) are not what they should be."""
    check_field(hash_, "buckets", 1, MAX_BUCKETS)
    if seed:
        check_field(hash_, "seed", 0, 2**32 - 1)
    if not isinstance(hash_.signed, bool):
        raise TypeError(f"signed must be True or False, got {hash_.signed!r}; pass one of them")
