"""check_hash: every hash of ours passes it, and each way to be wrong is named by its identifier."""

import dataclasses
import re

import numpy as np
import pytest

from minihash.compile.jit import HAVE_NUMBA
from minihash.hashes import Compose, Hash, Identity, Lookup, Modulus, Uniform, check_hash
from minihash.hashes.check import sample
from minihash.hashes.xxh32 import U32, U64, stream
from reference.hashes import from_spec
from tests.support import hash_strategies as hs
from tests.support.outside import BLOCKS, imported


@pytest.mark.parametrize("kind", hs.KINDS)
def test_every_hash_passes(kind):
    hash_ = hs.KINDS[kind]((6, 7), 5, 3)
    check_hash(hash_, loop=from_spec(hs.spec_of(hash_)))


@pytest.mark.parametrize(
    "hash_", [Identity(2**31 - 1), Modulus(2**31 - 1), Lookup(3, np.arange(0))]
)
def test_the_largest_and_the_smallest_pass(hash_):
    check_hash(hash_, 50)


def test_a_hash_from_outside_passes(tmp_path):
    with imported(tmp_path, "outside_blocks", BLOCKS) as module:
        for options in ({}, {"size": 7, "signed": True}, {"size": 1}, {"size": 60}):
            check_hash(module.Stripes(60, **options), 100)


def test_the_sample_meets_the_edges():
    ids = set(sample(Uniform(1000), 10).tolist())
    assert ids >= {0, 9, 999, 1000, 1001, 2**32 - 1, 2**32, 2**63, 2**64 - 1}
    assert any(i > 2**60 and i % 1000 == 999 for i in ids)
    assert max(sample(Lookup(3, np.arange(500) % 3), 10)) == 499
    assert sum(i > 2**33 and 1 < i % 1000 < 998 for i in map(int, ids)) >= 9  # at random


class Of(Modulus):
    """Base of the wrong ones: its bucket is what `draw` says."""

    run = 1


class Beyond(Of):
    @staticmethod
    def draw(i, residue, state):
        return i  # without the modulus


class OffByOne(Of):
    @staticmethod
    def draw(i, residue, state):
        return residue + U64(residue == state[0] - U64(2)) * U64(2)


class Below(Of):
    @staticmethod
    def draw(i, residue, state):
        return residue.astype(np.int64) - 1


class Real(Of):
    @staticmethod
    def draw(i, residue, state):
        return residue / 2


class One(Of):
    @staticmethod
    def draw(i, residue, state):
        return U64(0)


class Branches(Of):
    @staticmethod
    def draw(i, residue, state):
        return residue if i > U64(3) else i


class Wraps(Of):
    """A product of 32-bit numbers is cut to 32 bits by NumPy, not by Numba."""

    @staticmethod
    def draw(i, residue, state):
        return (U32(i) * U32(2654435761)) % state[0]


class Signs(Of):
    bodies = (Modulus(5).bodies[0], lambda i, state: U64(i % U64(7)) - U64(4))
    state = ((U64(5),), ())


class RealSigns(Of):
    bodies = (Modulus(5).bodies[0], lambda i, state: np.cos(0.0 * i))
    state = ((U64(5),), ())


class WrongRun(Uniform):
    run = 4


class LongRun(Modulus):
    """Signed, so that its windows are no slices of the table."""

    run = 5


class Overrun(Modulus):
    run = 7  # 5 buckets, from every seventh identifier: what starts elsewhere is no matter

    @staticmethod
    def draw(i, residue, state):
        return (i % U64(6)) % state[0]


class Short(Lookup):
    domain = 20


class Open(Lookup):
    def bucket(self, ids):
        return np.zeros(np.shape(ids), int)


class Wide(Modulus):
    domain = 2**65


class NoRun(Modulus):
    run = 0


class RealRun(Modulus):
    run = 1.0


class Unlike(Modulus):
    def bucket(self, ids):
        return (super().bucket(ids) + 1) % self.buckets


class Behind(Modulus):
    def constants(self):
        return (U64(self.buckets + 1),)


class Narrow(Modulus):
    def constants(self):
        return (U32(self.buckets),)


class Plain(Hash):
    """No dataclass."""

    buckets = 3

    @staticmethod
    def draw(i, residue, state):
        return residue

    def constants(self):
        return (U64(3),)


@dataclasses.dataclass(frozen=True, eq=False)
class Itself(Modulus):
    """Equal to nothing else."""

    __eq__ = object.__eq__
    __hash__ = object.__hash__


@dataclasses.dataclass(frozen=True)
class Unhashable(Modulus):
    """Its hash() raises."""

    __hash__ = None


@dataclasses.dataclass(frozen=True)
class Unpicklable(Modulus):
    """A pickle of it cannot be read."""

    def __reduce__(self):
        return int, ("no number",)


