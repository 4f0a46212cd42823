"""GrOWL: its proximal step against its certificate, the loops, SciPy, and what it must refuse."""

import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from minihash import core
from minihash.files.spec import decode, encode
from minihash.hashes import Identity, Uniform
from minihash.layers import Conv2d, Dense
from minihash.networks.sequential import Sequential
from minihash.training import Training, start, steps
from minihash.training.optimisers import SGD
from minihash.training.penalties import GroupLasso
from minihash.training.schedules import Constant
from minihash.training.sorted_norms import GrOWL, falling, input_norms, sorted_prox
from minihash.weights import VirtualWeight
from reference import sorted_norms as loops
from tests.support.bounds import assert_within, eps, gamma
from tests.support.strategies import dtypes, frozen, real

U64 = eps(np.float64)


@pytest.fixture(autouse=True)
def interpreted():
    """The numbers are few: compiling would take longer."""
    with core.use("numpy"):
        yield


def cases(count, seed):
    """(v, lambdas): few and many, ties and zeros among them, lambdas that are constant or 0."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        n = int(rng.integers(1, 13))
        v, lambdas = rng.gamma(2, 1, n), np.sort(rng.gamma(1, rng.choice([0.1, 0.5, 2]), n))[::-1]
        if rng.random() < 0.3:
            v = np.round(v)
        if rng.random() < 0.2:
            v[:] = v[0]
        if rng.random() < 0.3:
            lambdas[:] = lambdas[rng.integers(n)]
        if rng.random() < 0.1:
            lambdas[:] = 0
        yield v, lambdas


def test_the_certificate_of_optimality_on_thousands_of_cases():
    """x is the proximal point if and only if g = v - x is a subgradient: in the dual ball, where
    the sums of its k largest are at most those of lambda, and with <g, x> = P(x). A sum of n terms
    of this size has n roundings, and so have the means that x is of."""
    pooled = 0
    for v, lambdas in cases(4000, 0):
        x = sorted_prox(v, lambdas)
        g, slack = v - x, gamma(8 * v.size + 16, U64) * (v.sum() + lambdas.sum())
        assert (x >= 0).all() and (x <= v).all()
        assert (np.cumsum(np.sort(abs(g))[::-1]) <= np.cumsum(lambdas) + slack).all()
        size = slack * (1 + v.max())
        assert abs(g @ x - lambdas @ np.sort(x)[::-1]) <= size
        pooled += np.unique(x[x > 0]).size < np.unique(v[x > 0]).size
    assert pooled > 500


def test_the_proximal_step_is_the_loops():
    for v, lambdas in cases(500, 1):
        bound = gamma(4 * v.size + 8, U64) * (v.max() + lambdas.max())
        assert_within(sorted_prox(v, lambdas), loops.sorted_prox(v, lambdas), bound)
        assert_within(falling(v - lambdas), loops.never_rising(v - lambdas), bound)


@pytest.mark.skipif(not hasattr(optimize, "isotonic_regression"), reason="needs scipy 1.12")
def test_pooling_is_scipys_isotonic_regression():
    rng = np.random.default_rng(2)
    for n in (1, 2, 3, 10, 100, 1000):
        for _ in range(20):
            z = rng.standard_normal(n) - np.linspace(0, rng.choice([0.0, 1.0, 9.0]), n)
            found = optimize.isotonic_regression(z, increasing=False).x
            assert_within(falling(z), found, gamma(4 * n + 8, U64) * abs(z).max())


def test_one_pass_of_pooling_is_not_enough():
    """2 and 3.9 are pooled to 2.95, which 3.8 is above: a published package stopped there."""
    v, lambdas = np.array([5.0, 4.9, 4.8]), np.array([3.0, 1.0, 1.0])
    right = float(Fraction(97, 30))
    assert_within(sorted_prox(v, lambdas), np.full(3, right), gamma(8, U64) * 5)
    z = np.arange(40.0) ** 2  # rises all along
    assert (falling(z) == z.mean()).all()
    assert (falling(-z) == -z).all() and falling(z[:0]).size == 0
    stairs = np.array([3.0, 0.0, 5.0, 0.0, 7.0, 0.0, 9.0])  # a pool at a time, from the end on
    assert (falling(stairs) == loops.never_rising(stairs)).all()


def test_norms_where_the_step_is_simple():
    v = np.array([3.0, 1.0, 2.0, 0.0])
    assert (sorted_prox(v, np.zeros(4)) == v).all()
    assert (sorted_prox(v, np.full(4, 1.5)) == [1.5, 0, 0.5, 0]).all()
    lambdas = np.array([4.0, 2.0, 1.0, 1.0])
    assert (sorted_prox(np.full(4, 3.0), lambdas) == 1.0).all()  # all by the mean
    assert (sorted_prox(np.full(4, 2.0), lambdas) == 0.0).all()
    assert sorted_prox(np.array([3.0]), np.array([2.0])) == [1.0]
    assert (sorted_prox(v, np.array([9.0, 9.0, 0.0, 0.0])) == 0).all()


def weight_of(kind, rows, groups):
    """A weight with that many groups, and the groups as rows of entries of its table."""
    if kind == "kernel":
        shape = (rows, groups, 2, 2)
        numbers = np.arange(4 * rows * groups).reshape(shape)
        return (
            VirtualWeight(shape, Identity(numbers.size + 1), "W", 1),
            numbers.swapaxes(0, 1).reshape(groups, -1) + 1,
        )
    numbers = np.arange(rows * groups)
    hash_ = Identity(numbers.size)
    if kind == "view":
        return VirtualWeight((groups, rows), hash_, "W").T, numbers.reshape(groups, rows)
    return VirtualWeight((rows, groups), hash_, "W"), numbers.reshape(rows, groups).T


@given(
    st.data(),
    st.sampled_from(["matrix", "view", "kernel"]),
    st.integers(1, 4),
    st.integers(1, 5),
    dtypes,
    st.sampled_from([0.0, 0.125, 0.5]),
    st.sampled_from([0.0, 0.25, 1.0]),
    st.sampled_from([0.0, 0.5, 1.0]),
)
def test_a_step_is_the_loops(data, kind, rows, groups, dtype, strength, slope, part):
    w, numbers = weight_of(kind, rows, groups)
    table = data.draw(real((w.hash.buckets,), dtype))
    table = np.where(abs(table) < 1e-15, 0, table)  # squares that underflow are another matter
    penalty, params = GrOWL(strength, slope, w, part), {"W": table}
    assert penalty.names == ("W",) and penalty.gradients(params) == {}
    lambdas = loops.lambdas(groups, strength, slope, part)
    assert penalty.lambdas.tolist() == lambdas
    roundings = 4 * table.size + 32
    value = loops.sorted_norm(table[numbers], lambdas)
    assert_within(penalty.value(params), value, 2 * gamma(roundings, U64) * value)
    rate = 0.5
    expected = loops.growl_prox(table[numbers], rate, lambdas)
    size = abs(table[numbers].astype(float)) + 1e-30
    if table[numbers].any() and not expected.any():
        with pytest.raises(
            ValueError, match=f"would make all {groups} inputs of 'W' 0, as it takes"
        ):
            penalty.shrink({}, params, rate)
        return
    new = penalty.shrink({}, params, rate)["W"]
    assert new.dtype == dtype
    norms = np.linalg.norm(table[numbers].astype(float), axis=1)
    # x / norm has the roundings of the norms of all, as a pool has their mean
    most = gamma(roundings, U64) * (norms.max() + max(lambdas)) / np.maximum(norms, 1e-300)
    bound = size * (gamma(8, eps(dtype)) + np.minimum(most, 1)[:, None])
    assert_within(new[numbers], expected, bound)
    gone = loops.sorted_prox(norms, [rate * x * (1 + 1e-9) + 1e-12 for x in lambdas]) == 0
    clear = gone & (loops.sorted_prox(norms, [rate * x * (1 - 1e-9) for x in lambdas]) == 0)
    assert (new[numbers[clear]] == 0).all()  # exactly
    outside = np.setdiff1d(np.arange(table.size), numbers)
    np.testing.assert_array_equal(new[outside], table[outside])


def test_with_no_slope_it_is_the_group_lasso():
    rng, w = np.random.default_rng(5), VirtualWeight((4, 6), Identity(24), "W")
    table = rng.standard_normal(24)
    ours, lasso = GrOWL(0.75, 0.0, w), GroupLasso(0.75 / 2, w.T)  # sqrt(4) = 2
    found, other = (p.shrink({}, {"W": table}, 1.0)["W"] for p in (ours, lasso))
    assert_within(found, other, gamma(64, U64) * abs(table))
    value = ours.value({"W": table})
    assert_within(value, lasso.value({"W": table}), 2 * gamma(64, U64) * value)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_so_and_does_not_spread(bad):
    table = np.array([[bad, 1.0, 2.0], [3.0, 4.0, 5.0]]).reshape(-1)
    penalty = GrOWL(0.125, 0.25, VirtualWeight((2, 3), Identity(6), "W"), 1.0)
    new = penalty.shrink({}, {"W": frozen(table)}, 1.0)["W"].reshape(2, 3)
    assert not np.isfinite(new[0, 0]) and np.isfinite(new[:, 1:]).all()


W = VirtualWeight((3, 5), Identity(15), "W")


def test_a_step_that_would_kill_every_input_is_refused_and_one_survivor_is_enough():
    table = np.tile([1.0, 1.0, 1.0, 1.0, 1.25], 3)
    equal, penalty = np.ones(15), GrOWL(1.0, 0.0, W)
    survivor = penalty.shrink({}, {"W": table}, rate=2.0)["W"].reshape(3, 5)
    assert (survivor[:, :4] == 0).all() and (survivor[:, 4] > 0).all()
    with pytest.raises(
        ValueError, match=r"takes 2 from a mean norm of 1\.73: begin from a trained"
    ):
        penalty.shrink({}, {"W": equal}, rate=2.0)
    zero = penalty.shrink({}, {"W": np.zeros(15)}, rate=2.0)["W"]
    assert (zero == 0).all()  # was so before


X = np.random.default_rng(2).standard_normal((300, 5))
TWO = (X[:, 1] > 0).astype(int) + (X[:, 3] > 0)  # labels that hang on two of the five inputs alone


def trained(layer, penalty, x, labels):
    network = Sequential((layer,))
    training = Training(
        300, 300, 0.5, SGD(), Constant(), penalties=() if penalty is None else (penalty,)
    )
    state = start(network, training, np.float64)
    *_, (last, _) = steps(network, training, state, x, labels, lambda x, dtype: x.astype(dtype))
    return last.params["W"]


def test_inputs_that_say_nothing_go_and_those_that_say_alike_end_with_one_norm():
    w = trained(Dense(W), GrOWL(0.1, 0.02, W, 0.4), X, TWO).reshape(3, 5)
    assert (w[:, [0, 2, 4]] == 0).all()
    norms = input_norms(w)[[1, 3]]
    assert_within(norms[0], norms[1], 1e-9)
    plain = input_norms(trained(Dense(W), None, X, TWO).reshape(3, 5))
    assert plain.all() and abs(plain[1] - plain[3]) > 0.01


def test_channels_of_a_convolution_that_say_nothing_go_as_a_whole():
    kernel = VirtualWeight((3, 5, 1, 1), Identity(15), "W")
    network = Sequential((Conv2d(kernel),))
    table = trained(Dense(W), None, X, TWO)
    y, _ = network.forward({"W": table}, X[:, :, None, None])
    dense, _ = Sequential((Dense(W),)).forward({"W": table}, X)
    assert_within(y[:, :, 0, 0], dense, 1e-12)
    w = GrOWL(0.5, 0.125, kernel).shrink({}, {"W": table}, 1.0)["W"]
    same = GrOWL(0.5, 0.125, W).shrink({}, {"W": table}, 1.0)["W"]
    np.testing.assert_array_equal(w, same)


def test_inputs_are_not_written_and_it_comes_back_from_a_spec():
    table = frozen(np.arange(1.0, 16.0))
    penalty = GrOWL(0.125, 0.25, W)
    penalty.check({"W": table})
    assert not np.shares_memory(penalty.shrink({"W": table}, {"W": table}, 1.0)["W"], table)
    training, arrays = Training(penalties=(penalty,)), {}
    assert decode(json.loads(json.dumps(encode(training, arrays))), arrays) == training


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: GrOWL(-1.0, 0.0, W), ValueError, r"strength of GrOWL must lie in \[0, "),
        (lambda: GrOWL(1.0, np.inf, W), ValueError, "slope of GrOWL must lie"),
        (lambda: GrOWL(1.0, 0.0, W, 1.5), ValueError, r"part of GrOWL must lie in \[0, 1"),
        (lambda: GrOWL(1.0, 0.0, "W"), TypeError, "weight of GrOWL must be a VirtualWeight"),
        (
            lambda: GrOWL(1.0, 0.0, VirtualWeight((3,), Identity(3), "b")),
            ValueError,
            r"must have shape \(outputs, inputs, ...\), got \(3,\)",
        ),
        (
            lambda: GrOWL(1.0, 0.0, VirtualWeight((3, 2), Uniform(5), "W")),
            ValueError,
            "must own their weights, as under Identity, got Uniform; ",
        ),
        (
            lambda: GrOWL(1.0, 0.0, W).check({"W": np.ones(14)}),
            ValueError,
            r"the parameter 'W' must have shape \(15,\), got \(14,\); ",
        ),
    ],
)
def test_what_is_no_such_penalty_is_refused(make, error, message):
    with pytest.raises(error, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)
