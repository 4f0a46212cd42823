"""Loops over entries in both readings, tanh in arithmetic, and layers without Numba."""

import ast
import os
import subprocess
import sys
from contextlib import contextmanager
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given

from minihash.core.numba import loops, registers, skinny
from minihash.core.numba.loops import each, tanh
from minihash.core.numba.simd_tanh import tanh32, tanh64
from reference import torch_twins
from tests.layers.test_recurrent import assert_within_balls, normal
from tests.support.recurrent_cases import (
    by_layer,
    cases,
    every_kind,
    example,
    in_float64,
    tables_from_weights,
)
from tests.support.strategies import examples

both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
BODIES = {np.float32: (tanh32, np.int32), np.float64: (tanh64, np.int64)}
ULPS = 3  # what simd_tanh promises


def number_by_number(dtype):
    """tanh32 or tanh64 as it is written, for arrays."""
    body, _ = BODIES[dtype]
    return np.vectorize(lambda x: body(dtype(x)), otypes=[dtype])


def bits(found):
    return {name: result.tobytes() for name, result in found.items()}


def plain_product(x, W, y):
    """In one order, whoever reads it."""
    for r in range(y.shape[0]):
        for c in range(y.shape[1]):
            total = x[r, 0] * W[0, c]
            for k in range(1, x.shape[1]):
                total += x[r, k] * W[k, c]
            y[r, c] = total


@every_kind
@both_dtypes
def test_both_readings_give_the_same_bits(kind, dtype, monkeypatch):
    """But for tanh and products, which are NumPy's own in its reading: here both have the same."""
    pytest.importorskip("numba")
    case = example(kind, dtype, batch=7, length=5, hidden=6)
    monkeypatch.setattr(registers, "available", lambda: False)
    monkeypatch.setattr(skinny, "inner_product", lambda: plain_product)
    compiled = bits(by_layer(case))
    used = []

    def read(function, real, calls):
        used.extend(call for _, call in calls)
        return loops.read(function, real, calls, number_by_number(dtype), lambda n: (slice(n),))

    monkeypatch.setattr(loops, "read_by_numba", read)
    assert bits(by_layer(case)) == compiled
    assert set(used) == {*case.layer.loops(), plain_product}


@examples(20)
@given(cases(normal))
def test_numpys_reading_is_pytorch(case):
    with without_numba():
        found = by_layer(case)
    expected = tables_from_weights(case, torch_twins.recurrent(case.kind, *in_float64(case)))
    assert_within_balls(case, found, expected)


@contextmanager
def without_numba():
    nowhere = patch.object(registers, "available", lambda: False)
    with patch.object(loops, "HAVE_NUMBA", False), nowhere:
        yield


@pytest.mark.parametrize(("kind", "dtype"), [("lstm", np.float32), ("gru", np.float64)])
def test_without_registers_for_tiles_it_is_pytorch(kind, dtype, monkeypatch):
    monkeypatch.setattr(registers, "available", lambda: False)
    case = example(kind, dtype, batch=20, hidden=7)
    expected = tables_from_weights(case, torch_twins.recurrent(case.kind, *in_float64(case)))
    assert_within_balls(case, by_layer(case), expected)


RESULTS = """
import numpy as np
from tests.support.recurrent_cases import KINDS, by_layer, example

found = [
    {name: result.tobytes() for name, result in by_layer(example(kind, dtype)).items()}
    for kind in KINDS
    for dtype in (np.float32, np.float64)
]
"""
BARE = f"""
import sys
sys.modules["numba"] = None  # as if it were not installed
{RESULTS}
assert sys.modules["numba"] is None
print(repr(found))
"""


def test_without_numba_layers_take_numpys_reading():
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", BARE],
        capture_output=True,
        text=True,
        env={**os.environ, "MINIHASH_BACKEND": "numpy"},
    )
    assert run.returncode == 0, run.stderr
    namespace: dict = {}
    with without_numba(), patch.dict(os.environ, MINIHASH_BACKEND="numpy"):
        exec(RESULTS, namespace)
    assert ast.literal_eval(run.stdout) == namespace["found"]


def numbers(dtype):
    """Bit patterns of every size and sign, and those around each step of the algorithm."""
    info, integer = np.finfo(dtype), BODIES[dtype][1]
    rng = np.random.default_rng(0)
    anything = rng.integers(np.iinfo(integer).min, np.iinfo(integer).max, 2**19, integer, True)
    halves = np.log(2) / 4 * np.arange(200)  # k changes at every second of them
    most = 9.5 if dtype == np.float32 else 19.5
    special = np.array([0, info.smallest_subnormal, info.tiny, info.max, most, np.inf, np.nan])
    some = np.concatenate([rng.normal(0, 4, 2**18), rng.normal(0, 1e-3, 2**14), halves, special])
    near = some.astype(dtype)
    with np.errstate(all="ignore"):
        near = np.concatenate([near, np.nextafter(near, np.inf), np.nextafter(near, -np.inf)])
    near = np.concatenate([near, -near])
    subnormal = rng.integers(0, 2**20, 2**10, integer).view(dtype)
    x = np.concatenate([anything.view(dtype), near, subnormal, -subnormal])
    x[np.isnan(x)] = np.nan  # a quiet one
    return x


def whole_row(rows, columns, x, y):
    for r in each(rows):
        for c in each(columns):
            y[r, c] = tanh(x[r, c])


@both_dtypes
def test_tanh_is_within_its_ulps_over_the_whole_range(dtype):
    pytest.importorskip("numba")
    x = numbers(dtype)
    y = np.empty_like(x)
    apply = loops.kernel(whole_row, dtype)
    apply(1, len(x), x[None], y[None])
    wide = {np.float32: np.float64, np.float64: np.longdouble}[dtype]
    if np.finfo(wide).eps == np.finfo(dtype).eps:
        pytest.skip("no wider numbers to compare with")
    with np.errstate(under="ignore"):
        exact = np.tanh(x.astype(wide))
    nan = np.isnan(x)
    assert np.isnan(y[nan]).all() and nan.any()
    x, y, exact = x[~nan], y[~nan], exact[~nan]
    assert (np.signbit(y) == np.signbit(x)).all() and (abs(y) <= 1).all()
    ulp = np.spacing(abs(exact).astype(dtype))
    error = abs(y - exact) / ulp
    assert error.max() <= ULPS, x[error.argmax()]
    assert (abs(y[np.isinf(x)]) == 1).all() and (y[x == 0] == 0).all()


@both_dtypes
def test_what_the_compiler_makes_of_tanh_is_what_it_says(dtype):
    pytest.importorskip("numba")
    x = numbers(dtype)[::997]
    y = np.empty_like(x)
    loops.kernel(whole_row, dtype)(1, len(x), x[None], y[None])
    assert y.tobytes() == number_by_number(dtype)(x).tobytes()
