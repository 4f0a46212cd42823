"""Lookup hash: any assignment at all, written out.

    bucket(i) = assignment[i],   sign(i) = signs[i]

What k-means codebooks, pruning masks (sign 0) and tied rows end in. It is the only hash whose
definition has an entry for every virtual weight: `nbytes` counts them. The assignment is of the
smallest unsigned type that holds all buckets; signs are a mask of bools unless there is a -1, and
are not kept at all where each is +1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minihash.derived import derived
from minihash.hashes.hash import Hash, Stages, check_buckets
from minihash.hashes.xxh32 import U32, U64, stream, xxh32_columns


def itself(i, residue, state):
    """The identifier: all there is to draw before a look-up. A body."""
    return i


def written(word, state):
    """The bucket written down for an identifier. A body."""
    return U32(state[1][word])


def written_sign(i, state):
    """The sign written down for an identifier. A body."""
    return np.int8(state[0][i])


@dataclass(frozen=True, eq=False)
class Lookup(Hash):
    """The given assignment.

    assignment: integers (identifiers,), each in 0 .. buckets - 1.
    signs: None (all +1), a mask of bools (identifiers,), False where there is no connection, or
    integers, each -1, 0 or +1.
    Raises TypeError or ValueError where they are not that.

    >>> Lookup(3, [2, 0, 0], signs=[1, -1, 0]).sign([0, 1, 2])
    array([ 1, -1,  0], dtype=int8)
    """

    by_size = False

    buckets: int
    assignment: np.ndarray
    signs: np.ndarray | None = None

    def __post_init__(self) -> None:
        check_buckets(self, seed=False)
        _check("assignment", self.assignment, 0, self.buckets - 1, "iu")
        dtype = np.min_scalar_type(self.buckets - 1)
        object.__setattr__(self, "assignment", _own(self.assignment, dtype))
        if self.signs is not None:
            _check("signs", self.signs, -1, 1, "iub")
            signs = np.asarray(self.signs)
            if signs.shape != self.assignment.shape:
                raise ValueError(
                    f"signs must have one entry for each of {self.assignment.size} identifiers, "
                    f"got {signs.size}; give both the same length"
                )
            least = int(signs.min()) if signs.size else 1
            dtype = np.dtype(np.int8 if least else bool)
            object.__setattr__(self, "signs", None if least == 1 else _own(signs, dtype))

    @classmethod
    def keyed(
        cls, keys: Sequence[bytes] | np.ndarray, buckets: int, seed: int = 0, signed: bool = False
    ) -> "Lookup":
        """The hash of a scheme that has a key for each identifier:

            bucket = XXH32(key, seed) mod buckets
            sign   = +1 if XXH32(key, stream(seed, "sign")) is odd, else -1

        keys: byte strings in the order of the identifiers, or an array of them; millions a second.
        Raises TypeError for keys that are no bytes, and as the class does.

        >>> Lookup.keyed([b"0_0", b"0_1", b"10_0"], 1000, seed=1691).assignment
        array([604, 969, 804], dtype=uint16)
        """
        keys = keys.tolist() if isinstance(keys, np.ndarray) else keys
        if not all(isinstance(key, bytes) for key in keys):
            raise TypeError("keys must be byte strings: encode texts, as by key.encode('ascii')")
        # a key may end in zeros, which an array of strings would lose
        lengths = np.fromiter(map(len, keys), np.int64, len(keys))
        flat = np.frombuffer(b"".join(keys), np.uint8)
        starts = np.cumsum(lengths) - lengths
        words = np.empty((1 + signed, len(keys)), np.uint32)
        for length in np.unique(lengths):
            own = np.flatnonzero(lengths == length)
            columns = flat[starts[own] + np.arange(length)[:, None]]
            for k, stream_ in enumerate((seed, stream(seed, "sign"))[: 1 + signed]):
                words[k, own] = xxh32_columns(columns, int(stream_))
        signs = (words[1] % 2).astype(np.int8) * 2 - 1 if signed else None
        return cls(buckets, (words[0] % np.uint32(buckets)).astype(np.int64), signs)

    @classmethod
    def from_weights(cls, W: np.ndarray) -> "tuple[Lookup, np.ndarray]":
        """The hash and the codebook that a quantised tensor is made of: W = sign codebook[bucket].

        W: floats, or integers, of any shape, row-major. The codebook holds its distinct values but
        0, rising, in its dtype; where W is 0 there is no connection (bucket 0, sign 0). A tensor of
        zeros has the codebook [0].
        Raises ValueError if W is empty or not finite.

        >>> hash_, codebook = Lookup.from_weights(np.array([[0.5, 0.0], [-2.0, 0.5]]))
        >>> hash_.assignment, hash_.signs, codebook
        (array([1, 0, 0, 1], dtype=uint8), array([ True, False,  True,  True]), array([-2. ,  0.5]))
        """
        W = np.asarray(W).reshape(-1)
        if W.dtype.kind not in "fiu" or not W.size or not np.isfinite(W).all():
            raise ValueError(
                f"W must be one or more finite numbers, got {W.size} of {W.dtype}; "
                "a network that has diverged has no codebook"
            )
        mask = W != 0
        codebook, found = np.unique(W[mask], return_inverse=True)
        codebook = codebook if codebook.size else np.zeros(1, W.dtype)
        assignment = np.zeros(W.size, np.min_scalar_type(codebook.size - 1))
        assignment[mask] = found.reshape(-1)
        return cls(codebook.size, assignment, mask), codebook

    def __eq__(self, other: object) -> bool:
        return (
            type(other) is type(self)
            and self.buckets == other.buckets
            and np.array_equal(self.assignment, other.assignment)
            and np.array_equal(self.sign(self._all()), other.sign(other._all()))
        )

    def __hash__(self) -> int:
        if "_digest" not in self.__dict__:  # once: the vector may be long
            object.__setattr__(self, "_digest", hash((self.buckets, self.assignment.tobytes())))
        return self.__dict__["_digest"]

    def _all(self) -> np.ndarray:
        return np.arange(self.domain, dtype=np.uint64)

    @property
    def domain(self) -> int:
        return self.assignment.size

    @property
    def stages(self) -> Stages:
        return itself, written, written_sign if self.signs is not None else None

    @derived
    def state(self) -> tuple[tuple, tuple]:
        signs = () if self.signs is None else (self.signs.view(np.int8),)  # kernels of one type
        return (U64(self.buckets), self.assignment), signs


def _check(name: str, values: np.ndarray, low: int, high: int, kinds: str) -> None:
    values = np.asarray(values)
    if values.ndim != 1 or (values.size and values.dtype.kind not in kinds):  # [] has no kind
        raise TypeError(
            f"{name} must be a one-dimensional array of integers, got {values.dtype} of shape "
            f"{values.shape}; flatten and round it first"
        )
    if values.size and (values.min() < low or values.max() > high):
        raise ValueError(
            f"{name} must lie in {low} .. {high}, got {values.min()} .. {values.max()}; "
            "correct the entries or the number of buckets"
        )


def _own(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The values in this dtype, in an array that nobody writes to."""
    values = np.asarray(values)
    if values.dtype == dtype and values.base is None and not values.flags.writeable:
        return values  # nobody can change it
    values = np.array(values, dtype, order="C")
    values.flags.writeable = False
    return values
