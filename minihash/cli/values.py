"""How the text of an option becomes a value, or is refused.

Nothing of the engine is imported for it.
"""

import argparse
import math
import os
import sys
from collections.abc import Callable
from fractions import Fraction
from importlib import import_module


def _exact(text: str) -> Fraction:
    """1/15 as it is, and not the float beside it."""
    if "/" in text or 1e-300 < abs(float(text)) < 1e300:
        return Fraction(text)
    return Fraction(float(text))  # whose exponent is not one of a million digits


def _number(kind: Callable, low: float, high: float, expected: str) -> Callable[[str], int | float]:
    def parse(text: str) -> int | float:
        try:
            value = kind(text)
            if low <= value <= high:
                return value
        except (ArithmeticError, ValueError):
            pass
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")

    return parse


count = _number(int, 1, 2**31 - 1, "a whole number from 1")
radius = _number(int, 0, 2**31 - 1, "a whole number from 0")
seed = _number(int, 0, 2**32 - 1, "a whole number from 0 to 4294967295")
real = _number(float, -math.inf, math.inf, "a number")
strength = _number(float, 0, math.inf, "a number from 0")
chance = _number(float, 0, 1, "a probability")
held_out = _number(
    lambda text: int(text) if text.isdecimal() else _exact(text), 0, math.inf, "a number from 0"
)
part = _number(_exact, -math.inf, math.inf, "a number")


def sizes(text: str) -> tuple[int, ...]:
    """Whole numbers with commas between them."""
    try:
        return tuple(count(size) for size in text.split(","))
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"expected sizes with commas between them, as 200,200, got {text!r}"
        ) from None


def scaling(text: str) -> str:
    """A way to standardise."""
    if text in ("columns", "channels", "none") or ":" in text:
        return text
    wanted = "columns, channels, none or MEAN:STD, as 0.1307:0.3081"
    raise argparse.ArgumentTypeError(f"expected {wanted}, got {text!r}")


def names(text: str) -> tuple[str, ...]:
    """Names with commas between them."""
    return tuple(text.split(","))


def growl(text: str) -> tuple[float, ...]:
    """A strength, a slope and perhaps a part, with commas between them."""
    try:
        first, slope, *rest = text.split(",")
        if len(rest) < 2:
            return strength(first), strength(slope), *map(chance, rest)
    except (argparse.ArgumentTypeError, ValueError):
        pass
    wanted = "S,SLOPE or S,SLOPE,PART, as 0.001,1e-5"
    raise argparse.ArgumentTypeError(f"expected {wanted}, got {text!r}")


def pair(text: str) -> tuple[str, str]:
    """A name and its value."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, as alpha=0.5, got {text!r}")
    return name, value


def module(name: str) -> str:
    """Import a module, from the current folder too, which an installed script does not search."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # last: it hides nothing that is installed
    try:
        import_module(name)
    except Exception as error:
        raise ImportError(
            f"--import {name} has failed ({type(error).__name__}: {error}): give a module by its "
            "name, as the statement import does, and see that it can be imported by itself"
        ) from error
    return name


WHOLE = (count, radius, seed)


def span(text: str, one: Callable) -> list[int]:
    """Whole numbers from A up to, and without, B, of text A:B.

    >>> span("0:3", seed)
    [0, 1, 2]
    """
    first, _, end = text.partition(":")
    found = [*range(one(first), one(end))]
    if not found:
        raise argparse.ArgumentTypeError(f"expected A:B with A below B, as 0:5, got {text!r}")
    return found


def yes(text: str) -> bool:
    """A switch that is on or off.

    >>> yes("no")
    False
    """
    if text not in ("yes", "no"):
        raise argparse.ArgumentTypeError(f"expected yes or no, got {text!r}")
    return text == "yes"
