"""The suite notices bugs: each mutant of `mutants.py` turns its test red.

Mutants run in copies of the package, in children of one process that has imported what is slow to
import and none of ours. Red means that pytest ran the test and it failed (exit status 1); a test
that cannot be collected, or a crash, is no proof.
"""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.mutants.mutants import MUTANTS

ROOT = Path(__file__).resolve().parents[2]
RUNNER = Path(__file__).with_name("runner.py")
SECONDS = 240  # for one mutant; one takes a few, but machines are shared


def copy_package(folder: Path) -> Path:
    shutil.copytree(ROOT / "minihash", folder / "minihash", ignore=ignored)
    return folder


def ignored(folder: str, names: list[str]) -> set[str]:
    return {name for name in names if name in ("__pycache__", "digits")}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory) -> dict[str, dict]:
    """What pytest said of each mutant, and of the tests on a copy without a bug."""
    base = tmp_path_factory.mktemp("mutants")
    shared = base / "shared"  # all but the package itself, so that only a copy of it is found
    for name in ("tests", "reference"):
        shutil.copytree(ROOT / name, shared / name, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", shared)
    package = str(copy_package(base / "sound"))
    jobs = {
        f"sound, jit {jit}": {
            "package": package,
            "tests": sorted({mutant.test for mutant in MUTANTS if mutant.jit == jit}),
            "jit": jit,
            "seconds": 5 * SECONDS,
        }
        for jit in (True, False)
    }
    for k, mutant in enumerate(MUTANTS):
        package = copy_package(base / f"mutant{k}")
        path = package / "minihash" / mutant.file
        text = path.read_text("utf-8")
        if text.count(mutant.old) == 1:  # else: a test below says so
            path.write_text(text.replace(mutant.old, mutant.new), "utf-8")
            jobs[str(k)] = {
                "package": str(package),
                "tests": [mutant.test],
                "jit": mutant.jit,
                "seconds": SECONDS,
            }
    (base / "jobs.json").write_text(json.dumps(jobs), "utf-8")
    environment = {
        **os.environ,
        "MINIHASH_CACHE": "off",
        "NUMBA_BOUNDSCHECK": "1",  # a mutant that leaves the table fails, and does not crash
        "PYTHONDONTWRITEBYTECODE": "1",
        "HYPOTHESIS_PROFILE": "mutants",
    }
    run = subprocess.run(
        [sys.executable, RUNNER, base / "jobs.json", base / "out.json"],
        cwd=shared,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return json.loads((base / "out.json").read_text("utf-8"))


def name(mutant) -> str:
    return f"{mutant.file}: {mutant.bug}"


@pytest.mark.parametrize("mutant", MUTANTS, ids=name)
def test_a_mutant_is_of_this_code(mutant):
    text = (ROOT / "minihash" / mutant.file).read_text("utf-8")
    assert text.count(mutant.old) == 1, f"{mutant.file} has changed: update the list of mutants"
    assert mutant.new != mutant.old


def test_every_kernel_and_hash_has_a_mutant():
    mutated = Counter(mutant.file for mutant in MUTANTS)
    engine = ROOT / "minihash"
    no_logic = {"__init__.py", "jit.py", "body.py"}
    for folder in ("hashes", "core"):
        for path in (engine / folder).rglob("*.py"):
            if path.name not in no_logic and "cuda" not in path.parts:
                file = path.relative_to(engine).as_posix()
                assert mutated[file], f"{file} has no mutant: add one to tests/mutants"


@pytest.mark.parametrize("jit", [True, False])
def test_without_a_bug_the_tests_pass(verdicts, jit):
    verdict = verdicts[f"sound, jit {jit}"]
    assert verdict["code"] == 0, verdict["output"]


@pytest.mark.parametrize("k", range(len(MUTANTS)), ids=lambda k: name(MUTANTS[k]))
def test_a_mutant_turns_its_test_red(verdicts, k):
    verdict = verdicts.get(str(k))
    assert verdict, "not applied: update the list of mutants"
    assert verdict["code"] == 1, f"pytest ended with {verdict['code']}:\n{verdict['output']}"
    assert " failed" in verdict["output"] and "error" not in verdict["output"].splitlines()[-1]
