"""A hash as a list of steps: its bodies, read with symbols in place of numbers.

A body is arithmetic without branches (compile/body.py): run on a symbol it does nothing but name
its operations one after another. So another language gets the body itself, and no formula is
written twice; a hash from outside, which has bodies as any other, is read as they are.

    step    (op, kind, operands): one of + - * // % << >> & | ^ >= <= < > ==, "cast", "[]" (an
            entry of an array), "xxh32" (a call), "input"
    kind    of its value: u1, u2, u4, u8, i1 as in NumPy, b1 a truth; unsigned ones wrap

Operands of arithmetic are of one kind. `divided` is what it stands for, // and %: its steps are
there for SIMD alone. A step that occurs twice is written once, and one that nothing needs is left
out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FunctionType, SimpleNamespace

import numpy as np

from minihash.compile.body import bound
from minihash.hashes import Balanced, Hash, Sparse
from minihash.hashes.division import divided
from minihash.hashes.xxh32 import xxh32

KINDS = ("u1", "u2", "u4", "u8", "i1", "b1")
COMPARISONS = {"ge": ">=", "le": "<=", "lt": "<", "gt": ">", "eq": "=="}
ARITHMETIC = {"add": "+", "sub": "-", "mul": "*", "floordiv": "//", "mod": "%", "lshift": "<<"}
ARITHMETIC |= {"rshift": ">>", "and": "&", "or": "|", "xor": "^"}
ALL = {*ARITHMETIC.values(), *COMPARISONS.values()}
COMPUTED = {"u4": ALL, "u8": ALL, "i1": {"+", "-", "*"}, "b1": {"&", "|", "^"}}  # alike everywhere
TYPES = ("int8", "uint8", "uint16", "uint32", "uint64")  # of NumPy, which bodies name
NEUTRAL = {"+": 0, "|": 0, "*": 1}  # on either side
NEUTRAL_RIGHT = {"-": 0, "<<": 0, ">>": 0, "//": 1} | NEUTRAL


class Unwritten(ValueError):
    """A hash, a weight, a layer or a model that cannot be exported so."""


@dataclass(frozen=True)
class Step:
    """One operation. operands: numbers of steps before it (int), constants and arrays of NumPy."""

    op: str
    kind: str
    operands: tuple


@dataclass(frozen=True)
class Formula:
    """Steps, of which the first are the inputs, and the numbers of those that are the results."""

    steps: tuple[Step, ...]
    results: tuple[int, ...]

    def uses(self) -> list[int]:
        """How often each step is used, by another or as a result."""
        uses = [0] * len(self.steps)
        for k in (*self.results, *(k for step in self.steps for k in step.operands)):
            if isinstance(k, int):
                uses[k] += 1
        return uses


class _Symbol:
    """What stands for a number: operations on it become steps."""

    __array_ufunc__ = None  # NumPy's scalars leave operations to it
    __hash__ = None

    def __init__(self, book: "_Book", number: int) -> None:
        self.book, self.number = book, number

    @property
    def kind(self) -> str:
        return self.book.steps[self.number].kind

    def __bool__(self) -> bool:
        raise TypeError("a body branches on an identifier")


class _Array:
    """An array of a hash's state, of which a symbol may ask an entry."""

    def __init__(self, book: "_Book", values: np.ndarray) -> None:
        self.book, self.values = book, values

    def __getitem__(self, k: object) -> object:
        if not isinstance(k, _Symbol):
            return self.values[k]
        return self.book.add("[]", self.values.dtype.str[1:], self.values, k)


