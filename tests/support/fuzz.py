"""Every reader of a user's file, on damaged files: python -m tests.support.fuzz FOLDER COUNT.

For each reader COUNT files are made of good ones by seeded mutations. A file is read, or refused by
a ValueError, OSError or TypeError in one line that names it, within SECONDS of the
processor and GROWTH of memory.
Prints, as JSON, how many were read and refused, and what went wrong. A process of its own: memory
is measured, and a decoder that never returns can be ended.
"""

import hashlib
import io
import json
import resource
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.support import fuzz_files

SECONDS, GROWTH = 20, 2**30
SETS = ("cifar10: ", "rectangles: ")  # of one file, which is whole: its values are not


class Late(BaseException):
    """A reader has taken too long."""


def outcome(read: Callable[[Path], object], path: Path) -> str:
    """ "read", "refused", or what went wrong."""
    try:
        read(path)
        return "read"
    except Late:
        return f"it takes more than {SECONDS} s"
    except (ValueError, OSError, TypeError) as error:
        text = str(error)
        if "\n" in text or len(text) > 1000:
            return f"not one line: {text[:500]!r}"
        named = path.stem in text or text.startswith(SETS)
        return "refused" if named else f"does not name the file: {text[:300]}"
    except BaseException as error:
        return f"{type(error).__name__}: {str(error)[:300]}"


def run(folder: Path, name: str, count: int) -> dict:
    """The outcomes of one reader."""
    make, read = fuzz_files.READERS[name]
    folder = folder / name
    folder.mkdir()
    counts, wrong, slowest, base = {"read": 0, "refused": 0}, [], 0.0, peak()
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    for k, path in enumerate(make(folder, np.random.default_rng(seed))):
        if k == count:
            break
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        start = time.process_time()
        found = outcome(read, path)
        signal.setitimer(signal.ITIMER_PROF, 0)
        slowest = max(slowest, time.process_time() - start)
        if peak() - base > GROWTH:
            found, base = f"{(peak() - base) >> 20} MB of memory", peak()
        if found in counts:
            counts[found] += 1
        elif len(wrong) < 5:
            kept = folder / f"wrong-{k}{path.suffix}"
            if path.is_file():
                kept.write_bytes(path.read_bytes())
            wrong.append([k, found])
    return counts | {"wrong": wrong, "slowest": slowest, "growth": peak() - base}


def peak() -> int:
    """The most memory that this process has had, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def late(*_: object) -> None:
    raise Late


def main(folder: str, count: str, *names: str) -> None:
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGPROF, late)
    sys.stderr = io.StringIO()  # decoders of libtiff and others talk
    for name in names or fuzz_files.READERS:
        print(json.dumps({"reader": name} | run(Path(folder), name, int(count))), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
