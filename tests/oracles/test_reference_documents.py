"""The oracles' vectors, README, imports and examples."""

import ast
import doctest
import importlib
import json
import re
from pathlib import Path

import pytest

from minihash.conformance import difference
from reference import cases, dirichlet, hashes, streams
from reference.cases import hash_groups

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "reference").rglob("*.py"))
MODULES = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in FILES]
README = (ROOT / "reference" / "README.md").read_text("utf-8")


def test_committed_vectors_are_what_the_loops_write():
    """To the byte, but for answers that have a bound: exp and sums of BLAS differ by machine."""
    documents = cases.documents()
    committed = sorted(path.stem for path in cases.FOLDER.glob("*.json"))
    assert committed == sorted(documents)
    for name, document in documents.items():
        text = (cases.FOLDER / f"{name}.json").read_bytes().decode("ascii")
        old, new = json.loads(text), json.loads(cases.render(document))
        for was, now in zip(old["groups"], new["groups"], strict=True):
            for key, bound in was.pop("within", {}).items():
                assert difference(now.pop(key), was.pop(key), bound, f"{was['id']}.{key}") is None
                assert near(now["within"][key], bound)
            now.pop("within", None)
        assert old == new, f"run python -m reference.cases ({name})"
        assert text == cases.render(json.loads(text)), name


def near(found, bound):
    """Whether bounds are the same but for a digit."""
    if isinstance(bound, dict):
        return all(near(found[key], bound[key]) for key in bound)
    if isinstance(bound, list):
        return all(map(near, found, bound))
    return abs(found - bound) <= 0.3 * abs(bound)


def test_vectors_hold_coins_at_and_just_below_their_thresholds():
    threshold, alias = dirichlet.tables(8, 1.0, 30)
    coin, bucket = streams.stream(30, "coin"), streams.stream(30, "bucket")
    below = []
    for i in hash_groups.COINS_AT_THRESHOLD:
        column = streams.scale(streams.h(bucket, i), 8)
        below.append(threshold[column] - streams.h(coin, i))
        assert hashes.dirichlet(i, 8, 1.0, 30)[0] == (column if below[-1] else alias[column])
        assert alias[column] != column
    assert below == [0, 1, 0, 1, 0, 1]


def test_vectors_lose_no_integer_and_name_their_section_and_bug():
    def check(value):
        if isinstance(value, dict | list):
            for entry in value.values() if isinstance(value, dict) else value:
                check(entry)
        elif isinstance(value, int):
            assert abs(value) < 2**53

    sections = re.findall(r"^## (.+)$", README, re.MULTILINE)
    for name, document in cases.documents().items():
        check(json.loads(cases.render(document)))
        loaded = cases.load(name)
        assert loaded["section"] in sections
        assert all(group["catches"] for group in loaded["groups"])
        if name != "files":  # which hold infinities as files have them
            pairs = zip(loaded["groups"], document["groups"], strict=True)
            exact = [(a, json.loads(json.dumps(b))) for a, b in pairs if "within" not in a]
            assert all(a == b for a, b in exact)


def test_sections_name_their_loop_and_test_and_all_names_exist():
    functions = {}
    for path in FILES:
        body = ast.parse(path.read_text("utf-8")).body
        names = {node.name for node in body if isinstance(node, ast.FunctionDef)}
        functions[path.relative_to(ROOT).as_posix()] = names
    named = re.findall(r"`(reference/[\w/]+\.py):(\w+)`", README)
    for file, function in named:
        assert function in functions[file], f"{file}:{function}"
    for file in re.findall(r"`((?:reference|tests)/[\w/.]+)`", README):
        assert (ROOT / file).exists(), file
    for section in re.split(r"^## ", README, flags=re.MULTILINE)[1:]:
        if re.match(r"\d", section):
            assert re.search(r"`reference/[\w/]+\.py:\w+`", section), section.splitlines()[0]
            assert re.search(r"`tests/\w+/test_\w+\.py`", section), section.splitlines()[0]


def test_the_index_links_equations_to_section_loop_engine_and_test():
    index = README.partition("## Index of equations")[2]
    titles = re.findall(r"^## (.+)$", README, re.MULTILINE)
    anchors = {"#" + re.sub(r"[^a-z0-9 -]", "", t.lower()).replace(" ", "-"): t for t in titles}
    rows = re.findall(r"^\| (?:ArbNets|HashedNets).+$", index, re.MULTILINE)
    assert {f"| ArbNets {k} " in index for k in (1, 2, 4, 6, 7, 8, 9, 10)} == {True}
    for row in rows:
        (_, section), (function, loop), (name, engine), (file, test) = re.findall(
            r"\[([^]]+)\]\(([^)]+)\)", row
        )
        text = README.partition(f"## {anchors[section]}\n")[2].partition("\n## ")[0]
        assert f"`reference/{loop}:{function}`" in text, row
        for path in (engine, test):
            assert (ROOT / "reference" / path).resolve().is_file(), row
        assert engine.endswith(name) and test.endswith(file), row


def test_readme_names_every_loop():
    helpers = {"numbers", "zeros", "elementwise", "from_spec"}
    for path in FILES:
        file = path.relative_to(ROOT).as_posix()
        if "cases" in file or "consumers" in file or "torch_twins" in file or "balls" in file:
            continue
        for node in ast.parse(path.read_text("utf-8")).body:
            if (
                isinstance(node, ast.FunctionDef)
                and node.name[0] != "_"
                and node.name not in helpers
            ):
                assert f"`{file}:{node.name}`" in README, f"{file}:{node.name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_oracles_share_nothing_with_the_engine_and_torch_stays_in_the_twins(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = [alias.name for alias in getattr(node, "names", ()) if isinstance(node, ast.Import)]
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            top = name.partition(".")[0]
            assert top not in ("minihash", "numba", "xxhash", "scipy"), name
            assert top != "torch" or path.name in ("torch_twins.py", "consumer.py"), name


@pytest.mark.parametrize("module", MODULES)
def test_examples_of_the_oracles_run(module):
    if module == "reference.consumers.consumer":
        pytest.importorskip("torch")
    if not module.endswith("__main__"):
        assert doctest.testmod(importlib.import_module(module)).failed == 0
