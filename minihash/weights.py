"""Room 2: virtual weights.

    V[index] = sign(id) * table[bucket(id)],   id = first_id + row-major position of the index

A virtual weight is a shape, the block of identifiers it owns, a hash, and the name of the table it
reads. It holds no numbers: those are in the table, one flat array of `hash.buckets` entries.

A view is a virtual weight with identifiers of another: `w.T` has all of them, with the axes in
reverse order, and `w.rows(start, stop)` a block of them. Layers that read views of one weight are
tied, and the gradient of the table is the sum of theirs. Nothing is copied.
"""

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np

from minihash.checks import check_count, check_field
from minihash.hashes.hash import Hash

MAX_DIMENSIONS = 32  # of an array: what every NumPy can hold
Derived = TypeVar("Derived")


@dataclass(frozen=True)
class VirtualWeight:
    """A weight tensor that is read out of a table through a hash.

    shape: sizes, each at least 1; (fan_out, fan_in) for a dense layer, (fan_out,) for a bias.
    transposed: whether positions are row-major in the axes in reverse order, as in `w.T`.
    Raises TypeError or ValueError if a size is not a positive integer, or if the identifiers
    first_id .. first_id + size - 1 leave the domain of the hash.

    >>> from minihash.hashes import Modulus
    >>> VirtualWeight((10, 200), Modulus(100), first_id=7).size
    2000
    """

    shape: tuple[int, ...]
    hash: Hash
    table: str = "table"
    first_id: int = 0
    transposed: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", check_shape(self.shape))
        if not isinstance(self.hash, Hash):
            raise TypeError(f"hash must be a hash of minihash.hashes, got {self.hash!r}")
        if not isinstance(self.table, str):
            raise TypeError(f"table must be the name of a table, got {self.table!r}; pass a string")
        check_field(self, "first_id", 0, 2**64 - 1)
        if not isinstance(self.transposed, bool):
            raise TypeError(
                f"transposed must be True or False, got {self.transposed!r}; write w.T for a view"
            )
        if len(self.shape) < 2:  # its own transpose
            object.__setattr__(self, "transposed", False)
        if self.first_id + self.size > self.hash.domain:
            raise ValueError(
                f"a weight of shape {self.shape} with first_id {self.first_id} needs identifiers "
                f"up to {self.first_id + self.size - 1}, but {type(self.hash).__name__} is defined "
                f"up to {self.hash.domain - 1}; enlarge the hash or shrink the weight"
            )

    def __getstate__(self) -> dict:
        """Pickles and copies hold the fields; what is derived from them is made anew."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def derived(self, key: Hashable, make: Callable[[], Derived]) -> Derived:
        """What `make` gave when this was first asked: it is kept as long as this weight.

        >>> from minihash.hashes import Modulus
        >>> w = VirtualWeight((10, 200), Modulus(100))
        >>> w.derived("an answer", lambda: []) is w.derived("an answer", lambda: [])
        True
        """
        kept = self.__dict__.get("_derived")
        if kept is None:
            kept = {}
            object.__setattr__(self, "_derived", kept)
        if key not in kept:
            kept[key] = make()
        return kept[key]

    @property
    def size(self) -> int:
        """Number of virtual weights."""
        return math.prod(self.shape)

    @property
    def strides(self) -> tuple[int, ...]:
        """By how much identifiers grow along each axis.

        >>> from minihash.hashes import Modulus
        >>> VirtualWeight((2, 3), Modulus(4)).strides, VirtualWeight((2, 3), Modulus(4)).T.strides
        ((3, 1), (1, 3))
        """
        if self.transposed:
            return tuple(math.prod(self.shape[:axis]) for axis in range(len(self.shape)))
        return tuple(math.prod(self.shape[axis + 1 :]) for axis in range(len(self.shape)))

    def identifiers(self, rows: np.ndarray | None = None) -> np.ndarray:
        """The identifier of every entry: uint64, of the weight's shape. An array of its size.

        rows: integers (n,), the rows of a matrix that are wanted: uint64 (n, shape[1]).

        >>> from minihash.hashes import Modulus
        >>> VirtualWeight((2, 3), Modulus(4), first_id=5).T.identifiers()
        array([[ 5,  8],
               [ 6,  9],
               [ 7, 10]], dtype=uint64)
        """
        if rows is not None:
            down, along = map(np.uint64, self.strides)
            ids = rows.astype(np.uint64)[:, None] * down
            ids = ids + np.arange(self.shape[1], dtype=np.uint64) * along
            return ids + np.uint64(self.first_id)
        ids = np.arange(self.size, dtype=np.uint64) + np.uint64(self.first_id)
        if self.transposed:
            return np.ascontiguousarray(ids.reshape(self.shape[::-1]).T)
        return ids.reshape(self.shape)

    @property
    def T(self) -> "VirtualWeight":
        """The same weights with the axes in reverse order.

        >>> from minihash.hashes import Modulus
        >>> w = VirtualWeight((2, 3), Modulus(4))
        >>> w.T.shape, w.T.T == w
        ((3, 2), True)
        """
        return replace(self, shape=self.shape[::-1], transposed=not self.transposed)

    def rows(self, start: int, stop: int) -> "VirtualWeight":
        """The same weights, only those with first index start .. stop - 1.

        Raises TypeError or ValueError unless 0 <= start < stop <= shape[0], and for rows of a
        transposed weight, whose identifiers are no block.

        >>> from minihash.hashes import Modulus
        >>> VirtualWeight((4, 3), Modulus(9)).rows(1, 3)
        VirtualWeight(shape=(2, 3), hash=Modulus(buckets=9, seed=0, signed=False), table='table', \
first_id=3, transposed=False)
        """
        if not self.shape or self.transposed:
            raise ValueError(
                f"rows need a weight that has rows one after another, got {self}; "
                "take the rows of the weight itself, then .T"
            )
        stop = check_count("stop of rows", stop, 1, self.shape[0])
        start = check_count("start of rows", start, 0, stop - 1)
        first_id = self.first_id + start * self.strides[0]
        return replace(self, shape=(stop - start, *self.shape[1:]), first_id=first_id)


def check_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape as Python integers. Raises TypeError or ValueError unless its sizes are 1 or more."""
    if not isinstance(shape, (tuple, list)):
        raise TypeError(f"shape must be a tuple of sizes, got {shape!r}; write (fan_out, fan_in)")
    check_count("the number of sizes of a shape", len(shape), 0, MAX_DIMENSIONS)
    return tuple(check_count("each size of a shape", size, 1, 2**63 - 1) for size in shape)


def distinct(w: VirtualWeight) -> tuple[int, int]:
    """How many of the first rows and columns of the matrix w are all that differ.

    Where bucket(i) = i mod n, row r equals row r + D with D = n / gcd(n, fan_in), and column c
    equals column c + n.

    >>> from minihash.hashes import Modulus
    >>> distinct(VirtualWeight((100, 50), Modulus(500)))
    (10, 50)
    """
    if w.transposed:
        return distinct(w.T)[::-1]
    fan_out, fan_in = w.shape
    n = w.hash.buckets
    if w.hash.run == 1 or w.hash.run != n or w.hash.stages[2] is not None:
        return fan_out, fan_in
    return min(fan_out, n // math.gcd(n, fan_in)), min(fan_in, n)
