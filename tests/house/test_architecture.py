"""The house: each room imports only rooms above it, small files, light imports, oracles apart."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import minihash
from minihash import layers

ROOT = Path(__file__).resolve().parents[2]
# In reading order: a room may import those above it.
ROOMS = [
    "compile",
    "hashes",
    "weights",
    "core",
    "sources",
    "layers",
    "networks",
    "training",
    "data",
    "files",
    "sharing",
    "conformance",
    "runs",
    "exports",
    "estimators",
    "experiments",
    "cli",
    "__main__",
]
LEAVES = ["checks", "derived"]  # any room may import these; they import nothing of minihash
PYTHON = sorted(
    path
    for folder in ("minihash", "reference", "tests", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
)
ENGINE = [path for path in PYTHON if path.is_relative_to(ROOT / "minihash")]
EXTRAS = ["torch", "matplotlib", "pooch", "PIL", "dask", "distributed", "xxhash", "hypothesis"]
EXTRAS += ["pytest", "_pytest", "torchvision", "pandas", "onnx", "onnxruntime", "sklearn", "joblib"]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


every_file = pytest.mark.parametrize("path", PYTHON, ids=name)
every_engine_file = pytest.mark.parametrize("path", ENGINE, ids=name)


def imports(path: Path) -> set[str]:
    """Every module that the file imports, wherever in it; absolute names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}:{node.lineno}: write imports in full"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room(module: str) -> str | None:
    """The room of minihash that a module is in; None outside or for the package itself."""
    parts = module.split(".")
    if parts[0] != "minihash" or len(parts) == 1 or parts[1].startswith("__version"):
        return None
    return parts[1]


def room_of(path: Path) -> str | None:
    inside = path.relative_to(ROOT / "minihash").with_suffix("").parts
    return None if inside == ("__init__",) else inside[0]


def test_the_rooms_are_those_of_the_package():
    found = {room_of(path) for path in ENGINE} - {None}
    unknown = found - {*ROOMS, *LEAVES}
    assert not unknown, f"give {unknown} a place in ROOMS"
    assert len(found) > 8


@every_engine_file
def test_rooms_import_only_rooms_above(path):
    here = room_of(path)
    if here is None:
        return  # the package's own __init__ may show what is in any room
    for module in imports(path):
        there = room(module)
        if there is None or there == here or there in LEAVES:
            continue
        assert here not in LEAVES, f"{name(path)} is a leaf, but imports {module}"
        assert there in ROOMS, f"{name(path)} imports {module}, which is in no room"
        above = ROOMS.index(there) < ROOMS.index(here)
        assert above, f"{name(path)} imports {module}, from a room below"


def test_the_rule_sees_an_import_from_below():
    """A check that cannot fail is a defect."""
    assert room("minihash.layers.dense.Dense") == "layers"
    assert room("minihash.core") == "core"
    assert room("minihash.__version__") is None and room("numpy.core") is None
    assert "minihash.layers.dense.Dense" in {
        f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse("def f():\n    from minihash.layers.dense import Dense"))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imports(ROOT / "minihash/weights.py") >= {"math", "minihash.hashes.hash.Hash"}


def beyond_the_contract(modules: set[str]) -> set[str]:
    """Of what a file imports, what of the core is no name of its contract."""
    from minihash import core

    inside = {module for module in modules if module.startswith("minihash.core.")}
    return inside - {f"minihash.core.{public}" for public in core.__all__}


@every_engine_file
def test_of_the_core_other_rooms_know_the_contract_alone(path):
    if room_of(path) != "core":
        assert not beyond_the_contract(imports(path))


def test_the_rule_sees_an_import_of_the_cores_inside():
    assert beyond_the_contract({"minihash.core.numba.rows", "minihash.core.threads.run"})
    assert not beyond_the_contract({"minihash.core.matmul", "minihash.core", "minihash.layers.x"})


@every_file
def test_engine_and_oracles_do_not_know_each_other(path):
    top = path.relative_to(ROOT).parts[0]
    forbidden = {
        "minihash": {"reference", "tests", "benchmarks"},
        "reference": {"minihash", "tests", "benchmarks"},
        "tests": {"benchmarks"} if path.name.startswith("reference") else set(),
        "benchmarks": {"tests"},
    }[top]
    assert not {module.split(".")[0] for module in imports(path)} & forbidden


@every_file
def test_files_are_small_and_say_what_they_are(path):
    text = path.read_text("utf-8")
    lines = text.count("\n")
    most = 500 if path.is_relative_to(ROOT / "tests") else 300  # tables of cases are long
    assert lines <= most, f"{name(path)} has {lines} lines; one concept, one or two screens"
    if text.strip():
        assert ast.get_docstring(ast.parse(text)), f"{name(path)} has no docstring"


@every_engine_file
def test_nobody_needs_a_home(path):
    """Path.home and Path.expanduser raise for a service without one: places.py knows what to do."""
    if path.name != "places.py":
        assert not re.search(r"\.expanduser\(|Path\.home\(", path.read_text("utf-8"))


