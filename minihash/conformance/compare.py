"""An answer beside the right one.

Whole numbers, texts and all that has no bound are equal. A number that has a bound is off by no
more than that: the case has derived it from the roundings that the arithmetic may take.
"""

import math
from typing import Any


def difference(found: Any, right: Any, bound: Any = None, where: str = "") -> str | None:
    """What is wrong with an answer: its first entry that is off, and by how much; or None.

    found, right: JSON values, or nested lists of numbers. bound: of the shape of right, or one
    number for all of it; None: equal.

    >>> difference([1.0, 2.5], [1.0, 2.0], None, "y")
    'y[1] is 2.5, expected 2.0'
    >>> difference([1.0, 2.5], [1.0, 2.0], 0.5) is None
    True
    """
    if isinstance(right, dict):
        if not isinstance(found, dict):
            return f"{where} is {_short(found)}, expected an object"
        for key in right:
            name = f"{where}.{key}" if where else str(key)
            if key not in found:
                return f"{name} is missing"
            own = bound.get(key) if isinstance(bound, dict) else bound
            if said := difference(found[key], right[key], own, name):
                return said
        return None
    if isinstance(right, list):
        if not isinstance(found, list) or len(found) != len(right):
            return f"{where} is {_short(found)}, expected a list of {len(right)}"
        for k, entry in enumerate(right):
            own = bound[k] if isinstance(bound, list) else bound
            if said := difference(found[k], entry, own, f"{where}[{k}]"):
                return said
        return None
    return _of_numbers(found, right, bound, where)


def _of_numbers(found: Any, right: Any, bound: float | None, where: str) -> str | None:
    if isinstance(right, str) and right.lstrip("-").isdigit() and isinstance(found, int):
        found = str(found)  # an integer that JSON readers would round
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (found, right))
    if not numbers or not bound or math.isinf(right):
        return None if found == right else f"{where} is {_short(found)}, expected {_short(right)}"
    off = abs(found - right)
    if off <= bound:
        return None
    return f"{where} is {found!r}, expected {right!r}: off by {off:.2g}, and {bound:.2g} may be"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
