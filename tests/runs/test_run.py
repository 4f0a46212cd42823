"""Runs: stopped, killed, out of disk, and resumed to the bit; what their files hold.

Processes are really signalled. The NumPy backend is taken where the backend does not matter, since
it starts at once.
"""

import errno
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minihash.cli import main
from minihash.files import atomic, checkpoint
from minihash.networks.arbnet import arbnet
from minihash.networks.storage import counts
from minihash.runs import folder as disk
from minihash.runs.config import Config
from minihash.runs.kinds import load_model

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("--hidden", "24", "--epochs", "5", "--seed", "3")


pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of five epochs that was never stopped."""
    out = tmp_path_factory.mktemp("whole") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINIHASH_BACKEND", "numpy")
        assert main(["train", *SMALL, "--out", str(out), "--quiet"]) == 0
    return out


@pytest.fixture
def tiny(here):
    """A data set of three classes of 4 x 4 pixels, in an .npz file."""
    rng = np.random.default_rng(5)
    y = np.arange(80) % 3
    x = (rng.integers(0, 120, (80, 4, 4)) + 60 * y[:, None, None]).astype(np.uint8)
    np.savez(here / "tiny.npz", x_train=x[:60], y_train=y[:60], x_test=x[60:], y_test=y[60:])
    return "tiny.npz"


SIGNALS_ITSELF = """
import os, signal, sys, threading
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a job in the background ignores
from minihash.training import loop as training
from minihash.cli import main
number, count, seconds = getattr(signal, sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
step, steps = training.step, []

def counted(*args):
    steps.append(1)
    if len(steps) == count:
        timer = threading.Timer(seconds, os.kill, (os.getpid(), number))
        timer.daemon = True
        timer.start() if seconds else timer.function(*timer.args)
    return step(*args)

training.step = counted
sys.exit(main(["train", *sys.argv[4:]]))
"""


def signalled(name, count, seconds, *args):
    """Train in a process of its own, which gets a signal so many seconds into a step."""
    command = [sys.executable, "-c", SIGNALS_ITSELF, name, str(count), str(seconds), *args]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=100)


def tree(path):
    return {p.relative_to(path): p.read_bytes() for p in Path(path).rglob("*") if p.is_file()}


def metrics(folder):
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


def assert_same_end(folder, whole):
    assert (folder / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert metrics(folder) == metrics(whole)
    assert not [name for name in os.listdir(folder) if name.startswith(".")]


@pytest.mark.parametrize("name, status", [("SIGTERM", 143), ("SIGINT", 130)])
def test_stopped_in_an_epoch_and_resumed_it_ends_with_the_same_bits(name, status, whole, here):
    ended = signalled(name, 130, 0, *SMALL, "--out", "run")  # an epoch has 80 steps
    assert ended.returncode == status
    assert ended.stderr.splitlines()[-1] == (
        "minihash: stopped after 1 of 5 epochs and 50 batches; "
        "go on with: minihash train --resume run"
    )
    assert load_model("run").steps == 130
    assert main(["train", "--resume", "run", "--quiet"]) == 0
    assert_same_end(here / "run", whole)


def test_killed_at_any_moments_and_resumed_it_ends_with_the_same_bits(whole, here):
    draw, statuses = random.Random(7), []
    for _ in range(5):
        saved = (here / "run" / "resume.safetensors").is_file()
        args = ("--resume", "run") if saved else (*SMALL, "--out", "run")
        ended = signalled("SIGKILL", draw.randint(1, 90), draw.uniform(0.001, 0.1), *args)
        statuses.append(ended.returncode)
    assert statuses[0] == -signal.SIGKILL and set(statuses) <= {0, -signal.SIGKILL}
    assert main(["train", "--resume", "run", "--quiet"]) == 0
    assert_same_end(here / "run", whole)


def test_killed_between_two_files_of_a_save_it_mends_them(whole, here):
    for file in tree(whole):
        Path("run", file).parent.mkdir(exist_ok=True)
        Path("run", file).write_bytes((whole / file).read_bytes())
    Path("run/model.safetensors").unlink()
    Path("run/config.json").unlink()
    Path("run/metrics.jsonl").write_text("")
    assert main(["train", "--resume", "run", "--quiet"]) == 0
    assert tree("run") == tree(whole)


def test_a_longer_run_is_a_shorter_one_that_went_on(whole, here):
    assert main(["train", *SMALL, "--epochs", "2", "--out", "run", "--quiet"]) == 0
    assert main(["train", "--resume", "run", "--epochs", "5", "--quiet"]) == 0
    assert_same_end(here / "run", whole)
    assert tree("run")[Path("config.json")] == tree(whole)[Path("config.json")]


def test_with_numba_threads_change_no_bit(here, tiny, monkeypatch, capsys):
    monkeypatch.setenv("MINIHASH_BACKEND", "numba")
    command = ["train", "--dataset", tiny, "--hash", "dirichlet", "--alpha", "1", "--signed"]
    command += ["--hidden", "20,20", "--batch-size", "7", "--epochs", "2", "--quiet"]
    for threads in "12":
        assert main([*command, "--threads", threads, "--out", threads]) == 0
    assert main([*command, "--epochs", "1", "--out", "3"]) == 0
    assert main(["train", "--resume", "3", "--epochs", "2", "--threads", "1", "--quiet"]) == 0
    assert len({(here / name / "model.safetensors").read_bytes() for name in "123"}) == 1
    assert capsys.readouterr() == ("", "")
    hashes = {id(w.hash) for w in load_model("3").network.weights() if w.table == "table"}
    assert len(hashes) == 1  # so that its alias table is made and held once


def test_the_model_holds_parameters_and_a_spec_and_no_time_or_place(whole, here):
    spec, arrays = checkpoint.load(whole / "model.safetensors")
    model = load_model(whole)
    network = model.network
    assert network == arbnet((784, 24, 10), seed=3)
    assert arrays.keys() == network.init().keys()
    assert sum(array.size for array in arrays.values()) == sum(list(counts(network).values())[1:])
    text = json.dumps(spec)
    assert str(whole) not in text and "seconds" not in text
    assert (whole / "model.safetensors").stat().st_size < 4 * (1882 + 10 + 24 + 4 * 34) + 4096
    assert model.class_names == tuple("0123456789") and model.epochs == 5 and model.steps == 400
    assert json.loads((whole / "config.json").read_text())["hidden"] == [24]


# Two syncs a file: the first save of a run has three files, the later ones have four.
@pytest.mark.parametrize("room", [14, 16, 18], ids=["resume", "model", "metrics"])
def test_a_full_disk_in_the_middle_is_told_and_loses_nothing(
    room, whole, here, monkeypatch, capsys
):
    left, sync = iter(range(room)), os.fsync

    def full(descriptor):
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    monkeypatch.setattr(atomic.os, "fsync", full)
    assert main(["train", *SMALL, "--out", "run", "--quiet"]) == 2
    error = capsys.readouterr().err
    assert "No space left on device: free some space, then go on with: minihash train" in error
    assert error.startswith("minihash: error: ") and error.count("\n") == 1
    assert disk.load(Path("run")).state.epoch == (1 if room == 14 else 2)
    assert load_model("run").epochs == (2 if room == 18 else 1)
    monkeypatch.setattr(atomic.os, "fsync", sync)
    assert main(["train", "--resume", "run", "--quiet"]) == 0
    assert_same_end(here / "run", whole)


@pytest.mark.parametrize("allowed", range(5))
def test_a_disk_full_at_the_start_leaves_nothing(allowed, here, tiny, monkeypatch, capsys):
    before, left, sync = tree(here), iter(range(allowed)), os.fsync

    def full(descriptor):
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    monkeypatch.setattr(atomic.os, "fsync", full)
    # A folder that cannot be flushed (every second sync) fails no write: the next file does.
    for out in ([], ["--out", "a/b/c"]):
        assert main(["train", "--dataset", tiny, "--epochs", "1", "--quiet", *out]) == 2
        assert capsys.readouterr().err.count("\n") == 1
        assert tree(here) == before and os.listdir(here) == [tiny]
        left = iter(range(allowed))


def test_runs_are_numbered_and_an_empty_folder_will_do(here, tiny):
    short = ["train", "--dataset", tiny, "--epochs", "1", "--quiet"]
    (here / "runs" / "tiny-007").mkdir(parents=True)
    assert main(short) == main(short) == 0
    assert sorted(os.listdir("runs")) == ["tiny-007", "tiny-008", "tiny-009"]
    assert main([*short, "--out", "runs/tiny-007"]) == 0
    assert load_model("runs/tiny-007").epochs == 1


REFUSED = {
    ("--hash", "modulus"): "was begun with hash uniform, got modulus",
    ("--seed", "4"): "was begun with seed 0, got 4",
    ("--epochs", "1"): "has begun epoch 2, got --epochs 1",
    ("--out", "other"): "leave --out out",
    ("--dataset", "digits"): "was begun with dataset tiny.npz, got digits",
    ("--dataset", "other.npz"): "is not the one that run began with",
}


def test_a_run_is_resumed_with_its_own_choices_and_data(here, tiny, capsys):
    assert main(["train", "--dataset", tiny, "--epochs", "2", "--out", "run", "--quiet"]) == 0
    content = dict(np.load(tiny))
    content["y_train"] = content["y_train"][::-1]
    np.savez("other.npz", **content)
    before = tree(here)
    for flags, expected in REFUSED.items():
        assert main(["train", "--resume", "run", *flags]) == 2
        error = capsys.readouterr().err
        assert expected in error and error.count("\n") == 1, error
    assert tree(here) == before
    os.rename(tiny, "moved.npz")
    again = ["--dataset", "moved.npz", "--epochs", "3", "--backend", "numpy", "--threads", "1"]
    assert main(["train", "--resume", "run", *again, "--quiet"]) == 0
    assert disk.load(Path("run")).config == Config(
        dataset="moved.npz", epochs=3, backend="numpy", threads=1
    )
    assert load_model("run").dataset == "tiny.npz"


def test_a_damaged_or_hostile_save_is_refused(here, tiny, capsys):
    assert main(["train", "--dataset", tiny, "--epochs", "1", "--out", "run", "--quiet"]) == 0
    saved = here / "run" / "resume.safetensors"
    spec, arrays = checkpoint.load(saved)
    whole = saved.read_bytes()
    wrong = [whole[:-1], whole[:40], b"", bytes([whole[0] ^ 1]) + whole[1:]]
    for part, value in {
        "counters": {},
        "schedule": {},
        "config": {"dataset": 3, "x": 1},
        "kind": "model",
        "model": {},
        "data": None,
    }.items():
        checkpoint.save(here / "hostile", spec | {part: value}, arrays)
        wrong.append((here / "hostile").read_bytes())
    for missing in ("metrics", "params/table", "optimiser/momentum.table"):
        rest = {name: array for name, array in arrays.items() if name != missing}
        checkpoint.save(here / "hostile", spec, rest)
        wrong.append((here / "hostile").read_bytes())
    for content in wrong:
        saved.write_bytes(content)
        before = tree(here)
        assert main(["train", "--resume", "run", "--epochs", "2"]) == 2
        error = capsys.readouterr().err
        assert error.startswith("minihash: error: ") and error.count("\n") == 1, error
        assert tree(here) == before
