"""Whether the values of a dataclass are of the types that its fields name.

A file can give any field any value that JSON holds. A class refuses numbers out of range; that a
number is no tuple is said here, for all classes at once, before one of them computes with it.

    float             takes an integer too; bool is no number
    tuple[T, ...]     a tuple whose items are all T;   tuple[T, U]: one of each
    T | None          either;   a class: its instances;   anything else: everything
"""

import reprlib
from dataclasses import fields
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints


def check_types(cls: type, values: dict[str, object]) -> None:
    """Raise TypeError unless the values fit the fields of a dataclass that they are named after.

    >>> from minihash.hashes import Modulus
    >>> check_types(Modulus, {"buckets": 3.5})
    Traceback (most recent call last):
    TypeError: buckets must be int, got 3.5
    """
    hints = _hints(cls)
    for name, value in values.items():
        if name in hints and not fits(value, hints[name]):
            shown = " ".join(reprlib.repr(value).split())
            kind = getattr(hints[name], "__name__", None) if not get_args(hints[name]) else None
            raise TypeError(f"{name} must be {kind or hints[name]}, got {shown}")


def fits(value: object, hint: Any) -> bool:
    """Whether a value is of a type.

    >>> fits((1, 2.5), tuple[float, ...]), fits((1, "2"), tuple[float, ...]), fits(True, int)
    (True, False, False)
    """
    if type(hint) is type:
        if hint is object or isinstance(value, bool):
            return hint in (object, bool)
        return isinstance(value, (int, float) if hint is float else hint)
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(fits(value, arg) for arg in args)
    if origin is not tuple:
        return True  # what it says cannot be asked of a value
    if not isinstance(value, tuple):
        return False
    if args[1:] == (...,):
        return all(fits(item, args[0]) for item in value)
    return len(value) == len(args) and all(map(fits, value, args))


@cache
def _hints(cls: type) -> dict[str, Any]:
    """The types of the fields; none where they are written in names that are not known here."""
    try:
        hints = get_type_hints(cls)
    except NameError:
        return {}
    return {field.name: hints[field.name] for field in fields(cls) if field.name in hints}
