"""Runs side by side: rows, means and spreads, curves, CSV; from sweeps and from run folders."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from minihash.cli import main
from minihash.cli.sweeps import _curves
from minihash.experiments.grid import without
from minihash.experiments.results import Row, as_csv, crossed, rows, value
from minihash.runs.config import Config

pytestmark = pytest.mark.usefixtures("here")


def record(accuracies, seed=0, **choices):
    """A run with these accuracies after its epochs."""
    config = without(Config(seed=seed, hidden=(9,), **choices), ("data_dir",))
    lines = [
        {"epoch": k, "test_accuracy": x, "test_loss": 1 - x, "seconds": 1.0}
        for k, x in enumerate(accuracies, 1)
    ]
    return {"minihash": "1", "config": config, "entropy": {"table": 2.0}, "metrics": lines}


SOME = [
    record([0.5, 0.8], 1, hash="dirichlet", alpha=0.1),
    record([0.1, 0.9], 0, hash="uniform"),
    record([0.7, 0.6], 0, hash="dirichlet", alpha=0.1),
    record([0.7, 0.6], 0, hash="dirichlet", alpha=0.1),  # twice in a file: counted once
]


def test_rows_are_runs_that_differ_in_their_seeds_alone():
    found = rows(SOME)
    assert [row.choices for row in found] == [
        {"hash": "dirichlet", "alpha": "0.1"},
        {"hash": "uniform", "alpha": "-"},
    ]
    assert found[0].values.tolist() == [0.6, 0.8]  # in the order of seeds
    assert found[0].mean == pytest.approx(0.7)
    assert found[0].spread == pytest.approx(np.std([0.6, 0.8], ddof=1))
    assert np.isnan(found[1].spread)
    assert found[0].curve("test_accuracy").tolist() == pytest.approx([0.6, 0.7])


def test_runs_from_before_a_choice_are_those_of_its_default():
    young, old = record([0.4], 0), record([0.6], 1)
    del old["config"]["init_scale"]
    (row,) = rows([young, old])
    assert row.choices == {} and row.values.tolist() == [0.4, 0.6]


def test_a_table_has_mean_and_spread_of_each_cell():
    table = crossed(SOME[:3], lambda r: r["config"]["hash"], lambda r: str(r["config"]["seed"]))
    assert [line.split("|")[1:-1] for line in table.splitlines()][2:] == [
        [" dirichlet ", " 0.8000 ", " 0.6000 "],
        [" uniform ", "  ", " 0.9000 "],
    ]
    table = crossed(SOME[:3], lambda r: r["config"]["hash"], lambda r: "all")
    assert "| dirichlet | 0.7000 ± 0.1414 |" in table


def test_the_figure_of_a_run_is_that_of_its_best_validation_epoch():
    run = record([0.3, 0.4, 0.5], validation=0.2)
    for line, x in zip(run["metrics"], (0.7, 0.9, 0.9), strict=True):
        line["validation_accuracy"] = x
    assert value(run) == 0.4  # the first of equal ones
    assert value(record([0.3, 0.4, 0.5])) == 0.5
    assert np.isnan(value(record([0.3]) | {"metrics": [{"test_accuracy": None}]}))


def test_runs_that_are_measured_otherwise_are_not_compared():
    with pytest.raises(ValueError, match="measured by test_accuracy, a model autoencoder is not"):
        rows([record([0.5]), record([0.5], model="autoencoder") | {"metrics": [{"test_error": 1}]}])
    with pytest.raises(ValueError, match="there is no run to compare"):
        rows([])


def test_csv_has_a_line_a_run_and_epoch():
    lines = list(csv.DictReader(io.StringIO(as_csv(rows(SOME)))))
    assert len(lines) == 6
    assert lines[1] == {
        "hash": "dirichlet",
        "alpha": "0.1",
        "seed": "0",
        "entropy": "2.0",
        "epoch": "2",
        "test_accuracy": "0.6",
        "test_loss": "0.4",
    }


def test_csv_of_the_epoch_that_counts():
    lines = list(csv.DictReader(io.StringIO(as_csv(rows(SOME), every=False))))
    assert [line["epoch"] for line in lines] == ["2"] * 3
    held = [{"epoch": k, "validation_accuracy": v} for k, v in ((1, 0.5), (2, 0.9), (3, 0.7))]
    run = record([0.5, 0.6, 0.7])
    run["config"]["validation"] = 0.1
    run["metrics"] = [{**a, **b} for a, b in zip(run["metrics"], held, strict=True)]
    (line,) = csv.DictReader(io.StringIO(as_csv(rows([run]), every=False)))
    assert (line["epoch"], float(line["test_accuracy"])) == ("2", value(run))


def test_curves_share_one_scale():
    one, two = np.array([0.0, 0.5, np.nan]), np.array([1.0])
    drawn = _curves([one, two])
    assert [len(line) for line in drawn] == [3, 1] and drawn[0][2] == "?"
    assert drawn[0][0] in "▁0" and drawn[1] in "█9"
    assert len(_curves([np.linspace(0, 1, 500)])[0]) == 24
    assert _curves([np.array([0.5, 0.5])])[0] in ("▁▁", "00")


def test_the_command_compares_files_and_folders(capsys, here):
    pytest.importorskip("matplotlib")
    Path("runs.jsonl").write_text("".join(json.dumps(run) + "\n" for run in SOME))
    words = "--hidden 9 --epochs 2 --seed 5 --out run --quiet"
    assert main(["train", *words.split()]) == 0
    assert main(["compare", "runs.jsonl", "run", "--json", "--plot", "curves.png"]) == 0
    out = json.loads(capsys.readouterr().out)
    assert out["metric"] == "test_accuracy" and [r["runs"] for r in out["rows"]] == [2, 1, 1]
    trained = json.loads(Path("run/metrics.jsonl").read_text().splitlines()[-1])
    assert out["rows"][2]["values"] == [trained["test_accuracy"]]
    assert Path("curves.png").read_bytes().startswith(b"\x89PNG")
    assert main(["compare", "runs.jsonl"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["hash", "alpha", "runs"] and "0.7000" in lines[1]
    assert main(["compare", "runs.jsonl", "--csv"]) == 0
    assert capsys.readouterr().out == as_csv(rows(SOME))


@pytest.mark.parametrize("words, said", [("none", "none: No such"), ("wrong", "no record of a")])
def test_what_cannot_be_compared_is_said_in_a_line(words, said, capsys, here):
    Path("wrong").write_text("mine\n")
    assert main(["compare", words]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1


def test_a_row_of_one_run_has_a_name():
    assert Row({}, (SOME[0],), "test_accuracy").name == "all"
