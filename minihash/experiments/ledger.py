"""A file of records, one JSON object a line: what is finished stays finished.

    lock        one sweep at a time; the system frees it, however that sweep ends
    repair      a last line that is not whole was cut off by a kill or a full disk: it goes, its run
                is done again
    append      one write at the end of the file, flushed to the disk

On disk the metrics of a run are columns, {"epoch": [1, 2], "loss": [0.9, 0.4]}: their names stand
once, which halves the file. Here they are a line an epoch, as those of every run.

Only a file of records is ever repaired: one that begins as no record does is refused, untouched.
"""

import json
import os
import warnings
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from minihash.runs.folder import json_line

try:
    import fcntl
except ImportError:  # as on Windows: there, two sweeps may write to one file
    fcntl = None

BEGINS = b'{"minihash":'  # how every record begins
_open: set[int] = set()


class Ledger:
    """A file of records that this process alone appends to. records: those in it.

    Raises BlockingIOError if another sweep writes to it, ValueError if it holds anything else than
    records, OSError if it cannot be opened. Warns if its last line was cut off.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "runs.jsonl")
    >>> with Ledger(path) as ledger:
    ...     ledger.append({"minihash": "1", "metrics": []})
    >>> read(path)
    [{'minihash': '1', 'metrics': []}]
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
        self.descriptor = os.open(self.path, flags, 0o666)
        _open.add(self.descriptor)
        try:
            self._lock()
            self.records = self._repaired()
        except BaseException:
            self.close()
            raise

    def append(self, record: dict) -> None:
        """Add a record, for good. Raises OSError if the disk takes it not whole: then the file is
        as it was."""
        line = json_line(record | {"metrics": columns(record["metrics"])}).encode()
        if not line.startswith(BEGINS):
            raise ValueError(f"a record begins with its version of minihash, got {line[:40]!r}")
        size = os.fstat(self.descriptor).st_size
        if os.write(self.descriptor, line) < len(line):
            os.ftruncate(self.descriptor, size)
            raise OSError(28, "No space left on device", str(self.path))
        os.fsync(self.descriptor)
        self.records.append(_record(line))

    def close(self) -> None:
        """Free the lock."""
        if self.descriptor in _open:
            _open.remove(self.descriptor)
            os.close(self.descriptor)

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _lock(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError(
                f"another sweep writes to {self.path}: wait until it has ended, or name another "
                "file with --out"
            ) from None
        except OSError:
            pass  # a file system without locks

    def _repaired(self) -> list[dict]:
        content = self.path.read_bytes()
        records, good = _parsed(self.path, content)
        if good < len(content):
            os.ftruncate(self.descriptor, good)
            os.fsync(self.descriptor)
            warnings.warn(
                f"the last line of {self.path} was cut off; it is removed, and its run done again",
                stacklevel=4,
            )
        return records


def read(path: str | os.PathLike) -> list[dict]:
    """The whole records of a file, which stays as it is. Raises as `Ledger` does."""
    return _parsed(Path(path), Path(path).read_bytes())[0]


def _parsed(path: Path, content: bytes) -> tuple[list[dict], int]:
    """The records, and the length of what they take: all but a last line that is cut off."""
    records: list[dict] = []
    good = 0
    lines = content.splitlines(keepends=True)
    for number, line in enumerate(lines, 1):
        record = None
        if line.endswith(b"\n") and line.startswith(BEGINS):
            with suppress(ValueError, TypeError, AttributeError):  # no JSON, or no table
                record = _record(line)
        if record is None:
            if number == len(lines) and line[: len(BEGINS)] == BEGINS[: len(line)]:
                break
            if number == len(lines) and records:
                break
            raise ValueError(
                f"line {number} of {path} is no record of a sweep: name another file, or restore "
                "it from a copy"
            )
        records.append(record)
        good += len(line)
    return records, good


def _record(line: bytes) -> dict | None:
    """The record of a line; None if it has no metrics. Raises ValueError if it is no JSON."""
    record = json.loads(line)
    if "metrics" not in record:
        return None
    return record | {"metrics": lines(record["metrics"])}


def columns(lines: list[dict]) -> list[dict] | dict[str, list]:
    """A list for each name, where all lines have the same names; else the lines as they are.

    >>> columns([{"epoch": 1, "loss": 0.9}, {"epoch": 2, "loss": 0.4}])
    {'epoch': [1, 2], 'loss': [0.9, 0.4]}
    """
    names = {tuple(line) for line in lines}
    if len(names) != 1 or () in names:
        return lines
    return {name: [line[name] for line in lines] for name in names.pop()}


def lines(columns: list[dict] | dict[str, list]) -> list[dict]:
    """The inverse of `columns`.

    >>> lines({"epoch": [1, 2], "loss": [0.9, 0.4]})
    [{'epoch': 1, 'loss': 0.9}, {'epoch': 2, 'loss': 0.4}]
    """
    if isinstance(columns, list):
        return columns
    rows = zip(*columns.values(), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _forget() -> None:
    """In a forked process: the lock is its parent's alone."""
    for descriptor in _open:
        os.close(descriptor)
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
