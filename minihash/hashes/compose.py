"""Compose: a hash of a hash.

    bucket(i) = outer.bucket(inner.bucket(i))
    sign(i)   = inner.sign(i) * outer.sign(inner.bucket(i))

The inner hash says which weights are one (a Toeplitz hash: a kernel entry), the outer one where
that weight is stored (a hashed kernel).
"""

from dataclasses import dataclass

from minihash.compile.body import bound
from minihash.derived import derived
from minihash.hashes.hash import Hash, Stages
from minihash.hashes.lookup import itself
from minihash.hashes.xxh32 import U64


def outer_of_inner(word, state):
    return outer(U64(inner(word, state[1])), state[2])


def outer_sign_of_inner(i, state):
    return outer_sign(U64(inner(i, state[0])), state[1])


def sign_times_sign(i, state):
    return inner_sign(i, state[2]) * outer_sign(U64(inner(i, state[0])), state[1])


@dataclass(frozen=True)
class Compose(Hash):
    """outer after inner; the inner buckets must be identifiers of the outer hash.

    >>> from minihash.hashes import Lookup, Modulus
    >>> Compose(Modulus(6), Lookup(2, [0, 1, 1, 0, 0, 1])).bucket([0, 1, 2, 6, 7])
    array([0, 1, 1, 0, 1])
    """

    by_size = False

    inner: Hash
    outer: Hash

    def __post_init__(self) -> None:
        for name in ("inner", "outer"):
            if not isinstance(getattr(self, name), Hash):
                raise TypeError(
                    f"{name} must be a hash, got {getattr(self, name)!r}; build it first"
                )
        if self.inner.buckets > self.outer.domain:
            raise ValueError(
                f"the outer hash must be defined for all {self.inner.buckets} buckets of the inner "
                f"one, got a domain of {self.outer.domain}; enlarge the outer hash"
            )

    @property
    def buckets(self) -> int:
        return self.outer.buckets

    @property
    def domain(self) -> int:
        return self.inner.domain

    @derived
    def stages(self) -> Stages:
        inner, inner_sign = self.inner.bodies
        outer, outer_sign = self.outer.bodies
        name = f"compose({inner.__qualname__},{outer.__qualname__})"
        place = bound(outer_of_inner, name, inner=inner, outer=outer)
        if outer_sign is None:
            return itself, place, inner_sign
        template = outer_sign_of_inner if inner_sign is None else sign_times_sign
        name = f"{template.__name__}({inner.__qualname__},{outer_sign.__qualname__}"
        name += f",{inner_sign.__qualname__})" if inner_sign else ")"
        names = {"inner": inner, "inner_sign": inner_sign, "outer_sign": outer_sign}
        return itself, place, bound(template, name, **names)

    @derived
    def state(self) -> tuple[tuple, tuple]:
        (inner, inner_sign), (outer, outer_sign) = self.inner.state, self.outer.state
        bucket = (U64(self.buckets), inner, outer)
        if self.outer.bodies[1] is None:
            return bucket, inner_sign
        return bucket, (inner, outer_sign, *((inner_sign,) if inner_sign else ()))

    @property
    def nbytes(self) -> int:
        return self.inner.nbytes + self.outer.nbytes
