"""Every source against the loops: rows, products, ties, variance, and the way to a file and back.

On whole numbers all is exact, and so equal bit for bit however the sums are cut.
"""

import copy
import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minihash import core
from minihash.files.checkpoint import load, save
from minihash.files.spec import decode, encode
from minihash.layers import Conv2d, Dense
from minihash.networks.sequential import Sequential
from minihash.networks.storage import counts
from minihash.sources import Gaussian, Source, source_of
from minihash.sources import source as base
from tests.support.sources import CASES, by_loops, whole_params

every_case = pytest.mark.parametrize("name", CASES)
MATRICES = [name for name, case in CASES.items() if len(case.source.shape) == 2]
SQUARES = [name for name in MATRICES if len(set(CASES[name].source.shape)) == 1]
every_matrix = pytest.mark.parametrize("name", MATRICES)
F64 = np.dtype(np.float64)


@pytest.fixture(autouse=True)
def numpy_backend():
    """Products are the core's, which has its own tests: no compilation."""
    with core.use("numpy"):
        yield


@every_case
def test_v_and_its_adjoint_are_the_loops(name):
    source, rng = CASES[name].source, np.random.default_rng(1)
    params = whole_params(source, rng)
    dV = rng.integers(-3, 4, source.shape).astype(np.float64)
    V, grads = by_loops(CASES[name], params, dV)
    exact = CASES[name].exact
    found = source.gather(params, F64)
    assert found.shape == source.shape and found.dtype == F64
    same(found.reshape(V.shape), V, exact)
    same_grads(source.scatter_add(params, dV), grads, exact)


def same(found, expected, exact):
    if exact:
        assert (found == expected).all()
    else:
        assert np.allclose(found, expected, rtol=1e-12, atol=1e-11)


def same_grads(found, expected, exact=True):
    assert found.keys() == expected.keys()
    for table, grad in expected.items():
        assert found[table].shape == grad.shape
        same(found[table], grad, exact)


@every_case
def test_rows_are_rows_of_v(name):
    source, rng = CASES[name].source, np.random.default_rng(2)
    params = whole_params(source, rng)
    V, height = source.gather(params, F64).reshape(source.shape[0], -1), source.shape[0]
    for rows in (rng.integers(0, height, 9), np.arange(height)[:1], np.arange(0)):
        some = rng.integers(-3, 4, (len(rows), V.shape[1])).astype(F64)
        dV = np.zeros_like(V)
        np.add.at(dV, rows, some)
        assert (source.rows(params, rows, F64) == V[rows]).all()
        some = source.rows_backward(params, rows, some)
        same_grads(some, source.scatter_add(params, dV), CASES[name].exact)


@every_matrix
@pytest.mark.parametrize("tile", [1, 2**18])
@pytest.mark.parametrize("need_dx", [True, False])
def test_products_are_those_with_v(name, tile, need_dx, monkeypatch):
    source, rng = CASES[name].source, np.random.default_rng(3)
    monkeypatch.setattr(base, "TILE", tile)
    params, (fan_out, fan_in) = whole_params(source, rng), source.shape
    V = source.gather(params, F64)
    x = rng.integers(-3, 4, (4, fan_in)).astype(F64)
    b, dy = (rng.integers(-3, 4, shape).astype(F64) for shape in ((fan_out,), (4, fan_out)))
    exact = CASES[name].exact
    same(source.matmul(params, x, b), x @ V.T + b, exact)
    same(source.matmul(params, x), x @ V.T, exact)
    dx, grads = source.matmul_backward(params, dy, x, need_dx)
    assert (dx is None) is not need_dx
    if need_dx:
        same(dx, dy @ V, exact)
    same_grads(grads, source.scatter_add(params, dy.T @ x), exact)


