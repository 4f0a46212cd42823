"""Loops over entries, compiled and as they stand, and exponentials in arithmetic."""

import numpy as np
import pytest

from minihash import core
from minihash.compile.reals import exp, expm1, tanh
from minihash.core.numba import loops, registers, skinny
from reference import torch_twins
from tests.layers.test_recurrent import assert_within_balls
from tests.support.recurrent_cases import (
    by_layer,
    every_kind,
    example,
    in_float64,
    tables_from_weights,
)

both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
every_function = pytest.mark.parametrize("name", ["tanh", "exp", "expm1"])
INTEGERS = {np.float32: np.int32, np.float64: np.int64}
ULPS = 3  # what simd.py promises


BODIES = {"tanh": lambda x: tanh(x), "exp": lambda x: exp(x), "expm1": lambda x: expm1(x)}


def number_by_number(name, x):
    """The function as simd.py has it."""
    body = loops.EXPONENTIALS[x.dtype.type][name]
    with np.errstate(all="ignore"):
        return np.array([body(number) for number in x])


def bits(found):
    return {name: result.tobytes() for name, result in found.items()}


def plain_product(x, step, W, y):
    """In one order, whoever reads it."""
    for r in range(y.shape[0]):
        for c in range(y.shape[1]):
            total = x[r * step] * W[0, c]
            for k in range(1, len(W)):
                total += x[r * step + k] * W[k, c]
            y[r, c] = total


@every_kind
@both_dtypes
def test_compiled_loops_give_the_bits_of_the_same_loops_as_python(kind, dtype, monkeypatch, mixed):
    pytest.importorskip("numba")
    case = example(kind, dtype, batch=7, length=5, hidden=6)
    monkeypatch.setattr(registers, "available", lambda: False)
    monkeypatch.setattr(skinny, "inner_product", lambda: plain_product)
    with core.use("mixed"):
        compiled = bits(by_layer(case))
        monkeypatch.setattr(loops, "compiled", lambda function, jit: function)
        loops._kernel.cache_clear()
        with np.errstate(all="ignore"):
            assert bits(by_layer(case)) == compiled
    loops._kernel.cache_clear()


@pytest.mark.parametrize(("kind", "dtype"), [("lstm", np.float32), ("gru", np.float64)])
def test_without_registers_for_tiles_it_is_pytorch(kind, dtype, monkeypatch, mixed):
    monkeypatch.setattr(registers, "available", lambda: False)
    case = example(kind, dtype, batch=20, hidden=7)
    expected = tables_from_weights(case, torch_twins.recurrent(case.kind, *in_float64(case)))
    with core.use("mixed"):
        assert_within_balls(case, by_layer(case), expected)


def numbers(dtype, name):
    """Bit patterns of every size and sign, and those around each step of the algorithm; of exp and
    expm1 those that are not above 0."""
    info, integer = np.finfo(dtype), INTEGERS[dtype]
    rng = np.random.default_rng(0)
    anything = rng.integers(np.iinfo(integer).min, np.iinfo(integer).max, 2**19, integer, True)
    halves = np.log(2) / 4 * np.arange(200)  # k changes at every second of them
    ends = [9.5, 19, 88, 104, 106] if dtype == np.float32 else [19.5, 39, 709, 746, 750]
    special = np.array([0, info.smallest_subnormal, info.tiny, info.max, *ends, np.inf, np.nan])
    halves = np.concatenate([halves, 10 * halves])
    some = np.concatenate([rng.normal(0, 4, 2**18), rng.normal(0, 1e-3, 2**14), halves, special])
    near = some.astype(dtype)
    with np.errstate(all="ignore"):
        near = np.concatenate([near, np.nextafter(near, np.inf), np.nextafter(near, -np.inf)])
    near = np.concatenate([near, -near])
    subnormal = rng.integers(0, 2**20, 2**10, integer).view(dtype)
    x = np.concatenate([anything.view(dtype), near, subnormal, -subnormal])
    x[np.isnan(x)] = np.nan  # a quiet one
    return x if name == "tanh" else -abs(x)


@every_function
@both_dtypes
def test_exponentials_are_within_their_ulps_over_the_whole_range(name, dtype):
    pytest.importorskip("numba")
    x = numbers(dtype, name)
    y = core.each(BODIES[name], x, backend="numba")
    wide = {np.float32: np.float64, np.float64: np.longdouble}[dtype]
    if np.finfo(wide).eps == np.finfo(dtype).eps:
        pytest.skip("no wider numbers to compare with")
    with np.errstate(under="ignore"):
        exact = getattr(np, name)(x.astype(wide))
    nan = np.isnan(x)
    assert np.isnan(y[nan]).all() and nan.any()
    x, y, exact = x[~nan], y[~nan], exact[~nan]
    signed = (np.signbit(y) == (np.signbit(x) & (name != "exp"))) | ((x == 0) & (name == "expm1"))
    assert signed.all() and (abs(y) <= 1).all()
    ulp = np.spacing(abs(exact).astype(dtype))
    error = abs(y - exact) / ulp
    assert error.max() <= ULPS, x[error.argmax()]
    assert (abs(y[np.isinf(x)]) == (name != "exp")).all() and (y[x == 0] == (name == "exp")).all()


@every_function
@both_dtypes
def test_what_the_compiler_makes_of_exponentials_is_what_it_says(name, dtype):
    pytest.importorskip("numba")
    x = numbers(dtype, name)[::997]
    y = core.each(BODIES[name], x, backend="numba")
    assert y.tobytes() == number_by_number(name, x).tobytes()
