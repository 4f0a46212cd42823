"""What is derived from fields: once, without a lock that a fork or another hash could meet."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from minihash.derived import derived
from minihash.hashes import Uniform

ROOT = Path(__file__).resolve().parents[2]
FORK = """
import os, threading
import numpy as np
from minihash.hashes import Uniform

inside, go, constants = threading.Event(), threading.Event(), Uniform.constants

def slow(hash_):
    if threading.current_thread() is not threading.main_thread():
        inside.set()
        go.wait(30)
    return constants(hash_)

Uniform.constants = slow
thread = threading.Thread(target=lambda: Uniform(7).state)
thread.start()
inside.wait()
child = os.fork()
if child == 0:
    os._exit(int(Uniform(5).bucket(np.arange(9)).max()))
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
go.set()
thread.join()
print(status)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_child_that_is_forked_while_a_thread_derives_a_state_hashes_on():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=30,
    )
    assert done.stdout == "4\n", done.stderr


def test_a_small_hash_does_not_wait_for_a_large_one(monkeypatch):
    inside, go, constants = threading.Event(), threading.Event(), Uniform.constants

    def slow(hash_):
        if hash_.buckets == 1000:
            inside.set()
            go.wait(30)
        return constants(hash_)

    monkeypatch.setattr(Uniform, "constants", slow)
    large = threading.Thread(target=lambda: Uniform(1000).state)
    large.start()
    assert inside.wait(30)
    small = threading.Thread(target=lambda: Uniform(3).state)
    small.start()
    small.join(10)
    waits = small.is_alive()
    go.set()
    large.join()
    small.join()
    assert not waits


def test_two_threads_that_ask_at_once_are_given_one_and_the_same():
    barrier, found = threading.Barrier(2, timeout=30), []

    class Thing:
        @derived
        def value(self):
            barrier.wait()
            return object()

    thing = Thing()
    threads = [threading.Thread(target=lambda: found.append(thing.value)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] is found[1] is thing.value


def test_nothing_in_the_package_is_derived_under_a_lock():
    for path in (ROOT / "minihash").rglob("*.py"):
        assert "import cached_property" not in path.read_text("utf-8"), path
