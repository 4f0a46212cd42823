"""Sources where a virtual weight could be: in embeddings, convolutions, networks, models."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from minihash import core
from minihash.cli.report import pages, report
from minihash.data import load
from minihash.files.spec import TYPES, decode, encode, register
from minihash.hashes import Identity, Modulus, Uniform
from minihash.layers import Conv1d, Conv2d, Dense, Embedding
from minihash.networks.joint import Joint
from minihash.networks.sequential import Sequential
from minihash.runs.fit import fit
from minihash.runs.kinds import load_model
from minihash.sources import (
    Cosine,
    Gaussian,
    Hypernetwork,
    LowRank,
    Product,
    Rows,
    Scaled,
    Source,
    Sum,
    hash_embedding,
    quotient_remainder,
)
from minihash.weights import VirtualWeight
from tests.support.sources import CASES, virtual, whole_params

F64 = np.dtype(np.float64)


@pytest.fixture(autouse=True)
def numpy_backend():
    with core.use("numpy"):
        yield


def plain(V, table="V"):
    """The free virtual weight of V, and its table."""
    return VirtualWeight(V.shape, Identity(V.size), table), {table: V.reshape(-1)}


@pytest.mark.parametrize("name", [n for n, c in CASES.items() if len(c.source.shape) == 2])
def test_an_embedding_reads_rows_and_adds_repeated_tokens_up(name):
    source, rng = CASES[name].source, np.random.default_rng(5)
    params = whole_params(source, rng)
    V = source.gather(params, F64)
    tokens = rng.integers(0, len(V), (3, 4))
    y, cache = Embedding(source).forward(params, tokens)
    assert (y == V[tokens]).all() and y.dtype == F64
    dy = rng.integers(-3, 4, y.shape).astype(F64)
    dx, grads = Embedding(source).backward(params, cache, dy)
    dV = np.zeros_like(V)
    np.add.at(dV, tokens, dy)
    assert dx is None
    for table, grad in source.scatter_add(params, dV).items():
        assert np.allclose(grads[table], grad, rtol=1e-12, atol=1e-12)


KERNELS = [name for name, case in CASES.items() if len(case.source.shape) == 4]


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("biased", [True, False])
def test_a_convolution_with_a_generated_kernel_is_that_with_its_numbers(name, biased):
    source, rng = CASES[name].source, np.random.default_rng(6)
    table = source.weights()[0].table  # the bias reads a table of the kernel's
    params = whole_params(source, rng)
    hash_ = Modulus(len(params[table]))
    bias = VirtualWeight(source.shape[:1], hash_, table) if biased else None
    other = VirtualWeight(source.shape[:1], hash_, "B") if biased else None
    kernel, numbers = plain(source.gather(params, F64))
    layer, same = Conv2d(source, bias, padding=1), Conv2d(kernel, other, padding=1)
    numbers["B"] = params[table]
    x = rng.integers(-3, 4, (2, layer.channels, 5, 5)).astype(F64)
    (y, cache), (expected, kept) = layer.forward(params, x), same.forward(numbers, x)
    assert np.allclose(y, expected, rtol=1e-13, atol=1e-12)
    dy = rng.integers(-3, 4, y.shape).astype(F64)
    dx, grads = layer.backward(params, cache, dy)
    expected, of_plain = same.backward(numbers, kept, dy)
    assert np.allclose(dx, expected, rtol=1e-12, atol=1e-11)
    wanted = source.scatter_add(params, of_plain["V"].reshape(source.shape))
    if biased:
        wanted[table] = wanted[table] + of_plain["B"]
    assert grads.keys() == wanted.keys() == {w.table for w in layer.weights()}
    for name_, grad in wanted.items():
        assert np.allclose(grads[name_], grad, rtol=1e-12, atol=1e-11)


def test_what_needs_a_hash_refuses_other_kernels():
    with pytest.raises(TypeError, match="only a kernel under a hash is a matrix under one"):
        Conv2d(CASES["cosines"].source).as_dense(4, 4)
    with pytest.raises(TypeError, match="weight of Conv1d must be a VirtualWeight or a source"):
        Conv1d(None)


def test_a_bias_may_read_a_table_of_the_weight():
    source, rng = CASES["low rank"].source, np.random.default_rng(7)
    bias = virtual((5,), "t", 3)
    params = whole_params(source, rng)
    x, dy = rng.integers(-3, 4, (2, 4, 5)).astype(F64)
    layer = Dense(source, bias)
    y, cache = layer.forward(params, x)
    V, b = source.gather(params, F64), core.gather(params["t"], bias)
    assert (y == x @ V.T + b).all()
    _, grads = layer.backward(params, cache, dy)
    assert (grads["t"] == layer.gradients(params, cache, dy)["t"]).all()
    expected = source.scatter_add(params, dy.T @ x)["t"] + core.scatter_add(dy.sum(0), bias)
    assert (grads["t"] == expected).all()


def test_a_tile_of_a_hypernetwork_has_at_most_rank_d_plus_1():
    source = Hypernetwork.plain("h", (24, 20), embedding=9, hidden=4, tile=(12, 10))
    params = {w.table: np.random.default_rng(w.size).normal(size=w.size) for w in source.weights()}
    V = source.gather(params, F64)
    tiles = V.reshape(2, 12, 2, 10).swapaxes(1, 2).reshape(4, 12, 10)
    assert [np.linalg.matrix_rank(tile) for tile in tiles] == [5] * 4
    params["h.C"][:] = 0
    assert np.linalg.matrix_rank(source.gather(params, F64).reshape(2, 12, 20)[0, :, :10]) == 4


def test_a_hypernetwork_of_one_tile_reaches_every_matrix_of_its_rank():
    """z = 1: the slices of B and W are those of a factor of rank d."""
    rng = np.random.default_rng(8)
    source = Hypernetwork.plain("h", (7, 6), embedding=1, hidden=6)
    K = rng.normal(size=(7, 6))
    params = {w.table: np.zeros(w.size) for w in source.weights()}
    params |= {"h.z": np.ones(1), "h.W": K.reshape(-1), "h.U": np.eye(6).reshape(-1)}
    assert np.allclose(source.gather(params, F64), K, rtol=1e-14)


def test_layers_of_one_hypernetwork_with_one_z_are_equal_and_their_gradients_add():
    rng = np.random.default_rng(9)
    one, two = (Hypernetwork.plain("h", (4, 4), 3, z=z) for z in ("z1", "z2"))
    both = Sequential((Dense(one), Dense(two)))
    params = both.init(1, np.float64)
    assert set(params) == {"z1", "z2", "h.W", "h.B", "h.U", "h.C"}
    assert not (one.gather(params, F64) == two.gather(params, F64)).all()
    params["z2"] = params["z1"]
    assert (one.gather(params, F64) == two.gather(params, F64)).all()
    x, dy = rng.normal(size=(2, 3, 4))
    tied = Sequential((Dense(one), Dense(one)))
    (_, grads), (_, sums) = (n.backward(params, n.forward(params, x)[1], dy) for n in (both, tied))
    assert np.allclose(grads["z1"] + grads["z2"], sums["z1"], rtol=1e-12)
    assert np.allclose(grads["h.U"], sums["h.U"], rtol=1e-12)


def test_counts_of_published_hypernetworks():
    mnist = Hypernetwork.plain("h", (16, 16, 7, 7), embedding=4)
    assert sum(w.size for w in mnist.weights()) == 4244
    wide = Hypernetwork.plain("h", (32, 64, 3, 3), embedding=64, tile=(16, 16))
    sizes = {w.table: w.size for w in wide.weights()}
    assert sizes.pop("h.z") == 2 * 4 * 64 and sum(sizes.values()) == 75_920


def test_lambda_gives_each_layer_of_one_table_its_own_deviation():
    shared = Uniform(20_000, 1, signed=True)
    plain_ = VirtualWeight((50, 400), shared, "t"), VirtualWeight((60, 50), shared, "t", 20_000)
    scaled = [Scaled(w, 3 * w.shape[1] ** -0.5) for w in plain_]
    params = Sequential(tuple(map(Dense, scaled[::-1]))).init(0, np.float64)
    assert abs(params["t"].var() * 27 - 1) < 0.03  # both ask for the same
    for w in scaled:
        assert abs(w.gather(params, F64).var() * 3 * w.shape[1] - 1) < 0.05


def test_tokens_that_meet_under_one_hash_part_under_two():
    count, buckets = 1000, 60
    one, two = (hash_embedding("E", (count, 8), buckets, hashes) for hashes in (1, 2))
    assert [w.hash.buckets for w in one.weights()] == [w.hash.buckets for w in two.weights()[:1]]
    params = {"E": np.random.default_rng(1).normal(size=buckets * 8)}
    different = [len(np.unique(s.gather(params, F64), axis=0)) for s in (one, two)]
    assert different[0] <= buckets and different[1] > 0.75 * count
    parts = quotient_remainder("E", (count, 8), 32)
    params = Sequential((Embedding(parts),)).init(2, np.float64)
    assert len(np.unique(parts.gather(params, F64), axis=0)) == count


def test_low_rank_has_its_rank():
    source = LowRank.random("L", (12, 30), 5, seed=3)
    params = {"L": np.random.default_rng(0).normal(size=60)}
    assert np.linalg.matrix_rank(source.gather(params, F64)) == source.rank == 5
    assert source.nbytes == Sum((source, source)).nbytes / 2 == 4 * 5 * 30


REFUSED = [
    (lambda: LowRank(virtual((3, 2), "a"), virtual((3, 2), "b")), ValueError, "factors of LowRank"),
    (lambda: LowRank(virtual((3, 2), "a"), 3), TypeError, "expected a VirtualWeight or a source"),
    (lambda: Scaled(virtual((3, 2), "a"), 0.0), ValueError, "scale of Scaled must lie in"),
    (lambda: Sum(()), TypeError, "terms must be a tuple of one source or more"),
    (lambda: Sum((virtual((3, 2), "a"), virtual((2, 3), "a"))), ValueError, "must have one shape"),
    (lambda: Product(virtual((3, 2), "a")), TypeError, "factors must be a tuple"),
    (lambda: Rows(virtual((3, 2), "a"), Modulus(2), 5), ValueError, "a row for each of the 2"),
    (lambda: Rows(virtual((3, 2), "a"), 3, 5), TypeError, "hash must be a hash"),
    (lambda: Rows(virtual((3, 2), "a"), Identity(3), 4), ValueError, "the hash is defined up to 2"),
    (lambda: Rows(virtual((3, 2), "a"), Modulus(3), 4, 0), ValueError, "every must lie in 1"),
    (lambda: quotient_remainder("E", (4, 2), 5), ValueError, "divisor must lie in 1 .. 4"),
    (lambda: hash_embedding("E", (4, 2), 3, 0), ValueError, "hashes must lie in"),
    (lambda: Hypernetwork.plain("h", (4, 6), 2, tile=(3, 2)), ValueError, "must divide the weight"),
    (lambda: Hypernetwork.plain("h", (4,), 2), ValueError, "of a weight of two axes or more"),
    (lambda: Hypernetwork(*[virtual((2, 2), "a")] * 5), ValueError, "parts of a Hypernetwork must"),
    (lambda: Cosine((virtual((2, 2, 1), "a"),) * 2), TypeError, "2 f - 1 weights"),
    (lambda: Cosine((virtual((2, 2, 1), "a"),) * 3), ValueError, "band 1 of a 2 x 2 kernel"),
    (lambda: Cosine.hashed("c", (2, 2, 3, 2), (1,) * 5), ValueError, "a hashed kernel must have"),
    (lambda: Gaussian((3, 0)), ValueError, "each size of a shape must lie in"),
    (lambda: Gaussian((3,), 0.0), ValueError, "deviation of Gaussian must lie in"),
    (lambda: Embedding(Gaussian((3, 2))), ValueError, "must read a table"),
    (lambda: Sum((virtual((3, 2, 2), "a").T,)), ValueError, "takes no transposed weight"),
]


@pytest.mark.parametrize("make, error, message", REFUSED, ids=[case[2] for case in REFUSED])
def test_what_makes_no_source_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_tables_that_do_not_fit_are_refused():
    source = CASES["count sketch"].source
    params = {"t": np.ones(5), "s": np.ones(4)}
    with pytest.raises(ValueError, match=r"the parameter 's' must have shape \(5,\), got \(4,\)"):
        source.gather(params, F64)
    with pytest.raises(ValueError, match="params must hold an array 's', got t"):
        source.gather({"t": np.ones(5)}, F64)
    params["s"] = np.ones(5, np.float32)
    with pytest.raises(TypeError, match="the parameter 's' must be float64"):
        Dense(source).forward(params, np.ones((2, 4)))


def test_a_source_from_outside_is_registered_kept_and_takes_products(monkeypatch):
    @dataclass(frozen=True)
    class Negated(Source):
        weight: VirtualWeight

        def __post_init__(self):
            object.__setattr__(self, "shape", self.weight.shape)

        def initial(self, variance):
            return ((self.weight, variance),)

        def rows(self, params, rows, dtype):
            return -core.gather_rows(params[self.weight.table], self.weight, rows)

        def rows_backward(self, params, rows, dV):
            return {self.weight.table: core.scatter_add_rows(-dV, rows, self.weight)}

    monkeypatch.setattr("minihash.files.spec.TYPES", dict(TYPES))
    source, rng = register(Negated)(virtual((4, 3), "t")), np.random.default_rng(3)
    assert decode(encode(Dense(source), {}), {}) == Dense(source)
    params, (x, dy) = whole_params(source, rng), (rng.integers(-3, 4, (2, n)) * 1.0 for n in (3, 4))
    V = -core.gather(params["t"], source.weight)
    y, cache = Dense(source).forward(params, x)
    dx, grads = Dense(source).backward(params, cache, dy)
    assert (y == x @ V.T).all() and (dx == dy @ V).all()
    assert (grads["t"] == -core.scatter_add(dy.T @ x, source.weight)).all()


def test_networks_side_by_side_know_their_sources():
    one, two = (
        Sequential((Dense(CASES["scaled"].source),)),
        Sequential((Dense(virtual((2, 3), "t")),)),
    )
    both = Joint((one, two))
    assert both.sources() == [CASES["scaled"].source, virtual((2, 3), "t")]
    assert set(both.init()) == {"t"}


def test_a_model_with_sources_is_trained_saved_loaded_and_inspected(tmp_path):
    data = load("digits")
    model = fit(data, hidden=(20,), epochs=1, norm="none", scope="layer")
    first, *rest = model.network.layers
    layer = Dense(LowRank.random("dense1.weight", first.weight.shape, 8), first.bias)
    network = Sequential((layer, *rest))
    made = replace(model, network=network, params=network.init())
    path = tmp_path / "model.safetensors"
    made.save(path)
    back = load_model(path)
    assert back.network == network
    assert back.measure(data) == made.measure(data)
    about = report(back, path)
    assert about["virtual_weights"] == 784 * 20 + 20 * 10
    assert about["stored_weights"] == 20 * 8 + 20
    assert about["memory"]["of_hashes"] == 4 * 8 * 784
    assert about["layers"][0]["weights"][0] == {
        "name": "weight",
        "shape": [20, 784],
        "source": "LowRank",
        "tables": ["dense1.weight"],
        "size": 15680,
    }
    text = pages(about, 80, True)
    assert "LowRank of dense1.weight" in text and max(map(len, text.splitlines())) <= 80
