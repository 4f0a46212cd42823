"""The innermost loops: exact on integers, at any place and stride, and never beyond their block."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minihash.compile.body import bound, compiled
from minihash.compile.jit import njit
from minihash.core.numba import registers, sweep, tiles
from minihash.core.numba.registers import ROWS, TALL, WIDE, Block, Tile, columns, lanes

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


def call_tile(a, b, c, rows, across, along, place):
    registers.tile(a, b, c, rows, across, along, place)


@pytest.mark.skipif(registers.product is registers.product_in_numpy, reason="is compiled alone")
@given(dtypes, st.integers(0, 40), st.integers(0, 5), st.integers(0, 3), st.booleans(), st.data())
def test_a_tile_is_the_sum_of_vectors_anywhere(dtype, depth, gap, at, fresh, data):
    """And touches nothing else; its vectors in c may even be one and the same."""
    rng, n = np.random.default_rng(data.draw(st.integers(0, 99))), lanes(dtype)
    a = rng.integers(-9, 10, gap + TALL * (depth + gap)).astype(dtype)
    b = rng.integers(-9, 10, 300).astype(dtype)
    rows, across = rng.integers(0, 100, depth), rng.integers(0, 150, at + WIDE)
    along = n * rng.permutation(at + WIDE)
    along[-1] = along[-2] if fresh else along[-1]
    across[-1] = across[-2] if fresh else across[-1]
    step = n * (at + WIDE) + gap
    c = rng.integers(-9, 10, gap + TALL * step).astype(dtype)
    expected = c.copy()
    for m in range(TALL):
        for v in range(at, at + WIDE):
            for j in range(n):
                place = gap + m * step + along[v] + j
                terms = (
                    a[gap + k + m * (depth + gap)] * b[gap + rows[k] + across[v] + j]
                    for k in range(depth)
                )
                expected[place] = sum(terms, start=dtype(0) if fresh else c[place])
    tile = compiled(call_tile, njit)
    tile(
        a, b, c, rows, across, along, Tile(depth, gap, depth + gap, at, gap, gap, step, int(fresh))
    )
    np.testing.assert_array_equal(c, expected)


PROCESSORS = {
    "+avx2,+fma,-avx512f": True,
    "+avx2,+fma,+avx512f": True,
    "+avx2": False,
    "+fma,-avx2": False,
    "": False,
    "+neon": True,
}


@pytest.mark.parametrize("features", PROCESSORS)
def test_tiles_are_for_processors_with_registers_for_them(features, monkeypatch):
    numba = pytest.importorskip("numba")
    monkeypatch.setattr(registers, "features", registers.features.__wrapped__)
    monkeypatch.setattr(registers.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 0)
    monkeypatch.setattr(numba.config, "CPU_FEATURES", features)
    assert registers.available() == PROCESSORS[features]
    monkeypatch.setattr(registers.platform, "machine", lambda: "arm64")
    assert registers.available()
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
    assert not registers.available()
    monkeypatch.setattr(registers, "HAVE_NUMBA", False)
    assert not registers.available()


@given(dtypes, st.integers(0, 600), st.integers(0, 99))
def test_a_dot_product_is_the_sum(dtype, size, seed):
    rng = np.random.default_rng(seed)
    a, b = (rng.integers(-9, 10, size).astype(dtype) for _ in range(2))
    found = registers.dot(a, b)
    assert found == int(a.astype(int) @ b.astype(int))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("batch", [1, 5, 16, 17, 40])
def test_what_is_turned_is_zero_in_the_rest_of_a_block(dtype, batch):
    rng = np.random.default_rng(0)
    tiles.turn("x", np.full((64, 90), np.nan, dtype))
    x = rng.standard_normal((batch, 90)).astype(dtype)
    turned = tiles.turn("x", x)
    np.testing.assert_array_equal(turned[:90, :batch], x.T)
    n = columns(dtype)
    assert not turned[:90, batch : n * -(-batch // n)].any() and turned.shape[1] // n % 2 == 1


TURNS = [
    compiled(sweep.turn, njit),
    bound(sweep.turn, "turn", square=registers.square_in_numpy),
]


@pytest.mark.parametrize("turn", TURNS, ids=["numba", "numpy"])
@given(dtypes, st.tuples(*[st.integers(0, 20)] * 2), st.tuples(*[st.integers(0, 5)] * 4))
def test_turning_touches_its_target_alone(turn, dtype, shape, gaps):
    (rows, columns), (at_a, at_b, more_a, more_b) = shape, gaps
    step_a, step_b = columns + more_a, rows + more_b
    a = np.arange(at_a + rows * step_a, dtype=dtype)
    b = -np.ones(at_b + columns * step_b + 1, dtype)
    expected = b.copy()
    for r in range(rows):
        for c in range(columns):
            expected[at_b + c * step_b + r] = a[at_a + r * step_a + c]
    turn(a, at_a, step_a, b, at_b, step_b, rows, columns)
    np.testing.assert_array_equal(b, expected)
