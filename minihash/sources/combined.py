"""Sums, products entry by entry, and multiples of sources.

    Scaled    V = scale W                         dW = scale dV
    Sum       V = V_1 + ... + V_n                 dV_k = dV
    Product   V = V_1 * ... * V_n                 dV_k = dV * the product of the others

Terms may read one table under several hashes: then V is a count sketch or a Bloom embedding, and
the gradient of the table is the sum over all its readers. So that V starts with the variance v, W
starts with v / scale^2, each of n terms with v / n, and each of n factors with the n-th root of v.

Scaled is ROAST's lambda, which lets layers of different fan-in share one table: each takes its
weights with the deviation that it needs.

Sources: Charikar et al., Finding frequent items in data streams, 2002; Serra & Karatzoglou, Getting
deep recommenders fit (Bloom embeddings), arXiv 1706.03993; lambda: Desai, Zhou & Shrivastava,
ROAST, ICML 2023.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from minihash import core
from minihash.checks import real_field
from minihash.sources.source import Params, Source, Weight, add, source_of
from minihash.weights import VirtualWeight


@dataclass(frozen=True)
class Scaled(Source):
    """V = scale W.

    weight: W, a virtual weight or a source. Raises TypeError or ValueError for another, or a scale
    that is no number in 1e-30 .. 1e30.

    >>> from minihash.hashes import Modulus
    >>> w = Scaled(VirtualWeight((2, 2), Modulus(2), "t"), 0.5)
    >>> w.gather({"t": np.array([1.0, 3.0])}, np.dtype(float))
    array([[0.5, 1.5],
           [0.5, 1.5]])
    """

    weight: Weight
    scale: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", source_of(self.weight).shape)
        real_field(self, "scale", 1e-30, 1e30)

    @property
    def nbytes(self) -> int:
        return source_of(self.weight).nbytes

    def initial(self, variance: float) -> tuple[tuple[VirtualWeight, float], ...]:
        return source_of(self.weight).initial(variance / self.scale**2)

    def rows(self, params: Params, rows: np.ndarray, dtype: np.dtype) -> np.ndarray:
        return self.scale * source_of(self.weight).rows(params, rows, dtype)

    def rows_backward(self, params: Params, rows: np.ndarray, dV: np.ndarray) -> Params:
        return source_of(self.weight).rows_backward(params, rows, self.scale * dV)

    def matmul(self, params: Params, x: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
        """By W's own way: y = (scale x) W^T + b."""
        return source_of(self.weight).matmul(params, self.scale * x, b)

    def matmul_backward(
        self, params: Params, dy: np.ndarray, x: np.ndarray, need_dx: bool = True
    ) -> tuple[Any, Params]:
        return source_of(self.weight).matmul_backward(params, self.scale * dy, x, need_dx)


@dataclass(frozen=True)
class Sum(Source):
    """V = the sum of its terms.

    terms: one or more virtual weights or sources of one shape. Raises TypeError or ValueError if
    they are anything else.

    >>> from minihash.hashes import Modulus
    >>> terms = (VirtualWeight((2, 2), Modulus(n), f"t{n}") for n in (2, 3))
    >>> params = {"t2": np.array([1.0, 2.0]), "t3": np.array([10.0, 20.0, 30.0])}
    >>> Sum(tuple(terms)).gather(params, np.dtype(float))
    array([[11., 22.],
           [31., 12.]])
    """

    terms: tuple[Weight, ...]

    def __post_init__(self) -> None:
        alike(self, "terms")

    @property
    def nbytes(self) -> int:
        return sum(source_of(term).nbytes for term in self.terms)

    def initial(self, variance: float) -> tuple[tuple[VirtualWeight, float], ...]:
        share = variance / len(self.terms)
        return tuple(part for term in self.terms for part in source_of(term).initial(share))

    def rows(self, params: Params, rows: np.ndarray, dtype: np.dtype) -> np.ndarray:
        first, *others = (source_of(term).rows(params, rows, dtype) for term in self.terms)
        for V in others:
            first = core.add(first, V)
        return first

    def rows_backward(self, params: Params, rows: np.ndarray, dV: np.ndarray) -> Params:
        grads: Params = {}
        for term in self.terms:
            add(grads, source_of(term).rows_backward(params, rows, dV))
        return grads


@dataclass(frozen=True)
class Product(Source):
    """V = the product of its factors, entry by entry.

    factors: one or more virtual weights or sources of one shape. Raises TypeError or ValueError if
    they are anything else.

    >>> from minihash.hashes import Modulus
    >>> factors = (VirtualWeight((2, 2), Modulus(n), f"t{n}") for n in (2, 3))
    >>> params = {"t2": np.array([1.0, 2.0]), "t3": np.array([10.0, 20.0, 30.0])}
    >>> Product(tuple(factors)).gather(params, np.dtype(float))
    array([[10., 40.],
           [30., 20.]])
    """

    factors: tuple[Weight, ...]

    def __post_init__(self) -> None:
        alike(self, "factors")

    @property
    def nbytes(self) -> int:
        return sum(source_of(factor).nbytes for factor in self.factors)

    def initial(self, variance: float) -> tuple[tuple[VirtualWeight, float], ...]:
        root = variance ** (1 / len(self.factors))
        return tuple(part for factor in self.factors for part in source_of(factor).initial(root))

    def rows(self, params: Params, rows: np.ndarray, dtype: np.dtype) -> np.ndarray:
        first, *others = self._factors(params, rows, dtype)
        for V in others:
            first = first * V
        return first

    def rows_backward(self, params: Params, rows: np.ndarray, dV: np.ndarray) -> Params:
        found = self._factors(params, rows, dV.dtype)
        grads: Params = {}
        for k, factor in enumerate(self.factors):
            own = dV
            for V in (*found[:k], *found[k + 1 :]):
                own = own * V
            add(grads, source_of(factor).rows_backward(params, rows, own))
        return grads

    def _factors(self, params: Params, rows: np.ndarray, dtype: np.dtype) -> list[np.ndarray]:
        return [source_of(factor).rows(params, rows, dtype) for factor in self.factors]


def alike(source: Source, name: str) -> None:
    """Refuse a field that is no tuple of sources of one shape; keep that as the source's own."""
    parts = getattr(source, name)
    if not isinstance(parts, (tuple, list)) or not parts:
        raise TypeError(f"{name} must be a tuple of one source or more, got {parts!r}")
    shapes = [source_of(part).shape for part in parts]
    if len(set(shapes)) > 1:
        raise ValueError(
            f"{name} must have one shape, got {', '.join(map(str, shapes))}; reshape them"
        )
    object.__setattr__(source, name, tuple(parts))
    object.__setattr__(source, "shape", shapes[0])
