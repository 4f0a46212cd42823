"""Two runs that begin at once: one folder each, or one of them is refused; nothing of another's is
removed. And a symbolic link among a run's files is never written through.
"""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minihash.cli import main
from minihash.runs import folder as disk
from minihash.runs.kinds import load_model

pytestmark = pytest.mark.usefixtures("here")
pytest.importorskip("fcntl", reason="forks and locks of POSIX")


@pytest.fixture
def tiny(here):
    """A data set of two classes of 2 x 2 pixels, in an .npz file."""
    y = np.arange(40) % 2
    x = (np.random.default_rng(5).integers(0, 120, (40, 2, 2)) + 60 * y[:, None, None]).astype("u1")
    np.savez(here / "tiny.npz", x_train=x[:30], y_train=y[:30], x_test=x[30:], y_test=y[30:])
    return "tiny.npz"


# Children of one process, which has imported all, begin at one moment: each with its own seed.
RACE = """
import json, os, sys, time
from pathlib import Path
from minihash import training
from minihash.runs import creation
from minihash.runs import folder as disk
from minihash.runs.config import Config
from minihash.runs.examples import Classifier

out, tries = sys.argv[1], int(sys.argv[2])

def run(seed):
    config = Config(dataset="tiny.npz", seed=seed, hidden=(3,), epochs=1)
    data = Classifier.load("tiny.npz")
    model = Classifier.begun(config, data)
    return disk.Run(config, model, training.start(model.network, model.training), 0)

runs, ended = [run(seed) for seed in range(4)], []
for k in range(tries):
    begin, children = time.monotonic() + 0.02, {}
    place = None if out == "none" else Path(f"{out}-{k}", "run")
    if out == "empty":
        place.mkdir(parents=True)
    for seed in range(4):
        child = os.fork()
        if child == 0:
            while time.monotonic() < begin:
                pass
            try:
                creation.create(place, runs[seed])
                os._exit(0)
            except ValueError as error:
                os._exit(3 if "another" in str(error) else 4)
            except BaseException:
                os._exit(5)
        children[child] = seed
    won, statuses = [], []
    for child, seed in children.items():
        statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        won += [seed] if statuses[-1] == 0 else []
    found = None if place is None else disk.load(place).config.seed
    ended.append((sorted(statuses), won, found))
print(json.dumps(ended))
"""


@pytest.mark.parametrize("out", ["new", "empty", "none"])
def test_of_four_that_begin_at_once_each_has_its_own_folder_or_is_refused(out, tiny, here):
    done = subprocess.run(
        [sys.executable, "-c", RACE, out, "20"], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    for statuses, won, found in json.loads(done.stdout):
        if out == "none":
            assert statuses == [0] * 4
        else:
            assert statuses == [0, 3, 3, 3] and won == [found]
    if out == "none":
        folders = os.listdir(here / "runs")
        assert len(folders) == 80
        seeds = [disk.load(here / "runs" / name).config.seed for name in folders]
        assert sorted(seeds) == sorted([*range(4)] * 20)


def test_two_commands_with_one_folder_that_are_started_at_once(tiny, here):
    command = [sys.executable, "-m", "minihash", "train", "--dataset", tiny, "--out", "a/run"]
    command += ["--epochs", "3", "--hidden", "3", "--quiet", "--seed"]
    both = [subprocess.Popen([*command, seed], stderr=subprocess.PIPE, text=True) for seed in "12"]
    said = [process.communicate(timeout=100)[1] for process in both]
    statuses = [process.returncode for process in both]
    assert sorted(statuses) == [0, 2], said
    loser = said[statuses.index(2)]
    assert loser.count("\n") == 1 and "give another name" in loser
    assert disk.load(Path("a/run")).config.seed == 1 + statuses.index(0)
    assert load_model("a/run").epochs == 3


def test_who_fails_removes_nothing_of_who_came_meanwhile(tiny, here, monkeypatch, capsys):
    """The disk is full when this run saves; another has put a file into the folder it made."""
    write = disk.atomic_write

    def full(path, *parts):
        if path.name == "metrics.jsonl":
            Path(path.parent, "notes.txt").write_text("another's")
            Path(path.parent.parent, "b").mkdir()
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write(path, *parts)

    monkeypatch.setattr(disk, "atomic_write", full)
    assert main(["train", "--dataset", tiny, "--epochs", "1", "--quiet", "--out", "a/run"]) == 2
    assert "No space left" in capsys.readouterr().err
    assert sorted(p.name for p in Path("a").rglob("*")) == ["b", "notes.txt", "run"]
    Path("mine").mkdir()
    monkeypatch.setattr(disk, "atomic_write", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["train", "--dataset", tiny, "--epochs", "1", "--quiet", "--out", "mine"])
    assert os.listdir("mine") == []  # it was there before


@pytest.mark.parametrize("name", ["resume.safetensors", "model.safetensors", "metrics.jsonl"])
def test_a_symbolic_link_among_its_files_is_not_written_through(name, tiny, here, capsys):
    short = ["--epochs", "2", "--quiet"]
    assert main(["train", "--dataset", tiny, "--epochs", "1", "--quiet", "--out", "run"]) == 0
    target = here / "precious"
    (here / "run" / name).rename(target)
    (here / "run" / name).symlink_to(target)
    before = target.read_bytes()
    assert main(["train", "--resume", "run", *short]) == 2
    said = capsys.readouterr().err
    assert f"run/{name} is a symbolic link" in said and said.count("\n") == 1
    assert target.read_bytes() == before and (here / "run" / name).is_symlink()
    (here / "run" / name).unlink()
    target.rename(here / "run" / name)
    assert main(["train", "--resume", "run", *short]) == 0
    (here / "elsewhere").symlink_to("run")  # the folder itself may be one
    assert main(["train", "--resume", "elsewhere", "--epochs", "3", "--quiet"]) == 0
