"""Cases asked, and what came back."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from minihash.conformance.cases import Case
from minihash.conformance.compare import difference

Answers = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Report:
    """What came of a case. wrong: what was wrong, None if nothing. asked: whether it was asked at
    all, which it is not of who does not claim it."""

    case: Case
    wrong: str | None = None
    asked: bool = True


def ask(
    asked: Iterable[Case], answers: Answers, claims: Callable[[Case], bool] = lambda case: True
) -> Iterator[Report]:
    """Ask each case that is claimed, and hold the answer to the right one.

    >>> from minihash.conformance.cases import cases
    >>> from minihash.conformance.engine import answer
    >>> all(report.wrong is None for report in ask(cases((0,)), answer))
    True
    """
    for case in asked:
        if not claims(case):
            yield Report(case, asked=False)
            continue
        found = answers(case.asked)
        if found.get("unsupported"):
            yield Report(case, asked=False)
        elif case.error is not None:
            taken = "error" not in found
            yield Report(case, f"was taken, expected an error ({case.error})" if taken else None)
        elif "error" in found:
            yield Report(case, f"was refused: {found['error']}")
        else:
            yield Report(case, difference(found, case.answer, case.bound))
