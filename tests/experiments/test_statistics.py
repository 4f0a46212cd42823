"""The tests by permutation against SciPy's, and against all permutations where those are few."""

from itertools import combinations, permutations, product

import numpy as np
import pytest
from scipy import stats

from minihash.experiments.statistics import (
    PERMUTATIONS,
    bends,
    differs,
    exceeds,
    orders,
    paired,
    ranks,
    rises,
)

# Four standard deviations of a p that PERMUTATIONS draws estimate.
NOISE = 4 * 0.5 / np.sqrt(PERMUTATIONS)


def data(seed, count=24, bend=0.0, slope=0.0):
    rng = np.random.default_rng(seed)
    x = np.repeat(np.arange(count // 3), 3).astype(float)
    return x, slope * x + bend * x**2 + rng.normal(size=len(x))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("slope", [-0.1, 0.0, 0.05])
def test_a_correlation_of_ranks_is_scipys(seed, slope):
    x, y = data(seed, slope=slope)
    y = y.round(1)  # with ties
    rho, p = rises(x, y)
    expected = stats.spearmanr(x, y, alternative="greater")
    assert rho == pytest.approx(expected.statistic, abs=1e-12)
    assert p == pytest.approx(expected.pvalue, abs=NOISE + 0.02)  # SciPy's is asymptotic
    assert np.array_equal(ranks(y), stats.rankdata(y))


def test_p_is_that_of_all_permutations_where_these_are_few():
    x, y = np.arange(6), np.array([1, 0, 3, 2, 5, 4])
    rho, p = rises(x, y)
    every = [np.corrcoef(x, order)[0, 1] for order in permutations(y)]
    assert p == pytest.approx(np.mean(np.array(every) >= rho - 1e-9), abs=NOISE)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("bend", [-0.1, 0.0, 0.02])
def test_the_quadratic_term_is_that_of_least_squares(seed, bend):
    x, y = data(seed, bend=bend, slope=0.3)
    c, p = bends(x, y)
    assert c == pytest.approx(np.polyfit(x, y, 2)[0], abs=1e-9)
    basis = np.stack((np.ones_like(x), x, x**2), axis=1)
    rest = y - basis @ np.linalg.lstsq(basis, y, rcond=None)[0]
    free = len(x) - 3
    error = np.sqrt(rest @ rest / free * np.linalg.inv(basis.T @ basis)[2, 2])
    assert p == pytest.approx(2 * stats.t.sf(abs(c / error), free), abs=NOISE + 0.02)


def test_a_curve_needs_three_places():
    with pytest.raises(ValueError, match="three different places"):
        bends(np.array([1.0, 2.0, 1.0, 2.0]), np.arange(4.0))


def test_a_difference_of_slopes_is_that_of_two_lines():
    x, y = data(5)
    group = np.arange(len(x)) % 2 == 0
    difference, p = differs(x, y + 1.0 * x * group + 30 * group, group)
    z = y + 1.0 * x * group + 30 * group
    expected = np.polyfit(x[group], z[group], 1)[0] - np.polyfit(x[~group], z[~group], 1)[0]
    assert difference == pytest.approx(expected) and p < 0.01
    assert differs(x, z, ~group)[1] > 0.9


def test_one_group_exceeds_another_at_equal_places():
    x, group = np.repeat([0, 1], [4, 5]), np.array([1, 0, 1, 0, 0, 1, 1, 0, 0], bool)
    y = np.array([9.0, 8.5, 8.8, 7.0, 1.0, 1.7, 1.1, 0.9, 1.2])
    rest = y - np.array([y[x == place].mean() for place in x])

    def difference(chosen):
        return rest[chosen].mean() - rest[~chosen].mean()

    ways = [
        np.isin(np.arange(9), [*few, *more])
        for few in combinations(range(4), 2)
        for more in combinations(range(4, 9), 2)
    ]
    found, p = exceeds(x, y, group)
    assert found == pytest.approx(difference(group))
    every = np.array([difference(way) for way in ways])
    assert p == pytest.approx(np.mean(every >= found - 1e-9), abs=NOISE)
    assert exceeds(x, y, ~group)[1] > 0.9


def test_without_an_effect_p_is_uniform():
    """A level of 5 % is kept: of 60 data sets about 3 are below it, 9 at most (p < 0.01)."""
    below = np.zeros(4, int)
    for seed in range(60):
        x, y = data(seed, count=12)
        group = np.arange(len(x)) % 2 == 0
        shifted = y + 5 * group  # a level of its own is no difference of slopes
        below += [
            rises(x, y)[1] < 0.05,
            bends(x, y)[1] < 0.05,
            differs(x, shifted, group)[1] < 0.05,
            exceeds(x, y + 9 * x, group)[1] < 0.05,
        ]
    assert (below <= 9).all(), below


def test_permutations_are_permutations_and_always_the_same():
    found = orders(9)
    assert (np.sort(found, axis=1) == np.arange(9)).all()
    assert (orders(9) == found).all() and len(np.unique(found, axis=0)) > PERMUTATIONS * 0.9
    first = np.bincount(found[:, 0], minlength=9)
    assert stats.chisquare(first).pvalue > 1e-3


@pytest.mark.parametrize("count", [1, 5, 10, 13])
@pytest.mark.parametrize("shift", [-0.8, 0.0, 0.5])
def test_all_flips_of_few_pairs_are_taken(count, shift):
    d = (np.random.default_rng(count).normal(size=count) + shift).round(1)
    mean, p = paired(d)
    flips = np.array([*product((1, -1), repeat=count)])
    assert mean == pytest.approx(d.mean())
    assert p == np.mean(np.abs(flips @ d) >= abs(d.sum()) - 1e-9)


def test_flips_of_many_pairs_are_drawn():
    d = np.random.default_rng(0).normal(size=40) + 0.25
    p = paired(d)[1]
    expected = stats.ttest_1samp(d, 0).pvalue
    assert 0 < p == pytest.approx(expected, abs=NOISE) and paired(np.zeros(40)) == (0.0, 1.0)
    assert paired(d + 5)[1] == 1 / (1 + PERMUTATIONS)
