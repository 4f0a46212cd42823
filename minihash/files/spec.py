"""Room 8: a network and its training as JSON and back, so that a checkpoint can hold them.

    {"type": class, field: value ...}     for a network, a layer, a virtual weight, a hash, the
                                          standardiser of its inputs, a training, an optimiser ...

Tuples are lists; an infinity is {"float": "inf"}; an array (of a Lookup hash) is {"array": name}
and is kept apart, once. Equal hashes come back as one object, so that what a hash derives from its
fields (an alias table) is derived and held once.
"""

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from minihash import layers
from minihash.data.dataset import Standardiser
from minihash.hashes import HASHES, Hash
from minihash.networks.joint import Joint
from minihash.networks.sequential import Sequential
from minihash.training import Training, optimisers, penalties, schedules
from minihash.weights import VirtualWeight

PARTS = (layers, optimisers, schedules, penalties)
TYPES = {
    cls.__name__: cls
    for cls in (
        *(*HASHES.values(), VirtualWeight, Sequential, Joint, Training, Standardiser),
        *(cls for room in PARTS for cls in vars(room).values()),
    )
    if dataclasses.is_dataclass(cls)
}


def encode(thing: object, arrays: dict[str, np.ndarray]) -> object:
    """JSON for a thing of one of `TYPES`; its arrays are put into `arrays`.

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
    try:
        return _decode(spec, arrays, {})
    except RecursionError:
        raise ValueError("the spec is nested too deeply to be that of a network") from None


def _decode(spec: object, arrays: dict[str, np.ndarray], hashes: dict[Hash, Hash]) -> object:
    if isinstance(spec, list):
        return tuple(_decode(item, arrays, hashes) for item in spec)
    if not isinstance(spec, dict):
        return spec
    if set(spec) == {"float"} and spec["float"] in ("inf", "-inf", "nan"):
        return float(spec["float"])
    if set(spec) == {"array"} and isinstance(spec["array"], str) and spec["array"] in arrays:
        return arrays[spec["array"]]
    name = spec.get("type")
    cls: Callable | None = TYPES.get(name) if isinstance(name, str) else None
    if cls is None:
        raise ValueError(f"the spec holds {str(spec)[:80]!r}, which is no part of a network")
    fields = {key: _decode(value, arrays, hashes) for key, value in spec.items() if key != "type"}
    try:
        thing = cls(**fields)
        return hashes.setdefault(thing, thing) if isinstance(thing, Hash) else thing
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ValueError(f"the spec of a {name} is not valid: {str(error)[:200]}") from None
