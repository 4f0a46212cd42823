"""Room 5: the ArbNet builder.

For each pair of sizes: Dense, ELU, BatchNorm, on the output layer too. The paper's network has one
table (scope "network"); a HashedNet has one for each layer (scope "layer").

Without normalisation the output layer is Dense alone, since logits must be free to fall below -1.
Dropout, where there is any, comes last in each hidden layer, under a seed of its own:
stream(seed, "dropout1"), stream(seed, "dropout2") ... That of the inputs comes first of all, under
stream(seed, "dropout0").

Source: Chang & Lipson, ArbNets, arXiv 2312.08401, sections 1.1, 2.3 and 4.3.
"""

from fractions import Fraction

from minihash.hashes.xxh32 import stream
from minihash.layers import ELU, BatchNorm1d, Dense, Dropout
from minihash.layers.layer import Layer
from minihash.networks.numbering import (
    check_part,
    dense_shapes,
    free,
    numbered,
    warn_of_repeats,
)
from minihash.networks.sequential import Sequential
from minihash.sources import LowRank, Weight
from minihash.weights import VirtualWeight


def arbnet(
    sizes: tuple[int, ...],
    hash: str = "uniform",
    compression: float | Fraction = 0.1,
    scope: str = "network",
    bias: str = "free",
    seed: int = 0,
    activation: Layer = ELU(),  # noqa: B008 (frozen)
    norm: str = "batch",
    dropout: float = 0.0,
    input_dropout: float = 0.0,
    source: str = "table",
    **options: object,
) -> Sequential:
    """The paper's network: for each pair of sizes Dense, ELU, BatchNorm, under one hash.

    sizes: (features, hidden ..., classes). hash: a name in `HASHES`; `options` are its other
    hyperparameters (alpha, radius, signed). compression: table entries / virtual weights, in
    (0, 1]. scope: "network", one table for all layers, or "layer", a table for each. bias: "free",
    "hashed" (numbered after the weights of its layer) or "none". norm: "batch" or "none". dropout:
    the probability that a hidden unit is dropped; input_dropout: an input.
    source: "table", or "lowrank", under the identity hash: each weight is a free matrix times a
    fixed Gaussian one, of such a rank, 1 at least, that the free one has this part of its entries.
    Raises TypeError or ValueError for anything else; warns where rows of a virtual weight repeat.

    >>> net = arbnet((784, 200, 200, 10), hash="dirichlet", alpha=10.0)
    >>> sum(w.size for w in net.weights() if w.table == "table")
    198800
    """
    shapes = dense_shapes(sizes)
    if source not in ("table", "lowrank"):
        raise ValueError(f'source must be "table" or "lowrank", got {source!r}')
    pairs: list[tuple[Weight, VirtualWeight | None]]
    if source == "lowrank":
        pairs = _low_rank(shapes, hash, compression, bias, seed)
    else:
        pairs = [*numbered(shapes, hash, compression, scope, bias, seed, options)]
    layers: list = _drop(input_dropout, 0, seed)
    for k, (weight, vector) in enumerate(pairs, 1):
        if isinstance(weight, VirtualWeight):
            warn_of_repeats(f"dense{k}", weight)
        after = after_dense(k, weight.shape[0], k == len(pairs), activation, norm, dropout, seed)
        layers += [Dense(weight, vector), *after]
    return Sequential(tuple(layers))


def _low_rank(
    shapes: dict[str, tuple[int, int]],
    hash: str,
    compression: float | Fraction,
    bias: str,
    seed: int,
) -> list[tuple[Weight, VirtualWeight | None]]:
    """The weight and the bias of each layer, in low rank."""
    if hash != "identity" or bias == "hashed":
        raise ValueError(
            "the source lowrank stores free matrices and biases, got the hash "
            f"{hash} and bias {bias}: leave them out"
        )
    part = Fraction(str(check_part(compression)))
    return [
        (
            LowRank.random(
                f"{name}.weight", shape, max(1, round(part * shape[1])), int(stream(seed, name))
            ),
            free(shape[0], f"{name}.bias") if bias == "free" else None,
        )
        for name, shape in shapes.items()
    ]


def after_dense(
    k: int, width: int, last: bool, activation: Layer, norm: str, dropout: float, seed: int
) -> list[Layer]:
    """What follows the weights of layer k, from 1.

    Raises ValueError unless norm is "batch" or "none", or as Dropout does.

    >>> [type(layer).__name__ for layer in after_dense(1, 9, False, ELU(), "batch", 0.5, seed=0)]
    ['ELU', 'BatchNorm1d', 'Dropout']
    """
    if norm not in ("batch", "none"):
        raise ValueError(f'norm must be "batch" or "none", got {norm!r}')
    layers = [] if last and norm == "none" else [activation]
    layers += [BatchNorm1d(f"norm{k}", width)] if norm == "batch" else []
    drop = _drop(dropout, k, seed)
    return layers if last else layers + drop


def _drop(rate: float, k: int, seed: int) -> list[Layer]:
    """Dropout after layer k; nothing where nothing is dropped."""
    drop = Dropout(rate, int(stream(seed, f"dropout{k}")))
    return [drop] if drop.rate else []
