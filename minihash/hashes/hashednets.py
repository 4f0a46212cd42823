"""HashedNets hash: the buckets and signs of the released code, to the letter.

    rep(i)      = str(i) str(i + 1) str(i + 2)                        concatenated decimals
    bucket(i,j) = XXH32(rep(i) "_" rep(j) "idx" tag, seed) mod K
    xi(i,j)     = +1 if XXH32(rep(i) "_" rep(j) "xi_" tag, seed) is odd, else -1

i = output, j = input, both from 1; the identifier is (i - 1) fan_in + (j - 1). The released code
takes tag "W" for weights, "B" for biases (whose j is always 1), seed 1691, K = ceil(c in out) and a
table for each layer. Its buckets run from 1; ours from 0.

String keys cannot be hashed on the fly at the speed of a product, so this hash keeps an index of 5
bytes for each virtual weight, made at its first use, and `nbytes` counts it. `Uniform(signed=True)`
is the same scheme without.

Source: Chen, Wilson, Tyree, Weinberger & Chen, Compressing Neural Networks with the Hashing Trick
(arXiv 1504.04788), sections 4.2-4.3, and its released Lua code.
"""

from dataclasses import dataclass

import numpy as np

from minihash.checks import check_field
from minihash.derived import derived
from minihash.hashes.hash import Hash, Stages, check_buckets
from minihash.hashes.lookup import itself, written, written_sign
from minihash.hashes.xxh32 import U64, xxh32_columns


@dataclass(frozen=True)
class HashedNets(Hash):
    """The released code's hash for a layer of fan_out x fan_in weights; always signed.

    >>> h = HashedNets(100, fan_in=3, fan_out=2)
    >>> h.bucket([0, 5]), h.sign([0, 5])
    (array([20, 95]), array([-1, -1], dtype=int8))
    """

    buckets: int
    fan_in: int
    fan_out: int
    seed: int = 1691
    tag: str = "W"

    def __post_init__(self) -> None:
        check_buckets(self)
        check_field(self, "fan_in", 1, 2**31 - 1)
        check_field(self, "fan_out", 1, 2**31 - 1)
        if self.tag not in ("W", "B"):
            raise ValueError(f'tag must be "W" (weights) or "B" (biases), got {self.tag!r}')

    @property
    def domain(self) -> int:
        return self.fan_in * self.fan_out

    @property
    def stages(self) -> Stages:
        return itself, written, written_sign

    @derived
    def state(self) -> tuple[tuple, tuple]:
        buckets, signs = keyed(self.buckets, self.fan_in, self.fan_out, self.seed, self.tag)
        return (U64(self.buckets), buckets), (signs,)


def keyed(n: int, fan_in: int, fan_out: int, seed: int, tag: str) -> tuple[np.ndarray, np.ndarray]:
    """The bucket, uint32, and the sign, int8, of every identifier."""
    suffixes = [np.frombuffer((kind + tag).encode(), np.uint8)[:, None] for kind in ("idx", "xi_")]
    buckets = np.empty((fan_out, fan_in), np.uint32)
    signs = np.empty((fan_out, fan_in), np.int8)
    outputs, inputs = groups(fan_out), groups(fan_in)
    for rows, left in outputs:
        for columns, right in inputs:
            step = max(1, 2**18 // right.shape[1])  # keys hashed at once
            for start in range(0, left.shape[1], step):
                key = pairs(left[:, start : start + step], right)
                tile = slice(rows.start + start, min(rows.start + start + step, rows.stop))
                shape = (tile.stop - tile.start, right.shape[1])
                bucket, sign = (
                    xxh32_columns(np.concatenate([key, np.repeat(end, key.shape[1], 1)]), seed)
                    for end in suffixes
                )
                buckets[tile, columns] = (bucket % np.uint32(n)).reshape(shape)
                odd = (sign % np.uint32(2)).astype(np.int8)
                signs[tile, columns] = (2 * odd - 1).reshape(shape)
    return buckets.reshape(-1), signs.reshape(-1)


def groups(count: int) -> list[tuple[slice, np.ndarray]]:
    """rep(1) .. rep(count), in runs of equal length: (run, uint8 (length, run))."""
    found = []
    start = 1
    while start <= count:
        length = len(rep(start))
        stop = start
        while stop <= count and len(rep(stop)) == length:
            stop += 1
        text = "".join(rep(k) for k in range(start, stop)).encode()
        codes = np.frombuffer(text, np.uint8).reshape(stop - start, length).T
        found.append((slice(start - 1, stop - 1), codes))
        start = stop
    return found


def rep(k: int) -> str:
    return f"{k}{k + 1}{k + 2}"


def pairs(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """left "_" right for all pairs, row-major: uint8 (length, pairs)."""
    rows, columns = left.shape[1], right.shape[1]
    underscore = np.full((1, rows * columns), ord("_"), np.uint8)
    return np.concatenate([np.repeat(left, columns, 1), underscore, np.tile(right, rows)])
