"""The Dirichlet hash: its tables exactly, its law by statistics at fixed seeds.

Statistical thresholds are derived: each test would fail by chance once in 10^6 draws of its seed.
"""

import math
import time
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from minihash.hashes import Dirichlet, Uniform, balance
from minihash.hashes import dirichlet as module
from minihash.hashes.dirichlet import alias_table
from minihash.hashes.xxh32 import stream, xxh32
from reference import dirichlet as loops
from tests.support.hash_strategies import identifiers, seeds, signed, table_sizes

FALSE_ALARM = 1e-6
ALPHAS = [1e-3, 0.01, 0.1, 1 / 3, 1.0, 1.5, 10.0, 1e3, 1e6]


def entropy(weights: np.ndarray) -> float:
    p = weights[weights > 0] / weights.sum()
    return float(-(p * np.log(p)).sum())


@given(table_sizes, seeds, signed, st.lists(identifiers, max_size=30))
def test_infinite_alpha_is_the_uniform_hash(n, seed, signed, ids):
    hash_, uniform = Dirichlet(n, math.inf, seed, signed), Uniform(n, seed, signed)
    np.testing.assert_array_equal(hash_.bucket(ids), uniform.bucket(ids))
    np.testing.assert_array_equal(hash_.sign(ids), uniform.sign(ids))
    assert hash_.nbytes == 0
    assert set(hash_.weights()) == {2**32}


@given(st.integers(1, 60), st.sampled_from(ALPHAS) | st.floats(1e-3, 1e6), seeds)
def test_tables_are_the_integers_of_the_loops(n, alpha, seed):
    weights = Dirichlet(n, alpha, seed).weights()
    assert weights.tolist() == loops.weights(n, alpha, seed)
    threshold, alias = alias_table(weights)
    assert (threshold.tolist(), alias.tolist()) == loops.tables(n, alpha, seed)


@given(st.floats(2.0**-1000, 2.0**1000) | st.floats(0.5, 2.0) | st.floats(0.7, 0.72))
def test_log_is_within_its_error(x):
    exact = math.log(x)
    assert abs(float(module.exact_log(np.array([x]))[0]) - exact) <= 4 * np.spacing(abs(exact))


@given(st.floats(-100, 0))
def test_exp_is_within_its_error(x):
    """The reduction x - k log 2 is off by |k| ulp(log 2)/2 and an ulp of k log 2; the rest by a few
    roundings."""
    error = float(module.exact_exp(np.array([x]))[0]) / math.exp(x) - 1
    assert abs(error) <= (2 * abs(x) + 8) * 2.0**-53


some_weights = st.lists(
    st.sampled_from([0, 1, 2**31, 2**32]) | st.integers(0, 2**32), min_size=1, max_size=40
).filter(any)


@given(some_weights)
def test_the_alias_table_holds_the_probabilities(weights):
    """Each threshold is floored to 2^-32 of a column (and by 3 * 2^-53 before), so that an item is
    off by no more than that in its own column and in each that lends to it. Exact integers."""
    n, total = len(weights), sum(weights)
    threshold, alias = (x.tolist() for x in alias_table(np.array(weights, np.int64)))
    units = [0] * n  # of 2^-32 of a column
    lenders = [1] * n
    for c in range(n):
        units[c] += threshold[c]
        units[alias[c]] += 2**32 - threshold[c]
        lenders[alias[c]] += 1
    for k in range(n):
        exact = weights[k] * n * 2**32 / total
        assert abs(units[k] - exact) <= lenders[k] * 1.00001 + exact * 2.0**-52
        assert units[k] == 0 or weights[k] > 0 or units[k] <= lenders[k]


@given(some_weights)
def test_no_bucket_without_weight_is_drawn(weights):
    threshold, alias = alias_table(np.array(weights, np.int64))
    empty = np.array(weights) == 0
    assert not threshold[empty].any()
    assert not empty[alias].any()


@given(some_weights)
def test_the_alias_table_is_the_loops_table(weights):
    threshold, alias = alias_table(np.array(weights, np.int64))
    assert (threshold.tolist(), alias.tolist()) == loops.alias_table(weights)


def test_sums_beyond_63_bits_are_exact():
    weights = np.full(80_000, 1)
    weights[::7] = 2**32  # what is lacking comes to 2^63.8
    threshold, alias = alias_table(weights)
    assert (threshold.tolist(), alias.tolist()) == loops.alias_table(weights.tolist())


@pytest.mark.parametrize("alpha", ALPHAS)
def test_no_alpha_underflows_or_warns(alpha):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hash_ = Dirichlet(3000, alpha, 5)
        weights = hash_.weights()
        buckets = hash_.bucket(np.arange(3000))
    assert weights.max() == 2**32 and weights.min() >= 0
    assert 0 < weights.sum() <= 3000 * 2**32
    assert buckets.min() >= 0 and buckets.max() < 3000
    assert (weights[buckets] > 0).all()


