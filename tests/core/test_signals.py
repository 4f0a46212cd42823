"""How threads wait for one another: none sleeps through its signal, whatever the system has."""

import os
import threading

import numpy as np
import pytest

from minihash.core import signals
from minihash.core.signals import Signal
from minihash.core.threads import Job, Worker

SECONDS = 60


@pytest.fixture(params=["looks", "one look", "without sched_yield", "without Numba"])
def ways(request, monkeypatch):
    """All ways to wait: where a thread looks once, it is about to sleep when the signal comes."""
    signals.looks.cache_clear()
    if request.param == "one look":
        monkeypatch.setattr(signals, "LOOKS", 1)
    elif request.param == "without sched_yield":
        monkeypatch.delattr(os, "sched_yield", raising=False)
    elif request.param == "without Numba":
        monkeypatch.setattr("minihash.compile.jit.HAVE_NUMBA", False)
    assert signals.looks() is signals.blind or not request.param.startswith("without")
    yield
    signals.looks.cache_clear()


def ends(*calls):
    """All calls, each in a thread, return."""
    callers = [threading.Thread(target=call, daemon=True) for call in calls]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(SECONDS)
    assert not any(caller.is_alive() for caller in callers), "a thread slept through its signal"


def test_none_sleeps_through_a_signal(ways):
    """Two threads by turns, in every order of looking, sleeping and sending."""
    ping, pong, steps = Signal(), Signal(), []

    def caller():
        for k in range(1, 1001):
            steps.append(k)
            ping.send()
            sum(range(k % 7 * 50))
            pong.wait(k)

    def worker():
        ping.wait(1)
        for k in range(2, 1002):
            steps.append(-k + 1)
            if k > 1000:
                return pong.send()
            ping.wait_after(pong, k)

    ends(caller, worker)
    assert steps == [s for k in range(1, 1001) for s in (k, -k)]


def test_a_signal_that_came_already_is_not_waited_for(ways):
    signal, other = Signal(), Signal()
    signal.send()
    signal.send()
    ends(lambda: signal.wait(1), lambda: signal.wait(2))
    ends(lambda: signal.wait_after(other, 2), lambda: other.wait(1))
    assert (signal.count[0], other.count[0]) == (2, 1)


def test_it_waits_until_the_last_of_several(ways):
    signal, gone = Signal(), threading.Event()

    def waits():
        signal.wait(3)
        gone.set()

    waiter = threading.Thread(target=waits, daemon=True)
    waiter.start()
    for _ in range(2):
        signal.send()
        assert not gone.wait(0.01)
    signal.send()
    assert gone.wait(SECONDS)
    waiter.join(SECONDS)


def test_a_thread_on_its_callers_core_does_not_look(monkeypatch):
    """It would keep the caller from the core on which it waits for it."""
    asked = []
    monkeypatch.setattr(signals, "give_way", lambda: asked.append("yield"), raising=False)
    for core, looks in ((4, 0), (5, 9), (-1, 9)):  # the last where the system does not say
        monkeypatch.setattr(signals, "core", lambda core=core: core)
        seen, sent = np.array([0, -1]), np.array([6, min(core, 4)])
        assert not signals.look(seen, 1, 9, 0, sent)
        assert (seen[1], sent[0], len(asked)) == (core, 7, looks)
        asked.clear()
    seen[0] = 1
    assert signals.look(seen, 1, 9, 2, sent)
    assert len(asked) == 2  # a moment for the thread that sent it


def test_a_job_is_done_before_its_end_or_not_at_all(ways):
    """A worker that comes too late finds it gone, and does the next one."""
    worker, done, late = Worker(), [], []

    def calls():
        for k in range(600):
            over = []
            worker.begin(Job(lambda k=k, over=over: (late if over else done).append(k)))
            if k % 3 == 0:
                worker.answered.wait(worker.calls)  # for once it has all the time
            sum(range(k % 7 * 50))
            worker.end()
            over.append(True)

    ends(calls)
    assert late == []
    assert done == sorted(set(done)) and set(range(0, 600, 3)) <= set(done)


def test_a_signal_in_a_child_of_a_fork(ways):
    if not hasattr(os, "fork"):
        pytest.skip("no fork on this system")
    child = os.fork()
    if child == 0:
        signal = Signal()
        threading.Thread(target=signal.send).start()
        signal.wait(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
