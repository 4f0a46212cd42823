"""Threads: no race, no bit that depends on their number, BLAS given back, forks and callers."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from minihash.core import (
    gather,
    get_backend,
    get_threads,
    matmul,
    matmul_backward,
    scatter_add,
    set_threads,
    threads,
    use,
)
from minihash.hashes import Compose, Modulus, Uniform
from minihash.weights import VirtualWeight
from tests.support import core_cases as cc

COUNTS = (1, 2, 3, 7)
BIG = (700, 1500)  # several parts and several tiles of each


def bits(w: VirtualWeight, a: dict[str, np.ndarray], backend: str = "numba") -> list[bytes]:
    found = [
        gather(a["table"], w, backend),
        scatter_add(a["dV"], w, backend),
        matmul(a["x"], a["table"], w, backend),
        *matmul_backward(a["dy"], a["x"], a["table"], w, backend),
    ]
    return [f.tobytes() for f in found]


def inputs(w: VirtualWeight, dtype: type, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = {
        "table": (w.hash.buckets,),
        "dV": w.shape,
        "x": (5, w.shape[1]),
        "dy": (5, w.shape[0]),
    }
    return {name: cc.real(rng, shape, dtype) for name, shape in shapes.items()}


@pytest.fixture(autouse=True)
def default_threads(monkeypatch):
    monkeypatch.delenv("MINIHASH_NUM_THREADS", raising=False)
    yield
    set_threads(None)


@pytest.mark.parametrize("run", [threads.run, threads.run_kernels])
def test_workers_take_the_backend_that_is_set_for_their_caller(run):
    set_threads(3)
    barrier, seen = threading.Barrier(3, timeout=30), []

    def part() -> None:
        barrier.wait()  # each of three threads does one
        seen.append((threading.get_ident(), get_backend().__name__.rpartition(".")[2]))

    with use("numpy"):
        run([part] * 3)
    assert len({thread for thread, _ in seen}) == 3
    assert {name for _, name in seen} == {"numpy"}


@pytest.mark.parametrize("buckets", [1, 2, 16, 5000])
@pytest.mark.parametrize("kind", ["runs", "uniform", "signed"])
def test_real_results_have_the_same_bits_from_run_to_run_and_for_any_threads(kind, buckets):
    """Few buckets: that is where a race, or an order of merging, would show."""
    hash_ = {
        "runs": Modulus(buckets),
        "uniform": Uniform(buckets, 1),
        "signed": Uniform(buckets, 1, True),
    }[kind]
    w = VirtualWeight(BIG, hash_, first_id=77)
    a = inputs(w, np.float32)
    expected = bits(w, a)
    for count in COUNTS:
        set_threads(count)
        for _ in range(2):
            assert bits(w, a) == expected


@pytest.mark.parametrize("buckets", [1, 3, 16])
def test_no_addition_is_lost(buckets):
    """A million additions of small integers into few buckets, again and again: exact, or a race."""
    hash_ = Uniform(buckets, 9)
    w = VirtualWeight((1024, 1024), hash_)
    dV = np.random.default_rng(2).integers(0, 3, w.shape).astype(np.float32)
    index = hash_.bucket(np.arange(w.size))
    expected = np.bincount(index, weights=dV.reshape(-1), minlength=buckets)
    x, dy = dV[:2], np.ascontiguousarray(dV[:, :2].T)
    products = np.bincount(index, weights=(dy.T @ x).reshape(-1), minlength=buckets)
    for count in COUNTS:
        set_threads(count)
        for _ in range(5):
            np.testing.assert_array_equal(scatter_add(dV, w, "numba"), expected)
            _dx, dtable = matmul_backward(dy, x, np.ones(buckets, np.float32), w, "numba")
            np.testing.assert_array_equal(dtable, products)


@pytest.mark.parametrize("backend", cc.BACKENDS)
def test_the_number_of_blas_threads_changes_no_bit(backend):
    w = VirtualWeight((300, 400), Uniform(50, 3))
    a = inputs(w, np.float64)
    with threadpool_limits(1, "blas"):
        expected = bits(w, a, backend)
    for count in (2, 4):
        with threadpool_limits(count, "blas"):
            assert bits(w, a, backend) == expected


def blas() -> list[int]:
    """The number of threads of NumPy's BLAS (SciPy and PyTorch may have brought others)."""
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    numpys = [pool for pool in pools if "numpy" in pool["filepath"]]
    return [pool["num_threads"] for pool in numpys or pools]


def test_blas_runs_on_one_thread_within_a_part_and_is_given_back():
    w = VirtualWeight(BIG, Uniform(50, 3))
    a = inputs(w, np.float32)
    seen = []
    for count in (1, 2):
        set_threads(count)
        with threadpool_limits(3, "blas"):
            threads.run([lambda: seen.append(blas())] * 5)
            bits(w, a)
            assert blas() and set(blas()) == {3}
    assert len(seen) == 10 and all(set(counts) == {1} for counts in seen)


