"""Low rank: V is a product of two matrices with few columns and rows.

    V = L R                        L (fan_out, rank),  R (rank, fan_in)

    forward     h = x R^T,   y = h L^T + b
    backward    dh = dy L,   dL = dy^T h,   dx = dh R,   dR = dh^T x

so that V and dV are never built. Their rank is at most `rank`. Where both factors are trained, the
entries of each start with the variance sqrt(v / rank), so that those of V have v; where one is a
fixed Gaussian of variance s^2, those of the other with v / (rank s^2).

Low rank decomposition (LRD), HashedNets' baseline, is the factor R fixed, with deviation
1 / sqrt(fan_in), and L trained: rank = c fan_in stores the share c of the matrix.

Sources: Denil et al., Predicting parameters in deep learning, NIPS 2013; as a baseline: Chen et
al., HashedNets, arXiv 1504.04788, section 6.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from minihash.hashes import Identity
from minihash.sources.gaussian import Gaussian
from minihash.sources.source import (
    Params,
    Source,
    Weight,
    add,
    product,
    product_backward,
    product_transposed,
    source_of,
)
from minihash.weights import VirtualWeight, check_shape


@dataclass(frozen=True)
class LowRank(Source):
    """V = L R.

    left: L (fan_out, rank); right: R (rank, fan_in), or with more axes, which V has too: virtual
    weights, Gaussian, or other sources. Raises TypeError or ValueError if they are anything else.

    >>> left = VirtualWeight((2, 1), Identity(2), "left")
    >>> right = VirtualWeight((1, 2), Identity(2), "right")
    >>> params = {"left": np.array([1.0, 10.0]), "right": np.array([1.0, 2.0])}
    >>> LowRank(left, right).gather(params, np.dtype(np.float64))
    array([[ 1.,  2.],
           [10., 20.]])
    """

    left: Weight
    right: Weight

    def __post_init__(self) -> None:
        L, R = source_of(self.left).shape, source_of(self.right).shape
        if len(L) != 2 or len(R) < 2 or L[1] != R[0]:
            raise ValueError(
                f"factors of LowRank must have shapes (fan_out, rank) and (rank, fan_in), got {L} "
                f"and {R}; reshape one"
            )
        object.__setattr__(self, "shape", (L[0], *R[1:]))

    @classmethod
    def plain(cls, name: str, shape: tuple[int, ...], rank: int) -> "LowRank":
        """Both factors free: tables name.left and name.right."""
        (out, *_), size = check_shape(shape), math.prod(shape)
        left = VirtualWeight((out, rank), Identity(out * rank), f"{name}.left")
        right = Identity(rank * size // out)
        return cls(left, VirtualWeight((rank, *shape[1:]), right, f"{name}.right"))

    @classmethod
    def random(cls, name: str, shape: tuple[int, ...], rank: int, seed: int = 0) -> "LowRank":
        """LRD: L is free, the table `name` of fan_out rank entries; R is Gaussian, of deviation
        1 / sqrt(fan_in), of this seed.

        >>> [w.hash.buckets for w in LowRank.random("lrd", (1000, 784), 98).weights()]
        [98000]
        """
        (out, *_), size = check_shape(shape), math.prod(shape)
        left = VirtualWeight((out, rank), Identity(out * rank), name)
        return cls(left, Gaussian((rank, *shape[1:]), math.sqrt(out / size), seed))

    @property
    def rank(self) -> int:
        """At most the rank of V."""
        return source_of(self.left).shape[1]

    @property
    def nbytes(self) -> int:
        return source_of(self.left).nbytes + source_of(self.right).nbytes

    def initial(self, variance: float) -> tuple[tuple[VirtualWeight, float], ...]:
        L, R, v = self.left, self.right, variance / self.rank
        fixed = [f.deviation**2 for f in (L, R) if isinstance(f, Gaussian)]
        each = v / fixed[0] if fixed else math.sqrt(v)
        return *source_of(L).initial(each), *source_of(R).initial(each)

    def rows(self, params: Params, rows: np.ndarray, dtype: np.dtype) -> np.ndarray:
        L = source_of(self.left).rows(params, rows, dtype)
        return product_transposed(L, self._right(params, dtype))

    def rows_backward(self, params: Params, rows: np.ndarray, dV: np.ndarray) -> Params:
        left, right = source_of(self.left), source_of(self.right)
        L, R = left.rows(params, rows, dV.dtype), self._right(params, dV.dtype)
        grads = left.rows_backward(params, rows, product(dV, R))
        if right.weights():
            add(grads, right.scatter_add(params, product_backward(L, dV, R, need_dx=False)[1]))
        return grads

    def matmul(self, params: Params, x: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
        h = source_of(self.right).matmul(params, x)
        return source_of(self.left).matmul(params, h, b)

    def matmul_backward(
        self, params: Params, dy: np.ndarray, x: np.ndarray, need_dx: bool = True
    ) -> tuple[Any, Params]:
        left, right = source_of(self.left), source_of(self.right)
        h = right.matmul(params, x)
        dh, grads = left.matmul_backward(params, dy, h)
        dx, more = right.matmul_backward(params, dh, x, need_dx)
        add(grads, more)
        return dx, grads

    def _right(self, params: Params, dtype: np.dtype) -> np.ndarray:
        return source_of(self.right).gather(params, dtype).reshape(self.rank, -1)
