"""Dense layer on a virtual weight.

    V[o, i] = sign * W[bucket],  b[o] = sign * B[bucket]       V (fan_out, fan_in), b (fan_out,)

    forward     y = x V^T + b
    backward    dx = dy V
                dW = scatter_add(dy^T x)
                dB = scatter_add(sum over the batch of dy)

x may have positions, as in (batch, length, fan_in). Each of them counts as an example, so that sums
over the batch are over the positions too.

The core never builds V or dV. W and B are tables of `params`. If they are one table, its gradient
is dW + dB.

Source: Chen et al., HashedNets, arXiv 1504.04788, equations 7 to 12; with the identity hash, any
textbook's dense layer.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from minihash import core
from minihash.checks import float_array, parameter
from minihash.layers.layer import Layer, Params
from minihash.sources import Weight
from minihash.weights import VirtualWeight

Cache = tuple[np.ndarray]  # x


@dataclass(frozen=True)
class Dense(Layer):
    """y = x V^T + b.

    weight: a virtual weight of shape (fan_out, fan_in), or another source; a view of another
    layer's ties the two.
    bias: None, or a virtual weight of shape (fan_out,). A free bias has the Identity hash and a
    table of its own.
    Raises TypeError or ValueError if they are anything else.

    >>> from minihash.hashes import Identity, Modulus
    >>> weight = VirtualWeight((2, 3), Modulus(4), "table")
    >>> bias = VirtualWeight((2,), Identity(2), "bias")
    >>> params = {"table": np.array([1.0, 2.0, 3.0, 4.0]), "bias": np.array([0.5, 0.0])}
    >>> Dense(weight, bias).forward(params, np.array([[1.0, 10.0, 100.0]]))[0]
    array([[321.5, 214. ]])
    """

    weight: Weight
    bias: VirtualWeight | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.weight, Weight):
            raise TypeError(
                f"the weight of Dense must be a VirtualWeight or a source, got {self.weight!r}; "
                "make one"
            )
        if not isinstance(self.bias, VirtualWeight | None):
            raise TypeError(
                f"the bias of Dense must be a VirtualWeight, got {self.bias!r}; make one"
            )
        if len(self.weight.shape) != 2:
            raise ValueError(
                "the weight of Dense must have shape (fan_out, fan_in), got "
                f"{self.weight.shape}; reshape it"
            )
        if self.bias is not None and self.bias.shape != self.weight.shape[:1]:
            raise ValueError(
                f"the bias of Dense must have shape {self.weight.shape[:1]}, got "
                f"{self.bias.shape}; give it one entry for each output"
            )

    def weights(self) -> tuple[VirtualWeight, ...]:
        """What the weight is made of, and the bias if there is one."""
        w = self.weight
        own = (w,) if isinstance(w, VirtualWeight) else w.weights()
        return own if self.bias is None else (*own, self.bias)

    def sources(self) -> tuple[Weight, ...]:
        """The weight, and the bias if there is one."""
        return (self.weight,) if self.bias is None else (self.weight, self.bias)

    def forward(
        self, params: Params, x: np.ndarray, step: int | None = None
    ) -> tuple[np.ndarray, Cache]:
        """x (batch, ..., fan_in) -> y (batch, ..., fan_out).

        Raises TypeError or ValueError if x or a table has another shape, or they differ in dtype.
        """
        fan_out, fan_in = self.weight.shape
        x = float_array(x, "x of Dense", (None,) * max(1, np.ndim(x) - 1) + (fan_in,), device=True)
        w, b = self.weight, None
        if self.bias is not None:
            b = core.gather(self._table(params, self.bias, x.dtype), self.bias)
        if isinstance(w, VirtualWeight):
            y = core.matmul(rows_of(x), self._table(params, w, x.dtype), w, b=b)
        else:
            y = w.matmul(params, rows_of(x), b)
        return y if x.ndim == 2 else y.reshape(*x.shape[:-1], fan_out), (x,)

    def backward(self, params: Params, cache: Cache, dy: np.ndarray) -> tuple[np.ndarray, Params]:
        """dy of y's shape -> dx of x's, and the gradient of each table by its name."""
        return self._backward(params, cache, dy, need_dx=True)

    def gradients(self, params: Params, cache: Cache, dy: np.ndarray) -> Params:
        """The gradient of each table, without the product that gives dx."""
        return self._backward(params, cache, dy, need_dx=False)[1]

    def _backward(
        self, params: Params, cache: Cache, dy: np.ndarray, need_dx: bool
    ) -> tuple[Any, Params]:
        (x,) = cache
        w, b = self.weight, self.bias
        dy = float_array(dy, "dy of Dense", (*x.shape[:-1], w.shape[0]), x.dtype, device=True)
        dy, rows = rows_of(dy), rows_of(x)
        if isinstance(w, VirtualWeight):
            table = self._table(params, w, x.dtype)
            dx, dW = core.matmul_backward(dy, rows, table, w, need_dx=need_dx)
            grads = {w.table: dW}
        else:
            dx, grads = w.matmul_backward(params, dy, rows, need_dx)
        if b is not None:
            dB = core.scatter_add(core.column_sum(dy), b)
            grads[b.table] = core.add(grads[b.table], dB) if b.table in grads else dB
        return dx if dx is None or x.ndim == 2 else dx.reshape(x.shape), grads

    @staticmethod
    def _table(params: Params, w: VirtualWeight, dtype: np.dtype) -> np.ndarray:
        return parameter(params, w.table, (w.hash.buckets,), dtype, device=True)


def rows_of(x: np.ndarray) -> np.ndarray:
    """x (batch, ..., features) as (examples and positions, features)."""
    if x.ndim == 2:
        return x
    *positions, features = x.shape
    return x.reshape(math.prod(positions), features)
