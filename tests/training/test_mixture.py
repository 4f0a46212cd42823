"""The mixture prior against its loops, exact on the grid and within a bound beside it; training."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minihash import core
from minihash.hashes import Identity
from minihash.layers import Dense
from minihash.networks.sequential import Sequential
from minihash.training import Training, start, steps
from minihash.training.optimisers import SGD, Adam
from minihash.training.penalties import L2, Mixture
from minihash.training.penalties.mixture import BOUNDS, POINTS, Gaussians
from minihash.training.schedules import Constant
from minihash.weights import VirtualWeight
from reference import mixture as loops
from tests.support.bounds import eps
from tests.support.strategies import dtypes, examples

U64 = eps(np.float64)
ROUNDINGS = 256  # of a gradient: exp, log and sums of few terms, in grid and loop


@st.composite
def problems(draw, beta=True):
    """(prior, params): two tables of few entries, few components, in float64."""
    J, seed = draw(st.integers(1, 4)), draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    prior = Mixture(
        draw(st.sampled_from([0.5, 1.0, 3.0])),
        ("A", "B"),
        components=J,
        zero=draw(st.sampled_from([0.2, 0.9])),
        beta=draw(st.sampled_from([None, (3.0, 2.0)])) if beta else None,
        on_zero=(3.0, 0.5),
        on_others=draw(st.sampled_from([(1.0, 0.0), (2.0, 0.25)])),
    )
    params = {"A": rng.uniform(-1, 1, 5), "B": rng.uniform(-1, 1, 3)}
    shapes = {name: array.shape for name, array in prior.own(params).items()}
    params |= {name: rng.normal(size=shape) for name, shape in shapes.items()}
    params["A.mixture.gamma"] *= 2
    return prior, params


def as_loops(prior, params):
    """(mixture, hyperpriors) of the loops."""
    kappa = params.get("A.mixture.kappa", [math.log(prior.zero / (1 - prior.zero))])[0]
    pis = loops.proportions(float(kappa), list(params["A.mixture.rho"]))
    means = [0.0, *params["A.mixture.means"]]
    priors = [prior.on_zero] + [prior.on_others] * prior.components
    return (pis, means, list(params["A.mixture.gamma"])), priors


def weights(params):
    return [*params["A"], *params["B"]]


@given(problems())
@examples(20)
def test_the_value_is_the_loops(problem):
    prior, params = problem
    mix, priors = as_loops(prior, params)
    expected = prior.strength * loops.objective(weights(params), mix, priors, prior.beta)
    assert abs(prior.value(params) - expected) <= ROUNDINGS * U64 * (abs(expected) + 100)


@given(problems(), st.integers(0, 2**32 - 1))
@examples(20)
def test_gradients_are_the_loops_at_points_of_the_grid(problem, seed):
    prior, params = problem
    places = np.random.default_rng(seed).integers(0, POINTS, 8)
    places[:2] = 0, POINTS - 1
    grid = np.linspace(-0.75, 1.25, POINTS)
    params |= {"A": grid[places[:5]], "B": grid[places[5:]]}
    found = prior.gradients(params)
    mix, priors = as_loops(prior, params)
    own = loops.gradients(weights(params), mix, priors, prior.beta)
    expected = {
        "A": [loops.weight_gradient(w, mix) for w in params["A"]],
        "B": [loops.weight_gradient(w, mix) for w in params["B"]],
    }
    expected |= dict(zip(prior.owned, [*own[:3], [own[3]]], strict=False))
    assert found.keys() == expected.keys() == {"A", "B", *prior.owned}
    # A place on the grid is off by POINTS roundings, the slope of what is there is lam^2 at most.
    lam = np.exp(params["A.mixture.gamma"]).max()
    slack = ROUNDINGS * U64 * POINTS * (1 + lam) ** 2 * 16
    for name, d in expected.items():
        assert (abs(found[name] - prior.strength * np.array(d)) <= prior.strength * slack).all()


def cell_bound(w, h, mix):
    """h^2 / 8 max |g''| over h around w, g'' = E (s - g)^3 - 3 Cov(s, lam): the third moment of
    what spans D is D^3 / (6 sqrt 3) at most, and the covariance of two a quarter of the product of
    their spans. s_j is linear in w, so that its span is widest at an end."""
    lam, means = np.exp(mix[2]), np.array(mix[1])
    D = max(np.ptp(lam * (end - means)) for end in (w - h, w + h))
    return h * h / 8 * (D**3 / (6 * math.sqrt(3)) + 3 / 4 * D * np.ptp(lam))


@given(problems(), dtypes)
@examples(20)
def test_between_the_points_the_slope_is_within_its_bound(problem, dtype):
    prior, params = problem
    params = {name: array.astype(dtype) for name, array in params.items()}
    found = prior.gradients(params)
    mix, _ = as_loops(prior, {name: array.astype(np.float64) for name, array in params.items()})
    every = np.array(weights(params), np.float64)
    h = np.ptp(every) / (POINTS - 1)
    lam = np.exp(mix[2]).max()
    # In its dtype a weight has a place that is off by some units of the range: the slope of g there
    # is lam^2 at most, as the span of what it averages.
    rounding = 16 * eps(dtype) * (1 + lam) ** 2 * 8 + ROUNDINGS * U64 * POINTS * (1 + lam) ** 2
    for name in prior.tables:
        assert found[name].dtype == dtype
        for w, d in zip(params[name].astype(np.float64), found[name], strict=True):
            bound = prior.strength * (cell_bound(w, h, mix) + rounding)
            assert abs(d - prior.strength * loops.weight_gradient(w, mix)) <= bound


def test_the_bound_is_far_below_what_another_interpolation_errs():
    """The value at the nearest point errs by h / 2 times the slope: in most places near lam, 25."""
    prior = Mixture(1.0, ("W",), components=2, zero=0.5, on_zero=(1, 0), on_others=(1, 0))
    rng = np.random.default_rng(0)
    params = {"W": rng.uniform(-1, 1, 400)}
    params |= prior.own(params) | {"W.mixture.gamma": np.full(3, -2 * math.log(0.2))}
    mix = ([0.5, 0.25, 0.25], [0.0, *params["W.mixture.means"]], list(params["W.mixture.gamma"]))
    error = prior.gradients(params)["W"] - [loops.weight_gradient(w, mix) for w in params["W"]]
    h = np.ptp(params["W"]) / (POINTS - 1)
    bounds = np.array([cell_bound(w, h, mix) for w in params["W"]])
    assert (abs(error) <= bounds + 1e-9).all() and abs(error).max() > 0
    assert bounds.max() < 25 * h / 2 / 50


def test_what_is_between_two_points_is_shared_out_to_both():
    """The sums over weights are linear between points, as the slope is: half-way, the mean."""
    prior = Mixture(1.0, ("W",), components=2, zero=0.5, on_zero=(1, 0), on_others=(1, 0))
    grid = np.linspace(-1, 1, POINTS)
    ends = np.array([-1.0, 1.0])
    own = prior.own({"W": ends}) | {"W.mixture.gamma": np.array([6.0, 5.0, 4.0])}
    for k in (0, 77, POINTS // 2, POINTS - 2):
        found = []
        for w in (grid[k], 0.75 * grid[k] + 0.25 * grid[k + 1], grid[k + 1]):
            found.append(prior.gradients({"W": np.append(ends, w)} | own))
        for name in ("W", *prior.owned):
            a, b, c = (d[name] for d in found)
            np.testing.assert_allclose(b, 0.75 * a + 0.25 * c, rtol=1e-8, atol=1e-6)


def test_nothing_overflows_however_far_a_weight_is():
    prior = Mixture(1.0, ("W",), components=2)
    params = {"W": np.array([-1e3, 0.0, 2.0], np.float32)}
    params |= prior.own(params)
    params["W.mixture.means"] = np.array([-0.1, 0.1], np.float32)
    params["W.mixture.gamma"] = np.full(3, BOUNDS[1], np.float32)
    params["W.mixture.rho"] = np.array([-1e4, 1e4], np.float32)
    assert math.isfinite(prior.value(params))
    assert all(np.isfinite(d).all() for d in prior.gradients(params).values())
    assert prior.gaussians(params).log_pi[0] == pytest.approx(math.log(0.999), abs=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_diverged_weight_makes_all_gradients_nan_and_nothing_fail(bad):
    prior = Mixture(1.0, ("A", "B"), components=2)
    params = {"A": np.array([0.0, 1.0]), "B": np.array([0.5])}
    params |= prior.own(params) | {"A": np.array([bad, 1.0])}
    assert all(np.isnan(d).all() for d in prior.gradients(params).values())


def test_equal_weights_have_no_range():
    prior = Mixture(1.0, ("W",), components=1, zero=0.5, on_zero=(1, 0), on_others=(1, 0))
    params = {"W": np.full(3, 0.5)}
    params |= prior.own(params)
    mix = ([0.5, 0.5], [0.0, 0.5], list(params["W.mixture.gamma"]))
    np.testing.assert_allclose(
        prior.gradients(params)["W"], loops.weight_gradient(0.5, mix), rtol=1e-12
    )


def test_means_start_over_the_range_of_the_weights():
    prior = Mixture(1.0, ("A", "B"), components=3, zero=0.25, beta=(2.0, 1.0), deviation=0.5)
    own = prior.own({"A": np.array([-2.0, 0.0]), "B": np.array([4.0])})
    expected = {"means": [-2, 1, 4], "gamma": [2 * math.log(2)] * 4, "rho": [0, 0, 0]}
    expected |= {"kappa": [-math.log(3)]}
    assert list(own) == [f"A.mixture.{name}" for name in expected]
    for found, values in zip(own.values(), expected.values(), strict=True):
        np.testing.assert_allclose(found, values, rtol=1e-15)


def test_its_own_parameters_have_rates_and_bounds_of_their_own():
    prior = Mixture(1.0, ("W",), components=1, rates=(0.5, 2.0, 3.0))
    before = {"W.mixture.means": np.array([1.0]), "W.mixture.gamma": np.array([13.0, 0.0])}
    before |= {"W.mixture.rho": np.array([0.0])}
    after = {name: array + 1 for name, array in before.items()}
    new = prior.shrink(before, after, rate=7.0)
    assert {name: array.tolist() for name, array in new.items()} == {
        "W.mixture.means": [1.5],
        "W.mixture.gamma": [BOUNDS[1], 2.0],
        "W.mixture.rho": [3.0],
    }


@given(problems(beta=False), st.integers(0, 2**32 - 1))
@examples(20)
def test_components_are_the_loops(problem, seed):
    prior, params = problem
    mix, _ = as_loops(prior, params)
    w = np.random.default_rng(seed).uniform(-2, 2, 20)
    found = prior.gaussians(params).component(w)
    for one, j in zip(w, found, strict=True):
        joint = loops.log_joint(one, mix)
        assert joint[j] >= max(joint) - ROUNDINGS * U64 * (1 + abs(max(joint)))
    same = Gaussians(np.log([0.5, 0.5]), np.array([0.0, 0.0]), np.zeros(2))
    assert same.component(np.zeros(3)).tolist() == [0, 0, 0]


@pytest.fixture(scope="module", autouse=True)
def compiling_nothing():
    with core.use("numpy"):
        yield


# In training.

NETWORK = Sequential((Dense(VirtualWeight((3, 5), Identity(15), "W")),))
DATA = np.random.default_rng(0).standard_normal((40, 5))
LABELS = np.random.default_rng(1).integers(0, 3, 40)


def run(training, state):
    after = steps(NETWORK, training, state, DATA, LABELS, lambda x, dtype: x.astype(dtype))
    return [state, *(new for new, _ in after)]


PRIOR = Mixture(0.01, ("W",), components=3, zero=0.9, beta=(9.0, 1.0))


@pytest.mark.parametrize("optimiser", [SGD(0.9), Adam()], ids=repr)
def test_a_resumed_run_ends_with_the_same_bits(optimiser):
    training = Training(2, 8, 0.01, optimiser, Constant(), penalties=(PRIOR, L2(0.1, ("W",))))
    states = run(training, start(NETWORK, training, np.float64))
    whole, again = states[-1], run(training, states[4])[-1]
    assert whole.params.keys() == {"W", *PRIOR.owned}
    for name, array in whole.params.items():
        assert array.tobytes() == again.params[name].tobytes()
        assert not np.array_equal(array, states[0].params[name])  # all are trained


def test_training_lowers_the_prior_and_draws_the_weights_to_the_means():
    prior = Mixture(0.05, ("W",), components=2, zero=0.5, on_zero=(3, 1e-3), on_others=(3, 1e-3))
    training = Training(60, 40, 0.01, Adam(), Constant(), penalties=(prior,))
    states = run(training, start(NETWORK, training, np.float64))
    assert prior.value(states[-1].params) < prior.value(states[0].params) - 1

    def away(state):
        mixture, w = prior.gaussians(state.params), state.params["W"]
        return abs(w - mixture.mean[mixture.component(w)]).max()

    assert away(states[-1]) < away(states[0]) / 4


def test_training_can_begin_with_parameters():
    training = Training(1, 40, 0.01, Adam(), penalties=(PRIOR,))
    params = {"W": np.linspace(-1, 3, 15)}
    state = start(NETWORK, training, params=params)
    assert state.params["W"] is params["W"]
    assert state.params["W.mixture.means"].tolist() == [-1, 1, 3]
    assert {f"first_moment.{name}" for name in ("W", *PRIOR.owned)} < state.optimiser.keys()
    assert params.keys() == {"W"}
    again = start(NETWORK, training, params=params | {"W.mixture.means": np.arange(3.0)})
    assert again.params["W.mixture.means"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Mixture(1.0, ()), ValueError, "must be on a table at least, got none"),
        (lambda: Mixture(1.0, ("W",), 0), ValueError, "components of Mixture"),
        (lambda: Mixture(1.0, ("W",), zero=1.0), ValueError, "zero of Mixture must lie in"),
        (lambda: Mixture(1.0, ("W",), zero=0.0), ValueError, "zero and deviation of Mixture must"),
        (lambda: Mixture(1.0, ("W",), deviation=0.0), ValueError, "zero and deviation of Mixture"),
        (lambda: Mixture(1.0, ("W",), rates=(1.0, 2.0)), ValueError, "rates of Mixture must be 3"),
        (lambda: Mixture(1.0, ("W",), beta=(1.0, -2.0)), ValueError, "beta of Mixture must be 2"),
        (lambda: Mixture(1.0, ("W",), on_zero=5.0), ValueError, "on_zero of Mixture must be 2"),
        (lambda: Mixture(-1.0, ("W",)), ValueError, "strength of Mixture must lie"),
        (
            lambda: start(NETWORK, Training(penalties=(PRIOR, PRIOR))),
            ValueError,
            "two penalties have a parameter 'W.mixture.means'; ",
        ),
        (
            lambda: PRIOR.check({"W": np.ones(15)}),
            (KeyError, ValueError),
            "W.mixture.means",
        ),
    ],
)
def test_what_is_no_mixture_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
