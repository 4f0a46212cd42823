"""Balance: loads and entropy (ArbNets, eq. 7) against a direct count over the whole index."""

import math
import tracemalloc

import numpy as np
import pytest
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
    balance,
)
from minihash.hashes.balance import of_load
from reference import balance as loops
from reference.hashes import from_spec
from tests.support.hash_strategies import hashes, hashes_and_identifiers, identifiers, spec_of

U = 2.0**-53


@given(hashes, st.integers(0, 300), identifiers)
def test_balance_is_that_of_the_loops(hash_, size, first_id):
    size = min(size, hash_.domain)
    first_id = min(first_id, hash_.domain - size)
    found = balance(hash_, size, first_id)
    counts = loops.loads(from_spec(spec_of(hash_)), hash_.buckets, range(first_id, first_id + size))
    assert found.load.tolist() == counts
    assert found.connections == sum(counts)
    assert (found.empty, found.largest) == (counts.count(0), max(counts))
    terms = max(len(counts), 4)  # each term of the sum is off by a few roundings, the sum by n
    assert abs(found.entropy - loops.entropy(counts)) <= 8 * terms * U * max(found.entropy, 1)
    assert abs(found.normalised_entropy - loops.normalised_entropy(counts)) <= 8 * terms * U * 8


@given(hashes_and_identifiers(), st.integers(1, 1000))
def test_entropy_lies_between_0_and_log_n(case, size):
    hash_, _ids = case
    found = balance(hash_, min(size, hash_.domain))
    assert 0 <= found.entropy <= math.log(hash_.buckets) * (1 + 8 * hash_.buckets * U)
    assert 0 <= found.normalised_entropy <= 1


@pytest.mark.parametrize(
    "hash_",
    [
        Modulus(1000),
        Uniform(999, 3, True),
        Dirichlet(1000, 0.1),
        Neighborhood(1000, 30),
        HashedNets(1000, 700, 900),
        Lookup(50, np.arange(630_000) % 37, np.arange(630_000) % 3 - 1),
        Compose(Uniform(5000), Modulus(700)),
    ],
    ids=lambda h: type(h).__name__,
)
def test_balance_is_the_bincount_of_the_whole_index(hash_):
    size, first_id = 600_000, 12_345  # more than two blocks, and no multiple of one
    found = balance(hash_, size, first_id)
    ids = np.arange(first_id, first_id + size)
    buckets = hash_.bucket(ids)[hash_.sign(ids) != 0]
    np.testing.assert_array_equal(found.load, np.bincount(buckets, minlength=hash_.buckets))
    p = found.load[found.load > 0] / found.connections
    exact = math.fsum(-p * np.log(p))
    assert found.entropy == pytest.approx(exact, rel=2 * hash_.buckets * U)
    assert found.load.dtype == np.int64


def test_a_missing_connection_carries_no_load():
    found = balance(Lookup(3, [0, 0, 1, 2], [1, 0, -1, 0]), 4)
    assert found.load.tolist() == [1, 1, 0]
    assert (found.connections, found.empty, found.largest) == (2, 1, 1)
    assert found.entropy == pytest.approx(math.log(2), rel=4 * U)
    nothing = balance(Lookup(3, [0, 1], [0, 0]), 2)
    assert (nothing.entropy, nothing.connections, nothing.empty) == (0.0, 0, 3)
    assert math.copysign(1, nothing.entropy) == 1


def test_known_entropies():
    assert balance(Modulus(1000), 10_000).entropy == pytest.approx(6.907755278982137, rel=1000 * U)
    assert balance(Modulus(1000), 10_000).normalised_entropy == pytest.approx(1, rel=1000 * U)
    assert balance(Modulus(4), 1).entropy == 0
    assert balance(Modulus(1), 50).normalised_entropy == 1
    assert of_load(np.array([3, 1])).entropy == pytest.approx(
        0.75 * math.log(4 / 3) + 0.25 * math.log(4), rel=4 * U
    )


def test_an_empty_block_and_the_last_identifiers():
    assert balance(Uniform(5), 0).load.tolist() == [0] * 5
    top = balance(Uniform(5, 1), 10, 2**64 - 10)
    ids = np.uint64(2**64 - 10) + np.arange(10, dtype=np.uint64)
    assert top.load.tolist() == np.bincount(Uniform(5, 1).bucket(ids), minlength=5).tolist()


def test_the_entropy_of_a_uniform_hash_is_that_of_a_uniform_law():
    """ln n - H is chi-square / (2 N) to first order (Wilks), with n - 1 degrees of freedom."""
    n, size = 1000, 10**6
    lost = 2 * size * (math.log(n) - balance(Uniform(n, 17), size).entropy)
    assert 1e-6 < stats.chi2.sf(lost, n - 1) < 1 - 1e-6


def test_no_index_of_a_large_network_is_built():
    """An index of 5.5 million identifiers fills 42 MiB, that of the whole network 169 MiB."""
    hash_ = Uniform(20_000, 1)
    balance(hash_, 2**18)
    tracemalloc.start()
    try:
        peaks = []
        for size in (2**20, 22_164_000 // 4):
            tracemalloc.reset_peak()
            balance(hash_, size)
            peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    assert peaks[1] < 16 * 2**20
    assert peaks[1] < 1.1 * peaks[0]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((Identity(5), 6), ValueError, "0 .. 4"),
        ((Identity(5), 1, 5), ValueError, "0 .. 4"),
        ((Modulus(3), 20, 2**64 - 10), ValueError, "0 .. 18446744073709551615"),
        ((Modulus(3), -1), ValueError, "size"),
        ((Modulus(3), 2.5), TypeError, "size"),
        ((Modulus(3), 5, -1), ValueError, "first_id"),
        (("uniform", 5), TypeError, "hash"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, message):
    with pytest.raises(error, match=message) as caught:
        balance(*arguments)
    assert "\n" not in str(caught.value)
