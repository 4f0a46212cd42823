"""Processes that run beside the tests: begun before the first test, awaited by the last ones.

Most tests keep one core busy. What takes minutes in processes of its own, the mutants and the GPU's
simulator, runs on the other one meanwhile, at low priority.
"""

import os
import subprocess
import sys
from pathlib import Path

CASES = [f"tests/support/cuda_cases{part}.py" for part in ("", "_operations", "_layers")]
PYTEST = "import os, sys, pytest; os.nice(10); sys.exit(pytest.main(sys.argv[1:]))"


class Beside:
    """A process, and the file that holds its output."""

    def __init__(self, command: list, log: Path, **how) -> None:
        self.log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, *command],
                stdout=file,
                stderr=file,
                start_new_session=True,
                **how,
            )

    def wait(self) -> str:
        """Its output, when it has ended as it should."""
        code, output = self.process.wait(), self.log.read_text("utf-8", "replace")
        assert code == 0, f"it ended with {code}:\n{output}"
        return output

    def stop(self) -> None:
        """It ends, with its children, if it has not."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, 9)
            self.process.wait()


def simulated(base: Path) -> Beside:
    """The cases of the GPU backend, in Numba's simulator."""
    command = ["-c", PYTEST, *CASES, "--tb=short", "-p", "no:cacheprovider"]
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1"}
    return Beside(command, base / "simulated", cwd=root, env=environment)