@pytest.mark.parametrize("count", COUNTS)
def test_an_error_in_a_part_is_raised_and_blas_given_back(count):
    set_threads(count)

    def fail() -> None:
        raise ZeroDivisionError("in a part")

    with threadpool_limits(3, "blas"):
        for parts in ([fail], [lambda: None] * 6 + [fail], [fail] * 6):
            with pytest.raises(ZeroDivisionError, match="in a part"):
                threads.run(parts)
            assert set(blas()) == {3}


@pytest.mark.parametrize("count", COUNTS)
def test_every_part_is_done_once(count):
    set_threads(count)
    for number in (0, 1, 2, 50):
        done: list[int] = []
        pause = threading.Event()  # in which other workers begin
        threads.run(
            [lambda k=k, d=done, p=pause: (p.wait(0.0005), d.append(k)) for k in range(number)]
        )
        assert sorted(done) == list(range(number))


def test_calls_from_several_python_threads():
    """Callers share the workers: no wrong result and no deadlock, even if their number changes."""
    cases = []
    for k in range(6):
        hash_ = Uniform(3 + k, k) if k % 2 else Compose(Modulus(20), Uniform(3 + k, k, True))
        w = VirtualWeight((300, 500), hash_)
        a = inputs(w, np.float32, k)
        cases.append((w, a, bits(w, a)))
    stop = threading.Event()

    def change() -> None:
        n = 0
        while not stop.wait(0.001):
            n = n % 5 + 1
            set_threads(n)

    changer = threading.Thread(target=change)
    changer.start()
    try:
        with threadpool_limits(3, "blas"), ThreadPoolExecutor(6) as callers:
            futures = [
                callers.submit(lambda case=case: bits(*case[:2]) == case[2])
                for _ in range(8)
                for case in cases
            ]
            assert all(f.result(timeout=120) for f in futures)
            assert set(blas()) == {3}
    finally:
        stop.set()
        changer.join()


@pytest.fixture
def workers(monkeypatch):
    """Those that are hired from now on, of whom none is there yet."""
    hired = []

    class Counted(threads.Worker):
        def __init__(self):
            hired.append(self)
            super().__init__()

    monkeypatch.setattr(threads, "Worker", Counted)
    monkeypatch.setattr(threads, "_idle", [])
    return hired


def test_a_worker_that_comes_late_is_not_replaced(workers):
    """Its job is gone when it wakes, and it does the next one."""
    set_threads(2)
    for _ in range(300):
        threads.run_kernels([lambda: None] * 2)
    assert len(workers) == 1
    set_threads(4)
    for _ in range(30):
        threads.run_kernels([lambda: None] * 9)
    assert len(workers) == 3 == len(threads._idle) and threads._busy == 0