@pytest.mark.parametrize("name", ["count sketch", "hash embedding", "hypernetwork"])
@pytest.mark.parametrize("tile", [1, 9, 2**18])
def test_products_hold_a_tile_of_v_at_once(name, tile, monkeypatch):
    source, rng = CASES[name].source, np.random.default_rng(3)
    params, (fan_out, fan_in) = whole_params(source, rng), source.shape
    held, rows = [], type(source).rows

    def watched(self, params, which, dtype):
        held.append(len(which))
        return rows(self, params, which, dtype)

    monkeypatch.setattr(base, "TILE", tile)
    monkeypatch.setattr(type(source), "rows", watched)
    source.matmul(params, np.ones((2, fan_in)))
    source.matmul_backward(params, np.ones((2, fan_out)), np.ones((2, fan_in)))
    assert max(held) == min(max(1, tile // fan_in), fan_out) and sum(held) == 2 * fan_out


@every_case
def test_a_source_goes_to_a_file_and_back(name, tmp_path):
    source, arrays = CASES[name].source, {}
    spec = json.loads(json.dumps({"source": encode(source, arrays)}))
    path = tmp_path / "source.safetensors"
    save(path, spec, arrays)
    kept, arrays = load(path)
    assert decode(kept["source"], arrays) == source
    assert pickle.loads(pickle.dumps(source)) == source == copy.deepcopy(source)
    assert hash(copy.copy(source)) == hash(source)


@every_matrix
def test_counts_are_those_of_v_and_of_the_tables(name):
    source = CASES[name].source
    network = Sequential((Dense(source),))
    tables = {w.table: w.hash.buckets for w in source.weights()}
    stored = {"virtual_weights": source.size, "stored_weights": sum(tables.values())}
    assert counts(network) == stored | {"other_parameters": 0}
    assert set(network.init()) == set(tables)


@pytest.mark.parametrize("name", SQUARES)
def test_two_layers_with_one_source_add_their_gradients_up(name):
    source, rng = CASES[name].source, np.random.default_rng(4)
    params = whole_params(source, rng)
    x, dy = rng.integers(-3, 4, (2, 3, source.shape[0])).astype(F64)
    network = Sequential((Dense(source), Dense(source)))
    y, caches = network.forward(params, x)
    _, grads = network.backward(params, caches, dy)
    V = source.gather(params, F64)
    expected = source.scatter_add(params, dy.T @ (x @ V.T) + (dy @ V).T @ x)
    same(y, x @ V.T @ V.T, CASES[name].exact)
    same_grads(grads, expected, CASES[name].exact)


@pytest.mark.parametrize("name", [name for name in CASES if CASES[name].large])
def test_v_starts_with_the_variance_of_a_plain_matrix(name):
    source = CASES[name].large
    layer = Dense(source) if len(source.shape) == 2 else Conv2d(source)
    V = source.gather(Sequential((layer,)).init(3), np.dtype(np.float32))
    fan_in = source.size // source.shape[0]
    assert abs(3 * fan_in * V.var() - 1) < 0.1 and abs(V.mean()) < 0.1 * V.std()


@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_gaussian_is_the_loop_to_a_rounding(seed, count):
    from reference.sources import gaussian

    V = Gaussian((count,), 0.5, seed).gather({}, np.dtype(np.float32))
    assert np.allclose(V, gaussian(count, 0.5, seed), rtol=3e-7, atol=0)


def test_gaussian_is_normal():
    from scipy.stats import kstest

    V = Gaussian((50, 50, 8), 2.0, 7).gather({}, F64)
    assert kstest(V.ravel() / 2, "norm").pvalue > 0.01
    other = Gaussian((50, 50, 8), 2.0, 8).gather({}, F64)
    assert abs(np.corrcoef(V.ravel(), other.ravel())[0, 1]) < 0.03


def test_what_is_no_source_is_refused():
    with pytest.raises(TypeError, match=r"expected a VirtualWeight or a source .*, got 3"):
        source_of(3)
    assert isinstance(source_of(CASES["low rank"].source.left), Source)
