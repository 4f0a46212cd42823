"""A fixed random matrix: it is not trained, and no file holds it.

    V[i] = deviation sqrt(-2 ln u(a, i)) cos(2 pi u(b, i)),
    a = stream(seed, "gaussian/radius"),  b = stream(seed, "gaussian/angle")

i is the row-major position of an entry; u and stream are those of xxh32.py. Entries are rounded to
float32, and so are the same numbers in either precision. They are made once and kept.

Source: Box & Muller, Annals of Mathematical Statistics 29 (1958).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from minihash.checks import check_field, real_field
from minihash.derived import derived
from minihash.hashes.xxh32 import stream, unit
from minihash.sources.source import Params, Source, product_transposed
from minihash.weights import VirtualWeight, check_shape

BLOCK = 2**16  # entries drawn at once: keeps the temporaries in cache


@dataclass(frozen=True)
class Gaussian(Source):
    """Independent normal entries of mean 0.

    shape: sizes, each at least 1. Raises TypeError or ValueError for another shape, a deviation
    out of 1e-30 .. 1e30, or a seed that is no uint32.

    >>> Gaussian((2, 2), deviation=1.0).gather({}, np.dtype(np.float32)).round(2)
    array([[-2.09, -0.56],
           [ 1.39, -1.18]], dtype=float32)
    """

    shape: tuple[int, ...]
    deviation: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", check_shape(self.shape))
        real_field(self, "deviation", 1e-30, 1e30)
        check_field(self, "seed", 0, 2**32 - 1)

    def initial(self, variance: float) -> tuple[tuple[VirtualWeight, float], ...]:
        """None: it has no tables."""
        return ()

    @property
    def nbytes(self) -> int:
        return 4 * self.size

    @derived
    def entries(self) -> np.ndarray:
        """All of V, float32 (shape[0], size / shape[0])."""
        V = np.empty(self.size, np.float32)
        radius, angle = stream(self.seed, "gaussian/radius"), stream(self.seed, "gaussian/angle")
        for start in range(0, self.size, BLOCK):
            i = np.arange(start, min(start + BLOCK, self.size), dtype=np.uint64)
            r = np.sqrt(-2 * np.log(unit(i, radius)))
            V[start : start + i.size] = self.deviation * r * np.cos(2 * np.pi * unit(i, angle))
        return V.reshape(self.shape[0], -1)

    def rows(self, params: Params, rows: np.ndarray, dtype: np.dtype) -> np.ndarray:
        return self.entries[rows].astype(dtype, copy=False)

    def rows_backward(self, params: Params, rows: np.ndarray, dV: np.ndarray) -> Params:
        return {}

    def matmul_backward(
        self, params: Params, dy: np.ndarray, x: np.ndarray, need_dx: bool = True
    ) -> tuple[Any, Params]:
        """dx alone; the rest of the base's would be for tables."""
        V = self.entries.astype(x.dtype, copy=False)
        return product_transposed(dy, V) if need_dx else None, {}
