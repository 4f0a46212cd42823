"""Embedding on a virtual weight: a row of V for each token.

    forward     y[b, t] = V[tokens[b, t]]
    backward    dV[v] = sum over the (b, t) with tokens[b, t] = v of dy[b, t]
                dW = scatter_add(dV)

Only the rows of these tokens are read and added to, and only their identifiers are hashed: V and dV
are never built. Repeated tokens are added up in a fixed order. Tokens have no gradient: dx is None.

Input and output embeddings are tied (logits = E h + b) where a Dense has the same virtual weight;
the gradient of its table is then the sum of both. Tokens that only pad a batch need no number of
their own: the loss leaves them out, so that dy is 0 there.

Sources: Bengio et al., A Neural Probabilistic Language Model, JMLR 3 (2003); tied: Press & Wolf,
arXiv 1608.05859, and Inan et al., arXiv 1611.01462; hashed: V is that of HashedNets, Chen et al.,
arXiv 1504.04788.
"""

from dataclasses import dataclass

import numpy as np

from minihash import core
from minihash.checks import float_array, index_array, parameter
from minihash.layers.layer import Layer, Params
from minihash.sources import Weight
from minihash.weights import VirtualWeight

Cache = tuple[np.ndarray, np.dtype]  # tokens, and the dtype of the table


@dataclass(frozen=True)
class Embedding(Layer):
    """y = V[tokens].

    weight: a virtual weight of shape (vocabulary, width), or another source that has tables.
    Raises TypeError or ValueError if it is anything else.

    >>> from minihash.hashes import Modulus
    >>> layer = Embedding(VirtualWeight((3, 2), Modulus(5), "E"))
    >>> layer.forward({"E": np.arange(5.0)}, np.array([[2, 0]]))[0]
    array([[[4., 0.],
            [0., 1.]]])
    """

    weight: Weight

    def __post_init__(self) -> None:
        if not isinstance(self.weight, Weight):
            raise TypeError(
                "the weight of Embedding must be a VirtualWeight or a source, got "
                f"{self.weight!r}; make one"
            )
        if len(self.weight.shape) != 2:
            raise ValueError(
                "the weight of Embedding must have shape (vocabulary, width), got "
                f"{self.weight.shape}; reshape it"
            )
        if not self.weights():
            raise ValueError(f"the weight of Embedding must read a table, got {self.weight}")

    def weights(self) -> tuple[VirtualWeight, ...]:
        """What the weight is made of."""
        return (self.weight,) if isinstance(self.weight, VirtualWeight) else self.weight.weights()

    def sources(self) -> tuple[Weight, ...]:
        """The weight."""
        return (self.weight,)

    def forward(
        self, params: Params, x: np.ndarray, step: int | None = None
    ) -> tuple[np.ndarray, Cache]:
        """x, tokens: integers (batch,) or (batch, length), each in 0 .. vocabulary - 1
        -> y (*x.shape, width), in the dtype of the table.

        Raises TypeError or ValueError for other tokens or another table.
        """
        w = self.weight
        tokens = index_array(x, "tokens", w.shape[0])
        if isinstance(w, VirtualWeight):
            table = parameter(params, w.table, (w.hash.buckets,), device=True)
            return core.gather_rows(table, w, tokens), (tokens, table.dtype)
        dtype = parameter(params, w.weights()[0].table, None).dtype
        E = w.rows(params, tokens.reshape(-1), dtype)
        return E.reshape(*tokens.shape, w.shape[1]), (tokens, dtype)

    def backward(self, params: Params, cache: Cache, dy: np.ndarray) -> tuple[None, Params]:
        """dy of y's shape and dtype -> None, and the gradient of the table by its name."""
        tokens, dtype = cache
        w = self.weight
        dy = float_array(dy, "dy of Embedding", (*tokens.shape, w.shape[1]), dtype, device=True)
        if isinstance(w, VirtualWeight):
            return None, {w.table: core.scatter_add_rows(dy, tokens, w)}
        return None, w.rows_backward(params, tokens.reshape(-1), dy.reshape(-1, w.shape[1]))
