"""Within a training step the environment is not asked again."""

import threading

import pytest
from threadpoolctl import threadpool_limits

from minihash import core
from tests.core.test_threads import blas


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """As a user has it who chose two things."""
    monkeypatch.setenv("MINIHASH_BACKEND", "numpy")
    monkeypatch.setenv("MINIHASH_NUM_THREADS", "1")
    core.set_threads(None)
    return monkeypatch


def chosen() -> tuple[str, int]:
    return core.get_backend().__name__.rpartition(".")[2], core.get_threads()


def test_a_change_of_the_environment_is_seen_after_it(environment):
    with core.steady():
        assert chosen() == ("numpy", 1)
        environment.setenv("MINIHASH_BACKEND", "no such backend")
        environment.setenv("MINIHASH_NUM_THREADS", "many")
        assert chosen() == ("numpy", 1)
        with core.steady():  # what is settled stays so
            assert chosen() == ("numpy", 1)
        assert chosen() == ("numpy", 1)
    with pytest.raises(ValueError, match="got 'no such backend'"):
        core.get_backend()
    with pytest.raises(ValueError, match="got 'many'"):
        core.get_threads()


def test_what_the_program_says_within_it_counts():
    with core.steady():
        with core.use("numba"), core.use_threads(3):
            assert chosen() == ("numba", 3)
            with core.steady():
                assert chosen() == ("numba", 3)
        assert chosen() == ("numpy", 1)


def test_workers_see_it_and_other_threads_do_not(environment):
    seen = []
    with core.steady():
        environment.setenv("MINIHASH_BACKEND", "numba")
        with core.use_threads(2):
            barrier = threading.Barrier(2, timeout=30)
            core.run([lambda: (barrier.wait(), seen.append(chosen()))] * 2)
        other = threading.Thread(target=lambda: seen.append(chosen()))
        other.start()
        other.join()
    assert seen == [("numpy", 2), ("numpy", 2), ("numba", 1)]


def test_blas_is_held_to_one_thread_and_given_back():
    with threadpool_limits(3, "blas"):
        with core.steady():
            assert set(blas()) == {1}
            with core.steady():
                core.run([lambda: None] * 3)
            assert set(blas()) == {1}
        assert set(blas()) == {3}
        with pytest.raises(ZeroDivisionError), core.steady():
            raise ZeroDivisionError
        assert set(blas()) == {3}


@pytest.mark.parametrize("name", ["MINIHASH_BACKEND", "MINIHASH_NUM_THREADS"])
def test_where_it_cannot_begin_nothing_is_changed(environment, name):
    environment.setenv(name, "bad")
    with threadpool_limits(3, "blas"):
        with pytest.raises(ValueError, match="'bad'"), core.steady():
            pass
        assert set(blas()) == {3}
    environment.undo()
    environment.setenv("MINIHASH_BACKEND", "numpy")
    environment.setenv("MINIHASH_NUM_THREADS", "1")
    assert chosen() == ("numpy", 1)
