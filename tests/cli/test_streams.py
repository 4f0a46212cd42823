"""Standard streams that are closed or full, as a service may have them: commands do their work."""

import json
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.usefixtures("here"),
    pytest.mark.skipif(sys.platform == "win32", reason="closed by a POSIX shell"),
]
CLOSED = ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"]


def shell(command: str, closed: str = "") -> subprocess.CompletedProcess:
    """Run in a shell that closes streams before the process begins."""
    line = f"{sys.executable} {command} {closed}"
    return subprocess.run(line, shell=True, capture_output=True, text=True, timeout=100)


@pytest.mark.parametrize("closed", CLOSED)
def test_every_command_works_without_streams(closed, here):
    train = "-m minihash train --hidden 5 --epochs 2 --json --out"
    assert shell(f"{train} run", closed).returncode == 0
    assert len((here / "run" / "metrics.jsonl").read_text().splitlines()) == 2
    assert shell(f"{train} run", closed).returncode == 2  # it is there already
    for command in ("eval run", "predict run 3", "inspect run"):
        done = shell(f"-m minihash {command} --json", closed)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        if ">&-" in closed.replace("2>&-", ""):
            assert done.stdout == ""
        else:
            assert json.loads(done.stdout)
    assert sorted(p.name for p in here.iterdir()) == ["run"]


def test_a_missing_stream_keeps_its_number_from_the_files_that_are_opened_later():
    code = (
        "import sys; from minihash.cli.streams import open_missing; open_missing(); "
        "file = open('report', 'w'); streams = sys.stdin, sys.stdout, sys.stderr; "
        "file.write(repr([stream.fileno() for stream in streams])); file.close(); "
        "print('nowhere'); print(open('report').read(), file=open('found', 'w'))"
    )
    for closed in CLOSED:
        assert shell(f'-c "{code}"', closed).returncode == 0
        with open("found") as found:
            assert found.read() == "[0, 1, 2]\n"


def test_errors_that_cannot_be_told_stop_nothing(here):
    full = "2>/dev/full"
    done = shell("-m minihash train --hidden 5 --epochs 2 --out run", full)
    assert (done.returncode, len(done.stdout.splitlines()) > 5) == (0, True)
    assert shell("-m minihash eval nowhere", full).returncode == 2
    done = shell("-m minihash eval run", ">/dev/full")
    assert done.returncode == 2 and "No space left on device" in done.stderr
