"""One hashed layer with its data, and what it replaces.

    ours       core.matmul and core.matmul_backward
    dense      NumPy/BLAS, y = x V^T, dx = dy V, dV = dy^T x, of the same virtual size
    PyTorch    F.linear(x, table[index]) and autograd, int64 index made beforehand, no signs

`verify` holds results against float64: within 2 n u * sum |a||b| for n terms, which is gamma_n with
room for the rounding of products and of the sums of parts.
"""

from collections.abc import Callable
from functools import cached_property

import numpy as np

from minihash import core
from minihash.core import blocks
from minihash.hashes import Hash
from minihash.weights import VirtualWeight

N, BATCH = 2000, 128
Results = tuple[np.ndarray, np.ndarray, np.ndarray]


class Layer:
    """One hashed layer, size x size, with its data."""

    def __init__(self, hash_: Hash, batch: int = BATCH, size: int = N) -> None:
        rng = np.random.default_rng(0)
        self.w = VirtualWeight((size, size), hash_)
        self.table = rng.standard_normal(hash_.buckets, np.float32)
        self.x = rng.standard_normal((batch, size), np.float32)
        self.dy = rng.standard_normal((batch, size), np.float32)

    def forward(self) -> np.ndarray:
        return core.matmul(self.x, self.table, self.w)

    def backward(self) -> tuple[np.ndarray, np.ndarray]:
        return core.matmul_backward(self.dy, self.x, self.table, self.w)

    def ours(self) -> Results:
        return self.forward(), *self.backward()

    def dense(self, forward: bool = False) -> Callable[[], object]:
        V = core.gather(self.table, self.w)
        if forward:
            return lambda: self.x @ V.T
        return lambda: (self.x @ V.T, self.dy @ V, self.dy.T @ self.x)

    def pytorch(self, forward: bool = False) -> Callable[[], object]:
        import torch

        torch.set_num_threads(core.get_threads())
        index = torch.from_numpy(self.buckets)
        table = torch.from_numpy(self.table.copy()).requires_grad_(not forward)
        x = torch.from_numpy(self.x.copy()).requires_grad_(not forward)
        dy = torch.from_numpy(self.dy)

        def step() -> object:
            if forward:
                with torch.no_grad():
                    return torch.nn.functional.linear(x, table[index])
            table.grad = x.grad = None
            return torch.nn.functional.linear(x, table[index]).backward(dy)

        return step

    @cached_property
    def buckets(self) -> np.ndarray:
        """Of all virtual weights, int64."""
        return self._each(self.w.hash.bucket, np.int64)

    @cached_property
    def signs(self) -> np.ndarray:
        return self._each(self.w.hash.sign, np.int8)

    def _each(self, f: Callable, dtype: type) -> np.ndarray:
        """f of all identifiers, in pieces: what is in between stays in the cache, and small."""
        found = np.empty(self.w.size, dtype)
        for cut in blocks(self.w.size, 2**16):
            found[cut] = f(np.arange(cut.start, cut.stop, dtype=np.uint64))
        return found.reshape(self.w.shape)

    @cached_property
    def exact(self) -> np.ndarray:
        """V in float64, from the definition."""
        return self.signs * self.table.astype(np.float64)[self.buckets]

    def verify(self, results: Results) -> None:
        y, dx, dtable = results
        self.verify_forward(y)
        self.verify_backward(dx, dtable)

    def verify_forward(self, y: np.ndarray) -> None:
        self.check("y", y, _product(self.x, self.exact.T), self.w.shape[1])

    def verify_backward(self, dx: np.ndarray, dtable: np.ndarray) -> None:
        self.check("dx", dx, _product(self.dy, self.exact), self.w.shape[0])
        dV, sizes = _product(self.dy.T, self.x)
        flat, n = self.buckets.reshape(-1), self.w.hash.buckets
        added = [
            np.bincount(flat, weights=each.reshape(-1), minlength=n)
            for each in (self.signs * dV, np.abs(self.signs) * sizes)
        ]
        self.check("dtable", dtable, added, len(self.x) + int(np.bincount(flat).max()))

    def verify_rows(self, results: Results, count: int = 50) -> None:
        """Of a layer that is too large to hold all of V in float64: some columns of y and dx."""
        y, dx, _ = results
        size = self.w.shape[1]
        some = np.linspace(0, size - 1, min(count, size)).astype(np.uint64)
        along = np.arange(size, dtype=np.uint64)
        for what, ids, a, got in (
            ("y", some[:, None] * np.uint64(size) + along, self.x, y),
            ("dx", along * np.uint64(size) + some[:, None], self.dy, dx),
        ):
            V = self.w.hash.sign(ids) * self.table.astype(np.float64)[self.w.hash.bucket(ids)]
            self.check(what, got[:, some], _product(a, V.T), size)

    def check(self, what: str, got: np.ndarray, exact: list[np.ndarray], terms: int) -> None:
        """got is the first of `exact` within 2 * terms roundings of the second, sum |a||b|."""
        want, size = exact
        if not (np.abs(got - want) <= 2 * terms * 2.0**-24 * size).all():
            raise SystemExit(f"{what} is wrong for {self.w.hash}: not timed")


def _product(a: np.ndarray, b: np.ndarray) -> list[np.ndarray]:
    a, b = a.astype(np.float64), b.astype(np.float64)
    return [a @ b, np.abs(a) @ np.abs(b)]
