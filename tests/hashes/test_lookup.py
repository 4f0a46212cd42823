"""Lookup: what it holds, and how a quantised tensor becomes one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minihash import core
from minihash.files.spec import decode, encode
from minihash.hashes import Blocks, Lookup
from minihash.weights import VirtualWeight

SIZES = {1: np.uint8, 256: np.uint8, 257: np.uint16, 2**16: np.uint16, 2**16 + 1: np.uint32}


@pytest.mark.parametrize("buckets", SIZES)
def test_the_assignment_is_of_the_smallest_type(buckets):
    hash_ = Lookup(buckets, [buckets - 1, 0])
    assert hash_.assignment.dtype == SIZES[buckets]
    assert hash_.bucket([0, 1]).tolist() == [buckets - 1, 0]
    assert hash_.nbytes == 2 * hash_.assignment.itemsize


@pytest.mark.parametrize(
    ("signs", "kept"),
    [
        ([1, 1, 1], None),
        ([True, True, True], None),
        ([1, 0, 1], np.bool_),
        ([True, False, True], np.bool_),
        ([1, 0, -1], np.int8),
        ([-1, -1, -1], np.int8),
    ],
)
def test_signs_are_kept_as_little_as_they_say(signs, kept):
    hash_ = Lookup(300, [299, 0, 7], signs)
    assert (None if hash_.signs is None else hash_.signs.dtype) == kept
    assert hash_.sign([0, 1, 2]).tolist() == list(map(int, signs))
    assert hash_.nbytes == 3 * (2 + (kept is not None))
    assert hash_ == Lookup(300, [299, 0, 7], list(map(int, signs)))


def test_no_identifiers_at_all():
    """[], which NumPy takes for floats, are no identifiers either."""
    none = Lookup(3, np.arange(0), np.arange(0))
    assert none.signs is None and none == Lookup(3, []) == Lookup(3, [], [])
    assert Blocks(4, 2, []).domain == 0
    with pytest.raises(TypeError, match=r"one-dimensional .* got float64 of shape \(1, 0\)"):
        Lookup(3, [[]])


@pytest.mark.parametrize("buckets", [3, 300, 2**16 + 1])
@pytest.mark.parametrize("kind", [None, bool, np.int8])
def test_all_kinds_are_read_by_every_backend(buckets, kind):
    rng = np.random.default_rng(buckets)
    assignment = rng.integers(0, buckets, 60)
    signs = {None: None, bool: assignment % 2 > 0, np.int8: assignment % 3 - 1}[kind]
    w = VirtualWeight((6, 10), Lookup(buckets, assignment, signs))
    table = rng.integers(-9, 9, buckets).astype(np.float32)
    expected = table[assignment] * (1 if signs is None else signs.astype(np.float32))
    dV = rng.integers(-9, 9, (6, 10)).astype(np.float32)
    terms = dV.reshape(-1) * (1 if signs is None else signs)
    summed = np.bincount(assignment, terms, buckets)
    for backend in ("numpy", "numba"):
        np.testing.assert_array_equal(core.gather(table, w, backend).reshape(-1), expected)
        np.testing.assert_array_equal(core.scatter_add(dV, w, backend), summed)


def test_files_of_wider_arrays_are_the_same_hash():
    """Earlier versions kept uint32 and int8, whatever the values."""
    hash_ = Lookup(4, [3, 0, 2], [1, 0, 1])
    arrays = {}
    spec = encode(hash_, arrays)
    wide = {"spec/0": arrays["spec/0"].astype(np.uint32), "spec/1": arrays["spec/1"].view(np.int8)}
    assert decode(spec, wide) == hash_
    ones = {"spec/0": wide["spec/0"], "spec/1": np.ones(3, np.int8)}
    assert decode(spec, ones) == Lookup(4, [3, 0, 2])


VALUES = st.sampled_from([0.0, -0.0, 1.5, -1.5, 1e-30, 3.0])


@given(st.lists(VALUES, min_size=1, max_size=40), st.sampled_from(["f4", "f8", "i4"]))
def test_from_weights_is_the_tensor_again(values, dtype):
    W = np.array(values).astype(dtype).reshape(1, -1)
    hash_, codebook = Lookup.from_weights(W)
    V = codebook[hash_.bucket(np.arange(W.size))] * hash_.sign(np.arange(W.size))
    np.testing.assert_array_equal(V, W.reshape(-1))
    assert codebook.dtype == W.dtype and np.all(np.diff(codebook) > 0)
    assert (codebook.size == 1 or 0 not in codebook) and hash_.buckets == codebook.size
    assert np.all(hash_.bucket(np.flatnonzero(W.reshape(-1) == 0)) == 0)


@pytest.mark.parametrize("W", [[], [1.0, np.nan], [np.inf], ["a"], [True]])
def test_what_is_no_tensor_is_refused(W):
    with pytest.raises(ValueError, match="W must be one or more finite numbers, got"):
        Lookup.from_weights(np.array(W))
