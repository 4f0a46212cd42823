"""Prune and codebook: stages, masks, and what training of centroids is."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minihash import core, training
from minihash.hashes import Lookup, balance
from minihash.networks.arbnet import arbnet
from minihash.sharing import METHODS, Codebook, moved, values
from minihash.sharing.codebook import quantised, rate
from minihash.sharing.prune import above, densest
from minihash.training import Training
from minihash.training.optimisers import Adam
from minihash.training.penalties import L1, GroupLasso
from minihash.weights import VirtualWeight

NETWORK = arbnet((12, 9, 4), "identity", 1.0, norm="none")
PLAN = Training(epochs=5, rate=0.01, optimiser=Adam(), penalties=(L1(1e-4, ("table",)),))
RNG = np.random.default_rng(3)
X, LABELS = RNG.normal(size=(60, 12)), RNG.integers(0, 4, 60)


def trained(stage):
    state = training.start(stage.network, stage.training, params=stage.params)
    to_input = lambda x, dtype: x.astype(dtype)  # noqa: E731
    for after, _ in training.steps(stage.network, stage.training, state, X, LABELS, to_input):
        yield after.params


def stages(method, plan=PLAN):
    network, params = NETWORK, NETWORK.init(1)
    while True:
        stage = method.stage(len(done := stages_done), network, params, plan, 40)
        if stage is None:
            return
        yield stage, params
        *_, params = trained(stage)
        network = stage.network
        done.append(stage.name)


stages_done: list[str] = []


@pytest.fixture(autouse=True)
def _none_done():
    stages_done.clear()
    with core.use("numpy"):  # which compiles nothing
        yield


def test_stages_of_codebook():
    method = Codebook(density=(0.25, 0.5), rounds=2, prune_epochs=(1, 2), bits=(2, 1), epochs=1)
    found = list(stages(method))
    assert stages_done == ["pruned to 54.9%", "pruned to 31.2%", "codebooks of 2, 1 bits"]
    assert [stage.training.epochs for stage, _ in found] == [1, 2, 1]
    masks = []
    for stage, _ in found:
        cut = {n: V == 0 for n, V in values(stage.network, stage.params).items()}
        for params in trained(stage):
            for name, V in values(stage.network, params).items():
                assert not V[cut[name]].any()  # to the bit, whatever a moment remembers
        masks.append(cut)
    kept = [{name: int((~mask).sum()) for name, mask in cut.items()} for cut in masks]
    assert kept[0] == {"dense1.weight": 54, "dense2.weight": 25}
    assert kept[1] == kept[2] == {"dense1.weight": 27, "dense2.weight": 18}
    for first, second in pairwise(masks):
        assert all((second[name] >= first[name]).all() for name in first)
    last = found[-1][0]
    sizes = {w.table: w.hash.buckets for w in last.network.weights()}
    assert sizes == {"dense1.weight": 3, "dense2.weight": 1, "dense1.bias": 9, "dense2.bias": 4}
    assert last.training.penalties == () and last.training.rate == method.rate
    assert found[0][0].training.penalties[0].tables == ("dense1.weight", "dense2.weight")


def test_nothing_is_pruned_without_a_rule():
    ((stage, params),) = stages(Codebook(bits=(3,), epochs=1))
    for name, V in values(stage.network, stage.params).items():
        W = values(NETWORK, params)[name]
        hash_, table = quantised(W, 3)
        np.testing.assert_array_equal(V.reshape(-1), table[hash_.assignment])
        assert np.unique(V).size == 7


def test_a_threshold_cuts_by_the_deviation():
    method = Codebook(threshold=(1.0, 99.0), rounds=1, prune_epochs=(1,), epochs=1)
    (first, params), (second, _) = stages(method)
    W, V = values(NETWORK, params), values(first.network, first.params)
    for name, quality in zip(W, (1.0, 99.0), strict=True):
        mask = np.abs(W[name]) > quality * W[name].std()
        np.testing.assert_array_equal(V[name], W[name] * mask)
    assert not values(second.network, second.params)["dense2.weight"].any()


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=40), st.floats(0.01, 1))
def test_a_density_is_met_whatever_ties_there_are(weights, density):
    W = np.array(weights, float)
    mask = densest(W, density)
    count = max(round(density * W.size), 1)
    order = sorted(range(W.size), key=lambda i: (-abs(W[i]), i))
    assert np.flatnonzero(mask).tolist() == sorted(order[:count])


def test_above_a_threshold_is_strictly_above():
    assert above(np.array([1.0, -1.0]), 1.0).tolist() == [False, False]
    assert above(np.zeros(3), 0.0).tolist() == [False] * 3


def test_the_gradients_of_figure_3():
    """Deep Compression, figure 3: the sums, and the centroids after a step of rate 1."""
    index = np.array([[3, 0, 2, 1], [1, 1, 0, 3], [0, 3, 1, 0], [3, 1, 2, 2]])
    dV = np.array([[-3, -1, 3, 2], [-1, 1, -2, 12], [-1, 2, 4, 1], [-7, -2, 1, -2]]) / 100
    centroids = np.array([-1.0, 0.0, 1.5, 2.0])
    w = VirtualWeight((4, 4), Lookup(4, index.reshape(-1)))
    gradients = core.scatter_add(dV, w)
    np.testing.assert_allclose(gradients, [-0.03, 0.04, 0.02, 0.04], atol=1e-12)
    np.testing.assert_allclose(centroids - gradients, [-0.97, -0.04, 1.48, 1.96], atol=1e-12)


def test_equation_1_counts_bits():
    assert rate(16, 4) == pytest.approx(3.2)
    n, k, b = 1000, 16, 32
    assert rate(n, k, b) == pytest.approx(n * b / (n * 4 + k * b))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"density": (0.1,), "threshold": (1.0,)}, "two rules of one cut"),
        ({"density": (1.5,)}, r"density must be numbers in 0 .. 1, got \(1.5,\)"),
        ({"threshold": (-1.0,)}, "threshold must be numbers"),
        ({"bits": ()}, "give bits, and prune_epochs for all 3 rounds or one for each"),
        ({"bits": (0,)}, "bits must be numbers in 1"),
        ({"bits": 5}, "bits must be numbers in 1"),
        ({"prune_epochs": (1, 2)}, "for all 3 rounds or one for each"),
        ({"prune_epochs": (0,)}, "prune_epochs must be numbers in 1"),
        ({"start": "forgy"}, "start must be one of linear, density, random, optimal"),
        ({"rounds": 0}, "rounds must"),
        ({"epochs": 0}, "epochs must"),
    ],
)
def test_options_that_cannot_be_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        METHODS["codebook"](**options)


def test_options_of_another_number_of_layers_are_refused():
    for options in ({"density": (0.1, 0.2, 0.3)}, {"bits": (1, 2, 3)}):
        name = next(iter(options))
        with pytest.raises(ValueError, match=f"{name} must be one number for all 2 layers, or one"):
            Codebook(**options).stage(0, NETWORK, NETWORK.init(), PLAN, 40)


def test_penalties_move_to_the_new_tables_and_groups_are_left_out():
    groups = GroupLasso(0.1, NETWORK.weights()[0])
    plan = replace(PLAN, penalties=(*PLAN.penalties, groups))
    (stage, _), *_ = stages(Codebook(bits=(2,), epochs=1), plan)
    new = moved(plan, stage.network)
    assert [type(p) for p in new.penalties] == [L1]
    assert new.penalties[0].tables == ("dense1.weight", "dense2.weight")


def test_centroids_may_follow_the_mean_of_their_clusters():
    method = Codebook(bits=(2,), epochs=1, rate=0.1, gradient="mean")
    ((stage, _),) = stages(method)
    assert stage.training.optimiser.weights == tuple(
        w for w in stage.network.weights() if len(w.shape) == 2
    )
    ((plain, _),) = (stages_done.clear(), list(stages(replace(method, gradient="sum"))))[1]
    first, other = next(trained(stage)), next(trained(plain))
    for w in stage.training.optimiser.weights:
        load = np.maximum(balance(w.hash, w.size).load, 1)
        moved_by = stage.params[w.table] - first[w.table]
        summed = plain.params[w.table] - other[w.table]
        np.testing.assert_allclose(moved_by * load, summed, rtol=1e-3, atol=1e-5)
    with pytest.raises(ValueError, match="gradient must be sum or mean"):
        Codebook(gradient="least")
