"""Copies of the package, one for each mutant, and the process that runs their tests.

Compiled modules are copied with their sources: only the mutated one is compiled anew.
"""

import compileall
import json
import os
import shutil
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from tests.mutants.mutant import Mutant
from tests.mutants.mutants import MUTANTS
from tests.support.beside import Beside

ROOT = Path(__file__).resolve().parents[2]
RUNNER = Path(__file__).with_name("runner.py")
SECONDS = 240  # for one mutant; one takes a few, but machines are shared


def selected(test: str) -> tuple[str, str]:
    """The file and pytest's -k of a mutant's test."""
    target, _, expression = test.partition(" -k ")
    file, _, name = target.partition("::")
    return file, name or expression


def source(mutant: Mutant) -> str:
    """The text of its file; empty, if there is none."""
    path = ROOT / "minihash" / mutant.file
    return path.read_text("utf-8") if path.is_file() else ""


def sound(jit: bool, numbers: Iterable[int]) -> dict[str, dict]:
    """Jobs, one a file: the tests of these mutants on the package as it is."""
    files = defaultdict(set)
    for k in numbers:
        if MUTANTS[k].jit == jit:
            file, expression = selected(MUTANTS[k].test)
            files[file].add(expression)
    return {
        f"sound, jit {jit}, {file}": {
            "package": "sound",
            "target": file,
            "expression": "" if "" in found else " or ".join(f"({e})" for e in sorted(found)),
            "jit": jit,
            "seconds": 5 * SECONDS,
        }
        for file, found in sorted(files.items())
    }


def mutated(k: int, base: Path) -> dict[str, dict]:
    """The job of mutant k, in a copy of the package; none, if there is nothing to change."""
    mutant, package = MUTANTS[k], f"mutant{k}"
    text = source(mutant)
    if text.count(mutant.old) != 1:
        return {}
    shutil.copytree(base / "sound", base / package, copy_function=os.link)
    path = base / package / "minihash" / mutant.file
    path.unlink()  # a name of the sound one
    path.write_text(text.replace(mutant.old, mutant.new), "utf-8")
    for compiled in path.parent.glob(f"__pycache__/{path.stem}.*"):
        compiled.unlink()
    target, expression = selected(mutant.test)
    return {
        str(k): {
            "package": package,
            "target": target,
            "expression": expression,
            "jit": mutant.jit,
            "seconds": SECONDS,
        }
    }


class Run(Beside):
    """The process that tests the mutants of these numbers, and its verdicts when it has ended."""

    def __init__(self, base: Path, numbers: list[int]) -> None:
        self.numbers = numbers
        shared = base / "shared"  # all but the package, so that only a copy of it is found
        for name in ("tests", "reference"):
            shutil.copytree(ROOT / name, shared / name)
        for name in ("pyproject.toml", "README.md"):
            shutil.copy(ROOT / name, shared)
        shutil.copytree(ROOT / "minihash", base / "sound" / "minihash")
        compileall.compile_dir(base / "sound", quiet=1)
        jobs = {}
        for jit in (True, False):  # compilation takes longest: it comes first
            jobs |= sound(jit, numbers)
            for k in numbers:
                if MUTANTS[k].jit == jit:
                    jobs |= mutated(k, base)
        (base / "jobs.json").write_text(json.dumps(jobs), "utf-8")
        environment = {
            **os.environ,
            "MINIHASH_CACHE": "off",
            "NUMBA_BOUNDSCHECK": "1",  # a mutant that leaves the table fails, and does not crash
            "HYPOTHESIS_PROFILE": "mutants",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self.out = base / "out.json"
        command = [RUNNER, base / "jobs.json", self.out]
        super().__init__(command, base / "log", cwd=shared, env=environment)

    def verdicts(self) -> dict[str, dict]:
        """What pytest said of each job: see runner.py."""
        self.wait()
        return json.loads(self.out.read_text("utf-8"))
