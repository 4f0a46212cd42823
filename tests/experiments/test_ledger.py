"""The file of records: cut at every byte, locked, full, or no such file at all."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from minihash.experiments.ledger import Ledger, read

LINES = [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}]
RECORDS = [{"minihash": "1", "config": {"seed": k}, "metrics": LINES} for k in range(3)]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "runs.jsonl"
    with Ledger(path) as ledger:
        for record in RECORDS:
            ledger.append(record)
    return path


def test_a_record_is_a_line_and_comes_back(path):
    kept = [json.loads(line) for line in path.read_text().splitlines()]
    metrics = {"epoch": [1, 2], "loss": [0.5, 0.25]}
    assert kept == [record | {"metrics": metrics} for record in RECORDS]
    assert read(path) == RECORDS
    with Ledger(path) as ledger:
        assert ledger.records == RECORDS
        ledger.append(RECORDS[0] | {"metrics": [{"loss": float("nan")}]})
    assert read(path)[3]["metrics"] == [{"loss": None}]


@pytest.mark.parametrize(
    "metrics",
    [[], [{}], [{"a": 1}], [{"a": 1}, {"b": 1}], [{"a": 1}, {"a": 1, "b": 2}], [{}, {"a": 1}]],
)
def test_metrics_come_back_whatever_their_names(metrics, tmp_path):
    with Ledger(tmp_path / "runs") as ledger:
        ledger.append(RECORDS[0] | {"metrics": metrics})
        assert ledger.records == read(tmp_path / "runs") == [RECORDS[0] | {"metrics": metrics}]


def test_a_file_of_metrics_a_line_an_epoch_is_read_and_gone_on_with(tmp_path):
    path = tmp_path / "runs"
    path.write_text("".join(json.dumps(record) + "\n" for record in RECORDS[:2]))
    with Ledger(path) as ledger:
        ledger.append(RECORDS[2])
        assert ledger.records == read(path) == RECORDS


@pytest.mark.parametrize("metrics", [{"a": [1], "b": []}, {"a": 1}, 3])
def test_metrics_that_are_no_table_are_no_record(metrics, path):
    content = path.read_bytes()
    path.write_bytes(content + json.dumps(RECORDS[0] | {"metrics": metrics}).encode() + b"\n")
    with pytest.warns(UserWarning, match="cut off"):
        Ledger(path).close()
    assert path.read_bytes() == content


@pytest.mark.parametrize("whole", [0, 2])
def test_a_last_line_cut_at_any_byte_goes_and_all_before_stays(whole, path):
    lines = path.read_bytes().splitlines(keepends=True)
    before = b"".join(lines[:whole])
    for cut in range(1, len(lines[whole])):
        path.write_bytes(before + lines[whole][:cut])
        assert read(path) == RECORDS[:whole]
        with pytest.warns(UserWarning, match=r"the last line of .* was cut off"):
            ledger = Ledger(path)
        with ledger:
            assert ledger.records == RECORDS[:whole] and path.read_bytes() == before
            ledger.append(RECORDS[whole])
        assert read(path) == RECORDS[: whole + 1]


@pytest.mark.parametrize(
    "tail", [b"\0" * 40, b"\0" * 40 + b"\n", b'{"minihash": "1"}\n', b'{"minihash": garbage}\n']
)
def test_a_last_line_that_is_no_record_goes_too(tail, path):
    content = path.read_bytes()
    path.write_bytes(content + tail)
    with pytest.warns(UserWarning, match="cut off"):
        Ledger(path).close()
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", ["mine\n", "mine", '{"a": 1}\n', "[]\n", "\n", "\0\0"])
def test_a_file_of_something_else_is_refused_untouched(content, tmp_path):
    path = tmp_path / "mine"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"line 1 of .*mine is no record of a sweep"):
        Ledger(path)
    assert path.read_text() == content
    with pytest.raises(ValueError, match="begins with its version"):
        Ledger(tmp_path / "new").append({"metrics": []})


def test_damage_before_the_last_line_is_said_with_its_place(path):
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1][:9] + b"\n" + lines[2])
    with pytest.raises(ValueError, match=r"line 2 of .* is no record"):
        Ledger(path)


def test_a_disk_that_takes_half_a_line_leaves_the_file_as_it_was(path, monkeypatch):
    content, write = path.read_bytes(), os.write
    with Ledger(path) as ledger:
        monkeypatch.setattr("os.write", lambda to, line: write(to, line[: len(line) // 2]))
        with pytest.raises(OSError, match="No space left"):
            ledger.append(RECORDS[0])
        monkeypatch.undo()
        assert path.read_bytes() == content
        ledger.append(RECORDS[0])
    assert read(path) == [*RECORDS, RECORDS[0]]


def test_one_sweep_at_a_time(path):
    pytest.importorskip("fcntl", reason="locks of POSIX")
    with Ledger(path), pytest.raises(BlockingIOError, match=r"another sweep writes to .*--out"):
        Ledger(path)
    Ledger(path).close()


FORK = """
import os, sys, time
from minihash.experiments.ledger import Ledger
ledger = Ledger(sys.argv[1])
end, begin = os.pipe()
child = os.fork()
if child == 0:
    os.write(begin, b"!")
    time.sleep(10)
    os._exit(0)
os.read(end, 1)
ledger.close()
try:
    Ledger(sys.argv[1]).close()  # a child that lives has no part of the lock
finally:
    os.kill(child, 9)
"""


def test_the_lock_is_not_a_childs(path):
    pytest.importorskip("fcntl", reason="forks and locks of POSIX")
    root = Path(__file__).resolve().parents[2]
    words = [sys.executable, "-c", FORK, path]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
