"""ROAST hash: tiles of a weight matrix read windows of the table.

    identifier  i = r columns + c;   tile (A, B) of the matrix: A = r div height, B = c div width
    bucket(i)   = h(A, B) mod (n - height width) + (r mod height) width + c mod width

with the h of robe.py. So what a product takes at once lies in one piece of the table. Tiles at the
edges may be cut; the released code has whole ones alone.

The released code multiplies x by a matrix of (fan_in, fan_out), whose tiles these are: it is `w.T`
of a weight of this shape. In networks the matrix is (fan_out, fan_in). Where one table serves many
layers, each has a seed of its own.

Source: Desai, Zhou & Shrivastava, Hardware-aware compression with random operation access specific
tile (ROAST) hashing, ICML 2023; its RzLinear.
"""

import math
from dataclasses import dataclass

from minihash.checks import check_count, check_field
from minihash.derived import derived
from minihash.hashes.division import divided, divisor
from minihash.hashes.hash import Hash, Stages, check_buckets
from minihash.hashes.robe import WORD, checked, offset, run_coin, window
from minihash.hashes.xxh32 import stream


def of_tile(i, residue, state):
    """The bucket. A body."""
    r, c = divided(i, state[8])
    A, down = divided(r, state[6])
    B, along = divided(c, state[7])
    return offset(A, B, state) + down * state[7][0] + along


@dataclass(frozen=True)
class Roast(Hash):
    """Tiles of a matrix with this many columns read windows of the table at random offsets.

    tile: (height, width), of fewer than `buckets` entries. numbers: None, or (P, R1, R2, R3), as
    Robe's. Raises TypeError or ValueError for anything else. Defined for 2^31 rows.

    >>> Roast(100, columns=4, tile=(2, 2)).bucket(range(8)).reshape(2, 4)
    array([[13, 14, 77, 78],
           [15, 16, 79, 80]])
    """

    buckets: int
    columns: int
    tile: tuple[int, ...] = (8, 16)
    seed: int = 0
    signed: bool = False
    numbers: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        check_buckets(self)
        check_field(self, "columns", 1, 2**31 - 1)
        if not isinstance(self.tile, (tuple, list)) or len(self.tile) != 2:
            raise ValueError(f"tile must be (height, width), got {self.tile!r}; try (8, 16)")
        sizes = tuple(check_count("each size of a tile", size, 1, 2**31 - 1) for size in self.tile)
        object.__setattr__(self, "tile", sizes)
        if math.prod(sizes) >= self.buckets:
            raise ValueError(
                f"tile must have fewer entries than the {self.buckets} buckets, got "
                f"{sizes[0]} x {sizes[1]}; shrink it, or enlarge the table"
            )
        object.__setattr__(self, "numbers", checked(self.numbers))

    @property
    def domain(self) -> int:
        return WORD * self.columns

    @property
    def run(self) -> int:
        return math.gcd(self.tile[1], self.columns)

    @property
    def stages(self) -> Stages:
        return of_tile, None, run_coin if self.signed else None

    @derived
    def state(self) -> tuple[tuple, tuple]:
        span, sizes = self.buckets - math.prod(self.tile), (*self.tile, self.columns)
        constants = window(self.buckets, span, self.seed, self.numbers, *sizes)
        return constants, (stream(self.seed, "sign"), divisor(self.run)) if self.signed else ()
