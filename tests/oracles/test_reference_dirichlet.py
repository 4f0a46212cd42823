"""The oracle of the Dirichlet hash: its own log and exp, its draws, its alias table."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reference import balance, dirichlet, hashes

uint32 = st.integers(0, 2**32 - 1)
uint64 = st.integers(0, 2**64 - 1)


@pytest.mark.parametrize("span", [1e-9, 0.3, 1.0, 23.0, 700.0])
def test_own_logarithm_is_within_4_ulp(span):
    for exponent in np.random.default_rng(0).uniform(-span, span, 4000):
        x = math.exp(exponent)
        assert abs(dirichlet.log(x) - math.log(x)) <= 4 * math.ulp(math.log(x))


@pytest.mark.parametrize("span", [1e-9, 0.3, 1.0, 22.2, 100.0])
def test_own_exponential_is_within_its_bound(span):
    """Relative error at most (7 + 1.31 |x|) 2^-53: k log 2 is rounded to within 1.31 |x| 2^-53, the
    polynomial to 4, the library's own exp to 2, scaling to 0 (and |r| <= 0.35 to 0.5)."""
    for x in -np.random.default_rng(0).uniform(0, span, 4000):
        expected = math.exp(x)
        assert abs(dirichlet.exp(x) - expected) <= (7 + 1.31 * abs(x)) * 2**-53 * expected


def test_exponentials_of_very_negative_numbers_do_not_underflow():
    assert dirichlet.exp(-1e308) == dirichlet.exp(-100.0) > 0


@pytest.mark.parametrize("alpha", [0.001, 0.1, 1.0, 3.5, 100.0, 1e6])
def test_gamma_draws_have_the_gamma_distribution(alpha):
    """Kolmogorov-Smirnov test of 10,000 logarithms at a fixed seed."""
    draws = [dirichlet.log_gamma_draw(k, alpha, seed=2) for k in range(10_000)]
    assert stats.kstest(draws, stats.loggamma(alpha).cdf).pvalue > 1e-3


@pytest.mark.parametrize("alpha", [0.1, 1.0, 30.0])
def test_weights_have_the_dirichlet_distribution(alpha):
    """One probability of three is Beta(alpha, 2 alpha), above what 32 bits can hold."""
    shares = [w[0] / sum(w) for w in (dirichlet.weights(3, alpha, seed) for seed in range(2000))]
    held = [share for share in shares if share > 2**-24]
    beta, least = stats.beta(alpha, 2 * alpha), 2**-24
    above = beta.sf(least)
    assert stats.binomtest(len(held), 2000, above).pvalue > 1e-3
    assert stats.kstest(held, lambda x: (beta.cdf(x) - beta.cdf(least)) / above).pvalue > 1e-3


@pytest.mark.parametrize("alpha", [0.001, 0.1, 1.0, 100.0, 1e6])
def test_weights_are_the_gamma_draws_in_proportion(alpha):
    w = dirichlet.weights(20, alpha, seed=6)
    draws = [dirichlet.log_gamma_draw(k, alpha, seed=6) for k in range(20)]
    assert max(w) == 2**32
    for weight, draw in zip(w, draws, strict=True):
        exact = math.exp(draw - max(draws)) * 2**32
        assert weight <= exact * (1 + 2**-40) and weight > exact * (1 - 2**-40) - 1


@given(
    st.lists(st.integers(0, 2**32), min_size=1, max_size=12).filter(any)
    | st.lists(st.sampled_from([0, 1, 2, 2**32]), min_size=1, max_size=12).filter(any)
)
def test_alias_tables_hold_the_probabilities(w):
    """A threshold is at most 2 * 2^-32 below its exact place, in every column it enters."""
    threshold, alias = dirichlet.alias_table(w)
    n, total = len(w), sum(w)
    found, columns = [Fraction(0)] * n, [1] * n
    for c in range(n):
        share = Fraction(threshold[c], 2**32)
        found[c] += share / n
        found[alias[c]] += (1 - share) / n
        columns[alias[c]] += 1
    assert sum(found) == 1
    assert all(0 <= t < 2**32 for t in threshold)
    for k in range(n):
        assert abs(found[k] - Fraction(w[k], total)) <= columns[k] * Fraction(2, 2**32 * n)


@pytest.mark.parametrize("alpha", [0.3, 5.0])
def test_dirichlet_buckets_follow_their_weights(alpha):
    loads = balance.loads(lambda i: hashes.dirichlet(i, 12, alpha, seed=3), 12, range(20_000))
    w = np.array(dirichlet.weights(12, alpha, seed=3), float)
    likely = w / w.sum() > 1e-3
    expected = np.append(w[likely], w[~likely].sum() + 1e-300) / w.sum() * 20_000
    observed = np.append(np.array(loads)[likely], np.array(loads)[~likely].sum())
    assert stats.chisquare(observed, expected).pvalue > 1e-3


@given(uint64, st.integers(1, 1000), uint32)
def test_dirichlet_with_infinite_alpha_is_the_uniform_hash(i, buckets, seed):
    found = hashes.dirichlet(i, buckets, math.inf, seed, signed=True)
    assert found == hashes.uniform(i, buckets, seed, signed=True)


def test_entropy_rises_with_alpha_to_that_of_the_uniform_hash():
    entropies = []
    for alpha in (0.01, 0.1, 1.0, 10.0, 1e6):
        loads = balance.loads(lambda i, a=alpha: hashes.dirichlet(i, 50, a), 50, range(3000))
        entropies.append(balance.entropy(loads))
    assert entropies == sorted(entropies)
    uniform = balance.loads(lambda i: hashes.uniform(i, 50), 50, range(3000))
    assert entropies[-1] == pytest.approx(balance.entropy(uniform), abs=1e-2)
