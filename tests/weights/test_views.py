"""Views of virtual weights: the same identifiers, transposed or as rows, in every operation.

The oracles are the loops of reference/views.py, and the weight itself: gather(w.T) is the transpose
of gather(w), and so on, bit for bit where every sum is exact.
"""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minihash.core import (
    gather,
    gather_rows,
    matmul,
    matmul_backward,
    scatter_add,
    scatter_add_rows,
)
from minihash.hashes import HashedNets, Lookup, Modulus, Uniform
from minihash.weights import VirtualWeight, distinct
from reference import views as loops
from reference.hashes import from_spec
from tests.support import core_cases as cc
from tests.support.hash_strategies import KINDS, spec_of

# Runs, arithmetic, look-ups, with signs and without: each kind costs a compilation.
SOME = ["identity", "modulus", "uniform-signed", "dirichlet", "lookup-signed"]
PAIRS = [(kind, np.float64) for kind in SOME] + [("modulus", np.float32), ("uniform", np.float32)]
every_kind = pytest.mark.parametrize(
    ("kind", "dtype"), PAIRS, ids=[f"{kind}-{np.dtype(dtype)}" for kind, dtype in PAIRS]
)
every_backend = pytest.mark.parametrize("backend", cc.BACKENDS)
rngs = st.integers(0, 2**32 - 1).map(np.random.default_rng)
row_counts = st.integers(0, 9)


def draw_rows(rng: np.random.Generator, w: VirtualWeight, n: int) -> np.ndarray:
    """Row numbers that repeat."""
    return rng.integers(0, w.shape[0], n)


# What a view is.


@given(st.lists(st.integers(1, 5), max_size=4).map(tuple), cc.offsets)
def test_identifiers_of_a_view_are_those_of_the_loops(shape, first_id):
    size = int(np.prod(shape))
    w = VirtualWeight(shape, Uniform(7), first_id=min(first_id, 2**64 - size))
    for view in (w, w.T):
        ids = view.identifiers()
        assert ids.shape == view.shape and ids.dtype == np.uint64 and ids.flags.c_contiguous
        place = (view.shape, view.first_id, view.transposed)
        for index in np.ndindex(*view.shape):
            assert ids[index] == loops.identifier(index, *place)
            steps = sum(i * step for i, step in zip(index, view.strides, strict=True))
            assert ids[index] == view.first_id + steps
    np.testing.assert_array_equal(w.T.identifiers(), w.identifiers().T)
    assert w.T.shape == shape[::-1] and w.T.size == w.size and w == w.T.T


@given(st.tuples(st.integers(1, 6), st.integers(1, 4), st.integers(1, 3)), st.data())
def test_rows_are_a_block_of_the_identifiers(shape, data):
    w = VirtualWeight(shape[: data.draw(st.integers(1, 3))], Uniform(7), "T", first_id=5)
    start = data.draw(st.integers(0, shape[0] - 1))
    stop = data.draw(st.integers(start + 1, shape[0]))
    np.testing.assert_array_equal(w.rows(start, stop).identifiers(), w.identifiers()[start:stop])
    assert w.rows(0, shape[0]) == w and w.rows(start, stop).table == "T"
    rows = np.arange(start, stop)
    if len(w.shape) == 2:
        np.testing.assert_array_equal(w.identifiers(rows), w.identifiers()[rows])
        columns = data.draw(st.lists(st.integers(0, w.shape[1] - 1)))
        columns = np.array(columns, int)
        np.testing.assert_array_equal(w.T.identifiers(columns), w.T.identifiers()[columns])


def test_a_view_is_a_value_of_its_own():
    w = VirtualWeight((2, 3), Modulus(4))
    assert (
        w.T
        == VirtualWeight((3, 2), Modulus(4), transposed=True)
        != VirtualWeight((3, 2), Modulus(4))
    )
    assert hash(w.T) == hash(w.T) and dataclasses.replace(w.T, transposed=False) != w.T
    for shape in ((), (5,)):
        vector = VirtualWeight(shape, Modulus(4))
        assert vector == vector.T and not vector.T.transposed


