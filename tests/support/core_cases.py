"""Weights, inputs and oracles for the tests of the core.

The oracle is the definition, in extended precision: V by fancy indexing, its adjoint by np.add.at,
products as sums over explicit terms. A result of float32 or float64 sums n terms, in any order,
within gamma_n * sum |a||b|, gamma_n = n u / (1 - n u), u the unit roundoff (Higham, Accuracy and
Stability of Numerical Algorithms, section 3.1); the oracle's own roundings are added.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from minihash.core import numba as numba_backend
from minihash.core import set_threads
from minihash.core.numba import parts, products, rows, single
from minihash.hashes.hash import Hash
from minihash.hashes.xxh32 import U64
from minihash.weights import VirtualWeight
from tests.support.hash_strategies import ANYWHERE, KINDS, seeds, table_sizes

WIDE = np.longdouble
U_WIDE = float(np.finfo(WIDE).eps) / 2
BACKENDS = ["numpy", "numba"]
DTYPES = [np.float32, np.float64]

sizes = st.sampled_from([1, 1, 2, 3]) | st.integers(1, 40)
shapes = st.tuples(sizes, sizes)
offsets = st.sampled_from([0, 1, 2**32 - 5, 2**63 - 5, 2**63, 2**64 - 1])


@st.composite
def weights(draw: st.DrawFn, kind: str, shapes: st.SearchStrategy = shapes) -> VirtualWeight:
    """A weight of this kind, at identifiers near 0, 2^32, 2^63 and 2^64."""
    shape = draw(shapes)
    hash_ = KINDS[kind](shape, draw(table_sizes), draw(seeds))
    first_id = draw(offsets) if kind in ANYWHERE else 0
    return VirtualWeight(shape, hash_, first_id=min(first_id, 2**64 - int(np.prod(shape))))


def whole(rng: np.random.Generator, shape: tuple[int, ...], dtype: type, most: int = 8):
    """Random integers as floats: sums of their products stay exact below 2^24."""
    return rng.integers(-most, most + 1, shape).astype(dtype)


def real(rng: np.random.Generator, shape: tuple[int, ...], dtype: type):
    """Normal variates over many scales."""
    return (rng.standard_normal(shape) * 2.0 ** rng.integers(-12, 12, shape)).astype(dtype)


def index(w: VirtualWeight) -> tuple[np.ndarray, np.ndarray]:
    """(bucket, sign) of every entry of V."""
    ids = np.array([w.first_id + e for e in range(w.size)], np.uint64).reshape(w.shape)
    return w.hash.bucket(ids), w.hash.sign(ids)


def gathered(table: np.ndarray, w: VirtualWeight) -> np.ndarray:
    bucket, sign = index(w)
    return np.where(sign == 0, 0, sign * table.astype(WIDE)[bucket])


def scattered(dV: np.ndarray, w: VirtualWeight) -> np.ndarray:
    bucket, sign = index(w)
    signed = np.where(sign == 0, 0, sign * dV.astype(WIDE))
    dtable = np.zeros(w.hash.buckets, WIDE)
    np.add.at(dtable, bucket.reshape(-1), signed.reshape(-1))
    return dtable


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a b^T as a sum over explicit terms."""
    return (a.astype(WIDE)[:, None, :] * b.astype(WIDE)[None, :, :]).sum(-1)


def gamma(terms: np.ndarray | int, dtype: type) -> np.ndarray:
    u = float(np.finfo(dtype).eps) / 2
    return terms * u / (1 - terms * u) + terms * U_WIDE / (1 - terms * U_WIDE)


def cut(monkeypatch, tile: int, side: int, partials: int) -> None:
    """Other tiles, parts and partial tables than the default ones."""
    settings = {
        parts: {"ENTRIES": tile, "PARTIALS": partials},
        products: {"CUT": products.CUT._replace(tile=tile, side=side, least=0)},
        rows: {"TILE": tile, "STRIP": side},
        single: {"PIECE": tile, "LEAST": tile},
        numba_backend: {"ENTRIES": tile},
    }
    for module, values in settings.items():
        for name, value in values.items():
            monkeypatch.setattr(module, name, value)


CUTS = {
    "entries": (1, 1, 3),
    "long": (112, 20, 4),
    "wide": (16, 6, 2),
    "one": (10**6, 10**6, 1),
}


@contextmanager
def with_threads(n: int) -> Iterator[None]:
    """n threads work within this block."""
    set_threads(n)
    try:
        yield
    finally:
        set_threads(None)


MINE = """
@dataclass(frozen=True)
class Mine(Hash):
    buckets: int

    @staticmethod
    def draw(i, residue, state):
        return (i * U64(STEP)) % state[0]

    def constants(self):
        return (U64(self.buckets),)
"""


def rewritten(step: int) -> type[Hash]:
    """A hash as a user writes it in a notebook, and again, under one name."""
    space = {"dataclass": dataclass, "Hash": Hash, "U64": U64, "__name__": "__main__"}
    exec(MINE.replace("STEP", str(step)), space)
    return space["Mine"]
