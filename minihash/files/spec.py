"""Room 8: a network and its training as JSON and back, so that a checkpoint can hold them.

    {"type": class, field: value ...}     for a network, a layer, a virtual weight, a hash, the
                                          standardiser and the units of its inputs, a training,
                                          an optimiser ...

Tuples are lists; an infinity is {"float": "inf"}; an array (of a Lookup hash) is {"array": name}
and is kept apart, once; a Lookup that is smaller so is {"coded": {"array": name}} (coded.py). Equal
hashes come back as one object, so that what a hash derives from its
fields (an alias table) is derived and held once. A field that files of old have not is marked by
metadata={"later": True}, see `kept`.

A class from outside is known once it is registered. A file names it and nothing more: no module, no
path, nothing that is imported or run when the file is read.
"""

import dataclasses
import inspect
import math
from collections.abc import Callable
from typing import TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from minihash import layers, sources
from minihash.data.standardiser import Standardiser
from minihash.data.units import Units
from minihash.files import coded
from minihash.files.coded import decode as read_coded
from minihash.files.types import check_types
from minihash.hashes import HASHES, Hash, Lookup
from minihash.hashes.options import options
from minihash.layers.layer import Layer
from minihash.networks.arbnet import arbnet
from minihash.networks.autoencoder import tied_autoencoder
from minihash.networks.cnn import cnn
from minihash.networks.joint import Joint
from minihash.networks.language_model import language_model
from minihash.networks.sequential import Sequential
from minihash.sources import Source
from minihash.training import Training, averaged, optimisers, penalties, schedules, sorted_norms
from minihash.weights import VirtualWeight

PARTS = (layers, sources, optimisers, averaged, schedules, penalties, sorted_norms)
TYPES = {
    cls.__name__: cls
    for cls in (
        *(*HASHES.values(), VirtualWeight, Sequential, Joint, Training, Standardiser, Units),
        *(cls for room in PARTS for cls in vars(room).values()),
    )
    if dataclasses.is_dataclass(cls)
}
FREE, READ = 2**28, 16  # bytes of arrays that a spec may read: so many, and each so many times
BUILDERS = (arbnet, cnn, tied_autoencoder, language_model)

Known = TypeVar("Known", bound=type)


class UnknownType(ValueError):
    """A spec names a class that is not registered here."""


