"""Room 5: tied autoencoders, whose decoder has the encoder's virtual weights, transposed.

    encoder    h_k = f(V_k h_(k-1) + b_k),            h_0 = x, k = 1 ... n
    decoder    g_(k-1) = f(V_k^T g_k + c_k),          g_n = h_n, k = n ... 1; the last without f

One linear layer (f the identity, no biases) trained on the squared error spans the space of the
first principal components: then V^T V is their projector.

Sources: Baldi & Hornik, Neural Networks 2 (1989), for the linear one; tied weights: Vincent et al.,
JMLR 11 (2010).
"""

from fractions import Fraction

from minihash.layers import Dense, Sigmoid
from minihash.layers.layer import Layer
from minihash.networks.numbering import dense_shapes, free, numbered, warn_of_repeats
from minihash.networks.sequential import Sequential


def tied_autoencoder(
    sizes: tuple[int, ...],
    hash: str = "identity",
    compression: float | Fraction = 1.0,
    activation: Layer | None = Sigmoid(),  # noqa: B008 (frozen)
    bias: bool = True,
    seed: int = 0,
    **options: object,
) -> Sequential:
    """The autoencoder x -> sizes[1] -> ... -> sizes[-1] -> ... -> sizes[1] -> x.

    sizes: (features, hidden ..., code). hash, compression, options: as for `arbnet`, a table for
    each pair of sizes. activation: after each layer but the last; None: a linear autoencoder.
    Raises TypeError or ValueError for anything else; warns where rows of a virtual weight repeat.

    >>> net = tied_autoencoder((784, 100, 20))
    >>> [w.shape for w in net.weights() if len(w.shape) == 2]
    [(100, 784), (20, 100), (100, 20), (784, 100)]
    >>> len({w.table for w in net.weights() if len(w.shape) == 2})
    2
    """
    shapes = dense_shapes(sizes)
    kind = "free" if bias else "none"
    pairs = numbered(shapes, hash, compression, "layer", kind, seed, options)
    down, up = [], []
    for name, (weight, vector) in zip(shapes, pairs, strict=True):
        warn_of_repeats(name, weight)
        down.append(Dense(weight, vector))
        up.append(Dense(weight.T, free(weight.shape[1], f"{name}.T.bias") if bias else None))
    layers: list = []
    for layer in [*down, *reversed(up)]:
        layers += [layer] if activation is None else [layer, activation]
    return Sequential(tuple(layers if activation is None else layers[:-1]))
