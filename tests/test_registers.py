"""The innermost loops: exact on integers, at any place and stride, and never beyond their block."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minihash.core import registers, tiles
from minihash.core.registers import ROWS, Block, columns
from minihash.hashes.body import bound, compiled
from minihash.hashes.jit import njit

dtypes = st.sampled_from([np.float32, np.float64])


def call_product(a, b, c, block):
    product(a, b, c, block)  # noqa: F821 (bound below)


def reading(product):
    """The product as Numba's kernels call it, and as it is read without a compiler."""
    if product is registers.product_in_numpy:
        return product
    return compiled(bound(call_product, "call_product", product=product), njit)


PRODUCTS = [registers.product, registers.product_in_numpy]


@pytest.mark.parametrize("product", PRODUCTS, ids=["numba", "numpy"])
@given(dtypes, st.integers(0, 40), st.tuples(*[st.integers(0, 5)] * 6), st.booleans(), st.data())
def test_a_product_is_the_sum_and_touches_its_block_alone(product, dtype, depth, gaps, fresh, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    n = columns(dtype)
    at_a, at_b, at_c, more_a, more_b, more_c = gaps
    tall = data.draw(st.booleans())  # whether a is stored m by m
    step_m, step_k = (depth + more_a, 1) if tall else (1, ROWS + more_a)
    a = rng.integers(-9, 10, at_a + ROWS * step_m + depth * step_k + 1).astype(dtype)
    b = rng.integers(-9, 10, at_b + (depth + 1) * (n + more_b)).astype(dtype)
    c = rng.integers(-9, 10, at_c + ROWS * (n + more_c) + 1).astype(dtype)
    expected = c.copy()
    for m in range(ROWS):
        for j in range(n):
            at = at_c + m * (n + more_c) + j
            terms = (
                a[at_a + k * step_k + m * step_m] * b[at_b + k * (n + more_b) + j]
                for k in range(depth)
            )
            expected[at] = sum(terms, start=dtype(0) if fresh else c[at])
    block = Block(depth, at_a, step_k, step_m, at_b, n + more_b, at_c, n + more_c, int(fresh))
    reading(product)(a, b, c, block)
    np.testing.assert_array_equal(c, expected)


@given(dtypes, st.integers(0, 600), st.integers(0, 99))
def test_a_dot_product_is_the_sum(dtype, size, seed):
    rng = np.random.default_rng(seed)
    a, b = (rng.integers(-9, 10, size).astype(dtype) for _ in range(2))
    found = registers.dot(a, b)
    assert found == int(a.astype(int) @ b.astype(int))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("batch", [1, 5, 16, 17, 40])
def test_what_is_turned_is_zero_beyond_the_batch(dtype, batch):
    rng = np.random.default_rng(0)
    tiles.turn("x", np.full((64, 90), np.nan, dtype))
    x = rng.standard_normal((batch, 90)).astype(dtype)
    turned = tiles.turn("x", x)
    np.testing.assert_array_equal(turned[:90, :batch], x.T)
    assert not turned[:90, batch:].any() and turned.shape[1] // columns(dtype) % 2 == 1
