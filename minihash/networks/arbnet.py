"""Room 5: the ArbNet builder, which numbers the identifiers of a whole network.

    one table for the network    its layers' weights are numbered one after another
    one table for each layer     each starts at identifier 0, with a seed of its own (HashedNets)

For each pair of sizes: Dense, ELU, BatchNorm, on the output layer too.

Source: Chang & Lipson, ArbNets, sections 1.1, 2.3 and 3.
"""

import dataclasses
import math
import warnings
from fractions import Fraction
from numbers import Real

from minihash.hashes import HASHES, Hash, Identity
from minihash.hashes.hash import check_count
from minihash.hashes.xxh32 import stream
from minihash.layers import ELU, BatchNorm1d, Dense
from minihash.networks.sequential import Sequential
from minihash.weights import VirtualWeight, distinct


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
    if not isinstance(sizes, (tuple, list)) or len(sizes) < 2:
        raise ValueError(f"sizes must be at least two integers, got {sizes!r}; try (784, 200, 10)")
    sizes = tuple(check_count("each size", size, 1, 2**31 - 1) for size in sizes)
    seed = check_count("seed", seed, 0, 2**32 - 1)
    if scope not in ("network", "layer"):
        raise ValueError(f'scope must be "network" or "layer", got {scope!r}')
    if bias not in ("free", "hashed", "none"):
        raise ValueError(f'bias must be "free", "hashed" or "none", got {bias!r}')
    build: list = []
    first_id = 0
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    numbered = sum(o * i + (o if bias == "hashed" else 0) for o, i in shapes)
    shared = make_hash(hash, compression, numbered, seed, options) if scope == "network" else None
    for k, (fan_out, fan_in) in enumerate(shapes, 1):
        name = f"dense{k}"
        if shared is not None:
            weight = VirtualWeight((fan_out, fan_in), shared, "table", first_id)
            first_id += weight.size
            hashed = (shared, "table", first_id)
        else:
            salt = int(stream(seed, name))
            kernel = make_hash(hash, compression, fan_out * fan_in, salt, options, fan_out, fan_in)
            weight = VirtualWeight((fan_out, fan_in), kernel, f"{name}.weight")
            salt = int(stream(salt, "bias"))
            hashed = (make_hash(hash, compression, fan_out, salt, options, fan_out, 1, "B"),)
            hashed += (f"{name}.bias", 0)
        if bias == "hashed":
            vector = VirtualWeight((fan_out,), *hashed)
            first_id += fan_out
        else:
            vector = VirtualWeight((fan_out,), Identity(fan_out), f"{name}.bias")
        build += [Dense(weight, vector if bias != "none" else None), ELU()]
        build.append(BatchNorm1d(f"norm{k}", fan_out))
        warn_of_repeats(name, weight)
    return Sequential(tuple(build))


def make_hash(
    name: str,
    compression: float,
    size: int,
    seed: int,
    options: dict[str, object],
    fan_out: int | None = None,
    fan_in: int | None = None,
    tag: str = "W",
) -> Hash:
    """The hash called `name` for `size` virtual weights: ceil(compression * size) buckets."""
    known = [n for n, cls in HASHES.items() if cls.by_size]
    if name not in known:
        raise ValueError(f"hash must be one of {', '.join(known)}, got {name!r}")
    is_number = isinstance(compression, Real) and not isinstance(compression, bool)
    if not is_number or not 0 < compression <= 1:
        raise ValueError(f"compression must lie in (0, 1], got {compression!r}; try 0.1")
    cls = HASHES[name]
    buckets = math.ceil(Fraction(str(compression)) * size)
    given = {"buckets": size if cls is Identity else buckets, "seed": seed, "tag": tag}
    given |= {"fan_in": fan_in, "fan_out": fan_out}
    fields = {field.name: field for field in dataclasses.fields(cls)}
    if "fan_in" in fields:
        if fan_in is None:
            raise ValueError(
                f"the {name} hash keys outputs and inputs of one layer; it needs a table for each: "
                'scope "layer"'
            )
        del given["seed"]  # the released code's own
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
        raise ValueError(f"the {name} hash needs {missing[0]}; give it a value (--{missing[0]})")
    return cls(**{k: v for k, v in given.items() if k in fields}, **options)


def warn_of_repeats(name: str, w: VirtualWeight) -> None:
    """Warn if rows of the matrix w repeat, since so many of its neurons are one.

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
            stacklevel=3,
        )
