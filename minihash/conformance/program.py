"""A program of any language that answers cases: a line of JSON for a line of JSON.

    >  {"op": "hello", "version": 1}
    <  {"name": "mine 1.0", "claims": ["xxh32", "stream", "hash:Modulus", "hash:Uniform"]}
    >  {"id": "modulus/2", "op": "hash", "hash": {"type": "Modulus", "buckets": 65536}, ...}
    <  {"buckets": [0, 1, ...], "signs": [1, 1, ...]}

A claim is an op, or op:Type for an op of one type. What is refused is {"error": why}; what turns
out not to be there after all, {"unsupported": true}. The program ends when its input does. What it
writes to standard error is shown if it fails.
"""

import json
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, Queue
from typing import IO, Any

from minihash.conformance.cases import Case

VERSION = 1
PATIENCE = 60.0  # seconds for an answer


@dataclass(frozen=True)
class Program:
    """A program that runs. name, claims: what it says of itself."""

    name: str
    claims: frozenset[str]
    process: subprocess.Popen
    lines: Queue
    told: IO[bytes]

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Its answer to a request. Raises ValueError if it gives none, or one that is no JSON
        object."""
        return _asked(self.process, self.lines, self.told, request)

    def claims_case(self, case: Case) -> bool:
        """Whether it claims to know all that the case needs."""
        return case.op in self.claims or case.needs <= self.claims


@contextmanager
def running(command: Sequence[str]) -> Iterator[Program]:
    """The program within this block.

    Raises OSError if it cannot be started, ValueError if it does not say hello as it should.
    """
    with tempfile.TemporaryFile() as told:
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=told) as process:
            try:
                lines: Queue = Queue()
                reader = threading.Thread(target=_read, args=(process.stdout, lines), daemon=True)
                reader.start()
                hello = {"op": "hello", "version": VERSION}
                said = _asked(process, lines, told, hello)
                claims = said.get("claims")
                if not isinstance(claims, list) or not all(isinstance(c, str) for c in claims):
                    raise ValueError(
                        f"the program answered hello by {str(said)[:80]}: expected "
                        '{"name": ..., "claims": ["xxh32", "hash:Modulus", ...]}'
                    )
                name = str(said.get("name", command[0]))
                yield Program(name, frozenset(claims), process, lines, told)
                with suppress(OSError, subprocess.TimeoutExpired):  # it has answered everything
                    process.stdin.close()
                    process.wait(PATIENCE)
            finally:
                process.kill()


def _read(stream: IO[bytes], lines: Queue) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


def _asked(
    process: subprocess.Popen, lines: Queue, told: IO[bytes], request: dict[str, Any]
) -> dict[str, Any]:
    what = request.get("id", request["op"])
    try:
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()
        line = lines.get(timeout=PATIENCE)
    except Empty:
        raise ValueError(f"the program gave no answer to {what} in {PATIENCE:.0f} s") from None
    except BrokenPipeError:
        line = None
    if line is None:
        told.seek(0)
        last = told.read().decode("utf-8", "replace").strip().splitlines()[-1:]
        said = f"; it said: {last[0]}" if last else ""
        raise ValueError(f"the program ended before it answered {what}{said}")
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        text = line.decode("utf-8", "replace").strip()[:80]
        raise ValueError(f"the program answered {what} by {text!r}: expected a JSON object, a line")
    return found
