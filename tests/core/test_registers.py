"""The innermost loop: exact on integers, at any place and stride, and never beyond its tile."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minihash.compile.body import compiled
from minihash.compile.jit import njit
from minihash.core.numba import registers
from minihash.core.numba.registers import TALL, WIDE, Place, lanes

dtypes = st.sampled_from([np.float32, np.float64])


def call_tile(a, b, c, rows, across, along, place):
    registers.tile(a, b, c, rows, across, along, place)


@pytest.mark.skipif(not registers.features(), reason="is compiled alone")
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
        a, b, c, rows, across, along, Place(depth, gap, depth + gap, at, gap, gap, step, int(fresh))
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
