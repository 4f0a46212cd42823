"""Hashes from outside this package: what they say is checked before a kernel relies on it.

Compiled code does not look where it reads and writes: a `draw` that forgets its `% n` would end the
process, or change memory that is not the table's. So the buckets of each tile are computed once
more beforehand, and one that is not in 0 .. n - 1 is refused. Of a composed hash the inner one
comes first, since the outer one may look its buckets up. Windows are not taken on trust either:
every bucket is located by itself.

The hashes of `minihash.hashes` are held to all this by tests.
"""

from functools import cache

import numpy as np

from minihash.compile.body import bound, compiled
from minihash.compile.jit import njit
from minihash.hashes.compose import Compose
from minihash.hashes.hash import Hash
from minihash.hashes.xxh32 import U64


def trusted(hash_: Hash) -> bool:
    """Whether the hash, with all that it is composed of, is one of `minihash.hashes`.

    >>> from minihash.hashes import Modulus
    >>> class Mine(Modulus): ...
    >>> trusted(Compose(Modulus(5), Modulus(5))), trusted(Compose(Mine(5), Modulus(5)))
    (True, False)
    """
    if isinstance(hash_, Compose) and not (trusted(hash_.inner) and trusted(hash_.outer)):
        return False
    return type(hash_).__module__.startswith("minihash.hashes.")


def run_of(hash_: Hash) -> int:
    """The hash's `run`, as far as kernels may rely on it."""
    return hash_.run if trusted(hash_) else 1


def check_buckets(hash_: Hash, firsts: np.ndarray, columns: int) -> None:
    """Raise ValueError unless the identifiers firsts[r] + c, c < columns, have buckets that there
    are. A bucket below 0 is one far beyond, since buckets are unsigned."""
    if isinstance(hash_, Compose):
        check_buckets(hash_.inner, firsts, columns)
    most = int(_largest(hash_.bodies[0])(firsts, columns, hash_.state[0]))
    if most >= hash_.buckets:
        raise ValueError(
            f"{type(hash_).__name__} must draw buckets in 0 .. {hash_.buckets - 1}, got {most}; "
            "end its draw with % state[0]"
        )


@cache
def _largest(bucket):
    return compiled(bound(largest, f"largest-{bucket.__qualname__}", bucket=bucket), njit)


def largest(firsts, columns, state):
    most = U64(0)
    for r in range(firsts.size):
        for c in range(columns):
            most = max(most, U64(bucket(firsts[r] + U64(c), state)))
    return most
