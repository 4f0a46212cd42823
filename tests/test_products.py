"""Products in blocks against whole ones: any cut, any views."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minihash.core import products

sizes = st.integers(0, 9)


def inputs(rng, stack, m, k, n):
    """Integer-valued factors and room for the product, in memory with gaps, some transposed."""
    a = rng.integers(-9, 10, (stack, k, m + 3))[:, :, :m].swapaxes(1, 2)
    b = rng.integers(-9, 10, (stack, k, 2 * n))[:, :, :n]
    out = np.full((stack, m + 1, n + 2), np.nan, np.float32)
    return a.astype(np.float32, order="K"), b.astype(np.float32), out


@given(st.integers(1, 3), sizes, sizes, sizes, st.integers(0, 99))
def test_no_cut_changes_a_product(stack, m, k, n, seed):
    a, b, out = inputs(np.random.default_rng(seed), stack, m, k, n)
    expected = np.matmul(a.astype(int), b.astype(int))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"SMALL": 24, "WIDE": 3, "NARROW": 2, "ROWS": 1, "LEAST": 1}.items():
            patch.setattr(products, name, value)
        for cut in (True, False):
            patch.setattr(products, "without_packing", lambda cut=cut: cut)
            out[:] = np.nan
            result = products.multiply(a, b, out[:, :m, :n])
            assert np.shares_memory(result, out) or not result.size
            np.testing.assert_array_equal(out[:, :m, :n], expected)
            assert np.isnan(out[:, m:]).all() and np.isnan(out[:, :, n:]).all()


def test_the_blocks_are_small_and_cover_the_product_once(monkeypatch):
    monkeypatch.setattr(products, "without_packing", lambda: True)
    seen = []

    def matmul(a, b, out):
        seen.append((a.shape, b.shape))
        out += 1
        return out

    for m, k, n in [(64, 576, 1024), (576, 1024, 64), (576, 64, 1000), (63, 700, 999)]:
        out = np.zeros((1, m, n), np.float32)
        with monkeypatch.context() as patch:
            patch.setattr(np, "matmul", matmul)
            products.multiply(np.zeros((1, m, k), "f"), np.zeros((1, k, n), "f"), out)
        assert (out == 1).all()
        for left, right in seen:
            assert left[-2] * left[-1] * right[-1] <= products.SMALL
        assert len(seen) <= 4
        seen.clear()


@pytest.mark.parametrize("m, k, n", [(64, 10, 64), (128, 500, 128), (64, 5000, 64)])
def test_small_large_and_deep_products_are_left_whole(monkeypatch, m, k, n):
    monkeypatch.setattr(products, "without_packing", lambda: True)
    a, b = np.ones((1, m, k), np.float32), np.ones((1, k, n), np.float32)
    whole = []
    matmul = np.matmul
    monkeypatch.setattr(np, "matmul", lambda a, b, out: whole.append(1) or matmul(a, b, out=out))
    assert (products.multiply(a, b, np.empty((1, m, n), np.float32)) == k).all()
    assert whole == [1]


def test_whether_blas_has_small_kernels_is_known():
    assert products.without_packing() in (True, False)
