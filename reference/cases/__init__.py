"""Known-answer vectors: what the loops of `reference/` say, as JSON for any language.

`python -m reference.cases` writes the files of reference/vectors; a test holds them to the loops. A
file is one object: "version"; "level", from 0 (XXH32) to 5 (files); "section", its section of
reference/README.md; "layout", what the keys of its groups mean; and "groups". A group is a case:
"id", its file and number; "op", what is asked; "catches", the bug it is there for; "answers", the
keys that hold the right answer; all other keys are inputs. Where "within" has a key, an entry of
the answer may be off by that much, as rounding allows; all other answers are equal. In place of
answers, "error" names what has to be refused. A key of "also" is neither: it helps who looks for a
fault.

Groups are only ever added at the end, so that an id stays what it is. Integers from 2^53 on, which
many JSON readers would round, are decimal strings, and an infinity is {"float": "inf"}; `load`
turns both back.
"""

import json
import math
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "vectors"
VERSION = 1
EXACT = 2**53  # the first integer whose successor a float64 cannot hold
INTEGERS = ("identifiers", "weights")  # the keys whose values may reach it


def documents() -> dict[str, dict[str, Any]]:
    """What every file says, by its name without ".json".

    >>> "xxh32" in documents()
    True
    """
    from reference.cases import (
        block_groups,
        core_groups,
        domain_groups,
        file_groups,
        hash_groups,
        layer_groups,
        recurrent_groups,
        stream_groups,
        training_groups,
        window_groups,
    )

    found: dict[str, dict[str, Any]] = {}
    for part in (stream_groups, hash_groups, domain_groups, block_groups, window_groups):
        found |= part.documents()
    for part in (core_groups, layer_groups, recurrent_groups, training_groups, file_groups):
        found |= part.documents()
    return {name: numbered(name, document) for name, document in found.items()}


def numbered(name: str, document: dict[str, Any]) -> dict[str, Any]:
    """The document with its version; each of its groups with an id, an op and its answers.

    >>> document = {"level": 0, "op": "hash", "answers": ["signs"], "groups": [{"signs": [1]}]}
    >>> numbered("mine", document)["groups"]
    [{'id': 'mine/1', 'op': 'hash', 'signs': [1], 'answers': ['signs']}]
    """
    of_all = {"op": document["op"]} if "op" in document else {}
    groups = []
    for k, group in enumerate(document["groups"], 1):
        answers = [] if "error" in group else [a for a in document["answers"] if a in group]
        groups.append({"id": f"{name}/{k}"} | of_all | group)
        groups[-1].setdefault("answers", answers)
    left = ("op", "answers", "groups")
    rest = {key: value for key, value in document.items() if key not in left}
    return {"version": VERSION} | rest | {"groups": groups}


def plain(value: Any) -> Any:
    """The value with integers from 2^53 on as strings, and infinity as files have it.

    >>> plain([2**53 - 1, 2**53, math.inf])
    [9007199254740991, '9007199254740992', {'float': 'inf'}]
    """
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, int) and abs(value) >= EXACT:
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    return value


def render(document: dict[str, Any]) -> str:
    """The text of a file: one line a key of a group.

    >>> print(render({"section": "1", "groups": [{"words": [1, 2]}]}), end="")
    {
      "section": "1",
      "groups": [
        {
          "words": [1, 2]
        }
      ]
    }
    """
    lines = ["{"]
    for key in [key for key in document if key != "groups"]:
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
    """The file `name`.json with Python's integers and infinities for what stands for them.

    >>> load("uniform")["groups"][0]["hash"]["type"]
    'Uniform'
    """

    def restore(found: dict[str, Any]) -> Any:
        for key in INTEGERS:
            if isinstance(found.get(key), list):
                found[key] = [int(entry) for entry in found[key]]
        return float(found["float"]) if set(found) == {"float"} else found

    return json.loads((FOLDER / f"{name}.json").read_text("ascii"), object_hook=restore)
