"""No damaged file ends in a traceback, takes a gigabyte or is read for ever: 500 of each kind, and
20,000 under `HYPOTHESIS_PROFILE=deep`. See support/fuzz.py."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import fuzz, fuzz_files

COUNT = 20_000 if os.environ.get("HYPOTHESIS_PROFILE") == "deep" else 500


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    command = [sys.executable, "-m", "tests.support.fuzz", str(folder), str(COUNT)]
    process = subprocess.run(
        command,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=COUNT,
        env=os.environ | {"MINIHASH_BACKEND": "numpy"},
    )
    lines = map(json.loads, process.stdout.splitlines())
    return {line.pop("reader"): line for line in lines} | {"status": process.returncode}


@pytest.mark.parametrize("name", fuzz_files.READERS)
def test_damaged_files_are_read_or_refused_in_one_line(reports, name):
    if name not in reports:
        pytest.fail(f"the process ended before {name} did, with status {reports['status']}")
    report = reports[name]
    assert not report["wrong"]
    assert report["read"] + report["refused"] == COUNT
    assert report["read"] and report["refused"] > COUNT / 20


def test_the_fuzz_sees_what_is_wrong(tmp_path, monkeypatch):
    """A check that cannot fail is a defect."""

    def wrong(error):
        def read(path):
            raise error

        return fuzz.outcome(read, tmp_path / "fuzzed")

    assert wrong(ValueError("fuzzed is damaged")) == "refused"
    assert wrong(ValueError("damaged")).startswith("does not name the file")
    assert wrong(ValueError("fuzzed\nis damaged")).startswith("not one line")
    assert wrong(KeyError("fuzzed")).startswith("KeyError")
    assert wrong(MemoryError()).startswith("MemoryError")
    assert wrong(fuzz.Late()).startswith("it takes more than")
    monkeypatch.setattr(fuzz, "GROWTH", -1)
    monkeypatch.setattr(fuzz.signal, "setitimer", lambda which, seconds: None)
    assert "MB of memory" in fuzz.run(tmp_path, "npy", 1)["wrong"][0][1]
