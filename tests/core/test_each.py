"""Entry by entry, and normalisation: each backend against its definition in wider numbers."""

from importlib import import_module

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minihash import core
from minihash.compile.reals import choose, exp, larger, one, size, smaller, zero
from reference import batch_norm as oracle
from tests.layers.test_batch_norm import Budget, total
from tests.support.bounds import ELEMENTARY, assert_within, eps
from tests.support.core_cases import BACKENDS, DTYPES, with_threads
from tests.support.strategies import frozen

every_backend = pytest.mark.parametrize("backend", BACKENDS)
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
SIZES = [0, 1, 7, 8, 15, 16, 17, 63, 100]  # around the lanes of SIMD


def polynomial(x, z):
    return choose(x > z, larger(x, zero) * z - one, smaller(x, z) + size(x * x))


def decay(x):
    return exp(-size(x)) + one


def whole(rng, shape, dtype):
    return frozen(rng.integers(-9, 10, shape).astype(dtype))


@every_backend
@every_dtype
@pytest.mark.parametrize("count", SIZES)
def test_a_body_of_whole_numbers_is_exact(backend, dtype, count):
    rng = np.random.default_rng(count)
    x, z = whole(rng, count, dtype), whole(rng, count, dtype)
    y = core.each(polynomial, x, z, backend=backend)
    right = [
        max(a, 0) * b - 1 if a > b else min(a, b) + abs(a * a) for a, b in zip(x, z, strict=True)
    ]
    assert y.dtype == dtype and y.tolist() == right


@every_backend
@every_dtype
@pytest.mark.parametrize("shape", [(), (3, 5), (2, 3, 1, 4), (0, 4), (2**17 + 3,)])
def test_a_body_of_real_numbers_is_within_its_bound(backend, dtype, shape):
    """The last shape is more than one part. y has the shape of x, and memory of its own."""
    x = frozen(np.asarray(np.random.default_rng(1).normal(0, 9, shape), dtype))
    y = core.each(decay, x, backend=backend)
    assert (y.shape, y.dtype, y.flags.writeable) == (x.shape, x.dtype, True)
    exact = np.exp(-abs(x.astype(np.longdouble))) + 1
    assert_within(y, exact, (ELEMENTARY + 1) * eps(dtype) * exact)


@every_backend
def test_the_body_that_changes_nothing_makes_a_copy(backend):
    for body, right in ((lambda x: x, [1, 2]), (lambda x: one, [1, 1])):
        x = np.array([1.0, 2.0])
        y = core.each(body, x, backend=backend)
        assert y.tolist() == right and not np.shares_memory(x, y)


@every_backend
@every_dtype
def test_nan_and_infinities_go_through_as_numpys_names_say(backend, dtype):
    special = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1, -1], dtype)
    x, z = (frozen(a.copy()) for a in np.broadcast_arrays(special[:, None], special))
    for body in (lambda x, z: larger(x, z), lambda x, z: smaller(x, z), lambda x, z: x * z - x):
        with np.errstate(invalid="ignore"):
            right = body(x, z)
        np.testing.assert_array_equal(core.each(body, x, z, backend=backend), right)


@every_dtype
def test_the_cut_into_parts_changes_no_bit(dtype, monkeypatch):
    x = np.random.default_rng(2).normal(0, 9, 1000).astype(dtype)
    right = core.each(decay, x, backend="numba").tobytes()
    for entries, threads in ((1000, 1), (999, 2), (13, 3), (1, 2)):
        monkeypatch.setattr(import_module("minihash.core.numba.each"), "ENTRIES", entries)
        with with_threads(threads):
            assert core.each(decay, x, backend="numba").tobytes() == right


# Normalisation.


def by_example(x):
    """(batch, features, ...) as (batch times positions, features)."""
    return np.moveaxis(x, 1, -1).reshape(-1, x.shape[1])


def by_position(rows, shape):
    batch, features, *positions = shape
    return np.moveaxis(rows.reshape(batch, *positions, features), -1, 1)


SHAPES = st.tuples(st.integers(1, 9), st.sampled_from([1, 2, 8, 15, 33])) | st.sampled_from(
    [(2, 3, 5), (3, 1, 2, 2), (1, 4, 3, 1), (4, 17, 1, 1), (300, 1), (2, 300)]
)