def test_all_callers_together_have_no_more_workers_than_threads(workers):
    set_threads(3)

    def call(nested: bool) -> None:
        for _ in range(20):
            inner = [partial(call, False)] * 2 if nested else [lambda: None] * 5
            threads.run(inner)

    callers = [threading.Thread(target=call, args=(k % 2 == 0,)) for k in range(6)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
    assert not any(caller.is_alive() for caller in callers)
    assert 1 <= len(workers) <= 2
    assert len(threads._idle) == len(workers) and threads._busy == 0


def test_an_error_of_a_worker_leaves_it_to_others(workers):
    set_threads(2)
    barrier = threading.Barrier(2, timeout=30)

    def part(k: int) -> None:
        barrier.wait()
        if threading.current_thread().name == "minihash":
            raise KeyError(k)

    for k in range(5):
        with pytest.raises(KeyError, match=str(k)):
            threads.run_kernels([partial(part, k)] * 2)
    assert len(workers) == 1


FORK = """
import os, sys
import numpy as np
from minihash.core import matmul_backward, set_threads
from minihash.hashes import Uniform
from minihash.weights import VirtualWeight

w = VirtualWeight((600, 700), Uniform(5, 1))
rng = np.random.default_rng(0)
x, dy, table = (rng.standard_normal(s).astype("f4") for s in ((4, 700), (4, 600), (5,)))
set_threads(3)
compute = lambda: b"".join(a.tobytes() for a in matmul_backward(dy, x, table, w, "numba"))
expected = compute()
children = []
for k in range(4):
    child = os.fork()
    if child == 0:
        os._exit(0 if compute() == expected and compute() == expected else 7)
    children.append(child)
same = compute() == expected
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
print(codes, same)
sys.exit(0 if codes == [0] * 4 and same else 1)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("without", ["", "import os; del os.sched_yield"])
def test_children_of_a_fork_compute_on(without):
    command = [sys.executable, "-W", "ignore", "-c", without + FORK]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stdout + run.stderr


def refuse(thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("room", [0, 1])
def test_where_no_thread_can_be_started_the_caller_does_all_parts(room, monkeypatch):
    start, left = threading.Thread.start, iter(range(room))

    def refused(thread: threading.Thread) -> None:
        refuse(thread) if next(left, None) is None else start(thread)

    set_threads(4)
    monkeypatch.setattr(threading.Thread, "start", refused)
    for run in (threads.run, threads.run_kernels):
        done: list[int] = []
        run([lambda k=k, done=done: done.append(k) for k in range(50)])
        assert sorted(done) == list(range(50))
    with pytest.raises(ZeroDivisionError):
        threads.run([lambda: None, lambda: 1 / 0, lambda: None])


def test_without_threadpoolctl_blas_is_left_alone(monkeypatch):
    monkeypatch.setattr(threads, "ThreadpoolController", None)
    threads._blas.cache_clear()
    try:
        with threadpool_limits(2, "blas"):
            seen: list[int] = []
            threads.run([lambda: seen.extend(blas())] * 3)
            assert set(seen) == {2} == set(blas())
    finally:
        threads._blas.cache_clear()


def test_the_number_of_threads(monkeypatch):
    default = get_threads()
    assert default >= 1
    monkeypatch.setenv("MINIHASH_NUM_THREADS", "1")
    assert get_threads() == 1
    set_threads(default + 2)
    assert get_threads() == default + 2  # what was asked for in the program comes first
    set_threads(None)
    assert get_threads() == 1
    monkeypatch.setenv("MINIHASH_NUM_THREADS", str(default + 5))
    assert get_threads() == default  # more than cores would only wait for one another
    monkeypatch.setenv("MINIHASH_NUM_THREADS", "")
    assert get_threads() == default


def test_a_worker_of_joblib_has_the_threads_that_it_is_told(monkeypatch):
    monkeypatch.setenv("MINIHASH_NUM_THREADS", "")
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    default = get_threads()
    monkeypatch.setenv("NUMBA_NUM_THREADS", "1")
    assert get_threads() == 1
    monkeypatch.setenv("MINIHASH_NUM_THREADS", str(default))
    assert get_threads() == default  # our own name comes first


@pytest.mark.parametrize("name", ["MINIHASH_NUM_THREADS", "NUMBA_NUM_THREADS"])
@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", "²", " 2"])
def test_a_bad_number_in_the_environment_is_refused(monkeypatch, value, name):
    monkeypatch.delenv("MINIHASH_NUM_THREADS", raising=False)
    monkeypatch.setenv(name, value)
    w, x = VirtualWeight((200, 200), Uniform(3)), np.ones((1, 200))
    before = blas()
    for call in (get_threads, lambda: matmul(x, np.ones(3), w, "numba")):
        with pytest.raises(ValueError, match=name) as caught:
            call()
        assert repr(value) in str(caught.value) and "\n" not in str(caught.value)
    assert blas() == before


@pytest.mark.parametrize("value", [0, -1, True, 1.5, "2", [2]])
def test_a_bad_number_of_threads_is_refused(value):
    with pytest.raises(ValueError, match="positive integer"):
        set_threads(value)
    assert get_threads() >= 1


def test_parts_may_run_parts_of_their_own():
    """A worker that waits for its own pool would wait forever."""
    done = []

    def outer(k: int) -> None:
        threads.run([lambda j=j: done.append((k, j)) for j in range(4)])

    threads.set_threads(2)
    try:
        threads.run([lambda k=k: outer(k) for k in range(8)])
    finally:
        threads.set_threads(None)
    assert sorted(done) == [(k, j) for k in range(8) for j in range(4)]


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_overflow_is_an_infinity_without_a_warning(backend):
    w = VirtualWeight((300, 300), Uniform(50, seed=1))
    table, x = np.full(50, 3e38, np.float32), np.full((4, 300), 3e38, np.float32)
    assert np.isinf(matmul(x, table, w, backend=backend)).all()
    dx, dtable = matmul_backward(x, x, table, w, backend=backend)
    assert np.isinf(dx).all() and np.isinf(dtable).all()


def test_workers_are_free_again_after_an_interrupted_wait(monkeypatch):
    set_threads(3)

    def interrupted(worker):
        raise KeyboardInterrupt

    monkeypatch.setattr(threads.Worker, "end", interrupted)
    with pytest.raises(KeyboardInterrupt):
        threads.run_kernels([lambda: None] * 3)
    monkeypatch.undo()
    assert threads._busy == 0
    done: list[int] = []
    threads.run_kernels([lambda k=k: done.append(k) for k in range(5)])
    assert sorted(done) == [0, 1, 2, 3, 4]
