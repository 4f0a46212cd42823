"""Networks by their sizes: the identifiers, hash, table and salt of each virtual weight.

    buckets(c, size) = ceil(c size), c the fraction that its decimals say
    scope "network"  one table; each tensor's identifiers come after those of the tensor before
    scope "layer"    a table a tensor, identifiers from 0, hash seed = salt = stream(seed, layer);
                     of its hashed bias stream(salt, "bias")

A network is what a file's spec says of it (files.py): JSON, {"type": ..., field: ...}.
"""

from fractions import Fraction
from itertools import pairwise
from math import ceil, prod
from typing import Any

from reference.streams import stream
from reference.training import initial_bound, initial_table

Json = dict[str, Any]


def buckets(compression: float | str | Fraction, size: int) -> int:
    """ceil(compression size), exactly: 0.1 is a tenth.

    >>> buckets(0.1, 198800), buckets("1/15", 11760), buckets(0.07, 100)
    (19880, 784, 7)
    """
    return ceil(Fraction(str(compression)) * size)


def identity(size: int) -> Json:
    """The hash of a free parameter vector.

    >>> identity(3)
    {'type': 'Identity', 'buckets': 3}
    """
    return {"type": "Identity", "buckets": size}


def weight(shape: tuple[int, ...], hash: Json, table: str, first_id: int = 0) -> Json:
    """A virtual weight.

    >>> weight((2,), identity(2), "b")["first_id"]
    0
    """
    return {
        "type": "VirtualWeight",
        "shape": list(shape),
        "hash": hash,
        "table": table,
        "first_id": first_id,
        "transposed": False,
    }


def dense_weights(
    sizes: tuple[int, ...],
    hash: Json,
    compression: float | str,
    scope: str,
    bias: str,
    seed: int,
) -> list[tuple[Json, Json | None]]:
    """(weight, bias or None) of layers dense1, dense2, ... between sizes.

    hash: all of it but buckets, seed and what it takes from a layer. HashedNets keeps its own seed,
    takes fan_in and fan_out of the tensor (a bias is (fan_out, 1)), and the tag "W" or "B".

    >>> pairs = dense_weights((2, 3, 1), {"type": "Modulus"}, 1, "network", "hashed", 0)
    >>> [w["first_id"] for pair in pairs for w in pair]
    [0, 6, 9, 12]
    """
    tensors = []  # (table, shape, salt, tag) in the order of identifiers
    for k, (fan_in, fan_out) in enumerate(pairwise(sizes), 1):
        salt = stream(seed, f"dense{k}")
        tensors.append((f"dense{k}.weight", (fan_out, fan_in), salt, "W"))
        if bias == "hashed":
            tensors.append((f"dense{k}.bias", (fan_out,), stream(salt, "bias"), "B"))
    total = sum(prod(shape) for _, shape, _, _ in tensors)
    found, first_id = [], 0
    for table, shape, salt, tag in tensors:
        own = scope == "layer"
        size = prod(shape) if own else total
        rule = hash | {"seed": salt if own else seed}
        rule["buckets"] = buckets(compression, size)
        if hash["type"] == "Identity":
            rule = identity(size)
        if hash["type"] == "HashedNets":
            rule |= {"seed": hash["seed"], "fan_out": shape[0], "fan_in": prod(shape[1:])}
            rule["tag"] = tag
        found.append(weight(shape, rule, table if own else "table", 0 if own else first_id))
        first_id += prod(shape)
    if bias == "hashed":
        return list(zip(found[::2], found[1::2], strict=True))
    widths = [w["shape"][0] for w in found]
    free = [weight((n,), identity(n), f"dense{k}.bias") for k, n in enumerate(widths, 1)]
    return [(w, b if bias == "free" else None) for w, b in zip(found, free, strict=True)]


def arbnet(
    sizes: tuple[int, ...],
    hash: Json,
    compression: float | str = 0.1,
    scope: str = "network",
    bias: str = "free",
    seed: int = 0,
    activation: str = "ELU",
    norm: str = "batch",
    dropout: float = 0.0,
) -> Json:
    """For each pair of sizes: Dense, activation, BatchNorm1d, Dropout.

    The last has no dropout; without norm it has no activation either.

    >>> net = arbnet((784, 200, 200, 10), {"type": "Uniform", "signed": False})
    >>> [layer["type"] for layer in net["layers"]][-3:]
    ['Dense', 'ELU', 'BatchNorm1d']
    >>> net["layers"][0]["weight"]["hash"]["buckets"]
    19880
    """
    layers: list[Json] = []
    pairs = dense_weights(sizes, hash, compression, scope, bias, seed)
    for k, (V, b) in enumerate(pairs, 1):
        last = k == len(pairs)
        layers.append({"type": "Dense", "weight": V, "bias": b})
        if not last or norm == "batch":
            layers.append({"type": activation})
        if norm == "batch":
            norms = {"features": V["shape"][0], "eps": 1e-5, "momentum": 0.1}
            layers.append({"type": "BatchNorm1d", "name": f"norm{k}"} | norms)
        if dropout and not last:
            salt = stream(seed, f"dropout{k}")
            layers.append({"type": "Dropout", "rate": dropout, "seed": salt})
    return {"type": "Sequential", "layers": layers}


def initial_parameters(network: Json, seed: int) -> dict[str, list[float]]:
    """Every array of a network of Dense, BatchNorm1d and layers without, before the first step.

    >>> net = arbnet((4, 2), {"type": "Uniform", "signed": False}, 0.5)
    >>> {name: len(values) for name, values in initial_parameters(net, 0).items()}
    {'table': 4, 'dense1.bias': 2, 'norm1.gamma': 2, 'norm1.beta': 2, \
'norm1.running_mean': 2, 'norm1.running_var': 2}
    """
    found: dict[str, list[float]] = {}
    dense = [layer for layer in network["layers"] if layer["type"] == "Dense"]
    weights = [w for layer in dense for w in (layer["weight"], layer["bias"]) if w]
    for w in weights:
        matrices = [v["shape"] for v in weights if v["table"] == w["table"] and len(v["shape"]) > 1]
        bound = initial_bound([tuple(shape) for shape in matrices])
        entries = w["hash"]["buckets"]
        table = initial_table(w["table"], entries, bound, seed) if matrices else [0.0] * entries
        found[w["table"]] = table
    for layer in network["layers"]:
        if layer["type"] == "BatchNorm1d":
            initial = {"gamma": 1.0, "beta": 0.0, "running_mean": 0.0, "running_var": 1.0}
            for key, value in initial.items():
                found[f"{layer['name']}.{key}"] = [value] * layer["features"]
    return found
