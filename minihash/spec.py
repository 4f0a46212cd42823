"""Room 5: a network as JSON and back, so that a checkpoint can hold it.

    {"type": class, field: value ...}     for a network, a layer, a virtual weight, a hash

Tuples are lists; an infinity is {"float": "inf"}; an array (of a Lookup hash) is {"array": name} and
is kept apart, once.
"""

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from minihash import layers
from minihash.hashes import HASHES
from minihash.network import Sequential
from minihash.weights import VirtualWeight

TYPES = {
    cls.__name__: cls
    for cls in (*HASHES.values(), VirtualWeight, Sequential, *vars(layers).values())
    if dataclasses.is_dataclass(cls)
}


def encode(thing: object, arrays: dict[str, np.ndarray]) -> object:
    """JSON for a network, layer, weight or hash; its arrays are put into `arrays`.

    >>> from minihash.hashes import Modulus
    >>> encode(Modulus(3), {})
    {'type': 'Modulus', 'buckets': 3, 'seed': 0, 'signed': False}
    """
    if type(thing).__name__ in TYPES:
        fields = ((f.name, getattr(thing, f.name)) for f in dataclasses.fields(thing))
        pairs = {name: encode(value, arrays) for name, value in fields}
        return {"type": type(thing).__name__} | pairs
    if isinstance(thing, tuple):
        return [encode(item, arrays) for item in thing]
    if isinstance(thing, np.ndarray):
        known = [name for name, array in arrays.items() if array is thing]
        name = known[0] if known else f"spec/{len(arrays)}"
        arrays[name] = thing
        return {"array": name}
    if isinstance(thing, float) and not math.isfinite(thing):
        return {"float": str(thing)}
    return thing.item() if isinstance(thing, np.generic) else thing


def decode(spec: object, arrays: dict[str, np.ndarray]) -> object:
    """The inverse of `encode`. Raises ValueError for a spec that is not one.

    >>> decode({"type": "Modulus", "buckets": 3}, {})
    Modulus(buckets=3, seed=0, signed=False)
    """
    if isinstance(spec, list):
        return tuple(decode(item, arrays) for item in spec)
    if not isinstance(spec, dict):
        return spec
    if set(spec) == {"float"} and spec["float"] in ("inf", "-inf", "nan"):
        return float(spec["float"])
    if set(spec) == {"array"} and spec["array"] in arrays:
        return arrays[spec["array"]]
    cls: Callable | None = TYPES.get(spec.get("type"))
    if cls is None:
        raise ValueError(f"the spec holds {str(spec)[:80]!r}, which is no part of a network")
    fields = {name: decode(value, arrays) for name, value in spec.items() if name != "type"}
    try:
        return cls(**fields)
    except (TypeError, AttributeError) as error:
        raise ValueError(f"the spec of a {spec['type']} is not valid: {error}") from None
