"""What every source of a weight is: some rows of V, and the adjoint.

    rows            V[r]          from the tables of its virtual weights       (n, size / shape[0])
    rows_backward   dV[r]         -> the gradient of each table, by its name

All else follows. A row is V[r] with its other axes as one. Products take a tile of rows at a time,
so that V is never held whole:

    matmul            y[:, r] = x V[r]^T + b[r]
    matmul_backward   dx = sum over tiles of dy[:, r] V[r],   dV[r] = dy[:, r]^T x

What backward needs of V it makes again, as the core does.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from minihash import core
from minihash.checks import parameter
from minihash.derived import derived
from minihash.hashes import Identity
from minihash.weights import VirtualWeight

Params = dict[str, np.ndarray]
TILE = 2**18  # entries of V that a product holds at once


class Source:
    """Base of all sources: frozen dataclasses of virtual weights, other sources and numbers.

    shape: as a virtual weight has it; rows are those of its first axis.
    """

    shape: tuple[int, ...]

    def initial(self, variance: float) -> tuple[tuple[VirtualWeight, float], ...]:
        """Each virtual weight that V is made of, and the variance that its entries have at the
        start (0: they are 0), so that those of V have `variance`."""
        raise NotImplementedError

    def rows(self, params: Params, rows: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """V[rows] (n, size / shape[0]); rows: integers (n,). dtype: that of the tables."""
        raise NotImplementedError

    def rows_backward(self, params: Params, rows: np.ndarray, dV: np.ndarray) -> Params:
        """The gradient of each table, by its name, from dV of the shape of `rows`' V."""
        raise NotImplementedError

    @property
    def size(self) -> int:
        """Number of entries of V."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes that it keeps beside the tables and hashes of its virtual weights."""
        return 0

    def weights(self) -> tuple[VirtualWeight, ...]:
        """The virtual weights that V is made of."""
        return tuple(w for w, _ in self.initial(1.0))

    def gather(self, params: Params, dtype: np.dtype) -> np.ndarray:
        """V in full."""
        return self.rows(params, np.arange(self.shape[0]), dtype).reshape(self.shape)

    def scatter_add(self, params: Params, dV: np.ndarray) -> Params:
        """The adjoint of `gather`: the gradient of each table by its name."""
        return self.rows_backward(params, np.arange(len(dV)), dV.reshape(len(dV), -1))

    def matmul(self, params: Params, x: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
        """y = x V^T + b of a matrix V: x (batch, fan_in), b (fan_out,) -> y (batch, fan_out)."""
        y = np.empty((len(x), self.shape[0]), x.dtype)
        for tile in self._tiles():
            V = self.rows(params, np.arange(tile.start, tile.stop), x.dtype)
            y[:, tile] = product(x, V, None if b is None else b[tile])
        return y

    def matmul_backward(
        self, params: Params, dy: np.ndarray, x: np.ndarray, need_dx: bool = True
    ) -> tuple[Any, Params]:
        """dx = dy V (None unless it is needed), and the gradient of each table by its name."""
        dx = None
        grads: Params = {}
        for tile in self._tiles():
            rows = np.arange(tile.start, tile.stop)
            V = self.rows(params, rows, x.dtype)
            more, dV = product_backward(np.ascontiguousarray(dy[:, tile]), x, V, need_dx)
            dx = more if dx is None else core.add(dx, more)
            add(grads, self.rows_backward(params, rows, dV))
        return dx, grads

    def _tiles(self) -> Iterator[slice]:
        step = max(1, TILE * self.shape[0] // self.size)
        for start in range(0, self.shape[0], step):
            yield slice(start, min(start + step, self.shape[0]))


@dataclass(frozen=True)
class Hashed(Source):
    """A virtual weight as a source: a hash on one table."""

    weight: VirtualWeight

    def __post_init__(self) -> None:
        w = self.weight
        if w.transposed and len(w.shape) > 2:
            raise ValueError(f"a source takes no transposed weight but a matrix, got {w}; drop .T")
        object.__setattr__(self, "shape", w.shape)

    @derived
    def matrix(self) -> VirtualWeight:
        """Its rows, with the other axes as one."""
        w = self.weight
        return w if len(w.shape) == 2 else replace(w, shape=(w.shape[0], w.size // w.shape[0]))

    def initial(self, variance: float) -> tuple[tuple[VirtualWeight, float], ...]:
        return ((self.weight, variance),)

    def rows(self, params: Params, rows: np.ndarray, dtype: np.dtype) -> np.ndarray:
        return core.gather_rows(self._table(params, dtype), self.matrix, rows)

    def rows_backward(self, params: Params, rows: np.ndarray, dV: np.ndarray) -> Params:
        return {self.weight.table: core.scatter_add_rows(dV, rows, self.matrix)}

    def gather(self, params: Params, dtype: np.dtype) -> np.ndarray:
        return core.gather(self._table(params, dtype), self.weight)

    def scatter_add(self, params: Params, dV: np.ndarray) -> Params:
        return {self.weight.table: core.scatter_add(dV.reshape(self.shape), self.weight)}

    def matmul(self, params: Params, x: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
        return core.matmul(x, self._table(params, x.dtype), self.weight, b=b)

    def matmul_backward(
        self, params: Params, dy: np.ndarray, x: np.ndarray, need_dx: bool = True
    ) -> tuple[Any, Params]:
        table = self._table(params, x.dtype)
        dx, dtable = core.matmul_backward(dy, x, table, self.weight, need_dx=need_dx)
        return dx, {self.weight.table: dtable}

    def _table(self, params: Params, dtype: np.dtype) -> np.ndarray:
        w = self.weight
        return parameter(params, w.table, (w.hash.buckets,), dtype)


Weight = VirtualWeight | Source


def source_of(w: Weight) -> Source:
    """A weight of either kind as a source. Raises TypeError for anything else."""
    if isinstance(w, VirtualWeight):
        return w.derived("source", lambda: Hashed(w))
    if not isinstance(w, Source):
        raise TypeError(f"expected a VirtualWeight or a source of minihash.sources, got {w!r}")
    return w


def add(grads: Params, more: Params) -> None:
    """grads += more, by name."""
    for name, grad in more.items():
        grads[name] = core.add(grads[name], grad) if name in grads else grad


def product(x: np.ndarray, V: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
    """y = x V^T + b, of arrays: x (batch, fan_in), V (fan_out, fan_in), b (fan_out,)."""
    return core.matmul(x, V.reshape(-1), _free(V.shape), b=b)


def product_backward(
    dy: np.ndarray, x: np.ndarray, V: np.ndarray, need_dx: bool = True
) -> tuple[Any, np.ndarray]:
    """dx = dy V (None unless it is needed) and dV = dy^T x."""
    dx, dV = core.matmul_backward(dy, x, V.reshape(-1), _free(V.shape), need_dx=need_dx)
    return dx, dV.reshape(V.shape)


def product_transposed(dy: np.ndarray, V: np.ndarray) -> np.ndarray:
    """dx = dy V alone."""
    return core.matmul(dy, V.reshape(-1), _free(V.shape).T)


@lru_cache(256)
def _free(shape: tuple[int, ...]) -> VirtualWeight:
    """A matrix of free numbers, which is its own table."""
    return VirtualWeight(shape, Identity(math.prod(shape)))
