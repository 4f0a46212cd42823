"""What follows from a thing's fields: computed when it is first asked for, then kept.

No lock is held meanwhile. `functools.cached_property` of Python 3.10 and 3.11 has one for all
things of a class: a small hash would wait for a large one, and a child that is forked while a
thread is inside would wait for ever. Two threads that ask at once compute it twice, alike, and both
are given what was kept first.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

Value = TypeVar("Value")


class derived(Generic[Value]):
    """A method as such an attribute, of a frozen dataclass too.

    >>> class Square:
    ...     side = 3
    ...     @derived
    ...     def area(self):
    ...         print("once")
    ...         return self.side**2
    >>> square = Square()
    >>> square.area, square.area
    once
    (9, 9)
    """

    def __init__(self, compute: Callable[[Any], Value]) -> None:
        self.compute, self.name = compute, compute.__name__
        self.__doc__ = compute.__doc__

    @overload
    def __get__(self, thing: None, owner: type) -> "derived[Value]": ...
    @overload
    def __get__(self, thing: object, owner: type) -> Value: ...

    def __get__(self, thing: object | None, owner: type) -> "derived[Value] | Value":
        if thing is None:
            return self
        return thing.__dict__.setdefault(self.name, self.compute(thing))