class _Book:
    """The steps so far."""

    def __init__(self, kinds: Sequence[str]) -> None:
        self.steps: list[Step] = []
        self.met: dict[tuple, int] = {}
        self.inputs = [self.add("input", kind, np.uint8(k)) for k, kind in enumerate(kinds)]

    def add(self, op: str, kind: str, *operands: object) -> _Symbol:
        if kind not in KINDS:
            raise TypeError(f"a body computes with {kind}")
        own = tuple(v.number if isinstance(v, _Symbol) else v for v in operands)
        key = op, kind, *(id(v) if isinstance(v, np.ndarray) else (type(v), v) for v in own)
        if key not in self.met:
            self.met[key] = len(self.steps)
            self.steps.append(Step(op, kind, own))
        return _Symbol(self, self.met[key])

    def cast(self, value: object, dtype: np.dtype) -> object:
        """The value in this dtype: an operand."""
        kind = dtype.str[1:]
        if not isinstance(value, _Symbol):
            return dtype.type(value)
        return value if value.kind == kind else self.add("cast", kind, value)

    def apply(self, op: str, a: object, b: object) -> _Symbol:
        """The operation on two values, of which one is a symbol."""
        types = (np.dtype(v.kind) if isinstance(v, _Symbol) else v for v in (a, b))
        common = np.result_type(*(t.dtype if isinstance(t, np.generic) else t for t in types))
        a, b = self.cast(a, common), self.cast(b, common)
        if not isinstance(b, _Symbol) and b == NEUTRAL_RIGHT.get(op):
            return a
        if not isinstance(a, _Symbol) and a == NEUTRAL.get(op):
            return b
        kind = common.str[1:]
        if op not in COMPUTED.get(kind, ()):
            raise TypeError(f"a body asks for {common} {op} {common}")
        return self.add(op, "b1" if op in COMPARISONS.values() else kind, a, b)

    def read(self, body: Callable) -> Callable:
        """The body, with what it calls, on symbols."""
        names = {name: body.__globals__.get(name) for name in body.__code__.co_names}
        names = {name: self._meaning(v) for name, v in names.items() if v is not None}
        return bound(body, body.__qualname__, **names)

    def _meaning(self, value: object) -> object:
        if value is np:
            return SimpleNamespace(**{t: self._meaning(getattr(np, t)) for t in TYPES})
        if value is xxh32:
            return lambda i, seed: self.add("xxh32", "u4", i, seed)
        if value is divided:
            return lambda x, n: (x // n[0], x % n[0])
        if isinstance(value, type) and issubclass(value, np.generic):
            return lambda x: self.cast(x, np.dtype(value))
        return self.read(value) if isinstance(value, FunctionType) else value

    def state(self, value: object) -> object:
        """A hash's constants as bodies on symbols read them."""
        if isinstance(value, tuple):
            return tuple(map(self.state, value))
        return _Array(self, value) if isinstance(value, np.ndarray) else value

    def closed(self, *results: _Symbol) -> Formula:
        """The formula of what the results need, inputs always."""
        needed = {symbol.number for symbol in (*self.inputs, *results)}
        for k in range(len(self.steps) - 1, -1, -1):
            if k in needed:
                needed |= {v for v in self.steps[k].operands if isinstance(v, int)}
        new = {old: k for k, old in enumerate(sorted(needed))}
        steps = [self.steps[old] for old in new]
        return Formula(
            tuple(
                Step(s.op, s.kind, tuple(new[v] if isinstance(v, int) else v for v in s.operands))
                for s in steps
            ),
            tuple(new[symbol.number] for symbol in results),
        )


def _operation(op: str, swapped: bool) -> Callable:
    def method(self: _Symbol, other: object) -> object:
        if not isinstance(other, _Symbol | np.generic | int):
            return NotImplemented
        return self.book.apply(op, *((other, self) if swapped else (self, other)))

    return method


for _name, _op in ARITHMETIC.items():
    setattr(_Symbol, f"__{_name}__", _operation(_op, False))
    setattr(_Symbol, f"__r{_name}__", _operation(_op, True))
for _name, _op in COMPARISONS.items():
    setattr(_Symbol, f"__{_name}__", _operation(_op, False))


def of_hash(hash_: Hash) -> Formula:
    """The identifier (u8) -> its bucket (u8) and, unless each is +1, its sign (i1).

    Raises Unwritten for a hash from outside whose bodies are more than arithmetic.

    >>> from minihash.hashes import Modulus
    >>> for step in of_hash(Modulus(7)).steps: print(step.op, step.kind, *step.operands[1:])
    input u8
    % u8 7
    """
    book = _Book(["u8"])
    i = book.inputs[0]
    try:
        if type(hash_) is Sparse:  # its index is what this permutation says
            shuffled = Balanced(hash_.domain, hash_.domain, hash_.seed)
            place = book.read(shuffled.bodies[0])(i, book.state(shuffled.state[0]))
            n = np.uint64(hash_.buckets)
            return book.closed(place % n, book.cast(place < n, np.dtype(np.int8)))
        both = zip(hash_.bodies, hash_.state, (np.uint64, np.int8), strict=True)
        return book.closed(
            *(
                book.cast(book.read(body)(i, book.state(state)), np.dtype(kind))
                for body, state, kind in both
                if body is not None
            )
        )
    except Exception as error:  # of a body from outside, which may do anything to a symbol
        name = type(hash_).__name__
        raise Unwritten(
            f"the hash {name} is not arithmetic alone ({error}): export with --dense"
        ) from error


def of_xxh32() -> Formula:
    """The identifier (u8) and a seed (u4) -> XXH32 of the identifier's 8 bytes (u4)."""
    book = _Book(["u8", "u4"])
    return book.closed(book.read(xxh32)(*book.inputs))
