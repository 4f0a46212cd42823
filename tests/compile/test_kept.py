"""Compiled code of other versions on disk: what stays and what goes."""

import os
import subprocess
import sys
import time

import pytest

from minihash.compile import kept

DAY = 24 * 60 * 60


def made(base, days: dict[str, float]):
    """Folders with a file each, used so many days ago."""
    for name, age in days.items():
        (base / name).mkdir()
        (base / name / "code.nbc").write_bytes(bytes(100))
        os.utime(base / name, (time.time() - age * DAY,) * 2)


def name(k: int) -> str:
    return f"kernels-{k:016x}"


def there(base) -> set[str]:
    return {path.name for path in base.iterdir()}


def test_what_nobody_used_for_long_goes_and_what_was_used_last_stays(tmp_path):
    made(tmp_path, {name(0): 300, name(1): 29, name(2): 31, name(3): 1})
    kept.tidy(tmp_path / name(0))
    assert there(tmp_path) == {name(0), name(1), name(3)}
    assert time.time() - (tmp_path / name(0)).stat().st_mtime < DAY  # it is in use
    assert kept.size(tmp_path) == 300


def test_of_many_the_last_used_stay(tmp_path):
    made(tmp_path, {name(k): k for k in range(kept.OTHERS + 3)})
    kept.tidy(tmp_path / name(0))
    assert there(tmp_path) == {name(k) for k in range(kept.OTHERS + 1)}


def test_what_is_not_ours_stays(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    base = tmp_path / "base"
    base.mkdir()
    made(base, {"kernels-linux": 99, "kernels-0123456789ABCDEF": 99, "mnist": 99, name(0): 0})
    (base / name(1)).symlink_to(outside)
    os.utime(outside, (0, 0))
    (base / name(2)).touch()
    os.utime(base / name(2), (0, 0))
    before = there(base)
    kept.tidy(base / name(0))
    assert there(base) == before and (outside / "precious").exists()


def test_a_folder_that_is_gone_stops_nothing(tmp_path):
    kept.tidy(tmp_path / "nowhere" / name(0))


def test_processes_that_tidy_at_once_and_one_that_computes_meanwhile(tmp_path):
    pytest.importorskip("numba")
    code = (
        "import numpy as np, warnings; warnings.simplefilter('error')\n"
        "from minihash import core; from minihash.hashes import Uniform\n"
        "from minihash.weights import VirtualWeight as W\n"
        "assert core.gather(np.arange(5.0), W((3, 4), Uniform(5)), 'numba').shape == (3, 4)\n"
    )
    made(tmp_path, {name(k): 40 + k for k in range(30)})
    environment = os.environ | {"MINIHASH_CACHE": str(tmp_path)}
    started = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(3)]
    assert [process.wait() for process in started] == [0, 0, 0]
    (left,) = there(tmp_path)
    assert left not in map(name, range(30))
