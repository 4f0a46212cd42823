"""VirtualWeight: the block of identifiers that a weight owns."""

import copy
import dataclasses
import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minihash.core import gather
from minihash.hashes import HashedNets, Identity, Lookup, Modulus, Uniform
from minihash.weights import VirtualWeight
from tests.support.hash_strategies import identifiers

shapes = st.lists(st.integers(1, 6), max_size=4).map(tuple)


@given(shapes, identifiers)
def test_a_weight_owns_a_block_in_row_major_order(shape, first_id):
    first_id = min(first_id, 2**64 - math.prod(shape))
    hash_ = Uniform(1000, 4, True)
    w = VirtualWeight(shape, hash_, first_id=first_id)
    assert w.size == math.prod(shape)
    table = np.random.default_rng(0).standard_normal(1000)
    V = gather(table, w)
    assert V.shape == shape
    for position, index in enumerate(np.ndindex(*shape)):
        i = first_id + position
        assert V[index] == hash_.sign(i) * table[hash_.bucket(i)]


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 5))
def test_two_weights_side_by_side_are_one_block(rows, more, columns):
    """A network with one table numbers its layers one after another."""
    hash_ = Uniform(50, 8)
    table = np.random.default_rng(1).standard_normal(50)
    first = VirtualWeight((rows, columns), hash_, first_id=7)
    second = VirtualWeight((more, columns), hash_, first_id=7 + first.size)
    both = VirtualWeight((rows + more, columns), hash_, first_id=7)
    np.testing.assert_array_equal(
        np.vstack([gather(table, first), gather(table, second)]), gather(table, both)
    )


def test_weights_are_values():
    w = VirtualWeight((2, 3), Modulus(4))
    assert w == VirtualWeight([2, 3], Modulus(4), "table", 0)
    assert w == VirtualWeight((np.int64(2), np.int32(3)), Modulus(4), first_id=np.uint8(0))
    assert hash(w) == hash(VirtualWeight((2, 3), Modulus(4)))
    for change in ({"shape": (3, 2)}, {"hash": Modulus(5)}, {"table": "b"}, {"first_id": 1}):
        assert w != dataclasses.replace(w, **change)
    with pytest.raises(AttributeError):
        w.first_id = 2
    assert all(type(size) is int for size in VirtualWeight((np.int64(2),), Modulus(4)).shape)
    assert type(VirtualWeight((2,), Modulus(4), first_id=np.uint64(9)).first_id) is int


@pytest.mark.parametrize(
    ("shape", "hash_", "first_id"),
    [
        ((4, 3), Identity(12), 0),
        ((4,), Identity(12), 8),
        ((2, 3), HashedNets(5, 3, 2), 0),
        ((3,), Lookup(5, [0, 1, 4]), 0),
        ((2,), Lookup(5, [0, 1, 4]), 1),
        ((4, 3), Modulus(5), 2**64 - 12),
        ((2**32, 2**31), Uniform(5), 2**63),
        ((), Uniform(5), 2**64 - 1),
    ],
)
def test_the_last_block_of_a_domain_fits_and_the_next_does_not(shape, hash_, first_id):
    assert VirtualWeight(shape, hash_, first_id=first_id).size == math.prod(shape)
    with pytest.raises(ValueError, match=f"up to {hash_.domain - 1}|first_id must lie") as caught:
        VirtualWeight(shape, hash_, first_id=first_id + 1)
    assert "\n" not in str(caught.value)


def test_sizes_of_numpy_integers_do_not_overflow():
    with pytest.raises(ValueError, match="identifiers up to"):
        VirtualWeight((np.int64(2**40), np.int64(2**40)), Modulus(3))
    with pytest.raises(ValueError, match="identifiers up to"):
        VirtualWeight((3,), Modulus(3), first_id=np.uint64(2**64 - 1))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"shape": (2, 0)}, ValueError, "size of a shape"),
        ({"shape": (-1,)}, ValueError, "size of a shape"),
        ({"shape": (2.0,)}, TypeError, "size of a shape"),
        ({"shape": (True,)}, TypeError, "size of a shape"),
        ({"shape": ("2",)}, TypeError, "size of a shape"),
        ({"shape": 6}, TypeError, "shape"),
        ({"shape": "23"}, TypeError, "shape"),
        ({"shape": None}, TypeError, "shape"),
        ({"hash": Modulus}, TypeError, "hash"),
        ({"hash": "modulus"}, TypeError, "hash"),
        ({"hash": 3}, TypeError, "hash"),
        ({"table": 3}, TypeError, "table"),
        ({"table": None}, TypeError, "table"),
        ({"first_id": -1}, ValueError, "first_id"),
        ({"first_id": 2**64}, ValueError, "first_id"),
        ({"first_id": 0.0}, TypeError, "first_id"),
        ({"first_id": True}, TypeError, "first_id"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, message):
    with pytest.raises(error, match=message) as caught:
        VirtualWeight(**{"shape": (2, 3), "hash": Modulus(4), **arguments})
    assert "\n" not in str(caught.value)


def test_what_is_derived_stays_with_the_weight_alone():
    """Copies and pickles make it anew; the value of a weight does not change by it."""
    w, made = VirtualWeight((4, 3), Modulus(5)), []

    def derive(weight):
        return weight.derived("answer", lambda: made.append(1) or object())

    answer = derive(w)
    assert derive(w) is answer and len(made) == 1
    assert w.derived("another", lambda: None) is None
    fresh = VirtualWeight((4, 3), Modulus(5))
    assert (w, hash(w), repr(w)) == (fresh, hash(fresh), repr(fresh))
    others = (
        pickle.loads(pickle.dumps(w)),
        copy.copy(w),
        copy.deepcopy(w),
        dataclasses.replace(w),
        w.T.T,
    )
    for k, other in enumerate(others):
        assert other == w and vars(other) == {
            f.name: getattr(w, f.name) for f in dataclasses.fields(w)
        }
        assert derive(other) is not answer and len(made) == k + 2
    assert derive(w.T) is not answer and derive(w.rows(0, 4)) is not answer
