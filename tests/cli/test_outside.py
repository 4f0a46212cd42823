"""A hash from a module of one's own, through every command, each in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from minihash.files import checkpoint
from tests.support.outside import BLOCKS

IMPORT = ("--import", "outside_blocks")
SHORT = ("--hash", "stripes", "--hash-option", "size=3", "--hidden", "6", "--quiet")


@pytest.fixture
def outside(here):
    Path("outside_blocks.py").write_text(BLOCKS)
    return here


def command(*args, status=0, **env):
    """Standard output of a command, or standard error if it is to fail with `status`.

    As an installed script, it does not find the current folder by itself.
    """
    env = {"PYTHONSAFEPATH": "1"} | env
    words = [sys.executable, "-m", "minihash", *map(str, args)]
    done = subprocess.run(words, capture_output=True, text=True, env=os.environ | env, timeout=300)
    assert done.returncode == status, done.stderr
    return done.stderr if status else done.stdout


def test_every_command_takes_a_hash_from_outside(outside):
    result = json.loads(command("train", *IMPORT, *SHORT, "--epochs", "2", "--out", "a", "--json"))
    found = json.loads(command("eval", "a", *IMPORT, "--json"))
    assert found["test_accuracy"] == result["test_accuracy"] > 0.5
    (table,) = json.loads(command("inspect", "a", *IMPORT, "--json"))["tables"]
    assert table["hash"].startswith("Stripes(buckets=477, size=3, seed=0")
    (shown,) = json.loads(command("predict", "a", "7", *IMPORT, "--json"))["predictions"]
    assert abs(sum(shown["probabilities"]) - 1) < 1e-9

    command("train", *IMPORT, *SHORT, "--epochs", "1", "--out", "b")
    command("train", *IMPORT, "--resume", "b", "--epochs", "2", "--hash-option", "size=3")
    models = [Path(run, "model.safetensors").read_bytes() for run in "ab"]
    assert models[0] == models[1]

    # The file holds the name and the fields of the class, and no way to any code.
    spec = checkpoint.read_spec("a/model.safetensors")["model"]["network"]["layers"][0]
    fields = {"type": "Stripes", "buckets": 477, "size": 3, "seed": 0, "signed": False}
    assert spec["weight"]["hash"] == fields
    assert all(b"outside" not in path.read_bytes() for path in Path("a").iterdir())


def test_without_the_module_its_hash_is_named_with_what_to_do(outside):
    command("train", *IMPORT, *SHORT, "--epochs", "1", "--out", "a")
    for words in (("eval", "a"), ("inspect", "a"), ("predict", "a", 7), ("train", "--resume", "a")):
        error = command(*words, status=2)
        assert "the type 'Stripes' is not known here: if you trust it, import the module" in error
        assert error.endswith("(on the command line: --import MODULE)\n") and error.count("\n") == 1
    assert "hash must be one of identity, " in command("train", *SHORT, status=2)
    Path("outside_blocks.py").write_text("1 / 0")
    error = command("eval", "a", *IMPORT, status=2)
    assert "--import outside_blocks has failed (ZeroDivisionError: division by zero)" in error


def test_the_help_lists_a_hash_from_outside_with_its_options(outside):
    shown = command("train", *IMPORT, "--help")
    assert (
        "  stripes        Stripes of `size` weights, each at a place of the table drawn\n" in shown
    )
    assert "options: size=int (4), signed=bool (False)" in shown
    assert "stripes" not in command("train", "--help")
    wrong = ("--hash", "stripes", "--hash-option", "size=big")
    error = command("train", *IMPORT, *wrong, status=2)
    assert "the option size of the stripes hash must be a whole number, got 'big'" in error


def test_a_stopped_run_says_the_whole_command_that_goes_on(outside):
    """It is stopped by its own signal, sent from a module that is imported first."""
    Path("stopping.py").write_text(
        "import os, signal\n"
        "from minihash.runs import progress\n"
        "progress.Progress.step = lambda *_: os.kill(os.getpid(), signal.SIGTERM)\n"
    )
    words = ("train", *IMPORT, "--import", "stopping", *SHORT, "--out", "run")
    error = command(*words, status=128 + 15)
    again = "minihash train --resume run --import outside_blocks --import stopping\n"
    assert error.endswith(f"go on with: {again}")


def test_a_hash_from_outside_trains_with_numba(outside):
    pytest.importorskip("numba")
    words = ("--backend", "numba", "--json")
    short = (*SHORT, "--epochs", "2", "--out", "run")
    env = {"MINIHASH_CACHE": str(outside / "cache")}  # the second process compiles nothing
    result = json.loads(command("train", *IMPORT, *short, *words, **env))
    found = json.loads(command("eval", "run", *IMPORT, *words, **env))
    assert found["test_accuracy"] == result["test_accuracy"] > 0.5