def register(cls: Known) -> Known:
    """Make a hash, a layer or a source from outside known by its name, as a decorator or a call.

    A layer or a source can then be saved and loaded; a hash can also be named:
    `arbnet(hash="name")`, and `--hash name` on the command line after `--import` of its module, in
    lower case. It is a frozen dataclass derived from `Hash`, `Layer` or `Source`. Its fields are
    all that a file keeps of it; since files come from anywhere, its `__post_init__` has to refuse
    values that are not valid.

    Returns cls. Raises TypeError if it is anything else, ValueError if its name is that of another
    class, or an option has a name that the builders of networks use themselves.

    >>> from minihash.hashes import Modulus
    >>> register(Modulus) is Modulus
    True
    """
    if not isinstance(cls, type) or not issubclass(cls, Hash | Layer | Source):
        raise TypeError(f"register takes a class derived from Hash, Layer or Source, got {cls!r}")
    name = cls.__name__
    if "__dataclass_params__" not in vars(cls) or not cls.__dataclass_params__.frozen:
        raise TypeError(f"{name} must be a frozen dataclass: write @dataclass(frozen=True) below")
    others = [TYPES.get(name), *([HASHES.get(name.lower())] if issubclass(cls, Hash) else [])]
    for other in filter(None, others):
        # A module that is read again, as notebooks do, registers its classes again.
        if (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
            raise ValueError(f"the name {name} is that of {other.__module__}: choose another")
    if issubclass(cls, Hash):
        if cls.by_size:
            taken = {word for build in BUILDERS for word in inspect.signature(build).parameters}
            if clash := taken & options(cls).keys():
                raise ValueError(
                    f"{', '.join(sorted(clash))} of {name} is a word of the builders of networks: "
                    "give the field another name"
                )
        HASHES[name.lower()] = cls
    TYPES[name] = cls
    return cls


def encode(thing: object, arrays: dict[str, np.ndarray]) -> object:
    """JSON for a thing of one of `TYPES`; its arrays are put into `arrays`.

    Raises TypeError for a thing of another dataclass.

    >>> from minihash.hashes import Modulus
    >>> encode(Modulus(3), {})
    {'type': 'Modulus', 'buckets': 3, 'seed': 0, 'signed': False}
    """
    if dataclasses.is_dataclass(thing):
        if TYPES.get(type(thing).__name__) is not type(thing):
            raise TypeError(
                f"{type(thing).__name__} is not known to files: put @minihash.register above its "
                "class"
            )
        fields = kept(thing)
        if type(thing) is Lookup and (small := coded_form(thing)) is not None:
            fields = {"buckets": thing.buckets, "coded": small}
        pairs = {name: encode(value, arrays) for name, value in fields.items()}
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


def coded_form(hash_: Lookup) -> np.ndarray | None:
    """The coded form of a hash, made once; None if it is kept as it is."""
    if hash_ not in _known:
        _known[hash_] = coded.encode(hash_)
    return _known[hash_]


_known: WeakKeyDictionary[Lookup, np.ndarray | None] = WeakKeyDictionary()


def kept(thing: object) -> dict[str, object]:
    """The fields of a dataclass that files keep: all, but for later ones at their default. A file
    of old lacks those, and has the same bytes when it is written again."""
    values = {f: getattr(thing, f.name) for f in dataclasses.fields(thing)}
    return {
        f.name: v for f, v in values.items() if not (f.metadata.get("later") and v == f.default)
    }


def decode(spec: object, arrays: dict[str, np.ndarray]) -> object:
    """The inverse of `encode`. Raises ValueError for a spec that is not one, UnknownType for one
    that names a class that is not registered.

    >>> decode({"type": "Modulus", "buckets": 3}, {})
    Modulus(buckets=3, seed=0, signed=False)
    """
    try:
        return _Decoder(arrays).decode(spec)
    except RecursionError:
        raise ValueError("the spec is nested too deeply to be that of a network") from None


class _Decoder:
    """A spec's parts as things. Equal hashes are made once: a network reads one by every weight."""

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self.arrays, self.hashes, self.flat = arrays, {}, {}
        # of arrays that hashes read, each time anew: a few bytes can ask for a large array again
        self.left = FREE + READ * sum(array.nbytes for array in arrays.values())

    def decode(self, spec: object) -> object:
        """A list, a thing, an array or a number."""
        if isinstance(spec, list):
            return tuple(map(self.decode, spec))
        if not isinstance(spec, dict):
            return spec
        if set(spec) == {"float"} and spec["float"] in ("inf", "-inf", "nan"):
            return float(spec["float"])
        array = spec.get("array")
        if len(spec) == 1 and isinstance(array, str) and array in self.arrays:
            return self._array(array)
        name = spec.get("type")
        if not isinstance(name, str):
            raise ValueError(f"the spec holds {str(spec)[:80]!r}, which is no part of a network")
        if name not in TYPES:
            raise UnknownType(
                f"the type {name[:80]!r} is not known here: if you trust it, import the module "
                "that registers it (on the command line: --import MODULE)"
            )
        key = _key(spec)
        if key in self.flat:
            return self.flat[key]
        cls: Callable = TYPES[name]
        fields = {key: self.decode(value) for key, value in spec.items() if key != "type"}
        try:
            if cls is Lookup and fields.keys() == {"buckets", "coded"}:
                thing = self._lookup(**fields)
            else:
                check_types(cls, fields)
                thing = cls(**fields)
            if isinstance(thing, Hash):
                thing = self.hashes.setdefault(thing, thing)
                if key is not None:
                    self.flat[key] = thing
            return thing
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ValueError(f"the spec of a {name} is not valid: {str(error)[:200]}") from None

    def _lookup(self, buckets: int, coded: np.ndarray) -> Lookup:
        check_types(Lookup, {"buckets": buckets})
        if not isinstance(coded, np.ndarray):
            raise TypeError(f"coded must be an array, got {coded!r}")
        hash_ = read_coded(coded, buckets, self.left)
        self.left -= hash_.nbytes
        return hash_

    def _array(self, name: str) -> np.ndarray:
        array = self.arrays[name]
        self.left -= array.nbytes
        if self.left < 0:
            raise ValueError(f"its hashes read the array {name[:80]!r} too many times")
        array.flags.writeable = False  # a hash that keeps it need not copy it
        return array


def _key(spec: dict) -> tuple | None:
    """What tells a thing of plain fields and arrays from others; None for one that has parts."""
    key = []
    for name, value in spec.items():
        array = isinstance(value, dict) and set(value) == {"array"}
        plain = value["array"] if array else value
        if not isinstance(plain, str | int | float | None):
            return None
        key.append((name, array, type(plain), plain))
    return tuple(key)
