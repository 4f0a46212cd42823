"""Where this user's files are: caches of compiled code and of downloads, what ~ means.

A service may have no home: that stops nothing.
"""

import os
import sys
from pathlib import Path


def user_cache() -> Path:
    """The user's folder for caches, which need not exist.

    $XDG_CACHE_HOME, by default ~/.cache; ~/Library/Caches on macOS; %LOCALAPPDATA%, by default
    ~/AppData/Local, on Windows. The home is asked for last: who has none, as a service may, can
    still name a folder. Raises RuntimeError for who does neither.
    """
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def expanded(path: str | os.PathLike) -> Path:
    """The path with ~ as the user's home; as it stands for who has none.

    >>> expanded("~/data") == Path.home() / "data"
    True
    """
    return Path(os.path.expanduser(path))  # which raises nothing, as the method of Path does
