"""Soft weight sharing: merging and rounding are the loops', and stages end when weights settle."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minihash import core
from minihash.hashes import Identity, Lookup
from minihash.networks.arbnet import arbnet
from minihash.sharing import matrices, values
from minihash.sharing.soft import PERIOD, Soft, distortion, merged, rounded
from minihash.training import Training, start, steps
from minihash.training.optimisers import Adam
from minihash.training.penalties import L2, Mixture
from minihash.training.penalties.mixture import Gaussians
from reference import mixture as loops

U = 2.0**-53


@st.composite
def mixtures(draw):
    """A mixture, some of its components near each other or equal."""
    rng, J = np.random.default_rng(draw(st.integers(0, 2**32 - 1))), draw(st.integers(1, 6))
    pi = rng.uniform(0.1, 1, J + 1)
    mean, gamma = rng.integers(-2, 3, J + 1) / 2, rng.integers(0, 3, J + 1) * 1.0
    mean[0] = 0
    if draw(st.booleans()):  # near, not equal
        mean[1:] += 0.01 * rng.random(J)
    return Gaussians(np.log(pi / pi.sum()), mean, gamma)


def as_loops(mixture):
    return np.exp(mixture.log_pi).tolist(), mixture.mean.tolist(), mixture.gamma.tolist()


@given(mixtures(), st.sampled_from([1e-10, 0.1, 1.0, 5.0, 1e9]))
def test_merging_is_the_loops(mixture, threshold):
    found = merged(mixture, threshold)
    pi, mean, gamma = loops.merged(as_loops(mixture), threshold)
    np.testing.assert_allclose(np.exp(found.log_pi), pi, rtol=64 * U)
    np.testing.assert_allclose(found.mean, mean, rtol=64 * U, atol=64 * U)
    np.testing.assert_allclose(found.gamma, gamma, rtol=64 * U, atol=256 * U)
    assert found.mean[0] == 0 and abs(np.exp(found.log_pi).sum() - 1) <= 64 * U
    assert len(found.mean) == 1 or threshold < 1e9


@given(mixtures(), st.integers(0, 2**32 - 1), st.sampled_from([np.float32, np.float64]))
def test_rounding_is_the_loops(mixture, seed, dtype):
    w = np.random.default_rng(seed).uniform(-2, 2, 12).astype(dtype)
    found = rounded(mixture, w)
    assert found.dtype == dtype
    for one, mean in zip(w.astype(np.float64), found, strict=True):
        joint = np.array(loops.log_joint(one, as_loops(mixture)))
        likely = joint >= joint.max() - 1e3 * U * (1 + abs(joint.max()))
        assert mean in mixture.mean.astype(dtype)[likely]


def test_what_component_0_takes_is_0_whichever_mean_is_the_least():
    mixture = Gaussians(np.log([0.5, 0.25, 0.25]), np.array([0.0, 1e-3, -0.5]), np.full(3, 14.0))
    found = rounded(mixture, np.array([1e-5, 1.1e-3, -0.51]))
    assert found.tolist() == [0.0, 1e-3, -0.5]


def test_distortion_is_what_rounding_changes():
    prior = Mixture(1.0, ("A", "B"), components=1, zero=0.5)
    params = {"A": np.array([0.25, 3.0]), "B": np.array([4.0])}
    params |= prior.own(params) | {"A.mixture.means": np.array([3.5])}
    assert distortion(prior, params) == (0.25**2 + 0.5**2 + 0.5**2) / (0.25**2 + 9 + 16)
    zeros = {name: array * 0 for name, array in params.items()}
    assert distortion(prior, zeros) == 0.0


@pytest.fixture(scope="module", autouse=True)
def compiling_nothing():
    with core.use("numpy"):
        yield


DATA = np.random.default_rng(0).standard_normal((40, 5))
LABELS = np.random.default_rng(1).integers(0, 3, 40)
BEFORE = Training(1, 8, penalties=(L2(0.1, ("table",)),))
NETWORK = arbnet((5, 6, 3), "uniform", 0.5, bias="hashed", norm="none")
QUICK = {"tau": 0.2, "components": 3, "zero": 0.2, "batch_size": 20, "rate": 0.01}


def compressed(method):
    """Each stage, and what it was trained to."""
    network, params, found = NETWORK, NETWORK.init(0, np.float64), []
    while (stage := method.stage(len(found), network, params, BEFORE, len(DATA))) is not None:
        network, training = stage.network, stage.training
        begin = start(network, training, params=stage.params)
        after = steps(network, training, begin, DATA, LABELS, lambda x, dtype: x.astype(dtype))
        params = [state.params for state, _ in after][-1]
        found.append((stage, params))
    return found


def test_weights_gather_are_shared_and_their_means_trained():
    found = compressed(Soft(**QUICK, epochs=80, settled=0.02))
    (first, _), *_, (before, settled), (last, trained) = found
    assert PERIOD < sum(stage.training.epochs for stage, _ in found[:-1]) < 80
    # Hashed weights begin as what they were, each with a number of its own.
    for name, V in values(NETWORK, NETWORK.init(0, np.float64)).items():
        np.testing.assert_array_equal(values(first.network, first.params)[name], V)
    assert all(isinstance(w.hash, Identity) for w in first.network.weights())
    (prior,) = first.training.penalties
    assert prior.strength == 0.2 / 40 and prior.components == 3 and prior.zero == 0.2
    assert set(prior.tables) == {w.table for w in matrices(first.network).values()}  # no biases
    assert isinstance(first.training.optimiser, Adam)
    # Rounding moves no weight far; what component 0 had is no connection.
    assert distortion(prior, settled) <= 0.02
    mixture = prior.gaussians(settled)
    for name, w in matrices(last.network).items():
        assert isinstance(w.hash, Lookup)
        V = values(before.network, settled)[name]
        expected = rounded(mixture, V.reshape(-1))
        np.testing.assert_array_equal(values(last.network, last.params)[name].reshape(-1), expected)
        signs = w.hash.sign(np.arange(w.size))
        assert ((signs == 0) == (mixture.component(V.reshape(-1)) == 0)).all()
        assert w.hash.buckets <= 3 and w.hash.buckets < w.size
        new = values(last.network, trained)[name].reshape(-1)
        assert ((new == 0) == (signs == 0)).all() and not np.array_equal(new, expected)
    assert last.training.penalties == () and last.training.epochs == 4
    assert not [name for name in last.params if "mixture" in name]


def test_a_stage_follows_from_its_number_and_what_was_before():
    method = Soft(**QUICK, epochs=20, settled=0.0)
    with pytest.warns(
        UserWarning, match=r"have not gathered at the means: rounding changes \d+\.\d"
    ):
        found = compressed(method)
    assert [stage.training.epochs for stage, _ in found] == [10, 10, 4]
    assert [stage.name for stage, _ in found][:2] == [
        "mixture, epochs 1 to 10 of at most 20",
        "mixture, epochs 11 to 20 of at most 20",
    ]
    again = method.stage(1, found[0][0].network, found[0][1], BEFORE, len(DATA))
    assert again.params.keys() == found[1][0].params.keys()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert method.stage(3, found[2][0].network, found[2][1], BEFORE, len(DATA)) is None


def test_a_prior_that_draws_all_to_0_is_refused():
    with pytest.raises(ValueError, match=r"drawn every weight to 0: take a tau below 9\.0, "):
        compressed(Soft(**QUICK | {"tau": 9.0, "zero": 0.9}, epochs=30))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tau": -1.0}, "tau of Soft must lie in"),
        ({"components": 0}, "components of Mixture"),
        ({"zero": 1.0}, "zero of Mixture"),
        ({"epochs": 0}, "epochs of Soft"),
        ({"retrain": 0}, "retrain of Soft"),
        ({"rate": 0.0}, "rate of Training must be positive"),
        ({"retrain_rate": -1.0}, "rate of Training must lie"),
        ({"settled": float("nan")}, "settled of Soft must lie"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Soft(**options)
