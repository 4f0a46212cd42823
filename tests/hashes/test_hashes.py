"""Every hash against the loops of `reference` and its own definition."""

import math
import pickle

import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from minihash.hashes import (
    Compose,
    Dirichlet,
    HashedNets,
    Identity,
    Lookup,
    Modulus,
    Neighborhood,
    Uniform,
)
from reference.hashes import from_spec
from tests.support import hash_strategies as hs

FALSE_ALARM = 1e-6  # of each statistical test, were its seed drawn at random


@given(hs.hashes_and_identifiers())
def test_every_hash_equals_its_loop(case):
    hash_, ids = case
    loop = from_spec(hs.spec_of(hash_))
    assert list(zip(hash_.bucket(ids), hash_.sign(ids), strict=True)) == [loop(i) for i in ids]


@given(st.sampled_from(hs.ANYWHERE), hs.table_sizes, hs.seeds, hs.identifiers)
def test_the_two_readings_agree(kind, n, seed, first_id):
    pytest.importorskip("numba")
    size = min(40, 2**64 - first_id)
    hash_ = hs.KINDS[kind]((size,), n, seed)
    buckets, signs = hs.numba_reading(hash_, first_id, size)
    ids = np.uint64(first_id) + np.arange(size, dtype=np.uint64)
    np.testing.assert_array_equal(buckets, hash_.bucket(ids))
    np.testing.assert_array_equal(signs, hash_.sign(ids))


@given(hs.hashes_and_identifiers())
def test_buckets_and_signs_are_in_range_and_typed(case):
    hash_, ids = case
    buckets, signs = hash_.bucket(np.array(ids, np.uint64)), hash_.sign(np.array(ids, np.uint64))
    assert buckets.dtype == np.intp and signs.dtype == np.int8
    assert all(0 <= b < hash_.buckets for b in buckets)
    assert set(signs.tolist()) <= {-1, 0, 1}


MOST = 2**31 - 1


