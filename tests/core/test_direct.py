"""The convolution on vector registers against products with patches, and against PyTorch.

Integer-valued inputs: bit for bit. Elsewhere a sum of n products, in any order, fused or not, is
within gamma_n sum |a b|.
"""

import os
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minihash.core.numba import convolution, direct, registers
from minihash.hashes import Identity
from minihash.hashes.windows import Windows
from minihash.layers import Conv2d
from minihash.weights import VirtualWeight
from tests.support.bounds import assert_within, gamma, total_eps
from tests.support.conv_cases import bits, equal
from tests.support.core_cases import with_threads
from tests.support.direct_cases import cases, cut, make, some
from tests.support.strategies import layouts

ROOT = Path(__file__).resolve().parents[2]

pytest.importorskip("numba")
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@settings(max_examples=60)
@given(cases(), st.sampled_from([1, 50, 2**20]), st.integers(1, 3), st.sampled_from([1, 3]))
def test_on_whole_numbers_it_is_pytorch_and_the_products_with_patches(
    case, entries, lanes, threads
):
    with cut(entries, lanes), with_threads(threads):
        found = case.by(direct)
    assert {result.dtype for result in found.values()} == {case.x.dtype}
    equal(found, case.by_torch())
    equal(found, case.by_patches())


@given(cases(whole=False))
def test_real_numbers_are_within_their_error_bounds(case):
    found, exact, size = case.by(direct), case.by_torch(), case.by_torch(abs)
    maps, depth, *taps = case.K.shape
    sums = case.dy[:, 0].size
    terms = {"y": depth * np.prod(taps) + 1, "dx": maps * np.prod(taps), "dK": sums, "dB": sums}
    for name, result in found.items():
        bound = gamma(int(terms[name]) + 1, total_eps(case.x.dtype)) * size[name]
        assert_within(result, exact[name], bound)


@both_dtypes
def test_the_number_of_threads_changes_no_bit(dtype):
    for case in some(dtype):
        with cut(500, 4):
            results = []
            for threads in (1, 2, 5):
                with with_threads(threads):
                    results += [bits(case.by(direct)) for _ in range(2)]
        assert all(result == results[0] for result in results)


@both_dtypes
def test_results_are_fresh_and_layouts_do_not_matter(dtype, monkeypatch):
    monkeypatch.setattr(registers, "available", lambda: True)
    layer = Conv2d(VirtualWeight((5, 4, 3, 3), Identity(180), "K"), padding=1)
    case = make(2, 4, 5, (5, 16), (3, 3), (1, 1), (1, 1), 1, False, dtype, rng().standard_normal)
    assert direct.suits(case.x, case.K, layer.windows, 1, need_dx=True)

    def run(x, dy):
        y, cache = layer.forward({"K": case.K.reshape(-1)}, x)
        dx, grads = layer.backward({"K": case.K.reshape(-1)}, cache, dy)
        return {"y": y, "dx": dx} | grads

    plain = run(case.x, case.dy)
    for result in plain.values():
        assert result.flags.writeable and result.flags.c_contiguous
        assert not any(np.shares_memory(result, a) for a in (case.x, case.K, case.dy))
    for layout, x in layouts(case.x).items():
        assert bits(run(x, layouts(case.dy)[layout])) == bits(plain), layout


def rng():
    return np.random.default_rng(3)


@both_dtypes
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_reaches_the_results_that_see_it(dtype, bad):
    """And no other output nor other gradient of x; of K's there may be more."""
    for side in (24, 16):
        geometry = (3, side), (2, 3), (1, 1), (1, 2), 2
        case = make(3, 4, 5, *geometry, True, dtype, rng().standard_normal)
        for name, there, other, at in (
            ("x", "y", "dx", (1, 5, 1, 7)),
            ("dy", "dx", "y", (1, 7, 0, side - 3)),
        ):
            array = getattr(case, name).copy()
            array[at] = bad
            case_ = replace(case, **{name: array})
            found = case_.by(direct)
            ones = {name: (~np.isfinite(array)) * 1.0, "K": np.ones(case.K.shape)}
            seen = replace(case, B=None, **ones).by_torch()
            assert (np.isfinite(found[there]) == (seen[there] == 0)).all()
            assert np.isfinite(found[other]).all()
            assert not np.isfinite(found["dK"][seen["dK"] != 0]).any()
            assert np.isfinite(found["dB"]).all() == (name == "x")


