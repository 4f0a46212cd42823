"""The suite notices bugs: each mutant of `mutants.py` turns its test red.

Mutants run in copies of the package, in children of one process that has imported what is slow to
import and none of ours (copies.py, runner.py). Red means that pytest ran the test and it failed
(exit status 1); a test that cannot be collected, or a crash, is no proof.
"""

import pytest

from tests.mutants.copies import ROOT, sound, source
from tests.mutants.mutants import MUTANTS
from tests.support.oracles import MISSING

ROOMS = ["hashes", "core", "sources", "layers", "training"]


@pytest.fixture(scope="module")
def verdicts(mutants) -> dict[str, dict]:
    """What pytest said of each mutant, and of the tests on a copy without a bug."""
    return mutants.verdicts()


def left_out(verdict: dict) -> bool:
    """Whether no test was run, since an oracle is missing."""
    return bool(MISSING) and verdict["code"] == 5


def name(mutant) -> str:
    return f"{mutant.file}: {mutant.bug}"


@pytest.mark.parametrize("mutant", MUTANTS, ids=name)
def test_a_mutant_is_of_this_code(mutant):
    assert source(mutant).count(mutant.old) == 1, (
        f"{mutant.file} has changed: update the list of mutants"
    )
    assert mutant.new != mutant.old


def test_every_file_with_an_equation_or_a_kernel_has_a_mutant():
    """The CUDA kernels run in a simulator or on a GPU alone, too slowly to be tried again; layer.py
    says what a layer is."""
    rooms = [path for room in ROOMS for path in (ROOT / "minihash" / room).rglob("*.py")]
    files = {path.relative_to(ROOT / "minihash").as_posix() for path in rooms}
    exempt = {file for file in files if "cuda" in file or file.endswith("__init__.py")}
    missing = files - exempt - {"layers/layer.py"} - {mutant.file for mutant in MUTANTS}
    assert not missing, f"add mutants to tests/mutants for {sorted(missing)}"


@pytest.mark.parametrize("jit", [True, False])
def test_without_a_bug_the_tests_pass(mutants, verdicts, jit):
    for job in sound(jit, mutants.numbers):
        assert verdicts[job]["code"] == 0 or left_out(verdicts[job]), verdicts[job]["output"]


@pytest.mark.parametrize("k", range(len(MUTANTS)), ids=lambda k: name(MUTANTS[k]))
def test_a_mutant_turns_its_test_red(verdicts, k):
    verdict = verdicts.get(str(k))
    assert verdict, "not applied: update the list of mutants"
    if left_out(verdict):
        pytest.skip(f"its test needs {', '.join(MISSING)}, which is not installed")
    assert verdict["code"] == 1, f"pytest ended with {verdict['code']}:\n{verdict['output']}"
    assert " failed" in verdict["output"] and "error" not in verdict["output"].splitlines()[-1]
