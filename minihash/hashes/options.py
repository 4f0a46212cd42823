"""The options of a hash: those of its hyperparameters that are one's own to choose.

Who builds a network gives its hashes the fields of `BUILT`, which follow from the network's sizes
and seed. Every other field of the dataclass is an option: alpha, radius, signed, and whatever a
hash of one's own has. Its type says how a value is written as text.
"""

import textwrap
from dataclasses import MISSING, Field, fields
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

BUILT = ("buckets", "seed", "domain", "tag", "fan_in", "fan_out", "columns")
EXPECTED = {  # the types that text can be read as, and how it must be written
    NoneType: "none",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    tuple[int, ...]: "whole numbers with commas between them",
    tuple[float, ...]: "numbers with commas between them",
    str: "text",
}


def options(cls: type) -> dict[str, Field]:
    """The options of a class of hashes, by name.

    >>> from minihash.hashes import Dirichlet
    >>> list(options(Dirichlet))
    ['alpha', 'signed']
    """
    return {field.name: field for field in fields(cls) if field.init and field.name not in BUILT}


def option(cls: type, name: str, value: object, what: str = "hash") -> object:
    """The value of an option; text is read by the type of its field. what: the class is one.

    Raises ValueError for a name that is no option, or text that its type does not allow.

    >>> from minihash.hashes import Dirichlet
    >>> option(Dirichlet, "alpha", "0.5"), option(Dirichlet, "signed", "true")
    (0.5, True)
    """
    hash_, known = f"the {cls.__name__.lower()} {what}", options(cls)
    if name not in known:
        own = ", ".join(known) or "no options"
        raise ValueError(f"{hash_} has no option {name}; it has {own}")
    if not isinstance(value, str):
        return value
    hint = get_type_hints(cls)[name]
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    kinds = [kind for kind in EXPECTED if kind in parts]
    for kind in kinds:
        try:
            return _read(kind, value)
        except (KeyError, ValueError):
            continue
    expected = " or ".join(EXPECTED[kind] for kind in kinds) or "set in Python"
    raise ValueError(f"the option {name} of {hash_} must be {expected}, got {value!r}")


def _read(kind: Any, text: str) -> object:
    if kind is NoneType:
        return {"none": None}[text]
    if kind is bool:
        return {"true": True, "false": False}[text]
    if get_origin(kind) is tuple:
        return tuple(get_args(kind)[0](part) for part in text.split(","))
    return kind(text)


def described(name: str, cls: type, columns: int = 80) -> str:
    """A hash as help shows it: its name, the first line of its docstring, its options.

    >>> from minihash.hashes import Neighborhood
    >>> print(described("neighborhood", Neighborhood))
      neighborhood   A bucket within `radius` of i mod buckets.
                     options: radius=int, signed=bool (False)
    """
    text = (cls.__doc__ or "").strip().partition("\n")[0]
    own = ", ".join(f"{f.name}={_type(f)}{_default(f)}" for f in options(cls).values())
    lines = [text, f"options: {own}" if own else ""]
    wrapped = [part for line in lines for part in textwrap.wrap(line, columns - 17)] or [""]
    return "\n".join(f"  {'' if k else name:13}  {part}" for k, part in enumerate(wrapped))


def _type(field: Field) -> str:
    return field.type.__name__ if isinstance(field.type, type) else str(field.type)


def _default(field: Field) -> str:
    return "" if field.default is MISSING else f" ({field.default})"
