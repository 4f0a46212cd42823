"""Writers that die by kill -9, and writers and readers of one file: nobody ever finds a mix.

The processes are forked by small scripts that are run apart, so that nothing is ever forked out of
a test run with its threads.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("fcntl", reason="forks and locks of POSIX")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net"


def names(folder):
    return sorted(entry.name for entry in Path(folder).iterdir())


def run(script, *args):
    """Run a script in a process of its own and return the JSON it prints."""
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, args)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


KILL_AT_EVERY_LINE = """
import json, os, signal, sys
from minihash.files.atomic import atomic_write
path, old, new = sys.argv[1], b"old" * 1000, b"new!" * 3000
after_a_kill, leftovers, line = set(), 0, 0

def killer(frame, event, arg):
    if not frame.f_code.co_filename.endswith("atomic.py"):
        return None
    killer.lines += event == "line"
    if killer.lines == line:
        os.kill(os.getpid(), signal.SIGKILL)
    return killer

while True:
    with open(path, "wb") as file:
        file.write(old)
    line += 1
    child = os.fork()
    if child == 0:
        killer.lines = 0
        sys.settrace(killer)
        atomic_write(path, new)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    content = open(path, "rb").read()
    if status == 0:
        break
    after_a_kill.add({old: "old", new: "new"}.get(content, "a mix"))
    leftovers = max(leftovers, len(os.listdir(os.path.dirname(path))) - 1)
print(json.dumps([line, sorted(after_a_kill), leftovers, content == new]))
"""


def test_killed_at_every_line(path):
    lines, after_a_kill, leftovers, finished = run(KILL_AT_EVERY_LINE, path)
    assert lines > 30 and finished
    assert after_a_kill == ["new", "old"]
    assert leftovers == 1  # each write clears up after the one that was killed before
    assert names(path.parent) == [path.name]


KILL_AT_RANDOM = """
import json, os, random, signal, sys, time
import numpy as np
from minihash.files.checkpoint import load, save
path, last, cut = sys.argv[1], 0, 0

def version(step):
    return {"step": step}, {"T": np.full(300_000, step, np.float32), "n": np.array(step)}

begin = time.monotonic()
save(path, *version(0))
duration = max(time.monotonic() - begin, 0.005)
for _ in range(30):
    child = os.fork()
    if child == 0:
        step = last
        while True:
            step += 1
            save(path, *version(step))
    time.sleep(random.uniform(0, 4 * duration))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    cut += any(name.startswith(".minihash-") for name in os.listdir(os.path.dirname(path)))
    spec, arrays = load(path)
    step = spec["step"]
    assert step >= last, (step, last)
    assert arrays["n"] == step and arrays["T"].shape == (300_000,) and (arrays["T"] == step).all()
    last = step
save(path, *version(last + 1))
print(json.dumps([last, cut]))
"""


def test_killed_at_random_moments_of_a_save(path):
    saved, cut = run(KILL_AT_RANDOM, path)
    assert saved > 0 and cut > 0  # some saves were completed, some were cut short
    assert names(path.parent) == [path.name]


WRITERS_AND_A_READER = """
import json, os, sys, time
import numpy as np
from minihash.files.checkpoint import load, save
path, stop, seen, reader = sys.argv[1], sys.argv[2], set(), os.getpid()
save(path, {"writer": 0}, {"T": np.zeros(50_000)})
children = []
for writer in (1, 2, 3):
    child = os.fork()
    if child == 0:
        while not os.path.exists(stop) and os.getppid() == reader:
            save(path, {"writer": writer}, {"T": np.full(50_000 * writer, writer)})
        os._exit(0)
    children.append(child)
begin = time.monotonic()
while time.monotonic() < begin + (1 if {1, 2, 3} <= seen else 20):
    spec, arrays = load(path)
    assert (arrays["T"] == spec["writer"]).all()
    seen.add(spec["writer"])
open(stop, "x").close()
print(json.dumps([sorted(seen - {0}), [os.waitpid(child, 0)[1] for child in children]]))
"""


def test_a_reader_beside_three_writers_sees_whole_files_only(path, tmp_path):
    stop = tmp_path / "stop"
    seen, statuses = run(WRITERS_AND_A_READER, path, stop)
    assert seen == [1, 2, 3]
    assert statuses == [0, 0, 0]  # no writer took another's file for a leftover
    assert names(path.parent) == [path.name, stop.name]
