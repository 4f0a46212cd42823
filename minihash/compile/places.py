"""Where the caches of this user go: compiled code, downloaded data."""

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