@every_file
def test_nothing_is_left_to_do(path):
    marks = "|".join(["TO" + "DO", "FIX" + "ME", "HA" + "CK"])
    assert not re.search(rf"\b({marks})\b", path.read_text("utf-8"))


# Rooms that mypy checks, and the arguments of scalar bodies, which have no types.
TYPED = ["hashes", "weights", "checks", "derived", "sources", "layers", "networks"]
OF_BODIES = {"i", "residue", "state", "word", "found", "seed", "h", "n"}
OF_BODIES |= {"a", "b", "r", "p", "kept", "before", "dstate", "x", "y", "dy"}


@pytest.mark.parametrize("path", [p for p in ENGINE if room_of(p) in TYPED], ids=name)
def test_every_function_but_scalar_bodies_has_types(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef):
            at = f"{name(path)}:{node.lineno} {node.name}"
            arguments = [a for a in (*node.args.args, *node.args.kwonlyargs) if a.arg != "self"]
            untyped = {a.arg for a in arguments if a.annotation is None}
            if node.returns is None:
                assert arguments and untyped == {a.arg for a in arguments} <= OF_BODIES, at
            else:
                assert not untyped - {"cls"}, at


def run(code: str, folder: Path = ROOT) -> str:
    """What a fresh interpreter prints."""
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, timeout=120
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_import_minihash_pulls_in_no_extra():
    loaded = run("import sys, minihash; print('\\n'.join(sys.modules))").split()
    assert "minihash" in loaded
    assert not {module.split(".")[0] for module in loaded} & set(EXTRAS)


def test_every_room_can_be_imported_without_the_extras():
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in ENGINE
        if path.name != "__main__.py" and room_of(path) != "estimators"  # which are an extra
    ]
    blocked = "; ".join(f"sys.modules[{extra!r}] = None" for extra in EXTRAS)
    run(f"import sys; {blocked}\n" + "\n".join(f"import {module}" for module in modules))


def test_import_minihash_takes_less_than_a_tenth_of_a_second():
    """The least of several runs: whatever else the machine does can only add to it."""
    code = (
        "import time; start = time.perf_counter(); import minihash; "
        "print(time.perf_counter() - start)"
    )
    assert min(float(run(code)) for _ in range(5)) < 0.1  # seconds


def test_import_minihash_loads_nothing_but_its_version():
    loaded = run("import sys, minihash; print('\\n'.join(sys.modules))").split()
    assert not {"numpy", "numba"} & set(loaded)
    assert [module for module in loaded if module.startswith("minihash")] == ["minihash"]


def test_every_public_name_is_there_when_it_is_asked_for():
    for public in minihash.__all__:
        found = getattr(minihash, public)
        assert public in dir(minihash) and found is getattr(minihash, public)
        if isinstance(found, ModuleType):
            assert found.__name__ == f"minihash.{public}"
        else:
            assert found.__name__ == public and found.__module__.startswith("minihash.")
    assert {*layers.__all__, "arbnet", "load", "hashes"} <= set(minihash.__all__)
    with pytest.raises(AttributeError, match="module 'minihash' has no attribute 'Densest'"):
        _ = minihash.Densest


def test_each_name_is_found_first_in_a_process_of_its_own():
    """Whatever was imported before hides a name that cannot be imported by itself."""
    names = ("load", "register")
    for public in names:
        run(f"import minihash; minihash.{public}; minihash.{public}")
    run("from minihash import *; arbnet, Dense, VirtualWeight((2,), hashes.Uniform(3))")


@pytest.mark.parametrize("k", range(6))
def test_the_python_of_the_readme_runs(k, monkeypatch, tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 6
    if "sklearn" in blocks[k]:
        pytest.importorskip("sklearn")
    monkeypatch.setenv("MINIHASH_BACKEND", "numpy")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    said = run(blocks[k], tmp_path)
    assert ("print(" in blocks[k]) == bool(said)
    assert all(len(line) < 120 for line in said.splitlines())


def test_type_checkers_see_the_public_names():
    """What `__getattr__` finds, they cannot follow: the same names stand in a block for them."""
    tree = ast.parse((ROOT / "minihash/__init__.py").read_text("utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.name: node.module for node in block.body for alias in node.names}
    assert seen.pop("*") == "minihash.layers"
    assert sorted([*seen, *layers.__all__]) == minihash.__all__
    for public, module in seen.items():
        assert getattr(importlib.import_module(module), public) is getattr(minihash, public)


def test_every_package_is_installed():
    """The list of pyproject.toml, whose last folder is of another place."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    listed = set(re.findall(r'^    "(minihash[\w.]*)",$', text, re.MULTILINE))
    made = {
        ".".join(path.parent.relative_to(ROOT).parts) for path in ENGINE if path.stem == "__init__"
    }
    assert listed == made | {"minihash.conformance.vectors"}
