"""V kept from forward to backward: never beyond the memory budget, and no bit hangs on it."""

import numpy as np
import pytest

from minihash.core import (
    DEFAULT_BUDGET,
    gather,
    matmul,
    matmul_backward,
    memory_budget,
    room_for,
    set_memory_budget,
)
from minihash.hashes import Identity, Modulus, Uniform
from minihash.weights import VirtualWeight
from tests import core_cases as cc
from tests.hash_strategies import KINDS


@pytest.fixture(autouse=True)
def budget_of_a_mebibyte(monkeypatch):
    monkeypatch.setenv("MINIHASH_MEMORY_BUDGET", str(2**20))
    yield
    set_memory_budget(None)


@pytest.mark.parametrize("backend", cc.BACKENDS)
@pytest.mark.parametrize("kind", KINDS)
def test_results_do_not_depend_on_what_is_kept(kind, backend):
    shape = (33, 41)
    w = VirtualWeight(shape, KINDS[kind](shape, 20, 6))
    rng = np.random.default_rng(0)
    table, x, dy = (cc.real(rng, s, float) for s in ((w.hash.buckets,), (3, 41), (3, 33)))
    kept = np.full(shape, np.nan)
    y = matmul(x, table, w, backend, kept=kept)
    again = matmul_backward(dy, x, table, w, backend, kept=kept)
    assert y.tobytes() == matmul(x, table, w, backend).tobytes()
    plain = matmul_backward(dy, x, table, w, backend)
    assert [a.tobytes() for a in again] == [a.tobytes() for a in plain]
    if room_for(w, table.dtype) is not None:
        np.testing.assert_array_equal(kept, gather(table, w))


def test_a_kept_weight_is_kept_whole_beyond_several_panels():
    w = VirtualWeight((600, 2500), Uniform(300, 2, True))
    rng = np.random.default_rng(1)
    table, x, dy = (cc.whole(rng, s, np.float32) for s in ((300,), (2, 2500), (2, 600)))
    kept = np.full(w.shape, np.nan, np.float32)
    y = matmul(x, table, w, "numba", kept=kept)
    np.testing.assert_array_equal(kept, gather(table, w))
    np.testing.assert_array_equal(y, matmul(x, table, w, "numpy"))
    for a, b in zip(
        matmul_backward(dy, x, table, w, "numba", kept=kept),
        matmul_backward(dy, x, table, w, "numpy"),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_room_is_within_the_budget(monkeypatch):
    w = VirtualWeight((100, 30), Uniform(50))
    monkeypatch.delenv("MINIHASH_MEMORY_BUDGET")
    assert memory_budget() == DEFAULT_BUDGET == 0 and room_for(w, np.float32) is None
    for dtype, size in ((np.float32, 12_000), (np.float64, 24_000)):
        set_memory_budget(size)
        assert room_for(w, dtype).shape == w.shape and room_for(w, dtype).dtype == dtype
        set_memory_budget(size - 1)
        assert room_for(w, dtype) is None
    set_memory_budget(2**40)
    for hash_ in (Identity(3000), Modulus(500)):  # whose V is slices of the table anyway
        assert room_for(VirtualWeight((100, 30), hash_), np.float32) is None


def test_the_budget(monkeypatch):
    monkeypatch.setenv("MINIHASH_MEMORY_BUDGET", "123")
    assert memory_budget() == 123
    set_memory_budget(7)
    assert memory_budget() == 7
    set_memory_budget(None)
    assert memory_budget() == 123


@pytest.mark.parametrize("value", ["-1", "1e6", "1 MB", "²"])
def test_a_bad_budget_in_the_environment_is_refused(monkeypatch, value):
    monkeypatch.setenv("MINIHASH_MEMORY_BUDGET", value)
    with pytest.raises(ValueError, match="MINIHASH_MEMORY_BUDGET must be") as caught:
        memory_budget()
    assert repr(value) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [-1, 1.5, "7", True])
def test_a_bad_budget_is_refused(value):
    with pytest.raises(ValueError, match="memory budget"):
        set_memory_budget(value)


@pytest.mark.parametrize("backend", cc.BACKENDS)
def test_a_bad_array_to_keep_v_in_is_refused(backend):
    w = VirtualWeight((4, 3), Uniform(5))
    x, dy, table = np.ones((2, 3)), np.ones((2, 4)), np.ones(5)
    for kept in (np.empty((3, 4)), np.empty(12), np.empty((4, 3), np.float32), [[0.0] * 3] * 4):
        for call in (
            lambda kept=kept: matmul(x, table, w, backend, kept=kept),
            lambda kept=kept: matmul_backward(dy, x, table, w, backend, kept=kept),
        ):
            with pytest.raises(ValueError, match=r"shape \(4, 3\) and dtype float64") as caught:
                call()
            assert "\n" not in str(caught.value)
