"""Lookup hash: any assignment at all, written out.

    bucket(i) = assignment[i],   sign(i) = signs[i]

What k-means codebooks, pruning masks (sign 0) and tied rows end in. It is the only hash whose
definition has an entry for every virtual weight: `nbytes` counts them.
"""

from dataclasses import dataclass

import numpy as np

from minihash.hashes.hash import Hash, Stages, check_buckets
from minihash.hashes.xxh32 import U64


def itself(i, residue, state):
    """The identifier: all there is to draw before a look-up. A body."""
    return i


def written(word, state):
    """The bucket written down for an identifier. A body."""
    return state[1][word]


def written_sign(i, state):
    """The sign written down for an identifier. A body."""
    return state[0][i]


@dataclass(frozen=True, eq=False)
class Lookup(Hash):
    """The given assignment.

    assignment: integers (identifiers,), each in 0 .. buckets - 1.
    signs: None (all +1) or integers (identifiers,), each -1, 0 or +1.
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
        assignment = _vector("assignment", self.assignment, 0, self.buckets - 1, np.uint32)
        object.__setattr__(self, "assignment", assignment)
        if self.signs is not None:
            signs = _vector("signs", self.signs, -1, 1, np.int8)
            if signs.shape != assignment.shape:
                raise ValueError(
                    f"signs must have one entry for each of {assignment.size} identifiers, "
                    f"got {signs.size}; give both the same length"
                )
            object.__setattr__(self, "signs", signs)

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

    @property
    def state(self) -> tuple[tuple, tuple]:
        signs = () if self.signs is None else (self.signs,)
        return (U64(self.buckets), self.assignment), signs


def _vector(name: str, values: np.ndarray, low: int, high: int, dtype: type) -> np.ndarray:
    values = np.asarray(values)
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise TypeError(
            f"{name} must be a one-dimensional array of integers, got {values.dtype} of shape "
            f"{values.shape}; flatten and round it first"
        )
    if values.size and (values.min() < low or values.max() > high):
        raise ValueError(
            f"{name} must lie in {low} .. {high}, got {values.min()} .. {values.max()}; "
            "correct the entries or the number of buckets"
        )
    if values.dtype == dtype and values.base is None and not values.flags.writeable:
        return values  # nobody can change it
    values = np.array(values, dtype, order="C")
    values.flags.writeable = False
    return values
