"""Room 5: the ArbNet builder.

For each pair of sizes: Dense, ELU, BatchNorm, on the output layer too. The paper's network has one
table (scope "network"); a HashedNet has one for each layer (scope "layer").

Source: Chang & Lipson, ArbNets, arXiv 2312.08401, sections 1.1, 2.3 and 4.3.
"""

from minihash.layers import ELU, BatchNorm1d, Dense
from minihash.networks.numbering import dense_shapes, numbered, warn_of_repeats
from minihash.networks.sequential import Sequential


def arbnet(
    sizes: tuple[int, ...],
    hash: str = "uniform",
    compression: float = 0.1,
    scope: str = "network",
    bias: str = "free",
    seed: int = 0,
    **options: object,
) -> Sequential:
    """The paper's network: for each pair of sizes Dense, ELU, BatchNorm, under one hash.

    sizes: (features, hidden ..., classes). hash: a name in `HASHES`; `options` are its other
    hyperparameters (alpha, radius, signed). compression: table entries / virtual weights, in
    (0, 1]. scope: "network", one table for all layers, or "layer", a table for each. bias: "free",
    "hashed" (numbered after the weights of its layer) or "none".
    Raises TypeError or ValueError for anything else; warns where rows of a virtual weight repeat.

    >>> net = arbnet((784, 200, 200, 10), hash="dirichlet", alpha=10.0)
    >>> sum(w.size for w in net.weights() if w.table == "table")
    198800
    """
    shapes = dense_shapes(sizes)
    pairs = numbered(shapes, hash, compression, scope, bias, seed, options)
    layers: list = []
    for k, (weight, vector) in enumerate(pairs, 1):
        warn_of_repeats(f"dense{k}", weight)
        layers += [Dense(weight, vector), ELU(), BatchNorm1d(f"norm{k}", weight.shape[0])]
    return Sequential(tuple(layers))
