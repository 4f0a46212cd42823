"""What a mutant is."""

from typing import NamedTuple


class Mutant(NamedTuple):
    """A deliberate bug: in `file` of minihash, `old`, which occurs there once, becomes `new`.

    bug: what mistake it models. test: the pytest target, "path -k expression", that must turn red.
    jit: whether that takes compiled code; where not, Numba's kernels run as Python, which is
    quicker than to compile them.
    """

    file: str
    old: str
    new: str
    bug: str
    test: str
    jit: bool = False