@every_backend
@given(
    shape=SHAPES, dtype=st.sampled_from(DTYPES), known=st.booleans(), seed=st.integers(0, 2**32 - 1)
)
def test_normalisation_is_the_loops(backend, shape, dtype, known, seed):
    rng = np.random.default_rng(seed)
    x, dy = (frozen(rng.standard_normal(shape).astype(dtype)) for _ in range(2))
    gamma, beta, mean = (frozen(rng.standard_normal(shape[1]).astype(dtype)) for _ in range(3))
    wide = mean.astype(np.float64), abs(mean.astype(np.float64)) + 0.5
    statistics = tuple(map(frozen, wide)) if known else None
    y, x_hat, r, *found = core.normalise(x, gamma, beta, 0.1, statistics, backend)
    dx, dgamma, dbeta = core.normalise_backward(dy, x_hat, gamma, r, known, backend)
    for array in (y, x_hat, r, dx, dgamma, dbeta):
        assert array.dtype == dtype and array.flags.c_contiguous
    rows, rows_dy = (by_example(a).astype(np.float64) for a in (x, dy))
    y_right = oracle.batch_norm_forward(rows, gamma, beta, statistics, 0.1)
    right = oracle.batch_norm_backward(rows_dy, rows, gamma, statistics, 0.1)

    def bounds(e):
        budget = Budget(e, rows, statistics, 0.1)
        return budget.mean, budget.var, budget.y(gamma, beta), *budget.gradients(rows_dy, gamma)

    results = *found, by_example(y), by_example(dx), dgamma, dbeta
    exact = *(statistics or oracle.batch_statistics(rows)), y_right, *right
    for result, wanted, bound in zip(results, exact, total(bounds, dtype), strict=True):
        assert_within(result, wanted, bound)


