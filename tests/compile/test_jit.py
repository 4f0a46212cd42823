"""Compiled code on disk: a cache that cannot be used is no cache."""

import errno
import os
import shutil
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
FAILS = """
import numba.core.caching as caching, errno, os

def fails(*_, **__):
    raise OSError({0}, os.strerror({0}))

caching.IndexDataCacheFile._open_for_write = fails
"""
SMALL_FILES = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
"""
NO_HOME = """
from pathlib import Path

def none(*_):
    raise RuntimeError("Could not determine home directory.")

Path.home = staticmethod(none)
"""
OF_NOBODY = """
import os
os.setreuid(54321, -1)  # who asks is not in the system's list; who opens files may do so
"""
FORK = """
import os, threading, time
import numpy as np
from numba.core.compiler_lock import global_compiler_lock
from minihash.compile.jit import njit

@njit
def twice(x):
    return x + x

class Compiler(threading.Thread):
    def run(self):
        with global_compiler_lock:
            inside.set()
            time.sleep(0.5)

inside = threading.Event()
thread = Compiler()
thread.start()
inside.wait()
child = os.fork()
if child == 0:
    os._exit(twice(4))
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
assert (status, twice(5)) == (8, 10), status
"""


def run(code: str, **environment: str) -> str:
    """What a fresh process that computes says on standard error."""
    pytest.importorskip("numba")
    kept = {k: v for k, v in os.environ.items() if k not in ("MINIHASH_CACHE", "XDG_CACHE_HOME")}
    process = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=kept | environment,
        timeout=100,
    )
    assert process.returncode == 0, process.stderr
    return process.stderr


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A folder of compiled code."""
    folder = tmp_path_factory.mktemp("filled")
    assert run(CODE, MINIHASH_CACHE=str(folder)) == ""
    return folder


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize("size", [0, 100])
def test_files_that_are_cut_short_are_compiled_anew_and_told_once(suffix, size, filled, tmp_path):
    shutil.copytree(filled, tmp_path, dirs_exist_ok=True)
    place = {"MINIHASH_CACHE": str(tmp_path)}
    files = [path for path in tmp_path.rglob("*") if path.suffix == suffix]
    assert files
    for path in files:
        path.write_bytes(path.read_bytes()[:size])
    said = run(CODE, **place)
    assert said.count("it is compiled anew") == 1 and str(tmp_path) in said
    assert run(CODE, **place) == ""  # what was compiled anew is kept


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_takes_nothing_stops_nothing(error, tmp_path):
    said = run(FAILS.format(int(error)) + CODE, MINIHASH_CACHE=str(tmp_path))
    assert os.strerror(error) in said and said.count("it is compiled anew") == 1
    assert str(tmp_path) in said


def test_a_disk_that_is_full_in_the_middle_of_a_file_stops_nothing(tmp_path):
    """A real limit: what is longer than a kilobyte cannot be written to its end."""
    pytest.importorskip("resource")
    said = run(SMALL_FILES + CODE, MINIHASH_CACHE=str(tmp_path))
    assert said.count("it is compiled anew") == 1 and str(tmp_path) in said
    assert run(CODE, MINIHASH_CACHE=str(tmp_path)) == ""
    assert [path for path in tmp_path.rglob("*") if path.suffix == ".nbc"]


def test_a_folder_that_cannot_be_made_or_that_others_can_write_is_none(filled, tmp_path):
    (tmp_path / "file").touch()
    said = run(CODE, MINIHASH_CACHE=str(tmp_path / "file"))
    assert said.count("it is compiled anew") == 1 and str(tmp_path / "file") in said
    if hasattr(os, "getuid"):
        (folder,) = shutil.copytree(filled, tmp_path / "copy").glob("kernels-*")
        folder.chmod(0o777)
        assert "others could write there" in run(CODE, MINIHASH_CACHE=str(folder.parent))


def test_a_user_without_a_home_may_name_a_folder_or_keeps_nothing(tmp_path):
    said = run(NO_HOME + CODE)
    assert said.count("it is compiled anew") == 1 and "name another by MINIHASH_CACHE" in said
    assert run(NO_HOME + CODE, XDG_CACHE_HOME=str(tmp_path)) == ""
    kept = [path for path in Path(tmp_path).rglob("*") if path.suffix == ".nbc"]
    assert kept


@pytest.mark.skipif(getattr(os, "getuid", lambda: 1)() != 0, reason="only root can be another")
def test_a_user_that_the_system_does_not_know_is_one_without_a_home(monkeypatch):
    monkeypatch.delenv("HOME")
    said = run(OF_NOBODY + CODE)
    assert "Could not determine home" in said and said.count("it is compiled anew") == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_child_that_is_forked_while_a_thread_compiles_compiles_on(tmp_path):
    run(FORK, MINIHASH_CACHE=str(tmp_path))
