"""A hash of whole rows: row i of V is a row of a smaller weight.

    V[i] = sign(k) E[bucket(k)],   k = i div every            E (buckets, ...)
    dE[b] = sum over i with bucket(k) = b of sign(k) dV[i]

Embeddings of many tokens are made of it. Under one hash two tokens that meet in a row are one
token. Where rows under several hashes are added up, hardly any two tokens share them all
(`hash_embedding`). Quotient and remainder of i name a row in two small tables, never the same pair
(`quotient_remainder`).

Sources: Svenstrup et al., Hash embeddings, arXiv 1709.03933, without weights of the terms, as in
spaCy; Shi et al., Compositional embeddings (quotient-remainder), arXiv 1909.02107.
"""

from dataclasses import dataclass

import numpy as np

from minihash.checks import check_count, check_field
from minihash.hashes import Hash, Identity, Modulus, Uniform
from minihash.hashes.xxh32 import stream
from minihash.sources.combined import Product, Sum
from minihash.sources.source import Params, Source, Weight, source_of
from minihash.weights import VirtualWeight, check_shape


@dataclass(frozen=True)
class Rows(Source):
    """Rows of a weight, chosen by a hash.

    weight: E, a virtual weight or a source of hash.buckets rows. hash: of row numbers. height: how
    many rows V has. every: so many rows of V, one after another, are one.
    Raises TypeError or ValueError if they are anything else.

    >>> E = VirtualWeight((2, 2), Identity(4), "E")
    >>> Rows(E, Modulus(2), height=3).gather({"E": np.arange(4.0)}, np.dtype(float))
    array([[0., 1.],
           [2., 3.],
           [0., 1.]])
    """

    weight: Weight
    hash: Hash
    height: int
    every: int = 1

    def __post_init__(self) -> None:
        shape = source_of(self.weight).shape
        if not isinstance(self.hash, Hash):
            raise TypeError(f"hash must be a hash of minihash.hashes, got {self.hash!r}")
        if shape[:1] != (self.hash.buckets,):
            raise ValueError(
                f"the weight of Rows must have a row for each of the {self.hash.buckets} buckets, "
                f"got shape {shape}; reshape it or choose another hash"
            )
        check_field(self, "height", 1, 2**31 - 1)
        check_field(self, "every", 1, 2**31 - 1)
        if (self.height - 1) // self.every >= self.hash.domain:
            raise ValueError(
                f"the hash is defined up to {self.hash.domain - 1}, but {self.height} rows need "
                f"{(self.height - 1) // self.every}; enlarge the hash"
            )
        object.__setattr__(self, "shape", (self.height, *shape[1:]))

    @property
    def nbytes(self) -> int:
        return source_of(self.weight).nbytes + self.hash.nbytes

    def initial(self, variance: float) -> tuple[tuple[VirtualWeight, float], ...]:
        return source_of(self.weight).initial(variance)

    def rows(self, params: Params, rows: np.ndarray, dtype: np.dtype) -> np.ndarray:
        bucket, sign = self._of(rows, dtype)
        return sign * source_of(self.weight).rows(params, bucket, dtype)

    def rows_backward(self, params: Params, rows: np.ndarray, dV: np.ndarray) -> Params:
        bucket, sign = self._of(rows, dV.dtype)
        return source_of(self.weight).rows_backward(params, bucket, sign * dV)

    def _of(self, rows: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
        keys = rows // self.every
        return self.hash.bucket(keys), self.hash.sign(keys).astype(dtype)[:, None]


def hash_embedding(
    name: str, shape: tuple[int, ...], buckets: int, hashes: int = 2, seed: int = 0
) -> Sum:
    """The sum of rows of one free weight (buckets, ...), the table `name`, under several hashes.

    Raises TypeError or ValueError for sizes that are none.

    >>> source = hash_embedding("E", (10_000, 32), buckets=500)
    >>> source.shape, {w.table: w.hash.buckets for w in source.weights()}
    ((10000, 32), {'E': 16000})
    """
    height, *width = check_shape(shape)
    check_count("hashes", hashes, 1, 1000)
    E = _free((buckets, *width), name)
    keys = (int(stream(seed, f"embedding/{k}")) for k in range(hashes))
    return Sum(tuple(Rows(E, Uniform(buckets, key), height) for key in keys))


def quotient_remainder(
    name: str, shape: tuple[int, ...], divisor: int, multiply: bool = False
) -> Sum | Product:
    """Row i is Q[i div divisor] + R[i mod divisor], or their product: tables name.quotient and
    name.remainder.

    Raises TypeError or ValueError for sizes that are none.

    >>> source = quotient_remainder("E", (10_000, 32), divisor=100)
    >>> {w.table: w.hash.buckets for w in source.weights()}
    {'E.quotient': 3200, 'E.remainder': 3200}
    """
    height, *width = check_shape(shape)
    divisor = check_count("divisor", divisor, 1, height)
    count = -(-height // divisor)
    Q, R = _free((count, *width), f"{name}.quotient"), _free((divisor, *width), f"{name}.remainder")
    parts = Rows(Q, Identity(count), height, divisor), Rows(R, Modulus(divisor), height)
    return Product(parts) if multiply else Sum(parts)


def _free(shape: tuple[int, ...], table: str) -> VirtualWeight:
    size = int(np.prod(check_shape(shape), dtype=object))
    return VirtualWeight(shape, Identity(size), table)