# The core on views.


@every_kind
@every_backend
@given(data=st.data(), rng=rngs)
def test_transposed_weights_are_gathered_and_scattered_to_the_bit(kind, backend, dtype, data, rng):
    w = data.draw(cc.weights(kind))
    table, dV = cc.real(rng, (w.hash.buckets,), dtype), cc.whole(rng, w.T.shape, dtype)
    V = gather(table, w.T, backend)
    assert V.flags.c_contiguous and V.dtype == dtype
    np.testing.assert_array_equal(V, gather(table, w, backend).T)
    np.testing.assert_array_equal(
        scatter_add(dV, w.T, backend), scatter_add(dV.T.copy(), w, backend)
    )


@every_kind
@every_backend
@given(data=st.data(), rng=rngs, batch=st.integers(0, 5))
def test_products_with_a_transposed_weight_are_within_their_bound(
    kind, backend, dtype, data, rng, batch
):
    w = data.draw(cc.weights(kind)).T
    fan_out, fan_in = w.shape
    x, dy = cc.real(rng, (batch, fan_in), dtype), cc.real(rng, (batch, fan_out), dtype)
    table = cc.real(rng, (w.hash.buckets,), dtype)
    V = cc.gathered(table, w.T).T
    y = matmul(x, table, w, backend)
    dx, dtable = matmul_backward(dy, x, table, w, backend)
    assert y.dtype == dx.dtype == dtable.dtype == dtype
    assert y.flags.c_contiguous and dx.flags.c_contiguous
    bound = cc.gamma(fan_in, dtype) * cc.product(np.abs(x), np.abs(V))
    assert (np.abs(y - cc.product(x, V)) <= bound).all()
    bound = cc.gamma(fan_out, dtype) * cc.product(np.abs(dy), np.abs(V).T)
    assert (np.abs(dx - cc.product(dy, V.T)) <= bound).all()
    bucket, _ = cc.index(w.T)
    plain = VirtualWeight(w.T.shape, Lookup(w.hash.buckets, bucket.reshape(-1)))
    load = cc.scattered(np.ones(w.T.shape), plain).astype(float)
    sums = cc.scattered(cc.product(np.abs(x).T, np.abs(dy).T), plain)
    error = np.abs(dtable - cc.scattered(cc.product(x.T, dy.T), w.T))
    assert (error <= cc.gamma(batch + load, dtype) * sums).all()


