"""The benchmarks' own machinery: sides take turns, ratios, exit status, and the README's table."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import core as core_benchmark
from benchmarks import render
from benchmarks.core_cases import Layer
from benchmarks.measure import Table, alternate, ratio
from minihash import core
from minihash.core.numba import products
from minihash.hashes import Modulus, Uniform

TEXT = """before
<!-- results -->
old results
<!-- end results -->
between
<!-- scaling -->
<!-- end scaling -->
<!-- instead -->
<!-- end instead -->
after
"""


def test_sides_take_turns_and_their_first_call_does_not_count(monkeypatch):
    clock, done = [0.0], []
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])

    def side(name: str, first: float, later: float):
        def call() -> None:
            clock[0] += later if name in done else first
            done.append(name)

        return call

    def prepare(name: str) -> None:
        clock[0] += 1000
        done.append(f"before {name}")

    times = alternate({"a": side("a", 9, 1), "b": side("b", 8, 2)}, 3, prepare)
    assert times == {"a": [1] * 3, "b": [2] * 3}
    assert done == ["before a", "a", "before b", "b"] * 4


def test_a_ratio_is_taken_round_by_round():
    # Medians of the sides would give 20 / 5 = 4.
    assert ratio([2, 20, 200], [1, 5, 200]) == (2, 1.5, 3)
    assert ratio([1, 2, 3, 4], [1, 1, 1, 1]) == (2.5, 1.75, 3.25)


@pytest.mark.parametrize(
    "value, target, status", [(1.0, 1.0, 0), (1.01, 1.0, 1), (9.0, None, 0), (np.nan, 1.0, 1)]
)
def test_a_missed_target_is_an_exit_status_of_1(value, target, status, tmp_path, capsys):
    table = Table("sample")
    table.add("good", 0.5, 1.0, (0.4, 0.6))
    table.add("judged", value, target, note="a note")
    path = tmp_path / "sample.json"
    assert table.finish(str(path)) == status
    rows = json.loads(path.read_text())["rows"]
    assert [row["what"] for row in rows] == ["good", "judged"]
    assert rows[1]["passed"] is (None if target is None else not status)
    assert ("MISSED" in capsys.readouterr().out) == bool(status)


def test_the_tables_of_the_readme_come_from_the_json(tmp_path):
    table = Table("benchmarks.core")
    table.add("fast / slow", 0.501, 0.65, (0.4, 0.6), note="1 / 2 ms")
    table.add("memory", 12.0, 8.0, unit="MB")
    table.add("no target", 3.0)
    table.finish(str(tmp_path / "core.json"))
    ms = {side: [k + 0.25, 0.0, 9.0] for k, side in enumerate(render.SIDES, 1)}
    other = {side: [1977.0, 0.0, 9.0] for side in render.SIDES}
    points = [{"panel": p, "at": 2000, "ms": t} for p, t in (("batch", other), ("size", ms))]
    (tmp_path / "scaling.json").write_text(json.dumps({"points": points}))
    table = Table("benchmarks.memory")
    table.add("memory of dense, layer 2000 x 2000, batch 128", 40.0, unit="MB")
    table.finish(str(tmp_path / "memory.json"))
    readme = tmp_path / "README.md"
    readme.write_text(TEXT)

    assert render.main([str(tmp_path), "--readme", str(readme)]) == 0
    text = readme.read_text()
    for expected in (
        "| fast / slow | 0.50 | 0.40 to 0.60 | <= 0.65 | met | 1 / 2 ms |",
        "| memory | 12.00 MB |  | <= 8 MB | **missed** |  |",
        "| no target | 3.00 |  |  |  |  |",
        "| batch | 2,000 | 1,977 ms |",
        "| dense NumPy | 3.25 ms | 40 MB |",
        "| ours, modulus | 2.25 ms | not measured |",
        "| size | 2,000 | 1.25 ms | 2.25 ms | 3.25 ms | 4.25 ms |",
        "`python -m benchmarks.core` on cpu ",
        "cuda: not measured; `python -m benchmarks.cuda`",
    ):
        assert expected in text
    assert "old results" not in text
    assert text.startswith("before\n<!-- results -->\n") and text.endswith(
        "end instead -->\nafter\n"
    )
    assert "<!-- end results -->\nbetween\n<!-- scaling -->\n" in text
    assert render.render(text, str(tmp_path)) == text


@pytest.mark.parametrize("name", ["results", "end scaling", "instead", "end instead"])
def test_a_marker_that_is_missing_is_named(name, tmp_path):
    with pytest.raises(ValueError, match="put them in"):
        render.render(TEXT.replace(f"<!-- {name} -->", ""), str(tmp_path))


def test_the_readme_has_its_markers(tmp_path):
    with open(render.README) as file:
        assert "core: not measured" in render.render(file.read(), str(tmp_path))


@pytest.mark.parametrize("hash_", [Uniform(50, signed=True), Modulus(7), Modulus(2000)])
def test_verification_lets_right_results_pass_and_no_others(hash_):
    layer = Layer(hash_, batch=3, size=40)
    layer.verify(layer.ours())
    layer.verify_rows(layer.ours())
    for k in range(3):
        results = layer.ours()
        results[k].flat[-1] += 0.1
        with pytest.raises(SystemExit, match="not timed"):
            layer.verify(results)
        if k < 2:
            with pytest.raises(SystemExit, match="not timed"):
                layer.verify_rows(results)


def test_the_reference_side_computes_the_same():
    layer = Layer(Uniform(50), batch=3, size=40)
    y, dx, _ = layer.ours()
    for got, right in zip(layer.dense()()[:2], (y, dx), strict=True):
        np.testing.assert_allclose(got, right, rtol=1e-4, atol=1e-4)
    pytest.importorskip("torch")
    np.testing.assert_allclose(layer.pytorch(forward=True)(), y, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("threads", [1, 3])
def test_the_variant_without_an_order_loses_nothing(threads, monkeypatch):
    layer = Layer(Uniform(30, signed=True), batch=4, size=400)
    used = []
    monkeypatch.setattr(
        products, "scattered", lambda *a: used.append(1) or core_benchmark.loose(*a)
    )
    core.set_threads(threads)
    try:
        layer.verify_backward(*layer.backward())
    finally:
        core.set_threads(None)
    assert used


@pytest.mark.parametrize("before, after", [(None, "4"), ("7", "7")])
def test_idle_threads_sleep_unless_the_user_says_otherwise(before, after):
    code = "import benchmarks, os, sys; assert 'numpy' not in sys.modules; "
    code += "print(os.environ['OPENBLAS_THREAD_TIMEOUT'])"
    settings = ("OPENBLAS_THREAD_TIMEOUT",)
    environment = {k: v for k, v in os.environ.items() if k not in settings}
    if before:
        environment["OPENBLAS_THREAD_TIMEOUT"] = before
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert found.stdout.strip() == after