SUITS = {
    "as it is": ({}, True, True),
    "a stride": ({"windows": Windows((3, 3), (1, 2), 1)}, False, False),
    "short rows": ({"x": np.zeros((2, 8, 9, 11), "f")}, False, False),
    "rows of a piece": ({"x": np.zeros((2, 8, 9, 12), "f")}, True, True),
    "rows of doubles": ({"x": np.zeros((2, 8, 9, 7))}, True, True),
    "short outputs": ({"windows": Windows((3, 8), 1, 0)}, False, False),
    "few maps": ({"K": np.zeros((3, 8, 3, 3), "f")}, False, False),
    "few channels": ({"x": np.zeros((2, 3, 9, 16), "f"), "K": np.zeros((8, 3, 3, 3))}, True, False),
    "few maps of a group": ({"groups": 4, "K": np.zeros((8, 2, 3, 3), "f")}, False, False),
}


@pytest.mark.parametrize("name", SUITS)
def test_it_is_for_full_vectors_and_several_channels(name, monkeypatch):
    other, *expected = SUITS[name]
    arguments = {
        "x": np.zeros((2, 8, 9, 16), np.float32),
        "K": np.zeros((8, 8, 3, 3), np.float32),
        "windows": Windows((3, 3), 1, 1),
        "groups": 1,
    } | other
    monkeypatch.setattr(registers, "available", lambda: True)
    assert [direct.suits(**arguments, need_dx=need) for need in (False, True)] == expected
    monkeypatch.setattr(registers, "available", lambda: False)
    assert not direct.suits(**arguments, need_dx=False)


def test_without_registers_for_tiles_patches_do_it(monkeypatch):
    (case, *_) = some(np.float32)
    taken = []
    for name in ("convolve", "convolve_backward"):
        way = getattr(direct, name)
        monkeypatch.setattr(direct, name, lambda *a, way=way: taken.append(1) or way(*a))
    for there, times in ((True, 2), (False, 0)):
        monkeypatch.setattr(registers, "available", lambda there=there: there)
        found = case.by(convolution)
        assert len(taken) == times
        taken.clear()
        for name, result in case.by_patches().items():
            np.testing.assert_allclose(result, found[name], rtol=0, atol=1e-3)


@pytest.mark.parametrize("channels", [1, 5])
@pytest.mark.parametrize("size", [(5, 16), (5, 3), (17, 48)])
def test_gradients_of_K_have_the_same_bits_without_dx(channels, size):
    """Of few channels dx comes from patches, of short rows dK too."""
    geometry = size, (3, 3), (1, 1), (1, 1), 1
    case = make(9, channels, 6, *geometry, True, np.float32, rng().standard_normal)
    arrays = case.dy, case.x, case.K, True, case.windows, 1
    _, *expected = convolution.convolve_backward(*arrays)
    none, *found = convolution.convolve_backward(*arrays, need_dx=False)
    assert none is None and [a.tobytes() for a in found] == [a.tobytes() for a in expected]


