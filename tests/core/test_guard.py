"""Hashes from outside the package: a wrong `draw` is refused, before compiled code relies on it."""

from dataclasses import dataclass

import numpy as np
import pytest

from minihash.core import (
    gather,
    gather_rows,
    matmul,
    matmul_backward,
    scatter_add,
    scatter_add_rows,
)
from minihash.core.numba.guard import trusted
from minihash.hashes import HASHES, Compose, Lookup, Modulus, Uniform
from minihash.hashes.hash import Hash
from minihash.hashes.xxh32 import U64
from minihash.weights import VirtualWeight
from tests.support import core_cases as cc


@dataclass(frozen=True)
class Blocks(Hash):
    """A right one: windows of `run` entries, dealt out in reverse order."""

    buckets: int = 12
    run: int = 1

    @staticmethod
    def draw(i, residue, state):
        n, run = state
        return n - run - i // run * run % n + i % run

    def constants(self):
        return U64(self.buckets), U64(self.run)


class Forgets(Blocks):
    """No % n."""

    @staticmethod
    def draw(i, residue, state):
        return i


class OneTooMany(Blocks):
    @staticmethod
    def draw(i, residue, state):
        return i % (state[0] + U64(1))


class Negative(Blocks):
    @staticmethod
    def draw(i, residue, state):
        return np.int64(residue) - np.int64(1)


class WindowTooLong(Blocks):
    """Its buckets exist, but are no windows, whatever `run` says: one that began at the last bucket
    would leave the table."""

    @staticmethod
    def draw(i, residue, state):
        return state[0] - U64(1) - residue


WRONG = [Forgets, OneTooMany, Negative]
RIGHT = [(Blocks, 1), (Blocks, 4), (Blocks, 12), (WindowTooLong, 1), (WindowTooLong, 4)]
SHAPE = (7, 9)


def operations(w: VirtualWeight, batch: int) -> dict:
    """Each operation of the core on w, as a function of a backend."""
    rng = np.random.default_rng(0)
    table, dV = (cc.whole(rng, shape, float) for shape in ((w.hash.buckets,), w.shape))
    x, dy = (cc.whole(rng, (batch, size), float) for size in w.shape[::-1])
    rows = np.append(np.arange(w.shape[0]), 2)
    dE = cc.whole(rng, (len(rows), w.shape[1]), float)
    return {
        "gather": lambda backend: gather(table, w, backend),
        "scatter_add": lambda backend: scatter_add(dV, w, backend),
        "matmul": lambda backend: matmul(x, table, w, backend),
        "backward": lambda backend: matmul_backward(dy, x, table, w, backend)[0],
        "dtable": lambda backend: matmul_backward(dy, x, table, w, backend, need_dx=False)[1],
        "gather_rows": lambda backend: gather_rows(table, w, rows, backend),
        "scatter_add_rows": lambda backend: scatter_add_rows(dE, rows, w, backend),
    }


every_operation = pytest.mark.parametrize(
    "operation", operations(VirtualWeight(SHAPE, Modulus(5)), 1)
)


@every_operation
@pytest.mark.parametrize("run", [1, 4, 12])
@pytest.mark.parametrize("kind", WRONG)
def test_a_draw_that_leaves_the_table_is_refused(kind, run, operation):
    w = VirtualWeight(SHAPE, kind(12, run))
    for view in (w, w.T):
        for batch in (1, 3):
            with pytest.raises(ValueError, match=f"{kind.__name__} must .* 0 .. 11, got") as caught:
                operations(view, batch)[operation]("numba")
            assert "% state[0]" in str(caught.value) and "\n" not in str(caught.value)


@every_operation
@pytest.mark.parametrize(("kind", "run"), RIGHT)
def test_a_right_draw_gives_what_numpy_gives(kind, run, operation):
    w = VirtualWeight(SHAPE, kind(12, run))
    for view in (w, w.T):
        for batch in (1, 3):
            call = operations(view, batch)[operation]
            np.testing.assert_array_equal(call("numba"), call("numpy"))


@every_operation
def test_the_inner_hash_of_a_composed_one_is_checked_before_the_outer_looks_it_up(operation):
    outer = Lookup(3, np.arange(12) % 3)
    for inner in (Forgets(12), Compose(OneTooMany(12), Modulus(12))):
        w = VirtualWeight(SHAPE, Compose(inner, outer))
        name = type(inner.inner if isinstance(inner, Compose) else inner).__name__
        with pytest.raises(ValueError, match=f"{name} must draw buckets in 0 .. 11, got"):
            operations(w, 3)[operation]("numba")


@every_operation
def test_the_outer_hash_of_a_composed_one_is_checked(operation):
    w = VirtualWeight(SHAPE, Compose(Uniform(50, 1), Forgets(12)))
    with pytest.raises(ValueError, match=r"Compose must draw buckets in 0 \.\. 11, got"):
        operations(w, 3)[operation]("numba")


def test_hashes_of_the_package_are_trusted_and_no_others():
    ours = Modulus(12)
    assert all(cls.__module__.startswith("minihash.hashes.") for cls in HASHES.values())
    assert trusted(ours) and trusted(Compose(ours, Compose(ours, ours)))
    for theirs in (Blocks(), Compose(Blocks(), ours), Compose(ours, Compose(ours, Blocks()))):
        assert not trusted(theirs)
