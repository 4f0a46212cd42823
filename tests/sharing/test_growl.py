"""GrOWL's ties: alike inputs share a block of a table, dead ones are 0, and so it stays."""

import re
from itertools import islice

import numpy as np
import pytest

from minihash import core
from minihash.cli import main
from minihash.hashes import Blocks, Identity
from minihash.layers import Conv2d, Dense
from minihash.networks.arbnet import arbnet
from minihash.networks.autoencoder import tied_autoencoder
from minihash.networks.sequential import Sequential
from minihash.runs.kinds import load_model
from minihash.sharing.growl import Growl, alike, tied
from minihash.sharing.rebuild import matrices, share, values
from minihash.training import Training, start, steps
from minihash.training.optimisers import SGD
from minihash.training.penalties import L2
from minihash.training.schedules import Constant, Decay
from minihash.training.sorted_norms import GrOWL, input_norms
from minihash.weights import VirtualWeight
from reference import affinity as loops
from tests.support.bounds import assert_within


@pytest.fixture(autouse=True)
def interpreted():
    """The numbers are few: compiling would take longer."""
    with core.use("numpy"):
        yield


CLUSTERS = np.array([0, 1, 0, -1, 2, 1, 0, -1])  # of eight inputs, two of them dead


def inputs_of(clusters, shape, seed=0):
    """A weight of whole numbers whose inputs are alike as these clusters say: means are exact."""
    rng = np.random.default_rng(seed)
    outputs, _, *taps = shape
    V = np.zeros(shape)
    for k in range(clusters.max() + 1):
        centre, members = 64 * rng.integers(-9, 9, (outputs, *taps)), np.flatnonzero(clusters == k)
        for j, off in zip(members, range(members.size), strict=True):
            V[:, j] = centre + (2 * off - members.size + 1)
    return V


@pytest.mark.parametrize("shape", [(6, 8), (5, 8, 2, 3)])
def test_alike_inputs_are_their_mean_and_dead_ones_are_0(shape):
    V = inputs_of(CLUSTERS, shape)
    count, found = alike(V, 0.6)
    assert count == 3 and ((found < 0) == (CLUSTERS < 0)).all()
    same = found[:, None] == found
    assert (same == (CLUSTERS[:, None] == CLUSTERS)).all()
    w = VirtualWeight(shape, Identity(V.size), "W")
    layer = Dense(w) if len(shape) == 2 else Conv2d(w)
    hash_, table, down = tied(V, 0.6)
    name = "dense1.weight" if len(shape) == 2 else "conv1.weight"
    network, params = share(
        Sequential((layer,)), {"W": V.reshape(-1)}, {name: (hash_, table, down)}
    )
    assert params[name].size == 3 * V.size // 8
    new = values(network, params)[name]
    for k in range(3):
        mean = V[:, k == CLUSTERS].mean(axis=1)
        for j in np.flatnonzero(k == CLUSTERS):
            np.testing.assert_array_equal(new[:, j], mean)
    assert (new[:, CLUSTERS < 0] == 0).all()
    again = values(*share(network, params, {name: tied(new, 0.6)}))[name]
    np.testing.assert_array_equal(again, new)  # what is tied is tied the same again


def test_clusters_are_those_of_the_loops():
    for seed in range(10):
        V = np.random.default_rng(seed).standard_normal((2, 12))
        V[:, seed] = 0
        rows = np.delete(V.T, seed, axis=0)
        exemplars = loops.propagate(loops.similarities(rows, 0.7), 0.5, 15, 1000, 1e-9)
        _, cluster = np.unique(exemplars, return_inverse=True)
        assert (alike(V, 0.7)[1] == np.insert(cluster, seed, -1)).all()


def test_what_looks_the_other_way_is_not_tied():
    V = np.array([[1.0, -1.0, 1.0, -1.0], [2.0, -2.0, 2.0, -2.0]])
    assert (alike(V, 0.6)[1] == [0, 1, 0, 1]).all()


def test_both_views_of_a_tied_autoencoder_read_the_block():
    network = tied_autoencoder((8, 6), hash="identity", compression=1.0)
    params = network.init(0, np.float64)
    (name,) = matrices(network)
    V = inputs_of(CLUSTERS, (6, 8))
    params[matrices(network)[name].table][: V.size] = V.reshape(-1)
    new, tables = share(network, params, {name: tied(V, 0.6)})
    encoder, decoder = (core.gather(tables[w.table], w) for w in new.weights() if len(w.shape) == 2)
    np.testing.assert_array_equal(encoder, decoder.T)
    assert (encoder[:, 0] == V[:, [0, 2, 6]].mean(axis=1)).all()


W = VirtualWeight((6, 8), Identity(48), "W")
X, Y = np.random.default_rng(1).standard_normal((40, 8)), np.arange(40) % 6


