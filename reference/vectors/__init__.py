"""Known-answer vectors: what the loops of `reference/` say, as JSON for any language.

`python -m reference.vectors` writes the files beside this one; a test holds them to the loops. A
file is one object: "section", its section of reference/README.md; "layout", what the keys of its
groups mean; and "groups", each with "catches", the bug it is there for. Integers from 2^53 on,
which many JSON readers would round, are decimal strings, and an infinite alpha is "inf"; `load`
turns both back.
"""

import json
import math
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
EXACT = 2**53  # the first integer whose successor a float64 cannot hold
INTEGERS = ("identifiers", "weights")  # the keys whose values may reach it


def documents() -> dict[str, dict[str, Any]]:
    """What every file says, by its name without ".json".

    >>> "xxh32" in documents()
    True
    """
    from reference.vectors import (
        block_groups,
        domain_groups,
        hash_groups,
        stream_groups,
        window_groups,
    )

    modules = (stream_groups, hash_groups, domain_groups, block_groups, window_groups)
    return {name: file for module in modules for name, file in module.documents().items()}


def plain(value: Any) -> Any:
    """The value with integers from 2^53 on, and infinity, as strings.

    >>> plain([2**53 - 1, 2**53, math.inf])
    [9007199254740991, '9007199254740992', 'inf']
    """
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if (isinstance(value, int) and abs(value) >= EXACT) or value == math.inf:
        return str(value)
    return value


def render(document: dict[str, Any]) -> str:
    """The text of a file: one line a key of a group.

    >>> print(render({"section": "1", "layout": {}, "groups": [{"words": [1, 2]}]}), end="")
    {
      "section": "1",
      "layout": {},
      "groups": [
        {
          "words": [1, 2]
        }
      ]
    }
    """
    lines = ["{"]
    for key in ("section", "layout"):
        lines.append(f"  {json.dumps(key)}: {json.dumps(document[key])},")
    lines.append('  "groups": [')
    groups = []
    for group in plain(document["groups"]):
        entries = [f"      {json.dumps(key)}: {json.dumps(group[key])}" for key in group]
        groups.append("    {\n" + ",\n".join(entries) + "\n    }")
    lines += [",\n".join(groups), "  ]", "}", ""]
    return "\n".join(lines)


def write(folder: Path = FOLDER) -> list[Path]:
    """Write every file into `folder`; returns their paths.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     "xxh32.json" in [path.name for path in write(Path(folder))]
    True
    """
    paths = []
    for name, document in documents().items():
        path = Path(folder) / f"{name}.json"
        path.write_text(render(document), encoding="ascii", newline="\n")
        paths.append(path)
    return paths


def load(name: str) -> dict[str, Any]:
    """The file `name`.json with Python's integers and infinity for the strings that stand for them.

    >>> load("uniform")["groups"][0]["hash"]["name"]
    'Uniform'
    """

    def restore(found: dict[str, Any]) -> dict[str, Any]:
        for key in INTEGERS:
            if isinstance(found.get(key), list):
                found[key] = [int(entry) for entry in found[key]]
        if found.get("alpha") == "inf":
            found["alpha"] = math.inf
        return found

    return json.loads((FOLDER / f"{name}.json").read_text("ascii"), object_hook=restore)