@every_backend
@given(data=st.data(), rng=rngs, kind=st.sampled_from(sorted(KINDS)), n=row_counts)
def test_views_equal_the_loops_on_whole_numbers(backend, data, rng, kind, n):
    small = st.tuples(st.integers(1, 5), st.integers(1, 5))
    w = data.draw(cc.weights(kind, small))
    w = w.T if data.draw(st.booleans()) else w
    loop, place = from_spec(spec_of(w.hash)), (w.first_id, w.transposed)
    buckets, (fan_out, fan_in) = w.hash.buckets, w.shape
    table, dV = cc.whole(rng, (buckets,), float), cc.whole(rng, w.shape, float)
    x, dy = cc.whole(rng, (n, fan_in), float), cc.whole(rng, (n, fan_out), float)
    rows = draw_rows(rng, w, n)
    numbers = rows.tolist()
    V = loops.gather_view(table, loop, w.shape, *place)
    expected = [
        V,
        loops.scatter_add_view(dV, loop, buckets, *place),
        x @ V.T,
        dy @ V,
        loops.scatter_add_view(dy.T @ x, loop, buckets, *place),
        loops.gather_rows(table, loop, w.shape, numbers, *place),
        loops.scatter_add_rows(x, numbers, loop, buckets, w.shape, *place),
    ]
    for found, wanted in zip(results(w, table, dV, x, dy, rows, backend), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


def results(w, table, dV, x, dy, rows, backend) -> list[np.ndarray]:
    """Every operation on w."""
    return [
        gather(table, w, backend),
        scatter_add(dV, w, backend),
        matmul(x, table, w, backend),
        *matmul_backward(dy, x, table, w, backend),
        gather_rows(table, w, rows, backend),
        scatter_add_rows(x, rows, w, backend),
    ]


def bits(w: VirtualWeight, dtype: type, n: int, backend: str, draw=cc.whole) -> list[bytes]:
    """What `results` are on whole numbers; 0.0 for -0.0, since which of them depends on BLAS."""
    rng = np.random.default_rng(3)
    shapes = (w.hash.buckets,), w.shape, (n, w.shape[1]), (n, w.shape[0])
    arrays = [draw(rng, shape, dtype) for shape in shapes]
    return [(a + 0.0).tobytes() for a in results(w, *arrays, draw_rows(rng, w, n), backend)]


@every_kind
@pytest.mark.parametrize("cut", cc.CUTS)
def test_no_cut_and_no_thread_count_changes_integer_results(kind, dtype, cut, monkeypatch):
    cc.cut(monkeypatch, *cc.CUTS[cut])
    for shape, n in [((1, 1), 1), ((1, 30), 0), ((30, 1), 4), ((7, 9), 12), ((12, 17), 3)]:
        plain = VirtualWeight(shape, KINDS[kind](shape, 11, 5))
        for w in (plain, plain.T):
            expected = bits(w, dtype, n, "numpy")
            for threads in (1, 2, 5):
                with cc.with_threads(threads):
                    assert bits(w, dtype, n, "numba") == expected


BIG = [(2100, 300), (130, 1500)]


@pytest.mark.parametrize("shape", BIG)
@pytest.mark.parametrize("kind", ["modulus", "uniform-signed", "identity"])
def test_views_agree_beyond_several_tiles(kind, shape):
    plain = VirtualWeight(shape, KINDS[kind](shape, 1000, 1))
    for w in (plain, plain.T):
        expected = bits(w, np.float32, 3 if kind == "modulus" else 700, "numpy")
        for threads in (1, 3):
            with cc.with_threads(threads):
                n = 3 if kind == "modulus" else 700
                assert bits(w, np.float32, n, "numba") == expected


@pytest.mark.parametrize("kind", ["uniform-signed", "identity"])
def test_on_reals_the_bits_do_not_depend_on_the_run_or_the_threads(kind):
    plain = VirtualWeight((2100, 300), KINDS[kind]((2100, 300), 16, 1))
    for w in (plain, plain.T):
        found = []
        for threads in (1, 2, 3, 7):
            with cc.with_threads(threads):
                found.append(bits(w, np.float32, 700, "numba", cc.real))
        assert all(again == found[0] for again in found)


def test_views_of_more_dimensions():
    plain = VirtualWeight((2, 3, 4), KINDS["uniform-signed"]((2, 3, 4), 7, 2))
    rng = np.random.default_rng(1)
    table, dV = cc.whole(rng, (7,), float), cc.whole(rng, (4, 3, 2), float)
    for backend in cc.BACKENDS:
        V = gather(table, plain.T, backend)
        assert V.shape == (4, 3, 2) and V.flags.c_contiguous
        np.testing.assert_array_equal(V, cc.gathered(table, plain).T)
        found = scatter_add(dV, plain.T, backend)
        np.testing.assert_array_equal(found, cc.scattered(dV.T, plain))


@every_backend
def test_hashednets_keys_stay_those_of_the_weight(backend):
    """Its hash looks at output and input: a view must not confuse them."""
    w = VirtualWeight((3, 5), HashedNets(8, 5, 3))
    table = np.random.default_rng(2).standard_normal(8)
    np.testing.assert_array_equal(gather(table, w.T, backend), gather(table, w, backend).T)


def test_distinct_rows_of_a_transposed_weight_are_columns():
    w = VirtualWeight((100, 50), Modulus(500))
    assert distinct(w.T) == distinct(w)[::-1] == (50, 10)
