"""The known-answer cases: what is asked, the right answer, and the bug that a wrong one shows.

    level 0   XXH32 and its streams              3   layers and losses, forward and backward
          1   hashes                             4   optimisers, schedules, penalties, steps
          2   gather, scatter_add, products      5   files

Their format is in reference/README.md, "How to check your own implementation".
"""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LEVELS = range(6)
WHERE = (Path(__file__).parent / "vectors", Path(__file__).parents[2] / "reference" / "vectors")
SAID = ("id", "op", "catches", "within", "error", "answers")
# Digests of longer lists, which stand in the files for those who make tables of their own.
DIGEST = "_xxh32"


@dataclass(frozen=True)
class Case:
    """A question and its answer. asked: the request, with id and op. answer: what must be among the
    answers. bound: how far entries may be off, under the same keys; nothing: not at all. error: the
    kind of what must be refused, in place of an answer. catches: the bug that the case is for."""

    level: int
    id: str
    op: str
    catches: str
    section: str
    asked: dict[str, Any]
    answer: dict[str, Any]
    bound: dict[str, Any] = field(default_factory=dict)
    error: str | None = None

    @property
    def needs(self) -> set[str]:
        """What a program must be able to do: "op:Type" for each type that is named, or the op.

        >>> next(case for case in cases((1,)) if case.id == "modulus/1").needs
        {'hash:Modulus'}
        """
        names = set(types(self.asked)) - {"VirtualWeight", "Sequential"}
        return {f"{self.op}:{name}" for name in names} or {self.op}


def types(value: Any) -> Iterator[str]:
    """The types that a JSON value names.

    >>> sorted(types({"hash": {"type": "Compose", "inner": {"type": "Uniform"}}}))
    ['Compose', 'Uniform']
    """
    if isinstance(value, dict):
        if isinstance(value.get("type"), str):
            yield value["type"]
        for entry in value.values():
            yield from types(entry)
    elif isinstance(value, list) and value and isinstance(value[0], dict | list):
        for entry in value:
            yield from types(entry)


def cases(levels: Collection[int] = LEVELS) -> Iterator[Case]:
    """All cases of these levels, by level, then by file.

    Raises FileNotFoundError if the package was installed without them.

    >>> case = next(cases((0,)))
    >>> case.op, len(case.asked["names"]), case.catches[:7]
    ('stream', 8, 'streams')
    """
    folder = next((path for path in WHERE if path.is_dir()), None)
    if folder is None:
        raise FileNotFoundError(f"the cases are missing in {WHERE[0]}: install minihash again")
    files = [json.loads(path.read_text("ascii")) for path in sorted(folder.glob("*.json"))]
    for file in sorted(files, key=lambda file: file["level"]):
        if file["level"] in levels:
            for group in file["groups"]:
                yield _case(file, group)


def _case(file: dict[str, Any], group: dict[str, Any]) -> Case:
    beside = {*SAID, *group["answers"], *file.get("also", ())}
    inputs = {k: v for k, v in group.items() if k not in beside and not k.endswith(DIGEST)}
    return Case(
        level=file["level"],
        section=file["section"],
        asked=inputs | {name: group[name] for name in ("id", "op")},
        answer={key: group[key] for key in group["answers"]},
        bound=group.get("within", {}),
        error=group.get("error"),
        **{name: group[name] for name in ("id", "op", "catches")},
    )
