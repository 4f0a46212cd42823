"""Products in compiled loops: whatever is stored how, with a BLAS and without."""

import numpy as np
import pytest

from minihash import core
from minihash.compile.body import bound, compiled
from minihash.compile.jit import njit
from minihash.core.numba import blas, products
from minihash.hashes import Uniform
from minihash.weights import VirtualWeight
from tests.support.core_cases import BACKENDS, DTYPES, whole

every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
product = None  # bound in check_stored
SIZES = [(1, 1, 1), (1, 5, 3), (4, 1, 3), (4, 5, 1), (1, 5, 1), (1, 1, 3), (4, 1, 1), (17, 9, 33)]
STORED = {  # an array as one that is stored otherwise
    "rows": lambda a: a,
    "a part of longer rows": lambda a: np.pad(a, ((0, 0), (2, 3)))[:, 2:-3],
    "columns": lambda a: np.ascontiguousarray(a.T).T,
    "a part of longer columns": lambda a: np.pad(a.T, ((0, 0), (1, 2)))[:, 1:-2].T,
    "some of the rows": lambda a: np.pad(a, ((2, 1), (0, 0)))[2:-1],
}


@pytest.fixture
def without(monkeypatch):
    """No BLAS that has a name that is known."""
    caches = blas.product_of, products.compiled_for
    for cached in caches:
        cached.cache_clear()
    monkeypatch.setattr(blas, "found", dict)
    yield
    for cached in caches:
        cached.cache_clear()


def caller(a, b, c, more, transposed):
    """Slices of one layout, so that one function is compiled for all that is stored in rows."""
    a, b, c = a[:, 0 : a.shape[1]], b[:, 0 : b.shape[1]], c[:, 0 : c.shape[1]]
    if transposed[0] and transposed[1]:
        product(a.T, b.T, c, more)
    elif transposed[0]:
        product(a.T, b, c, more)
    elif transposed[1]:
        product(a, b.T, c, more)
    else:
        product(a, b, c, more)


@every_dtype
def test_a_product_is_numpys_however_it_is_stored(dtype):
    if not blas.available():
        pytest.skip("the BLAS of NumPy has another name here; add it to blas.NAMES")
    check_stored(dtype)


def test_without_a_blas_too(without):
    check_stored(np.float32)


def check_stored(dtype):
    rng = np.random.default_rng(0)
    call = compiled(bound(caller, "caller", product=blas.product_of(np.dtype(dtype))), njit)
    for rows, depth, columns in SIZES:
        a, b = whole(rng, (rows, depth), dtype), whole(rng, (depth, columns), dtype)
        for of_a in STORED.values():
            for of_b in STORED.values():
                left, right = of_a(a), of_b(b)
                turned = left.strides[1] != a.itemsize, right.strides[1] != a.itemsize
                inputs = left.T if turned[0] else left, right.T if turned[1] else right
                c = np.pad(np.full((rows, columns), np.nan, dtype), ((1, 1), (2, 2)))
                inner = c[1:-1, 2:-2]
                call(*inputs, inner, False, turned)
                np.testing.assert_array_equal(inner, a @ b)
                call(*inputs, inner, True, turned)
                np.testing.assert_array_equal(inner, 2 * (a @ b))
                inner[...] = 0
                assert not c.any()  # nothing beside it is written


def test_all_products_without_a_blas(without, monkeypatch):
    """Of a weight and of a view: several tiles, one row, one column."""
    monkeypatch.setattr(products, "CUT", products.CUT._replace(tile=60, side=8, least=0))
    rng = np.random.default_rng(1)
    for shape in ((19, 23), (1, 23), (19, 1)):
        w = VirtualWeight(shape, Uniform(9, 1, True), first_id=5)
        table = whole(rng, (9,), np.float32)
        for view in (w, w.T):
            x, dy = (whole(rng, (3, size), np.float32) for size in view.shape[::-1])
            numpys, numbas = (
                (core.matmul(x, table, view, b), *core.matmul_backward(dy, x, table, view, b))
                for b in BACKENDS
            )
            for ours, theirs in zip(numbas, numpys, strict=True):
                np.testing.assert_array_equal(ours, theirs)


def test_no_blas_is_found_under_other_names(monkeypatch):
    assert set(blas.found()) in (set(), {np.dtype("f4"), np.dtype("f8")})
    monkeypatch.setattr(blas, "NAMES", (("no_", "_such_name", 64),))
    assert blas.found.__wrapped__() == {}
    monkeypatch.setattr(blas, "HAVE_NUMBA", False)
    assert not blas.available()
