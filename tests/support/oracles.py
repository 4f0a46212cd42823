"""Oracles that are not installed: whatever imports one is left out, and all else is run."""

import sys
from collections.abc import Iterable
from importlib.abc import MetaPathFinder
from importlib.util import find_spec

import pytest

ORACLES = ("torch", "scipy", "xxhash", "safetensors", "sklearn", "kmeans1d", "onnx", "onnxruntime")
MISSING = [name for name in ORACLES if find_spec(name) is None]


class Finder(MetaPathFinder):
    """Skips the module, or the test, that imports what is missing."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] in MISSING:
            pytest.skip(f"needs {name}, which is not installed", allow_module_level=True)


def leave_out() -> None:
    """From now on. It is the first to be asked, once all else has been imported."""
    if MISSING and not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder())


def summary(skipped: Iterable[str]) -> str:
    """One line of the files, of which a skipped test or all tests need an oracle; empty if none.

    >>> summary([])
    ''
    """
    files = {where.partition("::")[0] for where in skipped}
    if not files:
        return ""
    return (
        f"left out: tests of {len(files)} files, which need {', '.join(MISSING)}: "
        "pip install '.[test]' brings them"
    )
