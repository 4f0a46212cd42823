"""The known answers, asked of the engine, of programs in other languages, and of wrong ones."""

import doctest
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minihash
from minihash import VirtualWeight, core
from minihash.cli import main
from minihash.conformance import ask, cases, difference, engine, program
from minihash.hashes import Lookup, Modulus, Uniform
from reference.cases import FOLDER
from reference.streams import stream
from reference.xxh32 import xxh32
from tests.conformance import kill
from tests.conformance.wrong import SAID, WRITTEN

PEERS = FOLDER.parent / "PEERS.md"
CONSUMERS = Path(__file__).resolve().parents[2] / "reference" / "consumers"
ALL = list(cases())
BACKENDS = [name for name, why in core.backends().items() if not why]


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_engine_answers_every_case(backend):
    with core.use(backend):
        reports = list(ask(ALL, engine.answer))
    assert [(r.case.id, r.wrong) for r in reports if r.wrong or not r.asked] == []


def test_cases_are_told_apart_reach_every_level_and_stay_small():
    ids = [case.id for case in ALL]
    assert len(set(ids)) == len(ids) and {case.level for case in ALL} == set(range(6))
    assert all(case.catches and (case.answer or case.error) for case in ALL)
    assert sum(path.stat().st_size for path in FOLDER.glob("*.json")) < 5e6
    for case in ALL:  # in floats a bound that is wider than the answer would say nothing
        for key, bound in case.bound.items():
            assert difference(case.answer[key], case.answer[key], bound, key) is None
    assert {case.op for case in ALL} == set(engine.OPS)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The consumer in C, compiled as its comment says."""
    if not shutil.which("gcc"):
        pytest.skip("there is no gcc")
    path = tmp_path_factory.mktemp("c") / "consumer"
    flags = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off"]
    subprocess.run(["gcc", *flags, str(CONSUMERS / "consumer.c"), "-o", str(path)], check=True)
    return [str(path)]


def node():
    if not shutil.which("node"):
        pytest.skip("there is no node")
    return ["node"]


@pytest.mark.parametrize(("kind", "most"), [("c", 110), ("js", 142), ("py", 73)])
def test_consumers_pass_all_that_they_claim(kind, most, request, capsys):
    if kind == "c":
        command = request.getfixturevalue("built")
    elif kind == "js":
        command = [*node(), str(CONSUMERS / "consumer.js")]
    else:
        pytest.importorskip("torch")
        command = [sys.executable, str(CONSUMERS / "consumer.py")]
    assert main(["conform", "--json", "--", *command]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["cases"] >= most and found["wrong"] == []


@pytest.mark.parametrize("bug", WRITTEN)
def test_wrong_programs_are_told_from_right_ones(bug):
    node()
    assert kill.written(bug), "SURVIVES"


@pytest.mark.parametrize("bug", SAID)
def test_wrong_answers_are_told_from_right_ones(bug):
    assert kill.said(bug), "SURVIVES"


def test_peers_are_what_their_page_says():
    with core.use("numpy"):
        failed, tried = doctest.testfile(str(PEERS), module_relative=False)
    assert failed == 0 and tried > 30


def test_conform_reports_what_is_wrong_and_where_to_read_on(tmp_path, capsys):
    source = (CONSUMERS / "consumer.js").read_text("utf-8")
    (tmp_path / "wrong.js").write_text(source.replace("1) / column.length", "1)"), "utf-8")
    old, new = WRITTEN["overwrite for accumulate"]
    (tmp_path / "wrong.js").write_text(source.replace(old, new), "utf-8")
    words = ["conform", "--level", "2", "--", *node(), str(tmp_path / "wrong.js")]
    assert main(words) == 1
    out = capsys.readouterr().out
    assert "dtable[" in out and "section 6." in out and "the case is for: " in out


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("print('hello')", "answered hello by 'hello': expected a JSON object"),
        ("import sys; sys.exit('no such board')", "ended before it answered hello.*no such board"),
        ("print('{}')", "claims"),
        ("import time; time.sleep(60)", "gave no answer to hello in"),
    ],
)
def test_programs_that_do_not_keep_to_the_protocol(script, said, monkeypatch, capsys):
    monkeypatch.setattr(program, "PATIENCE", 1.0)
    assert main(["conform", "--", sys.executable, "-c", script]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(said, error), error


def test_a_program_that_claims_nothing_has_not_passed(capsys):
    script = 'import sys; [print("{\\"claims\\": []}", flush=True) for line in sys.stdin]'
    assert main(["conform", "--", sys.executable, "-c", script]) == 1
    assert "claims none" in capsys.readouterr().err


def test_selftest_names_the_backend_and_counts(capsys):
    assert main(["selftest", "--backend", "numpy"]) == 0
    assert f"numpy: {len(ALL)} cases" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("found", "right", "bound", "said"),
    [
        ([1, 2], [1, 2], None, None),
        ([1], [1, 2], None, "a is [1], expected a list of 2"),
        ({"x": 1}, {"x": 1, "y": 2}, None, "a.y is missing"),
        ([[0.5]], [[0.25]], [[0.125]], "a[0][0] is 0.5, expected 0.25: off by 0.25, and 0.12 may"),
        (float("nan"), 1.0, 0.5, "a is nan, expected 1.0"),
        ("1.0", 1.0, 0.5, "a is '1.0', expected 1.0"),
        (2**53 + 1, str(2**53 + 1), None, None),
    ],
)
def test_differences_say_where(found, right, bound, said):
    got = difference(found, right, bound, "a")
    assert got is None if said is None else got.startswith(said)


def test_check_takes_arrays_that_are_right_and_says_which_entry_is_not():
    rng = np.random.default_rng(0)
    w = VirtualWeight((4, 6), Uniform(5, seed=2, signed=True), first_id=2**32 - 5)
    ids = w.identifiers()
    index, sign = w.hash.bucket(ids), w.hash.sign(ids)
    table, x, dy = (rng.normal(size=s).astype(np.float32) for s in ((5,), (3, 6), (3, 4)))
    V = sign * table[index]
    y, dx, dtable = x @ V.T, dy @ V, np.zeros(5, np.float32)
    np.add.at(dtable, index, sign * (dy.T @ x))
    right = {"index": index, "sign": sign, "V": V, "y": y, "dx": dx, "dtable": dtable}
    minihash.check(w, table, x, dy, **right)
    minihash.check(w.T, table, dy, x, index=index.T, sign=sign.T, V=V.T, y=dx, dx=y, dtable=dtable)
    for name, array in right.items():
        wrong = array.copy()
        wrong.flat[-1] += 1
        place = ", ".join(str(n - 1) for n in array.shape)
        with pytest.raises(AssertionError, match=rf"^{name}\[{place}\] is .*expected"):
            minihash.check(w, table, x, dy, **{name: wrong})
    with pytest.raises(ValueError, match="table is needed"):
        minihash.check(w, V=V)
    with pytest.raises(ValueError, match="y has shape"):
        minihash.check(w, table, x, y=y[:2])


def test_check_asks_for_no_bucket_where_there_is_no_connection():
    w = VirtualWeight((3,), Lookup(2, [1, 0, 1], [1, 0, 1]))
    minihash.check(w, index=[1, 77, 1], sign=[1, 0, 1])
    with pytest.raises(AssertionError, match="1 of 3 entries differ"):
        minihash.check(w, index=[1, 0, 0])
    minihash.check(VirtualWeight((2,), Modulus(3)), sign=[1, 1])


def test_keyed_look_ups_hash_byte_strings_of_any_length():
    keys = [b"", b"a", b"a\0", *(f"{i}_{i % 7}".encode() for i in range(300)), bytes(40)]
    found = Lookup.keyed(keys, 1000, seed=9, signed=True)
    sign = stream(9, "sign")
    assert found.assignment.tolist() == [xxh32(key, 9) % 1000 for key in keys]
    assert found.signs.tolist() == [1 if xxh32(key, sign) % 2 else -1 for key in keys]
    assert Lookup.keyed(np.array([b"x", b"yz"]), 5).assignment.tolist() == [
        xxh32(b"x", 0) % 5,
        xxh32(b"yz", 0) % 5,
    ]
    assert Lookup.keyed(keys, 1000).signs is None
    with pytest.raises(TypeError, match="byte strings"):
        Lookup.keyed(["0_0"], 5)


def test_a_program_that_does_not_end_is_ended(monkeypatch, capsys):
    monkeypatch.setattr(program, "PATIENCE", 2.0)
    script = "import sys, time\nfor line in sys.stdin: print('{\"claims\": []}', flush=True)\n"
    assert main(["conform", "--", sys.executable, "-c", script + "time.sleep(60)"]) == 1
    assert "claims none" in capsys.readouterr().err
