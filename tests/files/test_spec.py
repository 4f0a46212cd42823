"""Specs: what is encoded comes back equal, by way of JSON; test_spec_hostile.py has the others."""

import json
import math

import numpy as np
import pytest
from hypothesis import given

from minihash.files.spec import TYPES, decode, encode
from minihash.hashes import HASHES, Compose, Dirichlet, Identity, Lookup, Modulus, Uniform
from minihash.layers import ELU, BatchNorm1d, Dense, Dropout, ReLU, Sigmoid, Tanh
from minihash.networks.arbnet import arbnet
from minihash.networks.sequential import Sequential
from minihash.weights import VirtualWeight
from tests.support.hash_strategies import hashes

ARBNETS = {
    "identity": {},
    "modulus": {"signed": True},
    "uniform": {},
    "dirichlet": {"alpha": math.inf},
    "neighborhood": {"radius": 3},
    "hashednets": {"scope": "layer"},
}


def through_json(thing):
    """(the thing again, its spec, its arrays)."""
    arrays = {}
    spec = encode(thing, arrays)
    text = json.dumps(spec, allow_nan=False)
    return decode(json.loads(text), arrays), spec, arrays


def many_networks():
    lookup = Lookup(4, [3, 1, 0, 2, 1, 1], signs=[1, -1, 0, 1, 1, 1])
    weight = VirtualWeight((2, 3), lookup, "codebook")
    composed = VirtualWeight((3, 2), Compose(Lookup(6, [5, 0, 1, 4, 3, 2]), lookup), "codebook")
    yield Sequential((Dense(weight), ReLU(), Dense(composed)))
    bias = VirtualWeight((2,), Identity(2), "bias")
    drop = Dropout(0.25, seed=2**32 - 1)
    yield Sequential((Dense(weight, bias), Tanh(), drop, Sigmoid(), BatchNorm1d("n", 2, 1e-3, 0.5)))
    yield Sequential((Dense(VirtualWeight((2, 3), Modulus(9), "table", 2**63)), ELU()))
    yield Sequential(())
    for hash_, options in ARBNETS.items():
        for bias in ("free", "hashed", "none"):
            yield arbnet((6, 5, 3), hash_, 0.7, bias=bias, seed=2**31, **options)


@pytest.mark.parametrize("network", list(many_networks()))
def test_a_network_comes_back_equal_and_computes_the_same_bits(network):
    again, _, _ = through_json(network)
    assert again == network and again.weights() == network.weights()
    assert [type(w.shape) for w in again.weights()] == [tuple for _ in network.weights()]
    params = network.init(seed=3)
    assert {k: v.tobytes() for k, v in again.init(seed=3).items()} == {
        k: v.tobytes() for k, v in params.items()
    }


@given(hashes)
def test_any_hash_comes_back_equal(hash_):
    again, _, _ = through_json(hash_)
    assert again == hash_ and type(again) is type(hash_)
    ids = np.arange(min(hash_.domain, 50), dtype=np.uint64)
    np.testing.assert_array_equal(again.bucket(ids), hash_.bucket(ids))
    np.testing.assert_array_equal(again.sign(ids), hash_.sign(ids))


def test_every_hash_and_layer_can_be_encoded():
    layers = (Dense, ELU, ReLU, Tanh, Sigmoid, BatchNorm1d, Dropout)
    for cls in (*HASHES.values(), *layers, VirtualWeight, Sequential):
        assert TYPES[cls.__name__] is cls


def test_a_spec_is_plain_and_says_what_it_holds():
    weight = VirtualWeight((2, 3), Dirichlet(4, math.inf, signed=True), "t", 5)
    hash_ = {"type": "Dirichlet", "buckets": 4, "alpha": {"float": "inf"}, "seed": 0}
    fields = {"shape": [2, 3], "hash": hash_ | {"signed": True}, "table": "t", "first_id": 5}
    fields["transposed"] = False
    assert encode(weight, {}) == {"type": "VirtualWeight"} | fields
    assert encode(Sequential((ELU(),)), {}) == {"type": "Sequential", "layers": [{"type": "ELU"}]}


def test_fields_that_a_spec_leaves_out_have_their_defaults():
    assert decode({"type": "Uniform", "buckets": 3}, {}) == Uniform(3)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, 0.1, 5e-324, 2**64 - 1, -0.0])
def test_numbers_come_back_exactly(value):
    again, _, _ = through_json((value,))
    assert [repr(number) for number in again] == [repr(value)]


def test_numpy_numbers_become_plain_ones():
    assert [type(v) for v in encode((np.float32(0.5), np.int64(3), np.bool_(True)), {})] == [
        *(float, int, bool)
    ]
    assert through_json((np.float64("inf"),))[0] == (math.inf,)


def test_an_array_is_kept_once_however_many_weights_read_it():
    hash_ = Lookup(3, np.arange(600) % 3, np.arange(600) % 5 > 0)
    weights = [VirtualWeight((10, 20), hash_, "t", first) for first in (0, 200, 400)]
    again, spec, arrays = through_json(tuple(weights))
    assert len(arrays) == 2 and sum(array.nbytes for array in arrays.values()) == hash_.nbytes
    assert len(json.dumps(spec)) < 2000
    assert again == tuple(weights)
    assert {id(array) for array in arrays.values()} == {id(hash_.assignment), id(hash_.signs)}


def test_equal_hashes_come_back_as_one_object():
    """Their alias table is derived and held once."""
    again, _, _ = through_json(arbnet((6, 5, 3), "dirichlet", 0.7, alpha=0.5, bias="hashed"))
    assert len({id(w.hash) for w in again.weights()}) == 1


def test_two_networks_may_put_their_arrays_into_one_dict_beside_others():
    one, two = Lookup(2, [0, 1]), Lookup(2, [1, 0])
    arrays = {"spec/1": np.zeros(3), "table": np.ones(2)}
    given_ = dict(arrays)
    specs = [encode(hash_, arrays) for hash_ in (one, two)]
    assert [decode(spec, arrays) for spec in specs] == [one, two]
    assert all(arrays[name] is array for name, array in given_.items()) and len(arrays) == 4
