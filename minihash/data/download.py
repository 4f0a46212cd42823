"""Downloads: every file has a pinned SHA-256 and one or more mirrors.

A file is fetched beside its final place, checked, and only then renamed to it: a download that is
interrupted, truncated or altered leaves nothing under the final name. A mirror that fails in any
way is followed by the next. A file that is there already, and is another one, is never replaced.

Needs pooch (`pip install 'minihash[data]'`), imported here and only when something is fetched.
"""

import hashlib
import logging
import sys
from dataclasses import dataclass
from pathlib import Path

from minihash.data.damage import opened

TIMEOUT = 30  # seconds without a byte before the next mirror is tried


@dataclass(frozen=True)
class Remote:
    """A file to fetch: its name, the SHA-256 it must have, and full addresses to try in order."""

    file: str
    sha256: str
    addresses: tuple[str, ...]


def fetch(remote: Remote, folder: str | Path) -> Path:
    """Fetch a file into a folder (made if absent) and return its path; a file there is kept.

    Raises ImportError without pooch, ValueError if another file has the name, ConnectionError if
    no mirror has the right file.
    """
    target = Path(folder) / remote.file
    if target.exists():
        if _sha256(target) != remote.sha256:
            raise ValueError(
                f"{target} is there but is not the published file (another SHA-256): move it away"
                " to download"
            )
        return target
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            "a download needs the package pooch: pip install 'minihash[data]'"
        ) from error
    failures = []
    shown = sys.stderr is not None and sys.stderr.isatty()  # a service has no such stream
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)  # it reports each address; ours are in the error, if any
    try:
        for address in remote.addresses:
            try:
                pooch.retrieve(
                    address,
                    known_hash=f"sha256:{remote.sha256}",
                    fname=remote.file,
                    path=target.parent,
                    downloader=pooch.HTTPDownloader(
                        progressbar=shown,
                        chunk_size=1 << 16,
                        timeout=TIMEOUT,
                    ),
                )
                return target
            except (OSError, ValueError) as error:  # requests' errors are OSErrors
                failures.append(f"{address}: {' '.join(str(error).split())}")
    finally:
        logger.setLevel(level)
    raise ConnectionError(f"{remote.file} could not be fetched from {'; '.join(failures)}")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with opened(path) as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
