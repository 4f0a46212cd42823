"""The one door to a file that a user names, and to what it says of itself.

A file comes from anywhere, and its decoder was written for good ones. So
    what is no regular file is refused before it is opened: a pipe would wait for ever;
    whatever a decoder raises becomes one ValueError, in one line, that names the file;
    the sizes that an archive states are held to its real bytes before memory is taken for them.
"""

import errno
import gzip
import lzma
import os
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

DEFLATE = 1032  # bytes at most that deflate makes of one: 258 of two bits
DAMAGED = "is damaged ({}): fetch it again"
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def regular(path: str | os.PathLike) -> int:
    """The size of a regular file. Raises ValueError for anything else, OSError if it is absent.

    >>> regular(os.devnull)
    Traceback (most recent call last):
    ValueError: /dev/null is a device, no regular file: give the name of a file
    """
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        kind = KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        raise ValueError(f"{os.fsdecode(path)} is {kind}, no regular file: give the name of a file")
    return status.st_size


@contextmanager
def opened(path: Path, told: str = DAMAGED) -> Iterator[BinaryIO]:
    """The file, to be decoded within this block; `told` as for `named_damage`."""
    regular(path)
    with named_damage(path, told), open(path, "rb") as file:
        yield file


@contextmanager
def named_damage(path: Path, told: str = DAMAGED) -> Iterator[None]:
    """Decode within this block: what is raised becomes a ValueError in one line, `told` with its
    cause in the braces. A ValueError or OSError that begins with the path is said already; one of
    the system (a disk that fails) stays what it is, with the path.

    >>> with named_damage(Path("digits.gz")):
    ...     raise EOFError("ended early")
    Traceback (most recent call last):
    ValueError: digits.gz is damaged (ended early): fetch it again
    """
    try:
        yield
    except ImportError:
        raise
    except MemoryError as error:
        raise ValueError(
            f"{path} asks for more memory than there is: give a smaller file, or free some"
        ) from error
    except Exception as error:
        if isinstance(error, ValueError | OSError) and str(error).startswith(str(path)):
            raise
        # an archive's offset that is no offset comes back from the system as EINVAL
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            error.filename = error.filename or str(path)
            raise
        cause = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(f"{path} {told.format(cause)}") from error


def unpacked(file: BinaryIO) -> BinaryIO:
    """The content of a file that gzip or xz has packed, told by its first bytes; else itself."""
    magic = file.read(6)
    file.seek(0)
    if magic[:2] == b"\x1f\x8b":
        return gzip.open(file)
    return lzma.open(file) if magic == b"\xfd7zXZ\0" else file


def size_of_member(archive: zipfile.ZipFile, member: str, path: Path) -> int:
    """The size of a file in a zip archive, proved to be possible.

    Raises ValueError if it is not, and for a file that is encrypted or packed in a way whose
    memory has no bound.
    """
    info, real = archive.getinfo(member), os.fstat(archive.fp.fileno()).st_size
    if info.flag_bits & 1:
        raise ValueError(f"{path}: {member} is encrypted: save it without a password")
    most = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: DEFLATE}.get(info.compress_type)
    if most is None:
        raise ValueError(
            f"{path}: {member} is packed by method {info.compress_type} of zip: expected deflate or"
            " none, as numpy.savez_compressed and numpy.savez write them"
        )
    if info.compress_size > real or info.file_size > most * info.compress_size:
        raise ValueError(
            f"{path} is damaged ({info.file_size} bytes of {member} in {info.compress_size} of"
            f" {real}): fetch it again"
        )
    return info.file_size
