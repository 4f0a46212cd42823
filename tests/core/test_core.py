"""The core's contract: values, error bounds, adjoints, and bits that no cut or thread changes."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minihash.core import gather, matmul, matmul_backward, scatter_add
from minihash.core.numba.parts import apart
from minihash.hashes import Identity, Lookup, Neighborhood
from minihash.weights import VirtualWeight
from reference import core as loops
from reference.hashes import from_spec
from tests.support import core_cases as cc
from tests.support.hash_strategies import KINDS, spec_of

# Each pair costs a compilation. float32 takes one kind of each kernel: runs, arithmetic, look-up,
# with signs and without.
HALF = ["modulus", "uniform", "uniform-signed", "dirichlet", "lookup-signed"]
PAIRS = [(kind, np.float64) for kind in KINDS] + [(kind, np.float32) for kind in HALF]
every_kind = pytest.mark.parametrize(
    ("kind", "dtype"), PAIRS, ids=[f"{kind}-{np.dtype(dtype)}" for kind, dtype in PAIRS]
)
every_backend = pytest.mark.parametrize("backend", cc.BACKENDS)
rngs = st.integers(0, 2**32 - 1).map(np.random.default_rng)
batches = st.integers(0, 5)


@every_kind
@every_backend
@given(data=st.data(), rng=rngs)
def test_gather_is_sign_times_table_of_bucket(kind, backend, dtype, data, rng):
    w = data.draw(cc.weights(kind))
    table = cc.real(rng, (w.hash.buckets,), dtype)
    V = gather(table, w, backend)
    assert V.dtype == dtype and V.shape == w.shape
    np.testing.assert_array_equal(V, cc.gathered(table, w))  # no rounding at all


@every_kind
@every_backend
@given(data=st.data(), rng=rngs)
def test_scatter_add_sums_each_bucket(kind, backend, dtype, data, rng):
    w = data.draw(cc.weights(kind))
    dV = cc.real(rng, w.shape, dtype)
    dtable = scatter_add(dV, w, backend)
    assert dtable.dtype == dtype and dtable.shape == (w.hash.buckets,)
    load = cc.scattered(np.ones(w.shape), unsigned(w))
    bound = cc.gamma(load.astype(float) + 1, dtype) * cc.scattered(np.abs(dV), unsigned(w))
    assert (np.abs(dtable - cc.scattered(dV, w)) <= bound).all()


def unsigned(w: VirtualWeight) -> VirtualWeight:
    """The buckets of w without their signs."""
    bucket, _ = cc.index(w)
    return VirtualWeight(w.shape, Lookup(w.hash.buckets, bucket.reshape(-1)))


@every_kind
@every_backend
@given(data=st.data(), rng=rngs, batch=batches)
def test_products_are_within_their_error_bound(kind, backend, dtype, data, rng, batch):
    w = data.draw(cc.weights(kind))
    fan_out, fan_in = w.shape
    x, dy = cc.real(rng, (batch, fan_in), dtype), cc.real(rng, (batch, fan_out), dtype)
    table = cc.real(rng, (w.hash.buckets,), dtype)
    V = cc.gathered(table, w)
    y = matmul(x, table, w, backend)
    dx, dtable = matmul_backward(dy, x, table, w, backend)
    assert y.dtype == dx.dtype == dtable.dtype == dtype
    assert (y.shape, dx.shape, dtable.shape) == ((batch, fan_out), x.shape, table.shape)
    bound = cc.gamma(fan_in, dtype) * cc.product(np.abs(x), np.abs(V))
    assert (np.abs(y - cc.product(x, V)) <= bound).all()
    bound = cc.gamma(fan_out, dtype) * cc.product(np.abs(dy), np.abs(V).T)
    assert (np.abs(dx - cc.product(dy, V.T)) <= bound).all()
    # dtable: `batch` terms in each entry of dV, load entries in each bucket.
    load = cc.scattered(np.ones(w.shape), unsigned(w)).astype(float)
    sums = cc.scattered(cc.product(np.abs(dy).T, np.abs(x).T), unsigned(w))
    error = np.abs(dtable - cc.scattered(cc.product(dy.T, x.T), w))
    assert (error <= cc.gamma(batch + load, dtype) * sums).all()


@every_kind
@every_backend
@given(data=st.data(), rng=rngs, batch=batches)
def test_the_adjoint_identity_is_exact_on_integers(kind, backend, dtype, data, rng, batch):
    """<dV, gather(t)> = <scatter_add(dV), t>, <dy, matmul(x, t)> = <dx, x> = <dtable, t>."""
    w = data.draw(cc.weights(kind))
    table, dV = cc.whole(rng, (w.hash.buckets,), dtype), cc.whole(rng, w.shape, dtype)

    def inner(a: np.ndarray, b: np.ndarray) -> int:
        return int((a.astype(np.int64) * b.astype(np.int64)).sum())

    assert inner(dV, gather(table, w, backend)) == inner(scatter_add(dV, w, backend), table)
    fan_out, fan_in = w.shape
    x, dy = cc.whole(rng, (batch, fan_in), dtype), cc.whole(rng, (batch, fan_out), dtype)
    dx, dtable = matmul_backward(dy, x, table, w, backend)
    through = inner(dy, matmul(x, table, w, backend))
    assert through == inner(dx, x) == inner(dtable, table)


@every_backend
@given(data=st.data(), rng=rngs, kind=st.sampled_from(sorted(KINDS)))
def test_the_adjoint_identity_holds_on_reals(backend, data, rng, kind):
    """Both sides as exact fractions: they differ by what scatter_add rounds off, no more."""
    w = data.draw(cc.weights(kind))
    table, dV = (cc.real(rng, s, np.float64) for s in ((w.hash.buckets,), w.shape))
    V, dtable = gather(table, w, backend), scatter_add(dV, w, backend)

    def inner(a: np.ndarray, b: np.ndarray) -> Fraction:
        pairs = zip(a.reshape(-1).tolist(), b.reshape(-1).tolist(), strict=True)
        return sum((Fraction(p) * Fraction(q) for p, q in pairs), Fraction(0))

    bound = Fraction(float(cc.gamma(w.size + 1, np.float64))) * inner(np.abs(dV), np.abs(V))
    assert abs(inner(dV, V) - inner(dtable, table)) <= bound


@every_backend
@given(data=st.data(), rng=rngs, batch=st.integers(0, 3), kind=st.sampled_from(sorted(KINDS)))
def test_the_core_equals_the_loops_of_the_reference(backend, data, rng, batch, kind):
    small = st.tuples(st.integers(1, 6), st.integers(1, 6))
    w = data.draw(cc.weights(kind, small))
    loop = from_spec(spec_of(w.hash))
    table, dV = cc.whole(rng, (w.hash.buckets,), float), cc.whole(rng, w.shape, float)
    x, dy = cc.whole(rng, (batch, w.shape[1]), float), cc.whole(rng, (batch, w.shape[0]), float)
    place = (loop, w.shape, w.first_id)
    expected = [
        loops.gather(table, *place),
        loops.scatter_add(dV, loop, w.hash.buckets, w.first_id),
        loops.matmul(x, table, *place),
        *loops.matmul_backward(dy, x, table, *place),
    ]
    found = [
        gather(table, w, backend),
        scatter_add(dV, w, backend),
        matmul(x, table, w, backend),
        *matmul_backward(dy, x, table, w, backend),
    ]
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def results(w: VirtualWeight, dtype: type, batch: int, seed: int, backend: str) -> list[bytes]:
    """The bits of every operation on integer-valued inputs."""
    rng = np.random.default_rng(seed)
    table, dV = cc.whole(rng, (w.hash.buckets,), dtype), cc.whole(rng, w.shape, dtype)
    x, dy = cc.whole(rng, (batch, w.shape[1]), dtype), cc.whole(rng, (batch, w.shape[0]), dtype)
    found = [
        gather(table, w, backend),
        scatter_add(dV, w, backend),
        matmul(x, table, w, backend),
        *matmul_backward(dy, x, table, w, backend),
    ]
    return [(a + 0.0).tobytes() for a in found]  # -0.0 is 0.0: which of them depends on BLAS


@every_kind
@pytest.mark.parametrize("cut", cc.CUTS)
def test_no_cut_and_no_thread_count_changes_integer_results(kind, dtype, cut, monkeypatch):
    cc.cut(monkeypatch, *cc.CUTS[cut])
    for shape, batch in [((1, 1), 1), ((1, 30), 0), ((30, 1), 4), ((7, 9), 1), ((12, 17), 3)]:
        w = VirtualWeight(shape, KINDS[kind](shape, 11, 5))
        expected = results(w, dtype, batch, 3, "numpy")
        for threads in (1, 2, 3, 7):
            with cc.with_threads(threads):
                assert results(w, dtype, batch, 3, "numba") == expected


@pytest.mark.parametrize("shape", [(2100, 300), (130, 5000), (70_000, 9), (9, 70_000)])
@pytest.mark.parametrize("kind", ["modulus", "uniform-signed", "dirichlet"])
def test_backends_agree_beyond_several_tiles(kind, shape):
    w = VirtualWeight(shape, KINDS[kind](shape, 1000, 1), first_id=2**32 - 1000)
    expected = results(w, np.float32, 3, 0, "numpy")
    for threads in (1, 2, 3, 7):
        with cc.with_threads(threads):
            assert results(w, np.float32, 3, 0, "numba") == expected


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("first_id", [0, 3, 2**20])
def test_parts_are_apart_only_where_each_entry_has_a_bucket_of_its_own(kind, first_id):
    for shape in [(1, 1), (3, 4), (20, 20)]:
        for buckets in (1, 11, 12, 13, 400, 500):
            hash_ = KINDS[kind](shape, buckets, 1)
            if first_id + shape[0] * shape[1] <= hash_.domain:
                w = VirtualWeight(shape, hash_, first_id=first_id)
                used = np.unique(cc.index(w)[0])
                assert len(used) == w.size or not apart(w)
                assert apart(w) or w.size == 1 or not isinstance(hash_, Identity)


@pytest.mark.parametrize("radii", [(0, 3), (3, 0)])
def test_hashes_of_one_class_with_and_without_runs_have_kernels_of_their_own(radii):
    for radius in radii:
        w = VirtualWeight((7, 9), Neighborhood(20, radius))
        assert results(w, np.float64, 3, 0, "numba") == results(w, np.float64, 3, 0, "numpy")


@pytest.mark.parametrize("pays", [True, False])
@pytest.mark.parametrize("kind", ["modulus", "uniform-signed", "dirichlet", "identity"])
def test_one_example_is_as_any(kind, pays, monkeypatch, dtype=np.float64):
    """With a large weight a batch of one goes forward by dot products."""
    monkeypatch.setattr("minihash.core.numba.single.pays", lambda w: pays)
    for shape in [(1, 1), (5, 1300), (130, 41)]:
        w = VirtualWeight(shape, KINDS[kind](shape, 1000, 1))
        assert results(w, dtype, 1, 0, "numba") == results(w, dtype, 1, 0, "numpy")


def test_weights_of_other_dimensions_are_gathered_and_scattered():
    for shape in [(), (1,), (5,), (2, 3, 4), (2, 1, 3, 2)]:
        w = VirtualWeight(shape, KINDS["uniform-signed"](shape, 7, 2))
        rng = np.random.default_rng(1)
        table, dV = cc.whole(rng, (7,), float), cc.whole(rng, shape, float)
        for backend in cc.BACKENDS:
            np.testing.assert_array_equal(gather(table, w, backend), cc.gathered(table, w))
            assert gather(table, w, backend).shape == shape
            np.testing.assert_array_equal(scatter_add(dV, w, backend), cc.scattered(dV, w))
