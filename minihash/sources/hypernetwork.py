"""A static hypernetwork: a small linear network makes V from an embedding of each tile of it.

V is cut into a grid of tiles of one shape (N, ...), each with an embedding z of its own; rows of a
tile are slices i = 1 ... N, of q entries. W, B, U and C are shared by all tiles.

    a_i = W_i z + B_i   (d),        V_i = U a_i + C   (q)
    A = [a_1 ... a_N]^T,            tile = A U^T + 1 C^T,          rank(tile) <= d + 1

    backward    dC = sum of dV_i,   dU = dV^T A,   dA = dV U,   dB = dA,   dW_i = da_i z^T,
                dz = sum of W_i^T da_i               all summed over tiles; dz is each tile's own

The numbers are N_z for each tile, N d (N_z + 1) and q (d + 1). So that V starts with the variance
v, entries of z do with 1, of W with 1 / N_z, of U with v / d; B and C are 0. Two sources with W, B,
U and C in common and a z of their own are two layers of one hypernetwork.

The paper's slices run along the inputs of a kernel; these run along its outputs, the first axis, as
they do in the authors' notebook.

Source: Ha, Dai & Le, HyperNetworks, arXiv 1609.09106, eqs. 2 and 3; variances: Chang, Flaxman &
Lipson, Principled weight initialization for hypernetworks, ICLR 2020.
"""

import math
from dataclasses import dataclass

import numpy as np

from minihash import core
from minihash.hashes import Identity
from minihash.sources.source import (
    Params,
    Source,
    Weight,
    add,
    product,
    product_backward,
    source_of,
)
from minihash.weights import VirtualWeight, check_shape

NAMES = ("z", "W", "B", "U", "C")


@dataclass(frozen=True)
class Hypernetwork(Source):
    """V of shape (tiles down x N, tiles along x M, ...), made of tiles (N, M, ...).

    z: (tiles down, tiles along, N_z); W: (N, d, N_z); B: (N, d); U: (M, ..., d); C: (M, ...).
    Virtual weights or sources. Raises TypeError or ValueError if they are anything else.

    >>> kernel = Hypernetwork.plain("h", (16, 16, 7, 7), embedding=4)
    >>> kernel.shape, sum(w.size for w in kernel.weights())
    ((16, 16, 7, 7), 4244)
    """

    z: Weight
    W: Weight
    B: Weight
    U: Weight
    C: Weight

    def __post_init__(self) -> None:
        z, W, B, U, C = (source_of(getattr(self, name)).shape for name in NAMES)
        fits = len(z) == len(W) == 3 and len(C) > 0
        if not fits or (W[2], B, U) != (z[2], W[:2], (*C, W[1])):
            raise ValueError(
                "parts of a Hypernetwork must have shapes z (tiles down, tiles along, N_z), W (N, "
                f"d, N_z), B (N, d), U (M, ..., d) and C (M, ...), got {z}, {W}, {B}, {U} and {C}"
            )
        object.__setattr__(self, "shape", (z[0] * W[0], z[1] * C[0], *C[1:]))

    @classmethod
    def plain(
        cls,
        name: str,
        shape: tuple[int, ...],
        embedding: int,
        hidden: int | None = None,
        tile: tuple[int, ...] | None = None,
        z: str | None = None,
    ) -> "Hypernetwork":
        """All parts free: tables name.z, name.W and so on.

        shape: V's, of two axes or more. embedding: N_z. hidden: d; None: N_z. tile: the sizes of a
        tile in the first axes, dividing V's; None: V is one tile. z: the name of its table, where
        another layer has the rest in common. Raises TypeError or ValueError for anything else.
        """
        shape, hidden = check_shape(shape), embedding if hidden is None else hidden
        tile = shape if tile is None else (*check_shape(tile), *shape[len(tile) :])
        if len(shape) < 2 or len(tile) != len(shape) or tile[2:] != shape[2:]:
            raise ValueError(f"a tile {tile} must be of a weight of two axes or more, got {shape}")
        if shape[0] % tile[0] or shape[1] % tile[1]:
            raise ValueError(f"tiles {tile} must divide the weight {shape}; choose other sizes")
        grid, slices = (shape[0] // tile[0], shape[1] // tile[1]), (tile[0], hidden)
        shapes = ((*grid, embedding), (*slices, embedding), slices, (*tile[1:], hidden), tile[1:])
        tables = (z or f"{name}.z", *(f"{name}.{part}" for part in NAMES[1:]))
        return cls(
            *(
                VirtualWeight(s, Identity(math.prod(check_shape(s))), table)
                for s, table in zip(shapes, tables, strict=True)
            )
        )

    @property
    def nbytes(self) -> int:
        return sum(source_of(getattr(self, name)).nbytes for name in NAMES)

    def initial(self, variance: float) -> tuple[tuple[VirtualWeight, float], ...]:
        *_, hidden, embedding = source_of(self.W).shape
        asked = 1.0, 1 / embedding, 0.0, variance / hidden, 0.0
        parts = (source_of(getattr(self, name)) for name in NAMES)
        return tuple(w for part, v in zip(parts, asked, strict=True) for w in part.initial(v))

    def rows(self, params: Params, rows: np.ndarray, dtype: np.dtype) -> np.ndarray:
        z, W, B, U, C = self._matrices(params, dtype)
        V = product(self._codes(product(z, W, B), rows), U, C)
        return V.reshape(len(rows), self.size // self.shape[0])

    def rows_backward(self, params: Params, rows: np.ndarray, dV: np.ndarray) -> Params:
        z, W, B, U, _ = self._matrices(params, dV.dtype)
        A, dV = product(z, W, B), dV.reshape(-1, len(U))
        da, dU = product_backward(dV, self._codes(A, rows), U)
        dA = np.zeros(A.shape, A.dtype)
        codes, places = self._places(dA, rows)
        np.add.at(codes, places, da.reshape(len(rows), *codes.shape[1::2]))
        dz, dW = product_backward(dA, z, W)
        grads: Params = {}
        found = dz, dW, core.column_sum(dA), dU, core.column_sum(dV)
        for name, dpart in zip(NAMES, found, strict=True):
            part = source_of(getattr(self, name))
            add(grads, part.scatter_add(params, dpart.reshape(part.shape)))
        return grads

    def _matrices(self, params: Params, dtype: np.dtype) -> list[np.ndarray]:
        """z (tiles, N_z), W (N d, N_z), B (N d,), U (q, d), C (q,)."""
        z, W, B, U, C = (source_of(getattr(self, name)).gather(params, dtype) for name in NAMES)
        z, W, U = (part.reshape(-1, part.shape[-1]) for part in (z, W, U))
        return [z, W, B.reshape(-1), U, C.reshape(-1)]

    def _codes(self, A: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """a of the slices that these rows are made of: (n tiles along, d)."""
        codes, places = self._places(A, rows)
        return codes[places].reshape(-1, codes.shape[-1])

    def _places(self, A: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, tuple]:
        """A (tiles, N d) as (tiles down, tiles along, N, d), and where in it the rows' are."""
        grid, slices = source_of(self.z).shape[:2], source_of(self.B).shape
        return A.reshape(*grid, *slices), (rows // slices[0], slice(None), rows % slices[0])
