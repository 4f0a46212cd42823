"""Compiled code that is kept: a folder for each version of the sources, and which of them go.

Each process that compiles marks the folder of its own sources as used. Of the others those go that
nobody has used for `DAYS`, and those beyond the `OTHERS` used last. Who has loaded from such a
folder goes on; who comes back to it compiles anew.
"""

import os
import re
import shutil
import time
from contextlib import suppress
from pathlib import Path

DAYS, OTHERS = 30, 8
NAME = re.compile(r"kernels-[0-9a-f]{16}")


def tidy(own: Path) -> None:
    """Mark the folder `own` as used, and remove those beside it that go. It never raises."""
    with suppress(OSError):
        os.utime(own)
        others = {path: path.stat().st_mtime for path in folders(own.parent) if path != own}
        latest = sorted(others, key=others.__getitem__, reverse=True)[:OTHERS]
        for path, used in others.items():
            if path not in latest or used < time.time() - DAYS * 24 * 60 * 60:
                shutil.rmtree(path, ignore_errors=True)  # another process may be at it too


def folders(base: Path) -> list[Path]:
    """The folders of all versions in `base`."""
    return [path for path in base.iterdir() if NAME.fullmatch(path.name) and path.is_dir()]


def size(base: Path) -> int:
    """Bytes of all versions in `base`."""
    total = 0
    for path in (path for folder in folders(base) for path in folder.rglob("*")):
        with suppress(OSError):  # it has gone since
            total += path.stat().st_size if path.is_file() else 0
    return total
