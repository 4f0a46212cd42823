"""Hashes and layers from outside: what `register` makes of them, and what it refuses."""

import dataclasses
import importlib
import sys

import numpy as np
import pytest

from minihash.core import gather, scatter_add, use
from minihash.files import checkpoint
from minihash.files.spec import TYPES, UnknownType, decode, encode, register
from minihash.hashes import HASHES, Hash, Modulus
from minihash.layers import Dense
from minihash.layers.layer import Layer
from minihash.networks.arbnet import arbnet
from minihash.networks.sequential import Sequential
from minihash.weights import VirtualWeight
from reference.streams import h, scale, stream
from tests.support.outside import BLOCKS, SCALE, imported


@pytest.fixture
def blocks(tmp_path):
    with imported(tmp_path, "outside_blocks", BLOCKS) as module:
        yield module.Stripes


@pytest.fixture
def scaled(tmp_path):
    with imported(tmp_path, "outside_scale", SCALE) as module:
        yield module.Scale


def block_loop(i, buckets, size, seed):
    """The definition, in plain integers."""
    return size * scale(h(stream(seed, "bucket"), i // size), buckets // size) + i % size


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("transposed", [False, True])
def test_vectors_of_a_hash_from_outside_on_each_backend(blocks, backend, transposed):
    if backend == "numba":
        pytest.importorskip("numba")
    hash_ = blocks(97, size=5, seed=3)
    w = VirtualWeight((11, 13), hash_, first_id=2**32 - 60)
    w = w.T if transposed else w
    ids = w.identifiers().astype(object)
    buckets = np.vectorize(lambda i: block_loop(i, 97, 5, 3))(ids)
    table = np.arange(1.0, 98.0)
    np.testing.assert_array_equal(gather(table, w, backend), table[buckets])
    dV = np.random.default_rng(1).integers(-9, 9, w.shape).astype(float)
    dtable = np.zeros(97)
    np.add.at(dtable, buckets, dV)
    np.testing.assert_array_equal(scatter_add(dV, w, backend), dtable)


def test_a_hash_from_outside_is_known_by_its_name(blocks):
    network = arbnet((6, 5, 3), hash="stripes", compression=0.5, size=2)
    (hash_,) = {w.hash for w in network.weights() if w.table == "table"}
    assert hash_ == blocks(23, size=2) and HASHES["stripes"] is blocks
    assert decode(encode(network, {}), {}) == network


def test_a_layer_from_outside_is_saved_and_loaded(scaled, tmp_path):
    network = Sequential((scaled(0.1), Dense(VirtualWeight((2, 3), Modulus(4))), scaled(-3.0)))
    arrays, params = {}, network.init(1)
    checkpoint.save(tmp_path / "net", encode(network, arrays), params | arrays)
    spec, arrays = checkpoint.load(tmp_path / "net")
    again = decode(spec, arrays)
    assert again == network and type(again.layers[0]) is scaled
    x = np.random.default_rng(2).normal(size=(5, 3)).astype(np.float32)
    with use("numpy"):
        y, caches = again.forward(arrays, x)
        np.testing.assert_array_equal(y, network.forward(params, x)[0])
        dx, grads = again.backward(arrays, caches, y)
    assert dx.shape == x.shape and grads["table"].shape == (4,)


def test_a_class_that_is_not_registered_is_named(scaled):
    spec = encode(scaled(0.5), {})
    assert spec == {"type": "Scale", "factor": 0.5}
    layer = scaled(0.5)
    del TYPES["Scale"]
    with pytest.raises(UnknownType, match=r"the type 'Scale' is not known here: .* --import "):
        decode({"type": "Sequential", "layers": [spec]}, {})
    with pytest.raises(TypeError, match=r"Scale is not known to files: put @minihash\.register"):
        encode(Sequential((layer,)), {})


def test_a_class_of_a_known_name_is_not_taken_for_the_known_one():
    @dataclasses.dataclass(frozen=True)
    class Dense(Layer):
        factor: float

    with pytest.raises(TypeError, match="Dense is not known to files"):
        encode(Dense(1.0), {})
    with pytest.raises(ValueError, match=r"the name Dense is that of minihash\.layers"):
        register(Dense)


def test_a_module_that_is_read_again_registers_its_classes_again(blocks, tmp_path):
    module = importlib.reload(sys.modules[blocks.__module__])
    assert module.Stripes is not blocks
    assert HASHES["stripes"] is TYPES["Stripes"] is module.Stripes
    with (
        pytest.raises(ValueError, match="the name Stripes is that of outside_blocks"),
        imported(tmp_path, "outside_others", BLOCKS),
    ):
        pass


@dataclasses.dataclass(frozen=True)
class MODULUS(Hash):
    """As another hash, but for upper case."""

    buckets: int


@dataclasses.dataclass(frozen=True)
class Wide(Hash):
    """Its option has a name that builders have."""

    buckets: int
    hidden: int = 3


class Loose(Hash):
    """No dataclass."""


@dataclasses.dataclass
class Molten(Layer):
    """Not frozen."""


class Derived(Modulus):
    """A dataclass only by what it is derived from."""


@pytest.mark.parametrize(
    ("thing", "error", "match"),
    [
        (3, TypeError, "a class derived from Hash, Layer or Source, got 3"),
        (int, TypeError, "a class derived from Hash, Layer or Source, got <class 'int'>"),
        (Modulus(3), TypeError, "a class derived from Hash, Layer or Source"),
        (Loose, TypeError, "Loose must be a frozen dataclass"),
        (Molten, TypeError, "Molten must be a frozen dataclass"),
        (Derived, TypeError, "Derived must be a frozen dataclass"),
        (MODULUS, ValueError, "the name MODULUS is that of minihash.hashes.modulus: choose"),
        (Wide, ValueError, "hidden of Wide is a word of the builders of networks"),
    ],
)
def test_what_cannot_be_registered(thing, error, match):
    before = dict(HASHES), dict(TYPES)
    with pytest.raises(error, match=match):
        register(thing)
    assert before == (HASHES, TYPES)
