"""The suite notices bugs: each mutant of `mutants.py` turns its test red.

Mutants run in copies of the package, in children of one process that has imported what is slow to
import and none of ours (copies.py, runner.py). Red means that pytest ran the test and it failed
(exit status 1); a test that cannot be collected, or a crash, is no proof.
"""

from collections import Counter

import pytest

from tests.mutants.copies import ROOT, sound, source
from tests.mutants.mutants import MUTANTS


@pytest.fixture(scope="module")
def verdicts(mutants) -> dict[str, dict]:
    """What pytest said of each mutant, and of the tests on a copy without a bug."""
    return mutants.verdicts()


def name(mutant) -> str:
    return f"{mutant.file}: {mutant.bug}"


@pytest.mark.parametrize("mutant", MUTANTS, ids=name)
def test_a_mutant_is_of_this_code(mutant):
    assert source(mutant).count(mutant.old) == 1, (
        f"{mutant.file} has changed: update the list of mutants"
    )
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
def test_without_a_bug_the_tests_pass(mutants, verdicts, jit):
    for job in sound(jit, mutants.numbers):
        assert verdicts[job]["code"] == 0, verdicts[job]["output"]


@pytest.mark.parametrize("k", range(len(MUTANTS)), ids=lambda k: name(MUTANTS[k]))
def test_a_mutant_turns_its_test_red(verdicts, k):
    verdict = verdicts.get(str(k))
    assert verdict, "not applied: update the list of mutants"
    assert verdict["code"] == 1, f"pytest ended with {verdict['code']}:\n{verdict['output']}"
    assert " failed" in verdict["output"] and "error" not in verdict["output"].splitlines()[-1]