def test_extreme_alphas():
    """alpha -> 0: log G has gaps of 1 / (n alpha), and weights end 32 log 2 below the largest.
    alpha -> infinity: log G has deviation alpha^-1/2."""
    used = [(Dirichlet(1000, 1e-3, seed).weights() > 0).sum() - 1 for seed in range(20)]
    mean = 20 * 32 * math.log(2)  # of a Poisson variable
    assert stats.poisson(mean).cdf(sum(used)) > FALSE_ALARM
    assert stats.poisson(mean).sf(sum(used)) > FALSE_ALARM
    assert len(set(Dirichlet(1000, 1e-6, 1).bucket(np.arange(5000)))) == 1
    spread = Dirichlet(1000, 1e6, 1).weights() / 2**32
    assert spread.min() > 1 - 12e-3  # the range of 1000 normal variates stays within 12 deviations
    assert Dirichlet(1000, 1e12, 1).weights().min() > 2**32 * (1 - 12e-6)


@pytest.mark.parametrize("alpha", [0.05, 0.5, 1.0, 4.0, 100.0])
def test_the_weights_are_beta_distributed(alpha):
    """p_0 of two buckets is Beta(alpha, alpha): over 1500 seeds, on a grid, by the
    Dvoretzky-Kiefer-Wolfowitz inequality."""
    draws = 1500
    weights = np.array([Dirichlet(2, alpha, seed).weights() for seed in range(draws)])
    p = weights[:, 0] / weights.sum(1)
    grid = special.betaincinv(alpha, alpha, np.linspace(0.02, 0.98, 97))
    grid = grid[(grid > 1e-6) & (grid < 1 - 1e-6)]  # beyond, 32-bit weights are coarse
    gap = np.abs((p[:, None] <= grid).mean(0) - special.betainc(alpha, alpha, grid)).max()
    assert len(grid) > 5 and gap < math.sqrt(math.log(2 / FALSE_ALARM) / (2 * draws))


@pytest.mark.parametrize("alpha", [0.01, 0.1, 1.0, 10.0, 1000.0])
def test_the_entropy_is_that_of_a_dirichlet_law(alpha):
    """E H = psi(n alpha + 1) - psi(alpha + 1), to ln n as alpha grows."""
    n, draws = 500, 60
    sample = [entropy(Dirichlet(n, alpha, seed).weights()) for seed in range(draws)]
    expected = special.digamma(n * alpha + 1) - special.digamma(alpha + 1)
    t = (np.mean(sample) - expected) / (np.std(sample, ddof=1) / math.sqrt(draws))
    assert 2 * stats.t.sf(abs(t), draws - 1) > FALSE_ALARM
    assert expected < math.log(n)


def test_entropy_rises_with_alpha_to_that_of_the_uniform_hash():
    ids = 100_000
    values = [balance(Dirichlet(300, alpha, 2), ids).entropy for alpha in (*ALPHAS, math.inf)]
    uniform = balance(Uniform(300, 2), ids).entropy
    assert values[-1] == uniform
    assert values[:8] == sorted(values[:8])
    assert values[8] == pytest.approx(uniform, abs=1e-5)  # weights within 1e-2 of each other


@pytest.mark.parametrize("alpha", [0.01, 0.3, 1.0, 30.0])
def test_frequencies_follow_the_weights(alpha):
    hash_ = Dirichlet(400, alpha, 9)
    draws = 200_000
    weights = hash_.weights()
    counts = np.bincount(hash_.bucket(np.arange(draws)), minlength=400)
    expected = weights / weights.sum() * draws
    rare = expected < 10
    observed = np.append(counts[~rare], counts[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum())
    keep = expected > 0
    assert observed[~keep].sum() == 0
    if keep.sum() > 1:
        assert stats.chisquare(observed[keep], expected[keep]).pvalue > FALSE_ALARM


def test_a_table_of_ten_million_buckets():
    started = time.perf_counter()
    n = 10**7
    hash_ = Dirichlet(n, 0.5, 3)
    ids = np.arange(200_000)
    buckets = hash_.bucket(ids)
    assert time.perf_counter() - started < 60  # seconds; a Python loop over buckets takes minutes
    assert buckets.min() >= 0 and buckets.max() < n
    assert hash_.nbytes == 8 * n
    # A bucket is drawn Poisson(c G) times, c = 2 ids / n, G ~ Gamma(1/2); E exp(-c G) is
    # (1 + c)^-1/2.
    repeated = len(ids) - len(np.unique(buckets))
    mean = n * (len(ids) / n - 1 + (1 + 2 * len(ids) / n) ** -0.5)
    assert abs(repeated - mean) < 5 * math.sqrt(mean)


def test_a_coin_that_equals_its_threshold_takes_the_alias(monkeypatch):
    """bucket = column if coin < threshold, else alias: at the boundary, to the bit."""
    i, n, seed = 12345, 4, 7
    coin = int(xxh32(np.array([i], np.uint64), stream(seed, "coin"))[0])
    column = int(Uniform(n, seed).bucket(i))
    for threshold, bucket in [(coin - 1, "alias"), (coin, "alias"), (coin + 1, "column")]:
        other = (column + 1) % n
        tables = np.full(n, threshold, np.uint32), np.full(n, other, np.uint32)
        monkeypatch.setattr(module, "alias_table", lambda _, tables=tables: tables)
        expected = other if bucket == "alias" else column
        assert Dirichlet(n, 1.0, seed).bucket(i) == expected
