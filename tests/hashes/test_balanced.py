"""Balanced and Quantile: balance without order, order without balance."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from minihash.hashes import Balanced, Dirichlet, Modulus, Quantile, Sparse, balance
from minihash.networks.arbnet import arbnet
from tests.support import hash_strategies as hs

FALSE_ALARM = 1e-6  # of each statistical test, were its seed drawn at random


def permuted(domain: int, seed: int = 0) -> np.ndarray:
    return Balanced(2**31 - 1, domain, seed).bucket(np.arange(domain))


@given(st.integers(1, 300) | st.integers(1, 5000), hs.seeds)
def test_it_is_a_permutation_of_the_domain(domain, seed):
    assert np.array_equal(np.sort(permuted(domain, seed)), np.arange(domain))


@given(hs.table_sizes, st.integers(1, 2000), hs.seeds, hs.signed)
def test_loads_differ_by_at_most_one(n, domain, seed, signed):
    load = balance(Balanced(n, domain, seed, signed), domain).load
    assert load.sum() == domain and load.max() - load.min() <= 1
    np.testing.assert_array_equal(np.sort(load), np.sort(balance(Modulus(n), domain).load))


@pytest.mark.parametrize("domain", [10_000, 2**14, 2**14 + 1])
def test_places_are_uniform(domain):
    """Over seeds, an identifier of the first, a middle and the last row goes anywhere."""
    for i in (0, domain // 2, domain - 1):
        places = [Balanced(16, domain, seed).bucket(i) for seed in range(1600)]
        assert stats.chisquare(np.bincount(places, minlength=16)).pvalue > FALSE_ALARM


@pytest.mark.parametrize("distance", [1, 2, 447, 448, 512, 784])
def test_neighbours_part(distance):
    """The difference of two identifiers' places is as that of a random permutation: uniform."""
    place = permuted(198_800, 3)
    apart = (place[distance:] - place[:-distance]) % 198_800
    counts = np.bincount(apart * 1000 // 198_800, minlength=1000)
    assert stats.chisquare(counts).pvalue > FALSE_ALARM
    assert np.bincount(apart).max() < 15  # Poisson(1)


def test_seeds_give_different_permutations():
    places = [permuted(10_000, seed) for seed in (0, 1, 2**32 - 1)]
    for k in range(3):
        agreeing = (places[k] == places[k - 1]).sum()  # Poisson(1) for random ones
        assert agreeing < 15


quantiles = st.builds(Quantile, hs.table_sizes, st.integers(1, 3000), hs.alphas, hs.seeds)


@given(quantiles)
def test_the_quantile_is_monotone(hash_):
    assert (np.diff(hash_.bucket(np.arange(hash_.domain))) >= 0).all()


@given(quantiles)
def test_loads_are_those_that_the_dirichlet_hash_expects(hash_):
    weights = Dirichlet(hash_.buckets, hash_.alpha, hash_.seed).weights()
    expected = weights / weights.sum() * hash_.domain
    load = balance(hash_, hash_.domain).load
    assert np.abs(load - expected).max() < 1 + 1e-9


def test_both_kinds_of_noise_have_one_law():
    """The Dirichlet hash's loads are draws of the multinomial whose means are the Quantile's."""
    size, alpha, seed = 200_000, 1.0, 4
    noisy = balance(Dirichlet(50, alpha, seed), size).load
    even = balance(Quantile(50, size, alpha, seed), size).load
    assert stats.chisquare(noisy, even).pvalue > FALSE_ALARM
    other = balance(Quantile(50, size, alpha, seed + 1), size).load
    assert stats.chisquare(noisy, other).pvalue < FALSE_ALARM


def test_without_end_alpha_is_balanced_and_in_order():
    assert Quantile(3, 9, math.inf).bucket(range(9)).tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]


@pytest.mark.parametrize(
    ("n", "domain", "seed"), [(1, 1, 0), (3, 17, 5), (40, 40, 1), (99, 800, 7)]
)
def test_a_sparse_hash_keeps_as_many_as_it_stores_each_by_itself(n, domain, seed):
    h = Sparse(n, domain, seed)
    kept = h.sign(range(domain)) != 0
    assert kept.sum() == n and (h.sign(range(domain))[kept] == 1).all()
    assert sorted(h.bucket(range(domain))[kept]) == [*range(n)]
    assert n == domain or (kept != (Sparse(n, domain, seed + 1).sign(range(domain)) != 0)).any()


def test_a_sparse_hash_with_entries_to_spare_keeps_all():
    h = Sparse(9, 4)
    assert h.sign(range(4)).all() and len({*h.bucket(range(4))}) == 4


@pytest.mark.parametrize("scope", ["network", "layer"])
@pytest.mark.parametrize("name", ["balanced", "quantile"])
def test_networks_tell_their_hashes_how_many_identifiers_there_are(name, scope):
    options = {"alpha": math.inf} if name == "quantile" else {}
    net = arbnet((30, 20, 10), name, 0.1, scope, "hashed", seed=5, **options)
    tables: dict[str, list] = {}
    for w in net.weights():
        tables.setdefault(w.table, []).append(w)
    assert len(tables) == (1 if scope == "network" else 4)
    for weights in tables.values():
        assert weights[0].hash.domain == sum(w.size for w in weights)
        load = sum(balance(w.hash, w.size, w.first_id).load for w in weights)
        assert load.max() - load.min() <= 1
