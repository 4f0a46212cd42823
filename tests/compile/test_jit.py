"""Compiled code on disk: a cache that cannot be used is no cache."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import numpy as np, warnings
warnings.simplefilter("always")
from minihash import core
from minihash.hashes import Uniform
from minihash.weights import VirtualWeight

w = VirtualWeight((3, 4), Uniform(5))
V = core.gather(np.arange(5.0), w, "numba")
assert (V == core.gather(np.arange(5.0), w, "numpy")).all()
"""
FULL = """
import numba.core.caching as caching, errno

def full(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")

caching.IndexDataCacheFile._open_for_write = full
"""
NO_HOME = """
from pathlib import Path

def none(*_):
    raise RuntimeError("Could not determine home directory.")

Path.home = staticmethod(none)
"""


def run(code: str, **environment: str) -> str:
    """What a fresh process that computes says on standard error."""
    pytest.importorskip("numba")
    kept = {k: v for k, v in os.environ.items() if k not in ("MINIHASH_CACHE", "XDG_CACHE_HOME")}
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=kept | environment
    )
    assert process.returncode == 0, process.stderr
    return process.stderr


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize("size", [0, 100])
def test_files_that_are_cut_short_are_compiled_anew_and_told_once(suffix, size, tmp_path):
    place = {"MINIHASH_CACHE": str(tmp_path)}
    assert run(CODE, **place) == ""
    files = [path for path in tmp_path.rglob("*") if path.suffix == suffix]
    assert files
    for path in files:
        path.write_bytes(path.read_bytes()[:size])
    said = run(CODE, **place)
    assert said.count("it is compiled anew") == 1 and str(tmp_path) in said
    assert run(CODE, **place) == ""  # what was compiled anew is kept


def test_a_full_disk_stops_nothing(tmp_path):
    said = run(FULL + CODE, MINIHASH_CACHE=str(tmp_path))
    assert "No space left on device" in said and said.count("it is compiled anew") == 1


def test_a_user_without_a_home_may_name_a_folder_or_keeps_nothing(tmp_path):
    assert run(NO_HOME + CODE) == ""
    assert run(NO_HOME + CODE, XDG_CACHE_HOME=str(tmp_path)) == ""
    kept = [path for path in Path(tmp_path).rglob("*") if path.suffix == ".nbc"]
    assert kept