def after(network, params, rate, count):
    training = Training(1, 40 // count, rate, SGD(), Constant())
    state = start(network, training, np.float64)
    state = type(state)(params, state.optimiser, state.schedule)
    run = steps(network, training, state, X, Y, lambda x, dtype: x.astype(dtype))
    return [state for state, _ in islice(run, count)][-1].params


def test_a_step_on_ties_is_the_mean_of_untied_steps_whose_rate_is_times_the_clusters_size():
    V = inputs_of(CLUSTERS, (6, 8)) / 512
    network, params = share(
        Sequential((Dense(W),)), {"W": V.reshape(-1)}, {"dense1.weight": tied(V, 0.6)}
    )
    begin = values(network, params)["dense1.weight"]
    new = values(network, after(network, params, 0.5, 1))["dense1.weight"]
    for k, size in enumerate((3, 2, 1)):
        free = after(Sequential((Dense(W),)), {"W": begin.reshape(-1)}, 0.5 * size, 1)["W"]
        own = np.flatnonzero(k == CLUSTERS)
        mean = free.reshape(6, 8)[:, own].mean(axis=1)
        for j in own:
            assert_within(new[:, j], mean, 1e-13)
    assert abs(new - begin).max() > 1e-3
    later = values(network, after(network, params, 0.5, 10))["dense1.weight"]
    assert (later[:, 0] == later[:, 2]).all() and (later[:, 0] == later[:, 6]).all()
    assert (later[:, [3, 7]] == 0).all()


def to_the_end(method, network, params, training):
    """Each stage's name and network, with what it begins with, and the last."""
    stages = []
    while (stage := method.stage(len(stages), network, params, training, 9)) is not None:
        stages.append(stage)
        network, params = stage.network, stage.params
    return stages


def test_the_stages_are_the_penalty_then_the_ties():
    network = arbnet((8, 6, 3), hash="identity", compression=1.0, norm="none")
    params, V = network.init(0), inputs_of(CLUSTERS, (6, 8))
    params["table"][:48] = V.reshape(-1)
    training = Training(penalties=(L2(0.25, ("table",)),))
    method = Growl(strength=0.5, slope=0.25, part=1.0, penalty_epochs=2, epochs=3, rate=0.125)
    first, second = to_the_end(method, network, params, training)
    assert first.network is network and first.params is params
    plan = first.training
    assert (plan.epochs, plan.batch_size, plan.rate, plan.schedule) == (2, 500, 0.05, Constant())
    smooth, sorted_ = plan.penalties
    assert smooth == L2(0.25, ("table",))
    assert sorted_ == GrOWL(0.5, 0.25, network.weights()[0], 1.0)
    assert second.name == "6 of 8 inputs in 3 clusters (rate 2.7, no index counted)"
    plan = second.training
    assert (plan.epochs, plan.batch_size, plan.rate, plan.schedule) == (3, 50, 0.125, Decay(1e-3))
    tables = tuple(w.table for w in matrices(second.network).values())
    assert plan.penalties == (L2(0.25, tables),) and len(tables) == 2
    assert "table" not in second.params  # nothing of the one table is kept beside
    assert sum(second.params[table].size for table in tables) == 6 * 3 + 3 * 6
    found = values(second.network, second.params)
    assert input_norms(found["dense1.weight"])[[3, 7]].tolist() == [0, 0]
    np.testing.assert_array_equal(found["dense2.weight"], values(network, params)["dense2.weight"])
    (only,) = to_the_end(Growl(penalty_epochs=0), network, params, training)
    assert only.name == second.name


def test_l2_is_on_the_layers_that_are_not_tied():
    network = arbnet((8, 6, 5, 3), hash="identity", compression=1.0, scope="layer")
    first = Growl(layers=(2,), l2=0.25).stage(0, network, network.init(0), Training(), 9)
    decay, sorted_ = first.training.penalties
    assert decay == L2(0.25, ("dense1.weight", "dense3.weight"))
    assert sorted_.weight is network.weights()[2]


def test_minihash_compress_ties_a_trained_run(here, capsys):
    flags = "--hidden 9 --hash identity --norm none --standardise none --epochs 1 --out run"
    assert main(["train", *flags.split(), "--quiet"]) == 0
    method = ["--method", "growl", "--option", "penalty_epochs=2", "--option", "epochs=1"]
    options = ["--option", "strength=0.01", "--option", "penalty_batch=400"]
    assert main(["compress", "run", *method, *options, "--out", "small"]) == 0
    page = capsys.readouterr().out
    left, clusters = map(int, re.search(r"(\d+) of 784 inputs in (\d+) clusters", page).groups())
    assert f"(rate {784 / clusters:.1f}, no index counted)" in page
    model = load_model("small")
    (w, _) = matrices(model.network).values()
    assert type(w.hash) is Blocks and (w.hash.size, w.hash.buckets) == (9, 9 * clusters)
    V = values(model.network, model.params)["dense1.weight"]
    assert np.count_nonzero(input_norms(V)) == left < 784
    assert np.unique(V[:, input_norms(V) > 0], axis=1).shape[1] == clusters < left


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": ()}, r"layers must be numbers from 1, got \(\); try 1"),
        ({"layers": (0,)}, "layers must be numbers from 1"),
        ({"layers": (1.5,)}, "layers must be numbers from 1"),
        ({"preference": 1.5}, r"preference of Growl must lie in \[0, 1"),
        ({"epochs": 0}, "epochs must lie in 1"),
        ({"strength": -1.0}, "strength of Growl must lie in"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Growl(**options)


def test_a_network_without_such_a_layer_or_with_shared_weights_is_refused():
    network = arbnet((8, 6, 3), hash="identity", compression=1.0)
    params, training = network.init(0), Training()
    with pytest.raises(ValueError, match=r"has 2 layers with matrices, dense1\.weight"):
        Growl(layers=(3,)).stage(0, network, params, training, 9)
    shared = arbnet((8, 6, 3))
    with pytest.raises(ValueError, match="must own their weights, as under Identity, got Uniform"):
        Growl().stage(0, shared, shared.init(0), training, 9)
    params["table"][:] = 0
    with pytest.raises(ValueError, match="every input is 0, so that there are none to tie; lower"):
        Growl(penalty_epochs=0).stage(0, network, params, training, 9)
