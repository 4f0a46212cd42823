"""FreshNets: a kernel is hashed by its frequencies, low ones into tables of their own.

    K = D^T C D      for each pair of channels         K, C (f, f)
    D[j, x] = sqrt((1 if j = 0 else 2) / f) cos(pi (2 x + 1) j / (2 f)),      D^T D = 1
    C[j1, j2] = an entry of band j1 + j2                     j1 + j2 = 0 ... 2 f - 2

    backward    dC = D dK D^T,    each entry to its band

A band is a weight of its own, under a hash on a table of its own, so that low frequencies, which
matter most in images, can have more of the numbers. The transform is orthonormal: entries of V have
the variance of those of the bands.

Source: Chen et al., Compressing convolutional neural networks in the frequency domain (FreshNets),
KDD 2016, arXiv 1506.04449.
"""

from dataclasses import dataclass

import numpy as np

from minihash.derived import derived
from minihash.hashes import Uniform
from minihash.hashes.xxh32 import stream
from minihash.sources.source import Params, Source, Weight, add, product, source_of
from minihash.weights import VirtualWeight, check_shape


@dataclass(frozen=True)
class Cosine(Source):
    """Kernels (out_channels, channels, f, f) by their cosine transform.

    bands: one for each j = 0 ... 2 f - 2, of shape (out_channels, channels, entries with j1 + j2 =
    j): virtual weights or sources. Raises TypeError or ValueError if they are anything else.

    >>> kernel = Cosine.hashed("k", (8, 3, 5, 5), buckets=(8, 8, 8, 6, 6, 4, 4, 2, 2))
    >>> kernel.shape, sum(w.hash.buckets for w in kernel.weights())
    ((8, 3, 5, 5), 48)
    """

    bands: tuple[Weight, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.bands, (tuple, list)) or len(self.bands) % 2 == 0:
            raise TypeError(f"bands must be a tuple of 2 f - 1 weights, got {self.bands!r}")
        shapes = [source_of(band).shape for band in self.bands]
        f = (len(shapes) + 1) // 2
        channels = shapes[0][:2]
        for j, shape in enumerate(shapes):
            count = min(j + 1, len(shapes) - j)
            if len(channels) != 2 or shape != (*channels, count):
                raise ValueError(
                    f"band {j} of a {f} x {f} kernel must have shape (out_channels, channels, "
                    f"{count}) with those of band 0, got {shape}; reshape it"
                )
        object.__setattr__(self, "bands", tuple(self.bands))
        object.__setattr__(self, "shape", (*channels, f, f))

    @classmethod
    def hashed(
        cls, name: str, shape: tuple[int, ...], buckets: tuple[int, ...], seed: int = 0
    ) -> "Cosine":
        """Bands under signed Uniform hashes of so many buckets, on tables name.0, name.1 ..."""
        out, channels, f, *_ = (*check_shape(shape), 0, 0, 0)
        if shape != (out, channels, f, f) or len(buckets) != 2 * f - 1:
            raise ValueError(
                "a hashed kernel must have shape (out_channels, channels, f, f) and 2 f - 1 "
                f"numbers of buckets, got {shape} and {buckets}"
            )
        return cls(
            tuple(
                VirtualWeight(
                    (out, channels, len(positions(f, j))),
                    Uniform(n, int(stream(seed, f"band/{j}")), signed=True),
                    f"{name}.{j}",
                )
                for j, n in enumerate(buckets)
            )
        )

    @property
    def nbytes(self) -> int:
        return sum(source_of(band).nbytes for band in self.bands)

    def initial(self, variance: float) -> tuple[tuple[VirtualWeight, float], ...]:
        return tuple(part for band in self.bands for part in source_of(band).initial(variance))

    @derived
    def basis(self) -> np.ndarray:
        """M[(x1, x2), (j1, j2)] = D[j1, x1] D[j2, x2], float64 (f^2, f^2): K = M C as vectors."""
        f = self.shape[3]
        j = np.arange(f)[:, None]
        D = np.sqrt(np.where(j == 0, 1, 2) / f) * np.cos(np.pi * (2 * np.arange(f) + 1) * j / 2 / f)
        return np.ascontiguousarray(np.kron(D, D).T)

    def rows(self, params: Params, rows: np.ndarray, dtype: np.dtype) -> np.ndarray:
        _, channels, f, _ = self.shape
        C = np.empty((len(rows), channels, f * f), dtype)
        for j, band in enumerate(self.bands):
            at, entries = positions(f, j), source_of(band).rows(params, rows, dtype)
            C[:, :, at] = entries.reshape(len(rows), channels, len(at))
        return product(C.reshape(-1, f * f), self.basis.astype(dtype)).reshape(
            len(rows), channels * f * f
        )

    def rows_backward(self, params: Params, rows: np.ndarray, dV: np.ndarray) -> Params:
        _, channels, f, _ = self.shape
        dC = product(dV.reshape(-1, f * f), np.ascontiguousarray(self.basis.T).astype(dV.dtype))
        dC = dC.reshape(len(rows), channels, f * f)
        grads: Params = {}
        for j, band in enumerate(self.bands):
            at = positions(f, j)
            own = dC[:, :, at].reshape(len(rows), channels * len(at))
            add(grads, source_of(band).rows_backward(params, rows, own))
        return grads


def positions(f: int, j: int) -> list[int]:
    """Where j1 + j2 = j in a kernel (f, f), row-major.

    >>> positions(3, 1), positions(3, 2)
    ([1, 3], [2, 4, 6])
    """
    return [j1 * f + j - j1 for j1 in range(f) if 0 <= j - j1 < f]
