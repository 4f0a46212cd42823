"""Room 5: the numbering of a network's virtual weights.

    scope "network"    one table, whose layers are numbered one after another from 0
    scope "layer"      a table for each layer, numbered from 0 under a salt of its own:
                       salt = stream(seed, name), and stream(salt, "bias") for its hashed bias

A hash of matrices, which has `columns`, numbers each layer from 0 under its salt in either scope.

A hashed bias of the one table is numbered after the weights of its layer. A free bias is a vector
of ordinary parameters: the identity hash on a table of its own.

Sources: one table: Chang & Lipson, ArbNets, arXiv 2312.08401, section 2.3; a table for each layer:
Chen et al., HashedNets, arXiv 1504.04788.
"""

import dataclasses
import math
import warnings
from collections.abc import Mapping
from fractions import Fraction
from itertools import accumulate, pairwise
from numbers import Real

from minihash.checks import check_count
from minihash.hashes import HASHES, Hash, Identity
from minihash.hashes.xxh32 import stream
from minihash.weights import VirtualWeight, distinct


def numbered(
    shapes: Mapping[str, tuple[int, ...]],
    hash: str,
    compression: float | Fraction,
    scope: str,
    bias: str,
    seed: int,
    options: dict[str, object],
    table: str = "table",
    suffix: str = ".weight",
) -> list[tuple[VirtualWeight, VirtualWeight | None]]:
    """The weight of each shape, and the bias (shape[0],) that goes with it.

    shapes: layers by name, in the order of their identifiers. hash, compression, options: as for
    `make_hash`. scope: "network" or "layer". bias: "free", "hashed" or "none" (they are None).
    table: the name of the one table; in scope "layer" a weight's is name + suffix. The table of a
    bias that has its own is name.bias.
    Raises TypeError or ValueError for anything else.

    >>> shapes = {"dense1": (3, 2), "dense2": (1, 3)}
    >>> pairs = numbered(shapes, "modulus", 1.0, "network", "hashed", 0, {})
    >>> [(w.table, w.first_id) for pair in pairs for w in pair]
    [('table', 0), ('table', 6), ('table', 9), ('table', 12)]
    >>> pairs = numbered(shapes, "modulus", 1.0, "layer", "free", 0, {})
    >>> [(w.table, w.first_id) for w, _ in pairs], pairs[0][1].table
    ([('dense1.weight', 0), ('dense2.weight', 0)], 'dense1.bias')
    """
    for shape in shapes.values():
        for size in shape:
            check_count("each size", size, 1, 2**31 - 1)
    seed = check_count("seed", seed, 0, 2**32 - 1)
    if scope not in ("network", "layer"):
        raise ValueError(f'scope must be "network" or "layer", got {scope!r}')
    if bias not in ("free", "hashed", "none"):
        raise ValueError(f'bias must be "free", "hashed" or "none", got {bias!r}')
    tensors = {}  # by the table that each has in scope "layer"
    for name, shape in shapes.items():
        salt = int(stream(seed, name))
        tensors[f"{name}{suffix}"] = shape, salt, "W"
        if bias == "hashed":
            tensors[f"{name}.bias"] = shape[:1], int(stream(salt, "bias")), "B"
    weights = []
    if scope == "network":
        *first_ids, count = accumulate((math.prod(s) for s, _, _ in tensors.values()), initial=0)
        known = HASHES.get(hash) if isinstance(hash, str) else None  # refused by make_hash
        if "columns" in getattr(known, "__dataclass_fields__", ()):
            for shape, salt, tag in tensors.values():
                rule = make_hash(hash, compression, count, salt, options, shape, tag)
                weights.append(VirtualWeight(shape, rule, table))
        else:
            shared = make_hash(hash, compression, count, seed, options)
            for (shape, _, _), first_id in zip(tensors.values(), first_ids, strict=True):
                weights.append(VirtualWeight(shape, shared, table, first_id))
    else:
        for own, (shape, salt, tag) in tensors.items():
            rule = make_hash(hash, compression, math.prod(shape), salt, options, shape, tag)
            weights.append(VirtualWeight(shape, rule, own))
    if bias == "hashed":
        return list(zip(weights[::2], weights[1::2], strict=True))
    return [
        (w, free(w.shape[0], f"{name}.bias") if bias == "free" else None)
        for name, w in zip(shapes, weights, strict=True)
    ]