@dataclasses.dataclass(frozen=True)
class Changeling(Modulus):
    """Its pickle is another hash."""

    def __reduce__(self):
        return Changeling, (self.buckets + 1,)


BAD = [
    (Beyond(5), "Beyond: identifier 5 must have a bucket in 0 .. 4; take it modulo .*, got 5"),
    (OffByOne(5), "identifier 3 must have a bucket in 0 .. 4; take it modulo the .*, got 5"),
    (Below(5), "identifier 0 must have a bucket in 0 .. 4; .*, got -1"),
    (Real(5), "the bucket of identifier 0 must be an integer, got 0.0 of dtype float64"),
    (One(5), r"the bucket must have the shape of the identifiers, \(\d+,\), got \(\)"),
    (Branches(5), "the bucket of an array of identifiers, without branches must be read by NumPy"),
    (Signs(5), "Signs: identifier 0 must have sign -1, 0 or .1, got 18446744073709551612"),
    (RealSigns(5), "the sign of identifier 0 must be an integer, got 1.0"),
    (WrongRun(50), r"identifier \d+ must have bucket \d+ since its run is 4; .*, got \d+"),
    (LongRun(5, signed=True), r"identifier \d+ must have sign 1 since its run is 5; .*, got -1"),
    (Overrun(5), "identifier 5 must have bucket 5 since its run is 7; .*, got 0"),
    (Short(3, [0, 1, 2, 0]), "the bucket of identifier 4 must be read by NumPy, got IndexError"),
    (Open(3, [0, 0, 0]), "identifier 3 must be refused by a ValueError, since the domain .* got 0"),
    (Wide(5), "domain must be an integer in 0 .. 18446744073709551616, got 36893488147419103232"),
    (NoRun(5), "run must be an integer in 1 .. 18446744073709551615, got 0"),
    (RealRun(5), "run must be an integer in 1 .. 18446744073709551615, got 1.0"),
    (Changeling(5), r"must be equal to its own pickle, got Changeling\(buckets=6, "),
    (Unlike(5), "identifier 0 must have bucket 0 from the method bucket, as the body .*, got 1"),
    (Behind(5), r"must begin with np.uint64\(5\), the buckets, .*, got np.uint64\(6\)"),
    (Narrow(5), r"must begin with np.uint64\(5\), the buckets, .*, got np.uint32\(5\)"),
    (Plain(), "Plain must be a frozen dataclass"),
    (Itself(5), "Itself must be equal to another of its fields, got"),
    (Unhashable(5), "Unhashable must be hashable and picklable, .*, got TypeError"),
    (Unpicklable(5), "Unpicklable must be hashable and picklable, .*, got ValueError"),
]


@pytest.mark.parametrize(("hash_", "message"), BAD, ids=[type(bad).__name__ for bad, _ in BAD])
def test_a_wrong_hash_is_refused_and_the_identifier_named(hash_, message):
    with pytest.raises(ValueError, match=message) as caught:
        check_hash(hash_)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not HAVE_NUMBA, reason="what NumPy and Numba compute cannot be compared")
def test_two_readings_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"bucket \d+ with Numba as with NumPy") as caught:
        check_hash(Wraps(97))
    i, numpy, numba = map(int, re.findall(r" (\d+)", str(caught.value)))
    assert numpy == i * 2654435761 % 2**32 % 97 and numba == i * 2654435761 % 97 != numpy
    check_hash(Wraps(64))  # a power of two hides it, for there it makes no difference


@pytest.mark.skipif(not HAVE_NUMBA, reason="there is no compiler to refuse it")
def test_what_numba_cannot_compile_is_refused():
    class Slow(Of):
        @staticmethod
        def draw(i, residue, state):
            return np.vectorize(int)(residue)

    with pytest.raises(ValueError, match="Slow: the bucket must be compiled by Numba, got Typing"):
        check_hash(Slow(5))


@pytest.mark.parametrize(
    ("loop", "message"),
    [
        (lambda i: (i % 6, 1), "identifier 5 must have bucket 5 as in the loop, got 0"),
        (lambda i: (i % 5, -1), "identifier 0 must have sign -1 as in the loop, got 1"),
        (lambda i: (i % 2**64 % 5, 1 - (i > 2**63)), r"identifier \d+ must have sign 0 as in"),
    ],
)
def test_a_hash_that_is_not_its_loop_is_refused(loop, message):
    with pytest.raises(ValueError, match=message):
        check_hash(Modulus(5), loop=loop)


def test_only_hashes_and_counts_are_checked():
    with pytest.raises(TypeError, match="check_hash needs a hash derived from Hash, got 3"):
        check_hash(3)
    for count in (0, -1, 2**24 + 1):
        with pytest.raises(ValueError, match="count must lie in 1"):
            check_hash(Modulus(3), count)
    check_hash(Compose(Modulus(8), Uniform(3, stream(1, "x").item(), True)), 1)
