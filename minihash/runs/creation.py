"""The folder of a new run: it belongs to the one run that made it, or found it empty and held it.

    mkdir                decides who has made a folder, of all who try at once
    a lock on it         decides who begins in it; the system frees it, however the process ends
    what it holds        is looked at under the lock: nothing, or the run is refused

A run that fails to begin removes what it has made itself, and nothing else.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from minihash.data.own import own_path
from minihash.runs.folder import CONFIG, METRICS, RESUME, Run, save
from minihash.runs.model import FILE

try:
    import fcntl
except ImportError:  # as on Windows: there, two may begin in a folder that was there before
    fcntl = None

TEMPORARY = ".minihash-"  # what a writer that was killed leaves, see atomic.py


def check_free(out: Path) -> None:
    """Raises ValueError if a new run may not go into `out`: there is something already."""
    if not os.path.lexists(out):
        return
    if not out.is_dir():
        raise ValueError(f"--out {out} is a file: give the name of a new folder")
    if any(not name.startswith(TEMPORARY) for name in os.listdir(out)):
        hint = f"go on with it by --resume {out}, or " if (out / RESUME).is_file() else ""
        raise ValueError(f"--out {out} is there already and not empty: {hint}give another name")


def create(out: Path | None, run: Run) -> Path:
    """Make the folder of a new run and save the run there; if that fails, leave nothing.

    Without `out` it is runs/NAME-NNN with the next free number. Of two that begin at once in one
    folder one is refused. Raises OSError, ValueError.
    """
    made: list[Path] = []  # by this call: nothing else is removed
    try:
        parent = Path("runs") if out is None else out.parent
        for path in reversed((parent, *parent.parents)):
            made += [path] if _make(path) else []
        folder = _next(parent, own_path(run.config.dataset).stem) if out is None else out
        fresh = out is None or _make(folder)
        with _claimed(folder):
            made += [folder] if fresh else []
            check_free(folder)
            try:
                save(folder, run)
            except BaseException:
                for file in (FILE, METRICS, CONFIG, RESUME):
                    with suppress(OSError):
                        (folder / file).unlink()
                raise
        return folder
    except BaseException:
        for path in reversed(made):
            with suppress(OSError):  # another run has come into it
                path.rmdir()
        raise


def _make(folder: Path) -> bool:
    """Make a folder, unless it is there; whether this call did, of any that try at once."""
    try:
        folder.mkdir()
        return True
    except OSError:
        if folder.exists():
            return False
        raise


@contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder within this block. Raises ValueError if another holds it."""
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"--out {folder} is taken by another run that begins there: give another name"
            ) from None
        except OSError:
            pass  # a file system without locks
        yield
    finally:
        os.close(descriptor)


def _next(root: Path, name: str) -> Path:
    """Make root/name-NNN, one number above the highest there; another run may be doing the same."""
    while True:
        pattern = re.compile(re.escape(name) + r"-(\d+)")
        taken = [int(m[1]) for m in map(pattern.fullmatch, os.listdir(root)) if m]
        folder = root / f"{name}-{max(taken, default=0) + 1:03}"
        with suppress(FileExistsError):
            folder.mkdir()
            return folder