def free(size: int, table: str) -> VirtualWeight:
    """A vector of ordinary parameters, such as a bias that is not hashed."""
    return VirtualWeight((size,), Identity(size), table)


def dense_shapes(sizes: tuple[int, ...]) -> dict[str, tuple[int, int]]:
    """(fan_out, fan_in) of dense1, dense2, ...: one for each pair of sizes.

    Raises ValueError unless sizes are two or more.

    >>> dense_shapes((784, 200, 10))
    {'dense1': (200, 784), 'dense2': (10, 200)}
    """
    if not isinstance(sizes, (tuple, list)) or len(sizes) < 2:
        raise ValueError(f"sizes must be at least two integers, got {sizes!r}; try (784, 200, 10)")
    return {f"dense{k}": (o, i) for k, (i, o) in enumerate(pairwise(sizes), 1)}


def make_hash(
    name: str,
    compression: float | Fraction,
    size: int,
    seed: int,
    options: dict[str, object],
    shape: tuple[int, ...] | None = None,
    tag: str = "W",
) -> Hash:
    """The hash called `name` for `size` virtual weights: ceil(compression * size) buckets.

    options: its other hyperparameters. shape, tag: of the layer's tensor that has the table to
    itself, (fan_out, ...), "W" or "B"; None where several share it.
    Raises TypeError or ValueError for another name, compression or option.

    >>> make_hash("uniform", 0.1, 784, 7, {"signed": True})
    Uniform(buckets=79, seed=7, signed=True)
    """
    known = [n for n, cls in HASHES.items() if cls.by_size]
    if not isinstance(name, str) or name not in known:
        raise ValueError(f"hash must be one of {', '.join(known)}, got {name!r}")
    check_part(compression)
    cls = HASHES[name]
    buckets = math.ceil(Fraction(str(compression)) * size)
    buckets = size if cls is Identity else buckets
    given = {"buckets": buckets, "domain": size, "seed": seed, "tag": tag}
    if shape is not None:
        given |= {"fan_out": shape[0], "fan_in": math.prod(shape[1:])}
        given["columns"] = given["fan_in"]
    fields = {field.name: field for field in dataclasses.fields(cls)}
    if "fan_in" in fields:
        if shape is None:
            raise ValueError(
                f"the {name} hash keys outputs and inputs of one layer; it needs a table for each: "
                'scope "layer"'
            )
        del given["seed"]  # it has the default of the released code
    if unknown := set(options) - (set(fields) - set(given)):
        raise ValueError(
            f"the {name} hash has no {', '.join(sorted(unknown))}; "
            f"it has {', '.join(f for f in fields if f not in given) or 'no options'}"
        )
    missing = [
        f.name
        for f in fields.values()
        if f.default is dataclasses.MISSING and f.name not in given | options
    ]
    if missing:
        raise ValueError(
            f"the {name} hash needs {missing[0]}; give it a value "
            f"(--hash-option {missing[0]}=VALUE)"
        )
    return cls(**{k: v for k, v in given.items() if k in fields}, **options)


def check_part(compression: float | Fraction) -> float | Fraction:
    """The compression, refused unless it is a number in (0, 1].

    >>> check_part(0.1)
    0.1
    """
    is_number = isinstance(compression, Real) and not isinstance(compression, bool)
    if not is_number or not 0 < compression <= 1:
        got = compression if is_number else repr(compression)
        raise ValueError(f"compression must lie in (0, 1], got {got}; try 0.1")
    return compression


def warn_of_repeats(name: str, w: VirtualWeight) -> None:
    """Warn if rows of the matrix w repeat: neurons of equal rows compute the same.

    Under the modulus hash row r starts at bucket (first_id + r fan_in) mod n, which takes
    n / gcd(n, fan_in) values (see `distinct`).
    """
    rows, _ = distinct(w)
    if rows < w.shape[0]:
        warnings.warn(
            f"{name}: only {rows} of {w.shape[0]} rows of its virtual weight differ, since the "
            f"table size {w.hash.buckets} and the fan-in {w.shape[1]} share the factor "
            f"{math.gcd(w.hash.buckets, w.shape[1])}; change the compression, or use one table for "
            "the whole network",
            stacklevel=3,  # the caller of the builder
        )
