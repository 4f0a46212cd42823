"""Hashes as formulas: in C, NumPy and ONNX each bucket and sign is the hash's own, to the bit."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given

from minihash import Sequential, VirtualWeight, core
from minihash.exports import dense
from minihash.exports.formula import Unwritten, of_hash, of_xxh32
from minihash.exports.numpy import PYTHON
from minihash.exports.text import written
from minihash.hashes import (
    Balanced,
    Blocks,
    Compose,
    Dirichlet,
    Hash,
    HashedNets,
    Identity,
    Lookup,
    Modulus,
    Neighborhood,
    Quantile,
    Roast,
    Robe,
    Sparse,
    Toeplitz,
    Uniform,
)
from minihash.hashes.xxh32 import U32, U64, xxh32
from minihash.layers import Dense
from tests.support.exported import WAYS, classifier, matrix
from tests.support.hash_strategies import hashes_and_identifiers
from tests.support.outside import BLOCKS, imported


@pytest.fixture(autouse=True)
def no_compiler():
    with core.use("numpy"):
        yield


SHAPE = (30, 40)
LAST = 2**64 - 1200  # the first identifier of a weight that ends with the last there is
HASHES = {
    "identity": (Identity(5000), 700),
    "modulus": (Modulus(77, 3, True), LAST),
    "uniform": (Uniform(1000, 2**32 - 1, True), LAST),
    "dirichlet": (Dirichlet(500, 0.5, 1, True), LAST),
    "even": (Dirichlet(500, float("inf")), 2**63 - 7),
    "quantile": (Quantile(333, 5000, 0.3, 2, True), 3800),
    "balanced": (Balanced(100, 2**52, 5, True), 2**52 - 1200),
    "neighborhood": (Neighborhood(900, 20, 7, True), LAST),
    "far": (Neighborhood(90, 2**31 - 1, 7), LAST),
    "hashednets": (HashedNets(64, 123, 2000, 9), 1000 * 123),
    "biases": (HashedNets(64, 1, 2000, 9, "B"), 3),
    "robe": (Robe(1000, 32, None, 3, True), 2**36 - 1200),
    "rows": (Robe(1000, 7, 23, 3, True, (45007, 1, 45006, 2)), 5),
    "roast": (Roast(1000, 40, (4, 8), 3, True), 40 * 2**31 - 1200),
    "sparse": (Sparse(400, 2000, 1), 555),
    "lookup": (Lookup(300, np.arange(1500) * 7 % 300, np.arange(1500) % 3 - 1), 11),
    "blocks": (Blocks(60, 20, np.arange(90) % 3, np.arange(90) % 2 * 2 - 1), 9),
    "compose": (Compose(Uniform(50, 1, True), Modulus(7, 2, True)), LAST),
    "toeplitz": (Toeplitz((2, 9, 8), (4, 3, 2), (2, 1), (1, 0), (1, 3), 2), 4321),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", HASHES)
def test_each_language_computes_the_hash_to_the_bit(name, way, tmp_path):
    rule, first_id = HASHES[name]
    model = matrix(rule, first_id, SHAPE)
    if way == "onnx" and type(rule) is HashedNets:
        with pytest.raises(ValueError, match="no operators for the keys of hashednets: export wit"):
            WAYS[way](model, tmp_path, np.eye(SHAPE[1], dtype=np.float32))
        model = dense(model)
    V = WAYS[way](model, tmp_path, np.eye(SHAPE[1], dtype=np.float32)).T
    ids = np.arange(SHAPE[0] * SHAPE[1], dtype=np.uint64) + np.uint64(first_id)
    right = (1 + rule.bucket(ids)) * rule.sign(ids)
    np.testing.assert_array_equal(V.reshape(-1), right)
    assert len(np.unique(right)) > 5


@pytest.mark.parametrize("way", ["numpy", "onnx"])
def test_a_million_identifiers_across_2_to_the_32(way, tmp_path):
    rule, first_id = Uniform(2**20, 1, True), 2**32 - 500_000
    model = matrix(rule, first_id, (10_000, 100))
    V = WAYS[way](model, tmp_path, np.eye(100, dtype=np.float32)).T
    ids = np.arange(10**6, dtype=np.uint64) + np.uint64(first_id)
    np.testing.assert_array_equal(V.reshape(-1), (1 + rule.bucket(ids)) * rule.sign(ids))


def computed(rule, ids):
    """Bucket and sign, by the formula as text."""
    space = {kind: np.dtype(kind).type for kind in ("u1", "u2", "u4", "u8", "i1")}
    named = []

    def array(values):
        named.append(values)
        return f"named[{len(named) - 1}]"

    def defined(head, formula, inputs):
        lines, results = written(formula, PYTHON, inputs, array)
        body = "\n    ".join([*lines, f"return {', '.join(results)}"])
        exec(f"def {head}({', '.join(inputs)}):\n    {body}", space | {"named": named}, space)

    space["named"] = named
    defined("xxh32", of_xxh32(), ("i", "seed"))
    space["xxh32"] = bind(space["xxh32"], space)
    defined("hash", of_hash(rule), ("i",))
    found = bind(space["hash"], space)(ids)
    return found if isinstance(found, tuple) else (found, 1)


def bind(function, space):
    return type(function)(function.__code__, space)


@given(hashes_and_identifiers())
def test_formulas_are_the_hashes(pair):
    rule, ids = pair
    ids = np.array(ids, np.uint64)
    bucket, sign = computed(rule, ids)
    right = rule.sign(ids)
    np.testing.assert_array_equal(sign * np.ones(len(ids), int), right)
    kept = right != 0 if isinstance(rule, Sparse | Compose) else slice(None)
    np.testing.assert_array_equal(bucket[kept], rule.bucket(ids)[kept])
    assert bucket.dtype == np.uint64 and (bucket < rule.buckets).all()


def test_no_formula_computes_what_nothing_needs():
    assert [step.op for step in of_hash(Uniform(7)).steps] == ["input", "xxh32", "cast", "*", ">>"]
    ops = [step.op for step in of_hash(Robe(100, 4, signed=True)).steps]
    assert ops.count("//") == 1 and "divided" not in ops


def test_a_hash_from_outside_is_read_as_those_from_inside(tmp_path):
    with imported(tmp_path, "stripes", BLOCKS) as module:
        rule = module.Stripes(96, size=4)
        for way, run in WAYS.items():
            V = run(matrix(rule, 2**40, SHAPE), tmp_path, np.eye(40, dtype=np.float32)).T
            ids = np.arange(1200, dtype=np.uint64) + np.uint64(2**40)
            np.testing.assert_array_equal(V.reshape(-1), 1 + rule.bucket(ids), err_msg=way)


@dataclass(frozen=True)
class Own(Hash):
    """A hash whose body is given."""

    buckets: int
    seed = 0

    def constants(self):
        return (U64(self.buckets),)


def branching(i, residue, state):
    return i if i > U64(3) else residue


def in_floats(i, residue, state):
    return U64(np.float64(i) * 0.5)


def of_another_library(i, residue, state):
    return np.minimum(i, residue)


def in_bytes(i, residue, state):
    return np.uint8(i) + np.uint8(1)


def constant(i, residue, state):
    return U64(0)


BODIES = (branching, in_floats, of_another_library, in_bytes, constant)


@pytest.mark.parametrize("draw", BODIES, ids=lambda f: f.__name__)
def test_what_is_not_arithmetic_alone_is_refused(draw):
    rule = type("Odd", (Own,), {"draw": staticmethod(draw)})(9)
    with pytest.raises(Unwritten, match=r"the hash Odd is not arithmetic alone \(.*: export"):
        of_hash(rule)


def shifted(i, residue, state):
    return U64(xxh32(i + U64(1), U32(7)) % U32(5))


def test_a_subclass_is_read_by_its_own_bodies():
    rule = type("Shifted", (Uniform,), {"draw": staticmethod(shifted)})(9)
    ids = np.arange(100, dtype=np.uint64)
    np.testing.assert_array_equal(computed(rule, ids)[0], rule.bucket(ids))
    assert (rule.bucket(ids) != Uniform(9).bucket(ids)).any()


def of_array(i, residue, state):
    return U64((state[1][i % U64(3)] ^ state[2]) >> U64(60))


@pytest.mark.parametrize("way", WAYS)
def test_constants_of_64_bits(way, tmp_path):
    words = np.array([2**64 - 1, 2**63, 2**63 - 1], np.uint64)
    state = U64(16), words, U64(2**63 + 1)
    own = {"draw": staticmethod(of_array), "constants": lambda self: state}
    rule = type("Wide", (Own,), own)(16)
    V = WAYS[way](matrix(rule, 0, SHAPE), tmp_path, np.eye(SHAPE[1], dtype=np.float32)).T
    np.testing.assert_array_equal(V.reshape(-1), np.tile([8, 1, 16], V.size // 3))


@pytest.mark.parametrize("way", WAYS)
def test_views_of_one_table(way, tmp_path):
    """A weight, its transpose, rows of it, and biases out of the same table."""
    W = VirtualWeight((5, 4), Uniform(7, 1, True), "W", 3)
    free = VirtualWeight((6, 5), Identity(40), "free", 9)
    network = Sequential(
        (
            Dense(W, VirtualWeight((5,), Uniform(7, 1, True), "W", 23)),
            Dense(W.T),
            Dense(W.rows(1, 5)),
            Dense(W.rows(1, 5).T),
            Dense(W),
            Dense(free, VirtualWeight((6,), Identity(40), "free", 2)),
            Dense(free.T),
        )
    )
    model = classifier(network, 4)
    params = {name: np.arange(p.size, dtype=np.float32) % 4 for name, p in model.params.items()}
    object.__setattr__(model, "params", params)
    x = np.random.default_rng(0).integers(0, 3, (9, 4)).astype(np.float32)
    right, _ = network.forward(params, x)
    for exported in (model, dense(model)):
        np.testing.assert_array_equal(WAYS[way](exported, tmp_path, x), right)
    assert abs(right).max() < 2**24 and np.unique(right).size > 20
