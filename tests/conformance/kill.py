"""Which case kills each wrong implementation; `python -m tests.conformance.kill` prints a table."""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from minihash import core
from minihash.conformance import Report, ask, cases, engine, program
from tests.conformance.wrong import SAID, WRITTEN

CONSUMER = Path(__file__).resolve().parents[2] / "reference" / "consumers" / "consumer.js"
ALL = list(cases())


def written(bug: str) -> Report | None:
    """The first case that tells this wrong program from a right one."""
    old, new = WRITTEN[bug]
    text = CONSUMER.read_text("utf-8")
    assert old in text, f"{bug}: {old} is not in {CONSUMER}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "wrong.js")
        path.write_text(text.replace(old, new, 1), "utf-8")
        with program.running(["node", str(path)]) as wrong:
            return first(ask(ALL, wrong.answer, wrong.claims_case))


def said(bug: str) -> Report | None:
    """The first case that tells these wrong answers from right ones."""
    op, change = SAID[bug]
    asked = [case for case in ALL if case.op == op]
    with core.use("numpy"):
        return first(ask(asked, lambda request: change(engine.answer(request), request)))


def first(reports: Iterator[Report]) -> Report | None:
    """The first that is wrong."""
    return next((report for report in reports if report.wrong), None)


def main() -> int:
    """Print a row a bug; the exit status is the number of survivors."""
    rows = [(bug, written(bug)) for bug in WRITTEN] + [(bug, said(bug)) for bug in SAID]
    for bug, report in rows:
        killer = f"{report.case.id} | {report.wrong}" if report else "SURVIVES"
        print(f"| {bug} | {killer} |".replace("\n", " "))
    survivors = sum(report is None for _, report in rows)
    print(f"{len(rows)} wrong implementations, {survivors} survive")
    return survivors


if __name__ == "__main__":
    subprocess.run(["node", "--version"], check=True)
    raise SystemExit(main())
