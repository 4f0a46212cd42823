"""Room 2: virtual weights.

    V[index] = sign(id) * table[bucket(id)],   id = first_id + row-major position of the index

A virtual weight is a shape, the block of identifiers it owns, a hash, and the name of the table it
reads. It holds no numbers: those are in the table, one flat array of `hash.buckets` entries.
"""

import math
from dataclasses import dataclass

from minihash.hashes.hash import Hash, check_count, check_field


@dataclass(frozen=True)
class VirtualWeight:
    """A weight tensor that is read out of a table through a hash.

    shape: sizes, each at least 1; (fan_out, fan_in) for a dense layer, (fan_out,) for a bias.
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

    def __post_init__(self) -> None:
        if not isinstance(self.shape, (tuple, list)):
            raise TypeError(
                f"shape must be a tuple of sizes, got {self.shape!r}; write (fan_out, fan_in)"
            )
        sizes = (check_count("each size of a shape", size, 1, 2**63 - 1) for size in self.shape)
        object.__setattr__(self, "shape", tuple(sizes))
        if not isinstance(self.hash, Hash):
            raise TypeError(f"hash must be a hash of minihash.hashes, got {self.hash!r}")
        if not isinstance(self.table, str):
            raise TypeError(f"table must be the name of a table, got {self.table!r}; pass a string")
        check_field(self, "first_id", 0, 2**64 - 1)
        if self.first_id + self.size > self.hash.domain:
            raise ValueError(
                f"a weight of shape {self.shape} with first_id {self.first_id} needs identifiers "
                f"up to {self.first_id + self.size - 1}, but {type(self.hash).__name__} is defined "
                f"up to {self.hash.domain - 1}; enlarge the hash or shrink the weight"
            )

    @property
    def size(self) -> int:
        """Number of virtual weights."""
        return math.prod(self.shape)
