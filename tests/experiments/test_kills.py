"""Sweeps that are killed, stopped and begun again, in real processes: no run lost, none twice."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from minihash.experiments.ledger import read
from tests.experiments.test_sweep import bits

pytest.importorskip("fcntl", reason="signals and locks of POSIX")
if not Path("/proc/self/task").is_dir():
    pytest.skip("processes are looked for in /proc", allow_module_level=True)
pytestmark = pytest.mark.usefixtures("here")
GRID = "--hash uniform,identity --hidden 30 --epochs 4 --seed 0:3 --workers 2"
WORDS = ["sweep", *GRID.split(), "--out"]
RUNS = 6


def begun(path, **options):
    """The process of a sweep."""
    words = [sys.executable, "-m", "minihash", *WORDS, str(path)]
    listen = partial(
        signal.signal, signal.SIGINT, signal.SIG_DFL
    )  # a job in the background ignores it
    return subprocess.Popen(words, stderr=subprocess.PIPE, text=True, preexec_fn=listen, **options)


def finished(path):
    """Run it to its end; what it said."""
    process = begun(path)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 0, said
    return said


def lines(path):
    """The whole lines that are there."""
    return path.read_bytes().count(b"\n") if path.exists() else 0


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def children(process):
    """The processes that a sweep has begun."""
    path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(number) for number in path.read_text().split()]


def runs(number):
    """Whether a process still runs."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "runs.jsonl"
    environment = os.environ | {"MINIHASH_BACKEND": "numpy"}
    root = Path(__file__).resolve().parents[2]
    words = [sys.executable, "-m", "minihash", *WORDS, str(path), "--quiet"]
    subprocess.run(words, env=environment, cwd=root, check=True, timeout=120)
    return bits(read(path))


def test_killed_again_and_again_it_gives_the_same_runs(here, whole):
    path = here / "runs.jsonl"
    counts = []
    while lines(path) < RUNS - 1:
        process = begun(path)
        before = lines(path)
        wait_for(lambda before=before: lines(path) > before)
        staff = children(process)
        process.kill()
        process.communicate(timeout=30)
        wait_for(lambda staff=staff: not any(map(runs, staff)), 20)  # nobody computes for nobody
        counts.append(lines(path))
        assert len(counts) <= RUNS
    content = path.read_bytes()
    path.write_bytes(content[:-30])  # as a kill in the middle of a write leaves it
    assert "was cut off" in finished(path)
    assert bits(read(path)) == whole and len(whole) == RUNS


def test_a_killed_worker_in_the_middle_loses_nothing(here, whole):
    path = here / "runs.jsonl"
    with begun(path) as process:
        wait_for(lambda: lines(path))
        worker, *_ = children(process)
        os.kill(worker, signal.SIGKILL)
        said = process.communicate(timeout=120)[1]
    assert process.returncode == 0, said
    assert bits(read(path)) == whole


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_sweep_that_is_told_to_stop_goes_on_later(number, here, whole):
    path = here / "runs.jsonl"
    process = begun(path, start_new_session=True)
    wait_for(lambda: lines(path))
    staff = children(process)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 128 + number, said
    assert "go on with the same command" in said and "Traceback" not in said
    assert staff and not any(map(runs, staff))
    done = lines(path)
    assert 1 <= done < RUNS and f"stopped after {done} of {RUNS} runs" in said
    finished(path)
    assert bits(read(path)) == whole


def test_two_sweeps_at_once_on_one_file(here, whole):
    path = here / "runs.jsonl"
    with begun(path) as first:
        wait_for(lambda: lines(path))
        first.send_signal(signal.SIGSTOP)  # it is not over before the second begins
        try:
            second = begun(path)
            said = second.communicate(timeout=60)[1]
        finally:
            first.send_signal(signal.SIGCONT)
        assert second.returncode == 2 and "another sweep writes to" in said
        first.communicate(timeout=120)
    assert first.returncode == 0
    assert bits(read(path)) == whole
    assert all(json.loads(line) for line in path.read_text().splitlines())
