"""The ArbNet builder: identifiers, tables, salts, refusals, and the warning of rows that repeat."""

import math
import re
import warnings
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from minihash import core
from minihash.hashes import (
    Dirichlet,
    HashedNets,
    Identity,
    Modulus,
    Neighborhood,
    Uniform,
)
from minihash.layers import ELU, BatchNorm1d, Dense
from minihash.networks.arbnet import arbnet
from reference.streams import stream

MNIST, CIFAR = (784, 200, 200, 10), (3072, *[2000] * 5, 10)
networks = st.lists(st.integers(1, 12), min_size=2, max_size=5).map(tuple)
biases = st.sampled_from(["free", "hashed", "none"])
seeds = st.integers(0, 2**32 - 1)


def shapes(sizes):
    return list(zip(sizes[1:], sizes[:-1], strict=True))


def dense(network):
    return [layer for layer in network.layers if isinstance(layer, Dense)]


def quietly(*args, **options):
    """The network, without the warning of rows that repeat."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return arbnet(*args, **options)


@given(networks, biases)
def test_each_pair_of_sizes_is_dense_elu_and_batch_norm(sizes, bias):
    network = quietly(sizes, bias=bias)
    expected = []
    for k, (fan_out, fan_in) in enumerate(shapes(sizes), 1):
        layer = network.layers[3 * (k - 1)]
        assert isinstance(layer, Dense) and layer.weight.shape == (fan_out, fan_in)
        expected += [layer, ELU(), BatchNorm1d(f"norm{k}", fan_out)]
    assert list(network.layers) == expected
    assert len({layer.name for layer in network.layers[2::3]}) == len(sizes) - 1


@pytest.mark.parametrize(("sizes", "weights"), [(MNIST, 198_800), (CIFAR, 22_164_000)])
def test_the_papers_networks_have_the_papers_numbers_of_virtual_weights(sizes, weights):
    network = arbnet(sizes)
    blocks = [layer.weight for layer in dense(network)]
    assert sum(w.size for w in blocks) == weights
    assert {(w.table, w.hash) for w in blocks} == {("table", Uniform(weights // 10))}


@given(networks, biases, st.sampled_from(["modulus", "uniform", "identity"]))
def test_one_table_numbers_all_weights_and_hashed_biases_without_a_gap(sizes, bias, hash_):
    """Row-major, layer after layer, a layer's hashed biases after its weights."""
    network = quietly(sizes, hash_, 0.5, bias=bias)
    next_id = 0
    for layer, (fan_out, fan_in) in zip(dense(network), shapes(sizes), strict=True):
        assert (layer.weight.table, layer.weight.first_id) == ("table", next_id)
        next_id += fan_out * fan_in
        if bias == "hashed":
            assert (layer.bias.table, layer.bias.first_id) == ("table", next_id)
            assert (layer.bias.shape, layer.bias.hash) == ((fan_out,), layer.weight.hash)
            next_id += fan_out
    hashes = {w.hash for w in network.weights() if w.table == "table"}
    expected = next_id if hash_ == "identity" else math.ceil(next_id / 2)
    assert [h.buckets for h in hashes] == [expected]


@given(networks, biases, seeds, st.sampled_from(["modulus", "uniform", "neighborhood"]))
def test_a_table_for_each_layer_starts_at_0_with_a_salt_of_its_own(sizes, bias, seed, hash_):
    options = {"radius": 1} if hash_ == "neighborhood" else {}
    network = quietly(sizes, hash_, 0.3, "layer", bias, seed, **options)
    salts = []
    for k, (layer, shape) in enumerate(zip(dense(network), shapes(sizes), strict=True), 1):
        salt = stream(seed, f"dense{k}")
        readers = [(layer.weight, f"dense{k}.weight", math.prod(shape), salt)]
        if bias == "hashed":
            readers.append((layer.bias, f"dense{k}.bias", shape[0], stream(salt, "bias")))
        for w, table, size, expected in readers:
            assert (w.table, w.first_id, w.size, w.hash.seed) == (table, 0, size, expected)
            assert w.hash.buckets == math.ceil(Decimal("0.3") * size)
            salts.append(w.hash.seed)
    assert len(set(salts)) == len(salts)


def test_layers_of_one_shape_and_their_biases_are_hashed_independently():
    """900 draws of 90 buckets: two that are independent agree in 10, give or take five sigma."""
    network = arbnet((30, 30, 30), "uniform", 0.1, "layer")
    one, two = (layer.weight.hash.bucket(np.arange(900)) for layer in dense(network))
    assert abs((one == two).sum() - 10) < 5 * 10**0.5
    network = arbnet((1, 900, 1), "uniform", 0.1, "layer", "hashed")
    weight, bias = (w.hash.bucket(np.arange(900)) for w in network.weights()[:2])
    assert abs((weight == bias).sum() - 10) < 5 * 10**0.5