@pytest.mark.parametrize(
    "hash_",
    [
        Identity(MOST),
        Modulus(MOST),
        Uniform(MOST),
        Uniform(MOST, 2**32 - 1),
        Neighborhood(MOST, 0),
        Neighborhood(MOST, MOST),
        Neighborhood(MOST, MOST // 2, 5),
        Neighborhood(1, MOST),
        Neighborhood(2, MOST),
        Neighborhood(MOST - 1, MOST),
        Dirichlet(MOST // 2, math.inf),
        HashedNets(MOST, 3, 2),
        Lookup(MOST, [0, MOST - 1]),
        Compose(Uniform(MOST), Neighborhood(MOST, MOST)),
    ],
    ids=repr,
)
def test_the_largest_tables(hash_):
    last = hash_.domain - 1
    ids = [i for i in {*hs.EDGES, *range(200), last - 1, last} if 0 <= i <= last]
    buckets = hash_.bucket(ids)
    assert buckets.min() >= 0 and int(buckets.max()) < hash_.buckets
    loop = from_spec(hs.spec_of(hash_))
    assert buckets.tolist() == [loop(i)[0] for i in ids]


@pytest.mark.parametrize(
    "hash_",
    [
        Modulus(64, 3, True),
        Uniform(64, 3, True),
        Dirichlet(64, 50.0, 3, True),
        Neighborhood(64, 9, 3, True),
        HashedNets(64, 400, 300),
    ],
    ids=repr,
)
def test_the_sign_is_independent_of_the_bucket(hash_):
    ids = np.arange(120_000)
    counts = np.zeros((hash_.buckets, 2))
    np.add.at(counts, (hash_.bucket(ids), (hash_.sign(ids) + 1) // 2), 1)
    counts = counts[counts.sum(1) > 40]  # the chi-square law needs more than a few a cell
    assert stats.chi2_contingency(counts).pvalue > FALSE_ALARM
    assert stats.binomtest(int(counts[:, 1].sum()), int(counts.sum())).pvalue > FALSE_ALARM


def test_the_sign_is_independent_of_its_neighbours_bucket():
    """Shifted streams would show as a sign that follows the bucket of the next identifiers."""
    ids = np.arange(2**17)
    hash_ = Uniform(16, 11, True)
    for shift in (1, 2, 3, 256, 2**16):
        counts = np.zeros((16, 2))
        np.add.at(counts, (hash_.bucket(ids + shift), (hash_.sign(ids) + 1) // 2), 1)
        assert stats.chi2_contingency(counts).pvalue > FALSE_ALARM


def test_the_uniform_hash_is_uniform():
    counts = np.bincount(Uniform(1000, 5).bucket(np.arange(10**6)), minlength=1000)
    assert stats.chisquare(counts).pvalue > FALSE_ALARM


def test_seeds_give_different_hashes():
    ids = np.arange(2000)
    for one, two in [
        (Uniform(1000, 0), Uniform(1000, 1)),
        (Dirichlet(1000, 1.0, 0), Dirichlet(1000, 1.0, 1)),
        (Neighborhood(1000, 400, 0), Neighborhood(1000, 400, 1)),
        (HashedNets(1000, 50, 40, 0), HashedNets(1000, 50, 40, 1)),
    ]:
        assert (one.bucket(ids) == two.bucket(ids)).mean() < 0.1


@given(hs.table_sizes, hs.seeds, hs.signed, st.lists(hs.identifiers, max_size=20))
def test_neighborhood_of_radius_0_is_the_modulus_hash(n, seed, signed, ids):
    blurred, plain = Neighborhood(n, 0, seed, signed), Modulus(n, seed, signed)
    np.testing.assert_array_equal(blurred.bucket(ids), plain.bucket(ids))
    np.testing.assert_array_equal(blurred.sign(ids), plain.sign(ids))


@pytest.mark.parametrize("n", [2, 3, 5, 7, 12])
@pytest.mark.parametrize("radius", [1, 2, 3, 4, 5, 10, 17])
def test_neighborhood_is_uniform_exactly_when_its_offsets_are(n, radius):
    """Identifiers of one residue: their buckets follow the count of offsets in each residue class,
    which is level if and only if n divides 2 radius + 1."""
    level = (2 * radius + 1) % n == 0
    offsets = np.bincount((np.arange(-radius, radius + 1) + 3) % n, minlength=n)
    assert (offsets.max() == offsets.min()) == level
    draws = 60_000
    buckets = Neighborhood(n, radius, 2).bucket(np.arange(draws) * n + 3 % n)
    counts = np.bincount(buckets, minlength=n)
    assert counts[offsets == 0].sum() == 0
    some = offsets > 0
    expected = offsets[some] * (draws / offsets.sum())
    assert stats.chisquare(counts[some], expected).pvalue > FALSE_ALARM
    assert (stats.chisquare(counts).pvalue > FALSE_ALARM) == level


@given(st.integers(1, 120), st.integers(1, 120), hs.seeds, st.sampled_from(["W", "B"]), st.data())
def test_hashednets_hashes_the_strings_of_the_released_code(fan_in, fan_out, seed, tag, data):
    K = data.draw(st.integers(1, 5000))
    hash_ = HashedNets(K, fan_in, fan_out, seed, tag)
    for _ in range(5):
        i, j = data.draw(st.integers(1, fan_out)), data.draw(st.integers(1, fan_in))  # 1-based
        key = "".join(map(str, (i, i + 1, i + 2))) + "_" + "".join(map(str, (j, j + 1, j + 2)))
        id_ = (i - 1) * fan_in + j - 1
        bucket = xxhash.xxh32_intdigest((key + "idx" + tag).encode(), seed) % K
        odd = xxhash.xxh32_intdigest((key + "xi_" + tag).encode(), seed) % 2
        assert (hash_.bucket(id_), hash_.sign(id_)) == (bucket, 1 if odd else -1)


def test_hashednets_defaults_are_the_released_ones():
    assert HashedNets(98, 784, 10) == HashedNets(98, 784, 10, 1691, "W")
    ids = [0, 783, 784, 7839]
    keys = ["123_123", "123_784785786", "234_123", "101112_784785786"]
    digests = [xxhash.xxh32_intdigest((key + "idxW").encode(), 1691) for key in keys]
    assert HashedNets(98, 784, 10).bucket(ids).tolist() == [d % 98 for d in digests]


@given(hs.hashes_and_identifiers(), st.data())
def test_compose_is_composition(case, data):
    inner, ids = case
    outer = data.draw(hs.drawn | hs.lookups(inner.buckets))
    both = Compose(inner, outer)
    middle = inner.bucket(ids)
    assert (both.buckets, both.domain) == (outer.buckets, inner.domain)
    np.testing.assert_array_equal(both.bucket(ids), outer.bucket(middle))
    np.testing.assert_array_equal(both.sign(ids), inner.sign(ids) * outer.sign(middle))


@given(hs.hashes)
def test_hashes_are_values(hash_):
    again = hs.build(hs.spec_of(hash_))
    assert again == hash_ and hash(again) == hash(hash_)
    ids = [0] if hash_.domain else []
    hash_.bucket(ids), hash_.sign(ids)  # what this derives is no part of the value
    copy = pickle.loads(pickle.dumps(hash_))
    assert copy == hash_ == again
    np.testing.assert_array_equal(copy.bucket(ids), hash_.bucket(ids))
    assert hash_ != hs.build({"type": "Identity", "buckets": 301})


def test_shapes_and_integer_dtypes_of_identifiers():
    for hash_ in (Modulus(7), Uniform(7, signed=True), Dirichlet(7, 1.0), Lookup(7, np.arange(7))):
        flat = np.arange(6)
        for dtype in ("u1", "i2", "u4", "i8", "u8", ">u4", "<i8", ">u8"):
            ids = flat.astype(dtype).reshape(2, 1, 3)
            assert hash_.bucket(ids).shape == hash_.sign(ids).shape == (2, 1, 3)
            np.testing.assert_array_equal(hash_.bucket(ids).reshape(-1), hash_.bucket(flat))
            np.testing.assert_array_equal(hash_.sign(ids[..., ::-1]), hash_.sign(ids)[..., ::-1])
        assert hash_.bucket(3).shape == hash_.bucket(np.uint64(3)).shape == ()
        assert hash_.bucket([]).shape == hash_.sign(np.empty((0, 2), int)).shape[:1] == (0,)
        assert hash_.bucket(3) == hash_.bucket([3])[0]
