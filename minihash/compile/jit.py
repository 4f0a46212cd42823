"""Numba, if it is there (without it everything works, slower), and its compiled code on disk.

Compiled kernels are kept in a folder that only the user can write, since code is loaded from it:
MINIHASH_CACHE, or minihash in the user's cache folder; MINIHASH_CACHE=off keeps nothing. The
folder's name holds a digest of the sources, because Numba looks only at the file of the outermost
function; folders of other sources go in time (kept.py). A cache that cannot be used is no cache:
code is compiled anew, and that is told once.

Numba compiles under one lock. A fork waits for it, since a child that began while a thread compiled
would find it taken for ever.
"""

import hashlib
import os
import stat
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from minihash.compile.body import CALLED
from minihash.compile.kept import tidy
from minihash.compile.places import user_cache

WHY_NOT = ""  # why there is no Numba; empty if there is
try:
    import numba
    from numba.core.compiler_lock import global_compiler_lock as _lock
except ImportError as error:
    numba = None
    WHY_NOT = "Numba is not installed; pip install numba"
    if getattr(error, "name", None) != "numba":  # it is there, but not for this NumPy or Python
        WHY_NOT = f"Numba cannot be imported ({error})"

HAVE_NUMBA = numba is not None


def njit(function):
    """`numba.njit` with IEEE division (no exception in the middle of a loop) and without the GIL;
    the function itself where Numba is missing or NUMBA_DISABLE_JIT is set."""
    if numba is None or numba.config.DISABLE_JIT:
        return function
    return on_disk(numba.njit(nogil=True, error_model="numpy")(function))


def njit_called(function):
    """`njit` of what compiled code alone calls: it has no way in from Python, which takes as long
    to compile as a small function itself. It is always inlined: round the call of a long body, as
    Balanced's, LLVM makes no SIMD of a loop, at twenty times the cost."""
    return on_disk(njit_within(function, forceinline=True))


def njit_within(function, **options):
    """`njit` of a long part of one compiled function, with which it is kept on disk: it has no way
    in, and is inlined where LLVM thinks fit."""
    if numba is None or numba.config.DISABLE_JIT:
        return function
    options |= {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return numba.njit(nogil=True, error_model="numpy", **options)(function)


CALLED[njit] = njit_called


def quietly(function: Callable) -> Callable:
    """Of what runs such loops: where they are not compiled, NumPy's numbers would warn."""
    if numba is None or numba.config.DISABLE_JIT:
        return np.errstate(over="ignore", invalid="ignore", divide="ignore")(function)
    return function


def on_disk(compiled: Any) -> Any:
    """The compiled function, whose code is kept on disk; a plain one as it is."""
    if not hasattr(compiled, "enable_caching"):
        return compiled
    if folder := cache_folder():
        with _lock:  # of numba.config, too
            before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, folder
            try:
                compiled.enable_caching()
                forgiving(compiled._cache)
            except OSError as error:
                tell_once(folder, error)
            except RuntimeError:  # a function that stands in no file
                pass
            finally:
                numba.config.CACHE_DIR = before
    return compiled


def at_hand(compiled: Any) -> bool:
    """Whether a function need not be compiled: it was, in this process or before, on disk."""
    file = getattr(getattr(compiled, "_cache", None), "_cache_file", None)
    return bool(getattr(compiled, "signatures", ())) or (
        file is not None and os.path.exists(file._index_path)
    )


def forgiving(kept: Any) -> None:
    """Let a cache that cannot be read or written be none: the code is compiled anew."""

    def or_nothing(call: Callable, *arguments: object) -> object:
        try:
            return call(*arguments)
        except ImportError:  # of a module that this process does not know by the name
            return None
        except Exception as error:  # whatever a file that is cut short or a full disk leads to
            tell_once(cache_folder(), error)
            with suppress(Exception):
                kept.flush()  # an index that is damaged would stay so
            return None

    kept.load_overload = partial(or_nothing, kept.load_overload)
    kept.save_overload = partial(or_nothing, kept.save_overload)


def tell_once(place: str | Path, error: Exception) -> None:
    if not _told:
        _told.append(error)
        warnings.warn(
            f"compiled code cannot be kept in {place} ({type(error).__name__}: {error}): it is "
            "compiled anew; free some space, delete the folder, or name another by MINIHASH_CACHE",
            stacklevel=2,
        )


_told: list[Exception] = []


@cache
def cache_folder() -> str:
    """Where compiled code is kept; empty if that was not wanted, or nowhere is private to the
    user, which is told."""
    chosen = os.environ.get("MINIHASH_CACHE", "")
    if chosen == "off":
        return ""
    folder = Path(chosen or "~")
    try:
        if not chosen:
            folder = user_cache() / "minihash"
        folder /= f"kernels-{_digest()}"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
        if hasattr(os, "getuid") and (
            status.st_uid != os.getuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        ):
            raise PermissionError("others could write there")
    except (OSError, RuntimeError) as error:
        tell_once(folder, error)
        return ""
    tidy(folder)
    return str(folder)


def _digest() -> str:
    root = Path(__file__).parents[1]
    text = hashlib.sha256(f"{numba.__version__} {sys.version}".encode())
    rooms = ("compile", "hashes", "core", "layers")
    for path in sorted(path for room in rooms for path in (root / room).rglob("*.py")):
        text.update(path.read_bytes())
    return text.hexdigest()[:16]


if numba is not None and hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
    )
