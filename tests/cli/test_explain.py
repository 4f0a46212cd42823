"""minihash explain: what it says of each network is computed, and would show a hash that is wrong.

The loads are known in closed form; the pictures' matrices are counted entry by entry.
"""

import dataclasses
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minihash.cli import explain, main
from minihash.hashes import Modulus
from minihash.networks.sequential import Sequential
from minihash.weights import VirtualWeight


@pytest.fixture(scope="module")
def rows():
    return {row["network"]: row for row in explain.explain("numpy")}


def test_both_forms_of_every_network_agree_to_rounding(rows):
    for name, row in rows.items():
        # Sums of at most 75 products of numbers below 4, through two layers or five steps.
        assert row["difference"] < 75 * 4**2 * 5 * np.finfo(float).eps, name
        assert row["same_bits"] == {"two_runs": True, "threads_1_and_2": True}
    assert {name: row["hash"] for name, row in rows.items()} == {
        "MLP": "Identity",
        "CNN": "Toeplitz",
        **dict.fromkeys(("RNN", "GRU", "LSTM"), "Modulus"),
    }


def test_loads_are_those_that_the_hash_must_have(rows):
    mlp, cnn = rows["MLP"], rows["CNN"]
    assert mlp["virtual_weights"] == mlp["stored_weights"] == 12 * 10 + 10 + 10 * 8 + 8
    assert mlp["entropy"] == pytest.approx(math.log(218))
    # A corner tap of a 3 x 3 kernel misses a row and a column of 5 x 5 outputs, an edge one either.
    taps = np.outer([4, 5, 4], [4, 5, 4]).ravel()
    loads = np.tile(taps, 4)
    assert (cnn["virtual_weights"], cnn["connected"]) == (2 * 25 * 50, loads.sum())
    assert (cnn["smallest_load"], cnn["largest_load"]) == (16, 25)
    p = loads / loads.sum()
    assert cnn["entropy"] == pytest.approx(-(p * np.log(p)).sum())
    for cell, gates in (("RNN", 1), ("GRU", 3), ("LSTM", 4)):
        row, n = rows[cell], gates * 4 * (3 + 4 + 2)
        assert (row["stored_weights"], row["virtual_weights"]) == (n, 5 * n)
        assert row["smallest_load"] == row["largest_load"] == 5
        assert row["normalised_entropy"] == pytest.approx(1)


def test_the_matrices_of_the_picture_hold_every_bucket_as_often_as_its_load():
    mlp, cnn, rnn = (specimen.buckets() for specimen in explain.specimens()[:3])
    found, counts = np.unique(mlp, return_counts=True)
    assert counts[0] == 18 * 22 - 200 and set(counts[1:]) == {1}
    assert set(found[1:]) == {*range(120), *range(130, 210)}  # the others are biases
    found, counts = np.unique(cnn, return_counts=True)
    assert found.tolist() == list(range(-1, 36))
    assert counts[1:].tolist() == [16, 20, 16, 20, 25, 20, 16, 20, 16] * 4
    assert rnn.shape == (20, 35)
    for t in range(5):  # a step beside the one before: the same, one block further on
        on_x = rnn[4 * t : 4 * t + 4, 3 * t : 3 * t + 3]
        on_h = rnn[4 * t : 4 * t + 4, 15 + 4 * t : 19 + 4 * t]
        assert on_x.ravel().tolist() == list(range(12))
        assert on_h.ravel().tolist() == list(range(12, 28))
    assert (rnn >= 0).sum() == 5 * 28


def test_a_wrong_hash_would_show():
    mlp = explain.specimens()[0]
    first = mlp.form.layers[0]
    wrong = VirtualWeight(first.dense.weight.shape, Modulus(218), "table", first_id=1)
    layer = explain.WrittenOut(dataclasses.replace(first.dense, weight=wrong))
    form = Sequential((layer, *mlp.form.layers[1:]))
    row = explain._row(dataclasses.replace(mlp, form=form), "numpy", seed=0)
    assert row["difference"] > 1e-2


def test_the_command_prints_one_table(rows, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["explain", "--backend", "numpy", "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == "" and {row["network"]: row for row in json.loads(out)["networks"]} == rows
    lines = explain.page(list(rows.values())).splitlines()
    assert max(map(len, lines)) <= 80 and len({len(line) for line in lines[:6]}) == 1
    assert lines[2].split()[:5] == ["CNN", "Toeplitz", "2,500", "36", "16-25"]
    assert lines[2].split()[7:] == ["yes", f"{rows['CNN']['difference']:.1e}"]
    shown = dict(rows["RNN"], same_bits={"two_runs": True, "threads_1_and_2": False})
    assert " NO " in explain.page([shown])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_picture_has_the_colours_of_the_buckets(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    image = pytest.importorskip("PIL.Image")
    monkeypatch.chdir(tmp_path)
    assert main(["explain", "--backend", "numpy", "--plot", "seen.png"]) == 0
    pixels = np.asarray(image.open("seen.png").convert("RGB")).reshape(-1, 3)
    assert len(pixels) > 1e6 and len(np.unique(pixels, axis=0)) > 218
    assert "CNN" in capsys.readouterr().out


def test_bad_names_of_pictures_are_refused_before_the_work(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(explain, "explain", None)
    for name, expected in {
        "seen": "--plot seen must end with one of",
        "seen.doc": "name it FILE.png",
        "nowhere/seen.png": "there is no folder nowhere",
    }.items():
        assert main(["explain", "--plot", name]) == 2
        err = capsys.readouterr().err
        assert expected in err and err.count("\n") == 1
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    assert main(["explain", "--plot", "seen.png"]) == 2
    assert "pip install 'minihash[plot]'" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_matplotlib_is_imported_for_a_picture_only():
    code = "import sys; from minihash.cli import main; main(['explain', '--backend', 'numpy'])"
    code += "; print('matplotlib' in sys.modules)"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert done.stdout.splitlines()[-1] == "False", done.stderr