@given(networks, st.sampled_from(["network", "layer"]))
def test_a_free_bias_has_an_entry_for_each_output_and_none_is_none(sizes, scope):
    for k, layer in enumerate(dense(quietly(sizes, scope=scope)), 1):
        fan_out = layer.weight.shape[0]
        assert (layer.bias.hash, layer.bias.table) == (Identity(fan_out), f"dense{k}.bias")
        assert (layer.bias.shape, layer.bias.first_id) == ((fan_out,), 0)
    assert all(layer.bias is None for layer in dense(quietly(sizes, scope=scope, bias="none")))


@pytest.mark.parametrize(
    ("compression", "sizes", "buckets"),
    [
        (0.1, MNIST, 19_880),
        (0.07, (10, 10), 7),  # 0.07 * 100 is above 7 in floating point
        (0.55, (10, 10), 55),  # 0.55 * 100 too
        (0.29, (10, 10), 29),  # 0.29 * 100 is below 29
        (1 / 8, (784, 1000), 98_000),
        (1 / 64, (784, 1000), 12_250),
        (1 / 3, (3, 1), 1),  # the float is below a third, 0.3333333333333333
        (0.334, (3, 1), 2),
        (1e-9, MNIST, 1),
        (1, MNIST, 198_800),
        (np.float32(0.1), MNIST, 19_880),
        (Fraction(1, 3), (3, 1), 1),
    ],
)
def test_compression_is_taken_as_it_is_written(compression, sizes, buckets):
    weights = arbnet(sizes, compression=compression).weights()
    assert weights[0].hash.buckets == buckets


@given(networks, st.decimals("0.0001", "1", places=4).map(float))
def test_a_table_has_compression_times_size_entries_rounded_up(sizes, compression):
    table = quietly(sizes, compression=compression).weights()[0].hash.buckets
    size = sum(math.prod(shape) for shape in shapes(sizes))
    assert table == math.ceil(Decimal(repr(compression)) * size)


def test_options_reach_the_hash_and_the_seed_too():
    made = {
        Modulus(30, 7): quietly((10, 10), "modulus", 0.3, seed=7),
        Uniform(30, 7, True): quietly((10, 10), "uniform", 0.3, seed=7, signed=True),
        Dirichlet(30, 0.5, 7): quietly((10, 10), "dirichlet", 0.3, seed=7, alpha=0.5),
        Dirichlet(30, math.inf): quietly((10, 10), "dirichlet", 0.3, alpha=math.inf),
        Neighborhood(30, 4, 7, True): quietly(
            (10, 10), "neighborhood", 0.3, seed=7, radius=4, signed=True
        ),
        Identity(100): quietly((10, 10), "identity", 0.3, seed=7),
    }
    for hash_, network in made.items():
        assert network.weights()[0].hash == hash_


