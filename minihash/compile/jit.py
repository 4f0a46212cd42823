"""Numba, if it is there (without it everything works, slower), and its compiled code on disk.

Compiled kernels are kept in a folder that only the user can write, since code is loaded from it:
MINIHASH_CACHE, or minihash in the user's cache folder; MINIHASH_CACHE=off keeps nothing. The
folder's name holds a digest of the sources, because Numba looks only at the file of the outermost
function; folders of other sources go in time (kept.py).
"""

import hashlib
import os
import stat
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

from minihash.compile.kept import tidy

try:
    import numba
except ImportError:
    numba = None

HAVE_NUMBA = numba is not None
_lock = threading.Lock()  # of numba.config.CACHE_DIR


def njit(function):
    """`numba.njit` with IEEE division (no exception in the middle of a loop) and without the GIL;
    the function itself where Numba is missing or NUMBA_DISABLE_JIT is set."""
    if numba is None or numba.config.DISABLE_JIT:
        return function
    compiled = numba.njit(nogil=True, error_model="numpy")(function)
    if folder := cache_folder():
        with _lock:
            before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, folder
            try:
                compiled.enable_caching()
                forgiving(compiled._cache)
            except (OSError, RuntimeError):  # no place to keep it: compiled anew in each process
                pass
            finally:
                numba.config.CACHE_DIR = before
    return compiled


def forgiving(kept: Any) -> None:
    """Let a cache that cannot be read or written be none: the code is compiled anew."""

    def or_nothing(call: Callable, *arguments: object) -> object:
        try:
            return call(*arguments)
        except ImportError:  # of a module that this process does not know by the name
            return None
        except Exception as error:  # whatever a file that is cut short or a full disk leads to
            tell_once(f"{type(error).__name__}: {error}")
            with suppress(Exception):
                kept.flush()  # an index that is damaged would stay so
            return None

    kept.load_overload = partial(or_nothing, kept.load_overload)
    kept.save_overload = partial(or_nothing, kept.save_overload)


@cache
def tell_once(reason: str) -> None:
    warnings.warn(
        f"compiled code cannot be kept in {cache_folder()} ({reason}): it is compiled anew; free "
        "some space, or delete the folder",
        stacklevel=2,
    )


@cache
def cache_folder() -> str:
    """Where compiled code is kept; empty if nowhere is private to the user."""
    chosen = os.environ.get("MINIHASH_CACHE", "")
    if chosen == "off":
        return ""
    try:
        base = Path(chosen) if chosen else _user_cache() / "minihash"
        folder = base / f"kernels-{_digest()}"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except (OSError, RuntimeError):
        return ""
    if hasattr(os, "getuid") and (
        status.st_uid != os.getuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    ):
        return ""
    tidy(folder)
    return str(folder)


def _user_cache() -> Path:
    """Raises RuntimeError for a user without a home, unless the environment names a folder."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _digest() -> str:
    root = Path(__file__).parents[1]
    text = hashlib.sha256(f"{numba.__version__} {sys.version}".encode())
    rooms = ("compile", "hashes", "core", "layers")
    for path in sorted(path for room in rooms for path in (root / room).rglob("*.py")):
        text.update(path.read_bytes())
    return text.hexdigest()[:16]
