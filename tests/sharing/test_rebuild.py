"""A network rebuilt under other hashes: what is chosen changes, all else stays."""

import numpy as np
import pytest

from minihash import core
from minihash.hashes import Identity, Lookup, Uniform
from minihash.layers import Dense
from minihash.networks.arbnet import arbnet
from minihash.networks.autoencoder import tied_autoencoder
from minihash.networks.cnn import cnn
from minihash.networks.language_model import language_model
from minihash.networks.sequential import Sequential
from minihash.sharing import kept, matrices, share, values
from minihash.weights import VirtualWeight

RNG = np.random.default_rng(5)
NETWORKS = {
    "one table": arbnet((6, 5, 3), "uniform", 0.5, bias="hashed"),
    "a table a layer": arbnet((6, 5, 3), "uniform", 0.5, scope="layer", dropout=0.5),
    "cnn": cnn((4, 4), 3, (2,), (5,), hash="identity"),
    "tied": tied_autoencoder((6, 4, 2), hash="identity"),
    "text": language_model(7, 4, "lstm", tied=True, hash="uniform", compression=0.5).network,
}


@pytest.fixture(autouse=True)
def _plain():
    with core.use("numpy"):  # which compiles nothing
        yield


def inputs(name, network):
    if name == "text":
        return RNG.integers(0, 7, (2, 3))
    return RNG.normal(size=(4, 16 if name == "cnn" else 6))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_under_lookups_of_its_own_weights_is_the_same_function(name):
    network = NETWORKS[name]
    params = network.init(3, np.float64)
    x, before = inputs(name, network), values(network, params)
    chosen = {n: (Identity(V.size), V.reshape(-1)) for n, V in before.items()}
    pruned = {n: np.where(RNG.random(V.shape) < 0.5, V, 0.0) for n, V in before.items()}
    looked_up = {n: Lookup.from_weights(V) for n, V in pruned.items()}
    free, numbers = share(network, params, chosen)
    np.testing.assert_array_equal(free.forward(numbers, x)[0], network.forward(params, x)[0])
    again, less = share(network, params, looked_up)
    from_free, same = share(free, numbers, looked_up)
    for found, table in ((again, less), (from_free, same)):
        assert list(matrices(found)) == list(matrices(network))
        for n, V in values(found, table).items():
            np.testing.assert_array_equal(V, pruned[n])
        np.testing.assert_array_equal(found.forward(table, x)[0], again.forward(less, x)[0])
        assert table.keys() == found.init().keys()


def test_views_of_one_weight_stay_views_of_one():
    network = NETWORKS["tied"]
    ones = {n: (kept(np.ones(w.shape)), np.ones(w.size)) for n, w in matrices(network).items()}
    new, _ = share(network, network.init(), ones)
    weights = [w for w in new.weights() if len(w.shape) == 2]
    assert len(weights) == 4 and len({w.table for w in weights}) == 2
    assert weights[0] == weights[3].T and weights[1] == weights[2].T


def test_what_is_not_chosen_keeps_its_numbers_and_its_table():
    network = NETWORKS["one table"]
    params = network.init(1)
    new, numbers = share(network, params, {"dense2.weight": (Uniform(4), np.arange(4))})
    before, after = values(network, params), values(new, numbers)
    np.testing.assert_array_equal(before["dense1.weight"], after["dense1.weight"])
    assert numbers["dense2.weight"].tolist() == [0, 1, 2, 3]
    assert numbers["dense2.weight"].dtype == np.float32
    for layer, old in zip(new.layers[::3], network.layers[::3], strict=True):
        freed, hashed = layer.bias, old.bias
        assert isinstance(freed.hash, Identity) and freed.table in numbers
        ids = np.arange(hashed.size) + hashed.first_id
        np.testing.assert_array_equal(
            numbers[freed.table], params["table"][hashed.hash.bucket(ids)]
        )
    for name in ("norm1.mean", "norm2.scale"):
        assert numbers.get(name) is params.get(name)


def test_a_name_that_another_table_has_is_not_taken():
    rows = VirtualWeight((2, 3), Identity(6), "dense2.weight")
    network = Sequential((Dense(rows), Dense(VirtualWeight((2, 2), Identity(4), "x"))))
    new, params = share(network, network.init(), {"dense2.weight": (Identity(4), np.ones(4))})
    assert [w.table for w in new.weights()] == ["dense2.weight", "dense2.weight'"]
    assert set(params) == {"dense2.weight", "dense2.weight'"}


def test_what_does_not_fit_is_refused():
    network = NETWORKS["one table"]
    params = network.init()
    with pytest.raises(ValueError, match=r"no weight 'dense9' .* it has dense1.weight, dense2"):
        share(network, params, {"dense9": (Identity(4), np.ones(4))})
    with pytest.raises(ValueError, match="must have 4 entries, one a bucket, got shape"):
        share(network, params, {"dense1.weight": (Identity(4), np.ones(5))})
    with pytest.raises(ValueError, match="needs identifiers up to 29"):
        share(network, params, {"dense1.weight": (Identity(4), np.ones(4))})


@pytest.mark.parametrize("mask", [[0, 0, 0], [1, 1, 1], [0, 1, 0, 1, 1]])
def test_a_bucket_for_each_that_is_kept(mask):
    hash_ = kept(np.array(mask))
    ids = np.arange(len(mask))
    assert hash_.sign(ids).tolist() == mask
    assert hash_.bucket(np.flatnonzero(mask)).tolist() == list(range(sum(mask)))
    assert hash_.buckets == max(sum(mask), 1)
