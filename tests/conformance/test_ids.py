"""An id stays what it is: what it asks is asked for ever, and new cases come after it.

`ids.txt` has a line for each: its id, and the SHA-256 of what is asked. `python -m
tests.conformance.test_ids` appends those of cases that have come.
"""

import json
from hashlib import sha256
from pathlib import Path

from minihash.conformance import cases

KNOWN = Path(__file__).with_name("ids.txt")


def now() -> dict[str, str]:
    """The first 12 digits of the digest of what each case asks, by id."""
    asked = ((case.id, json.dumps(case.asked, sort_keys=True)) for case in cases())
    return {name: sha256(text.encode()).hexdigest()[:12] for name, text in asked}


def known() -> dict[str, str]:
    return dict(line.split() for line in KNOWN.read_text("ascii").splitlines())


def test_no_case_that_is_known_asks_something_else_and_all_are_known():
    found, before = now(), known()
    changed = {name for name in before if found.get(name) != before[name]}
    assert not changed, "cases are only ever added, at the end of their file"
    assert found.keys() == before.keys(), "run python -m tests.conformance.test_ids"


if __name__ == "__main__":
    lines = [f"{name} {digest}\n" for name, digest in now().items() if name not in known()]
    with KNOWN.open("a", encoding="ascii") as file:
        file.writelines(lines)
    print(f"{len(lines)} more")