@settings(max_examples=20)
@given(cases(), st.integers(1, 3))
def test_without_dx_any_number_of_channels_will_do(case, channels):
    batch, count, *size = case.x.shape
    x = case.x.reshape(batch, case.groups, count // case.groups, *size)[:, :, :channels]
    x = x.reshape(batch, case.groups * channels, *size)
    case = replace(case, x=x, K=case.K[:, :channels])
    geometry, expected = (case.windows, case.groups), case.by_torch()
    y = direct.convolve(case.x, case.K, case.B, *geometry)
    np.testing.assert_array_equal(y, expected["y"])
    dx, dK, _ = direct.convolve_backward(case.dy, case.x, case.K, False, *geometry, need_dx=False)
    np.testing.assert_array_equal(dK, expected["dK"])
    assert dx is None


GUARDED = """
import ctypes, mmap, sys
import numpy as np
from minihash.core.numba import direct
from tests.support.conv_cases import bits
from tests.support.direct_cases import cut, some

PAGE = mmap.PAGESIZE
libc = ctypes.CDLL(None, use_errno=True)
maps = []

def guarded(shape, dtype, at_end):
    \"\"\"An array whose first or last byte borders on memory that nobody may touch.\"\"\"
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    pages = -(-max(size, 1) // PAGE)
    memory = mmap.mmap(-1, (pages + 2) * PAGE)
    maps.append(memory)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for page in (0, pages + 1):
        assert libc.mprotect(ctypes.c_void_p(start + page * PAGE), PAGE, 0) == 0
    offset = PAGE + (pages * PAGE - size if at_end else 0)
    return np.frombuffer(memory, dtype, int(np.prod(shape)), offset).reshape(shape)

class Guarded:
    \"\"\"NumPy, as direct.py calls it, with new arrays at the edge of memory.\"\"\"

    def __init__(self, at_end):
        self.at_end = at_end

    def __getattr__(self, name):
        return getattr(np, name)

    def empty(self, shape, dtype=float):
        return self.filled(shape, dtype, np.nan)

    def zeros(self, shape, dtype=float):
        return self.filled(shape, dtype, 0)

    def ascontiguousarray(self, array):
        copy = self.empty(array.shape, array.dtype)
        copy[...] = array
        copy.setflags(write=array.flags.writeable)  # as of an array that is contiguous already
        return copy

    def filled(self, shape, dtype, value):
        array = guarded(shape, dtype, self.at_end)
        array[...] = value
        return array

def check(dtype):
    workspace = direct.workspace
    for case in some(dtype):
        with cut(700, 2):
            expected = bits(case.by(direct))  # compiled, with the arrays that it wants
            for at_end in (True, False):
                direct.np = Guarded(at_end)
                direct.workspace = lambda name, *place: direct.np.empty(*place)
                for name in ("x", "K", "B", "dy"):
                    array = direct.np.ascontiguousarray(getattr(case, name))
                    array.setflags(write=False)
                    setattr(case, name, array)
                assert bits(case.by(direct)) == expected
                direct.np, direct.workspace = np, workspace

if len(sys.argv) > 1:  # proof that guards work
    array = guarded((5,), np.float32, True)
    ctypes.c_float.from_address(array.ctypes.data + array.nbytes).value
check(np.float32)
check(np.float64)
print("inside")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="guards memory as Linux does")
def test_nothing_outside_of_any_array_is_read_or_written():
    """Arrays that border on forbidden pages, on either side: a step outside kills the process."""
    environment = {**os.environ, "MINIHASH_NUM_THREADS": "1"}

    def run(*arguments):
        command = [sys.executable, "-c", GUARDED, *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)

    run_inside = run()
    assert run_inside.stdout == "inside\n", run_inside.stderr[-2000:]
    assert run("outside").returncode < 0


ANYWHERE = """
import numpy as np
from minihash.core.numba import direct
from tests.support.conv_cases import equal
from tests.support.direct_cases import some

for dtype in (np.float32, np.float64):
    for case in some(dtype, whole=True):
        equal(case.by(direct), case.by_patches())
print("right")
"""


@pytest.mark.parametrize("features", ["", "+avx2,+fma"])
@pytest.mark.skipif(platform.machine() != "x86_64", reason="names features of another processor")
def test_the_loops_are_right_on_a_processor_with_short_vectors(features):
    """LLVM cuts the vectors where it has to, here for the oldest processor of this kind."""
    settings_ = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": features}
    settings_ |= {"MINIHASH_CACHE": "off"}
    run = subprocess.run(
        [sys.executable, "-c", ANYWHERE],
        capture_output=True,
        text=True,
        env={**os.environ} | settings_,
        cwd=ROOT,
    )
    assert run.stdout == "right\n", run.stderr[-2000:]


def test_a_gradient_of_no_images_is_zero():
    case = next(case for case in some(np.float32) if not len(case.x))
    found = case.by(direct)
    assert found["y"].size == found["dx"].size == 0
    assert not found["dK"].any() and not found["dB"].any()