def test_hashednets_are_those_of_the_released_code():
    """K = ceil(c in out) and K_b = ceil(c out), its own seed and keys, tables that are apart."""
    network = arbnet((784, 1000, 10), "hashednets", 0.125, "layer", "hashed", seed=5)
    assert [(w.hash, w.table) for w in network.weights()] == [
        (HashedNets(98_000, 784, 1000, 1691, "W"), "dense1.weight"),
        (HashedNets(125, 1, 1000, 1691, "B"), "dense1.bias"),
        (HashedNets(1250, 1000, 10, 1691, "W"), "dense2.weight"),
        (HashedNets(2, 1, 10, 1691, "B"), "dense2.bias"),
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sizes": (784,)}, r"sizes must be at least two integers, got \(784,\)"),
        ({"sizes": ()}, r"sizes must be at least two integers, got \(\)"),
        ({"sizes": "784"}, "sizes must be at least two integers, got '784'"),
        ({"sizes": None}, "sizes must be at least two integers, got None"),
        ({"sizes": 784}, "sizes must be at least two integers, got 784"),
        ({"sizes": (784, 0, 10)}, "each size must lie in 1 .. 2147483647, got 0"),
        ({"sizes": (784, -1)}, "each size must lie in 1 .. 2147483647, got -1"),
        ({"sizes": (784, 2.5, 10)}, "each size must be an integer, got 2.5"),
        ({"sizes": (784, True, 10)}, "each size must be an integer, got True"),
        ({"hash": "unifrom"}, "hash must be one of identity, modulus, .*, got 'unifrom'"),
        ({"hash": "lookup"}, "hash must be one of .*, got 'lookup'"),
        ({"hash": "compose"}, "hash must be one of .*, got 'compose'"),
        ({"hash": Uniform(3)}, "hash must be one of .*, got Uniform"),
        ({"hash": ["uniform"]}, "hash must be one of .*, got"),
        ({"compression": 0}, r"compression must lie in \(0, 1\], got 0"),
        ({"compression": -0.1}, "compression must lie in .*, got -0.1"),
        ({"compression": 1.0001}, "compression must lie in .*, got 1.0001"),
        ({"compression": math.nan}, "compression must lie in .*, got nan"),
        ({"compression": math.inf}, "compression must lie in .*, got inf"),
        ({"compression": True}, "compression must lie in .*, got True"),
        ({"compression": "0.1"}, "compression must lie in .*, got '0.1'"),
        ({"compression": None}, "compression must lie in .*, got None"),
        ({"scope": "table"}, 'scope must be "network" or "layer", got \'table\''),
        ({"bias": "tied"}, 'bias must be "free", "hashed" or "none", got \'tied\''),
        ({"bias": None}, 'bias must be "free", "hashed" or "none", got None'),
        ({"hash": "uniform", "alpha": 1.0}, "uniform hash has no alpha; it has signed"),
        ({"hash": "identity", "signed": True}, "identity hash has no signed; it has no options"),
        ({"hash": "modulus", "radius": 1, "alpha": 2}, "modulus hash has no alpha, radius; it has"),
        ({"hash": "uniform", "buckets": 9}, "uniform hash has no buckets; it has signed"),
        ({"hash": "dirichlet"}, "dirichlet hash needs alpha; give it"),
        ({"hash": "neighborhood", "signed": True}, "neighborhood hash needs radius; give it"),
        ({"hash": "dirichlet", "alpha": 0.0}, "alpha must be at least"),
        ({"hash": "neighborhood", "radius": -1}, "radius must lie in 0 .. "),
        ({"hash": "hashednets"}, 'hashednets .* needs a table for each: scope "layer"'),
        ({"hash": "hashednets", "scope": "layer", "signed": True}, "hashednets hash has no signed"),
        ({"seed": 0.5}, "seed must be an integer, got 0.5"),
        ({"seed": -1}, "seed must lie in 0 .. 4294967295, got -1"),
        ({"seed": 2**32}, "seed must lie in 0 .. 4294967295, got 4294967296"),
        ({"seed": 2**32, "scope": "layer"}, "seed must lie in 0 .. 4294967295, got 4294967296"),
        ({"sizes": (2**20, 2**20)}, "buckets must lie in 1 .. 2147483647, got"),
    ],
    ids=str,
)
def test_what_is_no_arbnet_is_refused_in_one_line(options, message):
    with pytest.raises((TypeError, ValueError), match=message) as caught:
        arbnet(**{"sizes": (784, 200, 10)} | options)
    assert "\n" not in str(caught.value)


# Rows that repeat.


def brute_force(network):
    """The number of different rows of each weight, where all entries of its table differ."""
    with core.use("numpy"):
        for layer in dense(network):
            table = np.arange(1.0, layer.weight.hash.buckets + 1)
            yield len(np.unique(core.gather(table, layer.weight), axis=0))


@given(
    networks,
    st.integers(2, 40),
    st.sampled_from(["network", "layer"]),
    st.sampled_from([("modulus", {}), ("neighborhood", {"radius": 0})]),
    biases,
)
def test_a_warning_tells_how_many_rows_differ(sizes, percent, scope, hash_options, bias):
    hash_, options = hash_options
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        network = arbnet(sizes, hash_, percent / 100, scope, bias, **options)
    assume(all(layer.weight.hash.buckets > 1 for layer in dense(network)))
    pattern = r"(dense\d+): only (\d+) of (\d+) rows .* size (\d+) and the fan-in (\d+) share"
    found = [re.match(pattern, str(warning.message)).groups() for warning in caught]
    assert found == [
        (f"dense{k}", *map(str, (rows, w.shape[0], w.hash.buckets, w.shape[1])))
        for k, (layer, rows) in enumerate(zip(dense(network), brute_force(network), strict=True), 1)
        if rows < (w := layer.weight).shape[0]
    ]


def test_the_trap_of_the_modulus_hash_warns_where_it_was_called():
    message = "dense1: only 100 of 1000 rows .* the factor 784;"
    with pytest.warns(UserWarning, match=message) as caught:
        arbnet((784, 1000), "modulus", 0.1, "layer")
    assert [warning.filename for warning in caught] == [__file__]
    assert "\n" not in str(caught[0].message)


@pytest.mark.parametrize("sizes", [MNIST, CIFAR])
@pytest.mark.parametrize("compression", [0.1, 0.05, 0.2, 0.5, 1.0])
def test_one_table_for_the_papers_networks_does_not_warn(sizes, compression):
    for hash_, options in [("modulus", {}), ("neighborhood", {"radius": 0}), ("uniform", {})]:
        arbnet(sizes, hash_, compression, **options)


@given(networks, st.integers(1, 100), seeds)
def test_hashes_that_scatter_or_sign_do_not_warn(sizes, percent, seed):
    for hash_, options in [
        ("modulus", {"signed": True}),
        ("neighborhood", {"radius": 1}),
        ("neighborhood", {"radius": 0, "signed": True}),
        ("uniform", {}),
        ("identity", {}),
        ("hashednets", {}),
    ]:
        arbnet(sizes, hash_, percent / 100, "layer", seed=seed, **options)
