"""Learning curves and confusion matrices: their numbers, their pictures, what has none."""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from minihash import data as datasets
from minihash.cli import main, plots
from minihash.cli.commands import _confused
from minihash.runs.confusion import confusion
from minihash.runs.kinds import load_model

pytestmark = pytest.mark.usefixtures("here")
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def run(here):
    flags = "--hidden 12 --epochs 3 --validation 0.2 --seed 3 --out run --quiet"
    assert main(["train", *flags.split()]) == 0
    return here / "run"


def test_a_confusion_matrix_counts_each_example_of_each_class(run, capsys):
    model, digits = load_model(run), datasets.load("digits")
    expected = np.zeros((10, 10), int)
    taken = model.probabilities(digits.x_test).argmax(axis=1)
    for label, found in zip(digits.y_test, taken, strict=True):
        expected[label, found] += 1
    assert np.array_equal(confusion(model, digits), expected)
    assert main(["eval", "run", "--confusion", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["confusion"] == expected.tolist()
    assert np.trace(expected) / expected.sum() == result["test_accuracy"]
    assert main(["eval", "run", "--confusion"]) == 0
    lines = capsys.readouterr().out.splitlines()
    table = lines[lines.index("") + 1 :]
    assert table[0].split() == list("0123456789")
    assert [[int(n) for n in line.split()[1:]] for line in table[1:11]] == expected.tolist()
    assert main(["eval", "run", "--json"]) == 0
    assert "confusion" not in json.loads(capsys.readouterr().out)


def test_a_matrix_that_is_too_wide_is_a_list_of_what_is_confused_oftenest(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    matrix = 100 * np.eye(12, dtype=int)
    matrix[3, 5], matrix[7, 0] = 2, 30
    names = tuple(f"class {k}" for k in range(12))
    assert _confused(matrix, names).split("\n") == [
        "",
        "class 7  taken for  class 0  30",
        "class 3  taken for  class 5   2",
    ]
    assert _confused(np.eye(12, dtype=int), names) == "\nnothing is confused"


def test_pictures_are_made_and_the_files_are_whole(run, capsys):
    pytest.importorskip("matplotlib")
    assert main(["inspect", "run", "--plot", "curves.png"]) == 0
    assert main(["eval", "run", "--plot", "matrix.png", "--json"]) == 0
    assert "confusion" not in json.loads(capsys.readouterr().out.splitlines()[-1])
    for name in ("curves.png", "matrix.png"):
        assert Path(name).read_bytes().startswith(PNG)
    Path("play.txt").write_text("to be, or not to be\n" * 30)
    text = "--model rnn --dataset play.txt --hidden 5 --length 8 --batch-size 4 --epochs 2"
    assert main(["train", *text.split(), "--out", "text", "--quiet"]) == 0
    assert main(["inspect", "text", "--plot", "text.pdf"]) == 0
    assert Path("text.pdf").read_bytes().startswith(b"%PDF")


def test_curves_are_those_of_the_metrics():
    lines = [
        {"epoch": 1, "loss": 0.5, "train_accuracy": 0.6, "rate": 0.1, "seconds": 1.0},
        {"epoch": 2, "loss": None, "train_accuracy": 0.7, "rate": 0.1, "seconds": 1.0},
    ]
    for k, line in enumerate(lines):
        line |= {"validation_accuracy": 0.1 * k, "test_accuracy": 0.3, "test_loss": 2.0}
    found = plots.series(lines)
    assert found["accuracy"] == {"train": [0.6, 0.7], "validation": [0.0, 0.1], "test": [0.3, 0.3]}
    assert found["loss"]["test"] == [2.0, 2.0] and found["loss"]["train"][0] == 0.5
    assert math.isnan(found["loss"]["train"][1]) and found.keys() == {"accuracy", "loss"}
    text = plots.series([{"epoch": 1, "loss": 2.0, "validation_bits_per_character": 3.0}])
    assert text == {"loss": {"train": [2.0]}, "bits_per_character": {"validation": [3.0]}}


def test_what_has_no_picture_is_refused_before_any_work(run, capsys, monkeypatch):
    pytest.importorskip("matplotlib")
    assert main(["train", "--model", "autoencoder", "--hidden", "5", "--epochs", "1"]) == 0
    capsys.readouterr()
    cases = {
        "inspect run/model.safetensors --plot a.png": "--plot is for a run folder, got run/model",
        "inspect run --plot a.frob": "--plot a.frob must end with one of",
        "inspect run --plot none/a.png": "there is no folder none",
        "eval run --plot a.frob": "--plot a.frob must end with one of",
        "eval runs/digits-001 --confusion": "has no classes, and so confuses none",
        "eval runs/digits-001 --plot a.png": "has no classes, and so confuses none",
    }
    for line, expected in cases.items():
        assert main(line.split()) == 2
        error = capsys.readouterr().err
        assert expected in error and error.count("\n") == 1, error
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    for line in ("inspect run --plot a.png", "eval run --plot a.png"):
        assert main(line.split()) == 2
        assert "pip install 'minihash[plot]'" in capsys.readouterr().err
    assert not list(Path().glob("*.*ng"))
