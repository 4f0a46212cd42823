"""Atomic writes: at any moment, whoever opens the file finds all of the old content or of the new.

    write a temporary file in the same folder, flush it to the disk,
    rename it over the old file, flush the folder

A rename within one file system is atomic (POSIX, `rename`). The first flush keeps it from
overtaking the data, the second makes it last through a power cut.

A process that is killed leaves its temporary behind, `.minihash-<16 hexadecimal digits>.tmp`. Each
writer holds a lock on its own until it ends, however it ends: a temporary whose lock is free has no
writer, and the next write in that folder removes it.
"""

import os
import re
import stat
from contextlib import suppress
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows has no such locks: there, leftovers stay until deleted by hand
    fcntl = None

_TEMPORARY = re.compile(r"\.minihash-[0-9a-f]{16}\.tmp")


def atomic_write(path: str | os.PathLike, *parts: bytes) -> int:
    """Make `parts`, one after another, the content of the file at `path`; return their bytes.

    A new file gets the permissions that `open` would give it, an old one keeps its own. A symbolic
    link stays, and its target is replaced.

    Raises ValueError if `path` is a directory or no regular file, FileNotFoundError if its folder
    is missing, OSError if the system cannot write (disk full, folder read-only). Whatever is
    raised, the old file is as it was and the temporary is gone.

    >>> import tempfile
    >>> atomic_write(os.path.join(tempfile.mkdtemp(), "config.json"), b'{"seed": 0}')
    11
    """
    target, permissions = _target(path)
    folder = os.path.dirname(target)
    temporary = None
    try:
        _remove_leftovers(folder)
        temporary, file = _create_temporary(folder)
        with file:
            if permissions is not None:
                os.chmod(temporary, permissions)
            for part in parts:
                rest = memoryview(part)
                while rest:  # the system may take less than it is given
                    rest = rest[file.write(rest) :]
            os.fsync(file.fileno())
            if fcntl is None:
                file.close()  # Windows renames no open file; elsewhere this would unlock too early
            os.replace(temporary, target)
    except BaseException as error:
        if temporary is not None:
            with suppress(OSError):
                os.unlink(temporary)
        if isinstance(error, OSError):
            reason = f"nothing was written, any old file is as it was: {error.strerror or error}"
            raise OSError(error.errno, reason, target) from error
        raise
    _flush_folder(folder)
    return sum(len(part) for part in parts)


def _target(path: str | os.PathLike) -> tuple[str, int | None]:
    """The file behind `path`, links followed, and its permissions, None if it is new."""
    target = os.path.realpath(os.fsdecode(path))
    folder = os.path.dirname(target)
    try:
        mode = os.stat(target).st_mode
    except FileNotFoundError:
        if not os.path.isdir(folder):
            raise FileNotFoundError(f"no folder {folder!r} to write into: make it first") from None
        return target, None
    if not stat.S_ISREG(mode):
        kind = "a directory" if stat.S_ISDIR(mode) else "no regular file"
        raise ValueError(f"cannot write to {target!r}, it is {kind}: give the name of a file")
    return target, stat.S_IMODE(mode) & 0o777


def _create_temporary(folder: str) -> tuple[str, BinaryIO]:
    """A new file in `folder` of a name nobody can guess, locked for as long as it is open."""
    while True:
        temporary = os.path.join(folder, f".minihash-{os.urandom(8).hex()}.tmp")
        file = open(temporary, "xb", buffering=0)  # noqa: SIM115
        if fcntl is None:
            return temporary, file
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file.fileno()).st_nlink:
                return temporary, file
        except BlockingIOError:
            pass  # before it was locked, another writer took it for a leftover: take another name
        except OSError:
            return temporary, file  # a file system without locks: nobody will remove it either
        file.close()


def _remove_leftovers(folder: str) -> None:
    """Remove the temporaries in `folder` whose lock is free. What cannot be removed may stay."""
    if fcntl is None:
        return
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _TEMPORARY.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                with suppress(OSError), open(entry.path, "r+b", buffering=0) as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(entry.path)


def _flush_folder(folder: str) -> None:
    """Flush the rename itself. The new file is in place: that a folder cannot be flushed (some
    network file systems, a folder that may not be read) is no longer a failed write."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
