"""What a broken archive raises, turned into one ValueError that names the file."""

import errno
import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DAMAGE = (
    EOFError,
    gzip.BadGzipFile,
    RuntimeError,  # zipfile, of encryption and of a compression it does not know
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)


@contextmanager
def named_damage(path: Path) -> Iterator[None]:
    """Read an archive inside this: its damage becomes a ValueError in one line.

    >>> with named_damage(Path("digits.gz")):
    ...     raise EOFError("ended early")
    Traceback (most recent call last):
    ValueError: digits.gz is damaged (ended early): fetch it again
    """
    try:
        yield
    except (*DAMAGE, OSError) as error:
        # an archive's offset that is no offset comes back from the system as EINVAL
        if not isinstance(error, DAMAGE) and error.errno != errno.EINVAL:
            raise
        cause = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path} is damaged ({cause}): fetch it again") from error