@every_backend
@every_dtype
@pytest.mark.parametrize("shape", [(4, 3), (16, 17), (2, 3, 8), (1, 1, 2, 8)])
def test_whole_numbers_normalise_exactly(backend, dtype, shape):
    """n is a power of 2, so that nothing is rounded: entries are mean + d or mean - d."""
    rng = np.random.default_rng(3)
    features = shape[1]
    mean, d = rng.integers(-9, 10, features), 2.0 ** rng.integers(0, 3, features)
    rows = np.ones((int(np.prod(shape)) // features, features))
    rows[::2] = -1
    x = by_position(mean + d * rows, shape).astype(dtype)
    gamma, beta = whole(rng, features, dtype), whole(rng, features, dtype)
    x = np.ascontiguousarray(x)
    y, x_hat, r, *found = core.normalise(x, gamma, beta, 0.0, backend=backend)
    assert (found[0] == mean).all() and (found[1] == d * d).all() and (r == 1 / d).all()
    assert (by_example(x_hat) == rows).all() and (by_example(y) == gamma * rows + beta).all()
    dy = whole(rng, shape, dtype)
    n, rows_dy = len(rows), by_example(dy).astype(np.float64)
    sums = (rows_dy * rows).sum(0), rows_dy.sum(0)
    for known in (False, True):
        dx, *found = core.normalise_backward(dy, x_hat, gamma, r, known, backend)
        assert all((f == s).all() for f, s in zip(found, sums, strict=True))
        inner = rows_dy if known else rows_dy - rows * sums[0] / n - sums[1] / n
        assert (by_example(dx) == inner * gamma / d).all()


@every_backend
@pytest.mark.parametrize("shape", [(0, 3), (5, 0), (0, 0), (0, 3, 2), (5, 0, 2), (2, 3, 0)])
def test_of_nothing_there_is_no_mean(backend, shape):
    x, one = np.ones(shape), np.ones(shape[1])
    y, x_hat, r, mean, var = core.normalise(x, one, one, 0.1, backend=backend)
    assert y.shape == x_hat.shape == shape and r.shape == (shape[1],)
    assert np.isnan([mean, var, r]).all()
    for known in (True, False):
        dx, dgamma, dbeta = core.normalise_backward(x, x, one, one, known, backend)
        assert dx.shape == shape and not dgamma.any() and not dbeta.any()


@every_backend
@pytest.mark.parametrize("positions", [(), (2,)])
def test_what_is_not_finite_stays_in_its_feature(backend, positions):
    x = np.random.default_rng(4).standard_normal((6, 5, *positions))
    x[1, 0], x[2, 1], x[3, 2], x[:, 3] = np.nan, np.inf, -np.inf, 7.0  # the last has no variance
    one, zero = np.ones(5), np.zeros(5)
    y, x_hat, r, *_ = core.normalise(x, one, zero, 0.0, backend=backend)
    assert np.isnan(y[:, :4]).all() and np.isfinite(y[:, 4]).all() and np.isinf(r[3])
    dx, dgamma, dbeta = core.normalise_backward(x, x_hat, one, r, False, backend)
    assert np.isnan(dx[:, :4]).all() and np.isfinite(dx[:, 4]).all()
    assert np.isnan(dgamma[:4]).all() and np.isfinite(dgamma[4])
    np.testing.assert_array_equal(dbeta[:3], [np.nan, np.inf, -np.inf])


@every_backend
def test_inputs_are_never_written_and_results_are_fresh(backend):
    rng = np.random.default_rng(5)
    for shape in ((4, 3), (2, 3, 2)):
        inputs = [rng.standard_normal(s) for s in (shape, (3,), (3,))]
        known = rng.standard_normal(3), np.ones(3)
        before = [a.tobytes() for a in (*inputs, *known)]
        for statistics in (None, known):
            y, x_hat, r, *_ = core.normalise(*inputs, 0.1, statistics, backend)
            kept = x_hat.tobytes(), r.tobytes()
            back = core.normalise_backward(y, x_hat, inputs[1], r, bool(statistics), backend)
            assert (x_hat.tobytes(), r.tobytes()) == kept
            everything = [*inputs, *known, y, x_hat, r, *back]
            for k, a in enumerate(everything):
                assert not any(np.shares_memory(a, b) for b in everything[:k])
        assert [a.tobytes() for a in (*inputs, *known)] == before


ONE, TWO = np.ones(1), np.ones(2)
X = np.ones((3, 2))
REFUSED = [
    (lambda: core.each(decay), ValueError, "one array or two, got 0"),
    (lambda: core.each(decay, X, X, X), ValueError, "one array or two, got 3"),
    (lambda: core.each(decay, np.ones(3, int)), TypeError, "the first array must be float32"),
    (lambda: core.each(polynomial, X, TWO), ValueError, r"the second array must have shape \(3, 2"),
    (lambda: core.each(polynomial, TWO, TWO.astype("f4")), TypeError, "got float32; convert"),
    (lambda: core.normalise(TWO, TWO, TWO, 0.1), ValueError, r"x must .*, got \(2,\); reshape"),
    (lambda: core.normalise(X, ONE, TWO, 0.1), ValueError, r"gamma must have shape \(2,\), got"),
    (lambda: core.normalise(X, TWO, ONE, 0.1), ValueError, r"beta must have shape \(2,\), got"),
    (lambda: core.normalise(X, TWO, TWO.astype("f4"), 0.1), TypeError, "beta must be float64"),
    (lambda: core.normalise(X, TWO, TWO, 0.1, (ONE, TWO)), ValueError, r"the mean must have"),
    (lambda: core.normalise(X, TWO, TWO, 0.1, (TWO, TWO.astype("f4"))), TypeError, "the variance"),
    (lambda: core.normalise_backward(X[:2], X, TWO, TWO, True), ValueError, r"dy must have shape"),
    (lambda: core.normalise_backward(TWO, TWO, TWO, TWO, True), ValueError, r"x_hat must have"),
    (lambda: core.normalise_backward(X, X, ONE, TWO, True), ValueError, r"gamma must have shape"),
    (lambda: core.normalise_backward(X, X, TWO, ONE, True), ValueError, r"r must have shape"),
]


@every_backend
@pytest.mark.parametrize("call, error, message", REFUSED)
def test_other_arrays_are_refused_before_any_kernel(call, error, message, backend):
    with core.use(backend), pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@every_backend
def test_the_layout_does_not_matter(backend):
    x = np.random.default_rng(6).standard_normal((4, 6))
    one = np.ones(6)

    def bits(x):
        y, *_ = core.normalise(x, one, one, 0.1, backend=backend)
        return core.each(decay, x, backend=backend).tobytes(), y.tobytes()

    for other in (np.asfortranarray(x), x.astype(">f8"), np.repeat(x, 2, 1)[:, ::2]):
        assert bits(other) == bits(x)
