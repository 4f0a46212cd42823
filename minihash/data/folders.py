"""Where data sets are looked for.

    1. data_dir, if it is given: there and nowhere else
    2. else the folder that the environment variable MINIHASH_DATA names, if it is set
    3. then the cache folder, where downloads go

Each is either the folder that holds the files or its parent, with the files in a folder of the
set's own (`mnist`, `cifar10`, `larochelle2007`, `text`).
"""

import os
from collections.abc import Callable
from pathlib import Path

from minihash.compile.places import expanded, user_cache

VARIABLE = "MINIHASH_DATA"


def cache_folder() -> Path:
    """Return the user's cache folder of downloads; it need not exist.

    $XDG_CACHE_HOME/minihash, by default ~/.cache/minihash; ~/Library/Caches/minihash on macOS;
    %LOCALAPPDATA%\\minihash on Windows. Raises FileNotFoundError for a user who has no home and
    names no such folder.
    """
    try:
        return user_cache() / "minihash"
    except RuntimeError:
        raise FileNotFoundError(
            "this user has no home, and so no cache: name a folder with data_dir (--data-dir) or"
            f" {VARIABLE}"
        ) from None


def places(folder: str, data_dir: str | Path | None = None) -> list[Path]:
    """List the folders that a set kept under the name `folder` may be in, in order.

    Raises FileNotFoundError if data_dir is given and is not a folder.
    """
    if data_dir is not None:
        roots = [expanded(data_dir)]
        if not roots[0].is_dir():
            raise FileNotFoundError(f"the data folder {roots[0]} is not a folder: name one that is")
    else:
        named = os.environ.get(VARIABLE)
        roots = [expanded(named)] if named else []
        try:
            roots.append(cache_folder())
        except FileNotFoundError:
            if not named:
                raise
    return [place for root in roots for place in (root, root / folder)]


def find(
    name: str,
    folder: str,
    locate: Callable[[Path], Path | None],
    sought: str,
    data_dir: str | Path | None = None,
) -> Path:
    """Return what locate finds in the first place that has the set `name`.

    sought: the files, for people. Raises FileNotFoundError, naming them and the places, if none has
    any.
    """
    looked = places(folder, data_dir)
    for place in looked:
        found = locate(place)
        if found is not None:
            return found
    raise FileNotFoundError(
        f"data set {name} was not found: {sought} is in none of"
        f" {', '.join(map(str, looked))}; name its folder with"
        f" data_dir (--data-dir) or {VARIABLE}, or fetch it once with download=True (--download)"
    )


def download_folder(folder: str, data_dir: str | Path | None = None) -> Path:
    """Return the folder to download into: of data_dir if it is given, else of the cache."""
    if data_dir is None:
        return cache_folder() / folder
    root = expanded(data_dir)
    return root if root.name == folder else root / folder
