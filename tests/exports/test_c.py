"""The C of a trained model, compiled without a warning: the classes and logits of the model."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import minihash
from minihash import VirtualWeight, core
from minihash.cli import main
from minihash.exports import to_c
from minihash.hashes import Compose, Lookup, Modulus, Uniform
from minihash.sources import LowRank

FLAGS = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off"]
DIGITS = minihash.load("digits")
CASES = {
    "uniform": {"hash": "uniform", "signed": True, "dropout": 0.2},
    "dirichlet": {"hash": "dirichlet", "alpha": 1.0, "bias": "hashed", "standardise": "columns"},
    "even": {"hash": "dirichlet", "alpha": float("inf"), "bias": "none", "activation": "sigmoid"},
    "hashednets": {"hash": "hashednets", "bias": "hashed", "norm": "none", "activation": "relu"},
    "neighborhood": {"hash": "neighborhood", "radius": 5, "activation": "tanh", "scope": "layer"},
    "modulus": {"hash": "modulus", "signed": True},
    "identity": {"hash": "identity"},
    "cnn": {"model": "cnn", "channels": (4, 6), "hidden": (20,)},
}


def built(model, folder):
    """The program of the model."""
    if not shutil.which("gcc"):
        pytest.skip("there is no gcc")
    (folder / "model.c").write_text(to_c(model))
    command = ["gcc", *FLAGS, "-DMINIHASH_MAIN", "model.c", "-o", "model", "-lm"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "model"


def run(program, x):
    lines = "\n".join(" ".join(map(str, row)) for row in x.tolist())
    text = subprocess.run([program], input=lines, capture_output=True, text=True, check=True).stdout
    found = np.array([line.split() for line in text.splitlines()], float)
    return found[:, 0].astype(int), found[:, 1:]


@pytest.mark.parametrize("name", CASES)
def test_a_program_answers_as_the_model_does(name, tmp_path):
    with core.use("numpy"):
        choices = {"hidden": (30, 20), "epochs": 1, "batch_size": 100} | CASES[name]
        model = minihash.fit(DIGITS, **choices)
        x = DIGITS.x_test[: 1000 if name in ("uniform", "cnn") else 50]
        classes, logits = run(built(model, tmp_path), x)
        right, _ = model.network.forward(model.params, model.standardiser(x))
    # sums of some 800 float32 products, through batch norms that may divide by small deviations
    np.testing.assert_allclose(logits, right, atol=2e-3 * abs(right).max(), rtol=0)
    order = np.sort(right, axis=1)
    clear = order[:, -1] - order[:, -2] > 4e-3 * abs(right).max()
    assert clear.mean() > 0.8 and (classes == right.argmax(axis=1))[clear].all()


def test_the_program_is_as_small_as_the_tables(tmp_path):
    with core.use("numpy"):
        model = minihash.fit(DIGITS, epochs=1, compression=0.01)
    subprocess.run(["size", "-A", built(model, tmp_path)], check=True, stdout=subprocess.DEVNULL)
    text = subprocess.run(["size", tmp_path / "model"], capture_output=True, text=True).stdout
    code, data, bss = map(int, text.splitlines()[1].split()[:3])
    stored = sum(p.nbytes for p in model.params.values())
    assert code + data < stored + 12_000 and bss < 4 * 4 * 784
    assert code + data < 0.04 * 4 * 198_800


def test_what_has_no_c_is_refused_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = "--model autoencoder --hidden 5 --epochs 1 --quiet --out codes"
    assert main(f"train {words}".split()) == 0
    assert main(["export", "codes"]) == 2
    assert "only classifiers have C, got Autoencoder" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.c"))


def test_the_command_writes_a_file_that_compiles(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--hidden", "5", "--epochs", "1", "--quiet", "--out", "run"]) == 0
    assert main(["export", "run"]) == 0
    assert capsys.readouterr().out.startswith("run.c: ")
    assert "minihash_predict" in Path("run.c").read_text()


def small(weight, **changes):
    """A classifier of three numbers whose first layer has this weight."""
    x = np.random.default_rng(0).normal(size=(40, 3)) + changes.pop("offset", 0.0)
    data = minihash.assemble("small", x, np.arange(40) % 2, x[:9], np.arange(9) % 2)
    model = minihash.fit(data, hidden=(4,), epochs=1, hash="identity", scope="layer", norm="none")
    layers = list(model.network.layers)
    layers[0] = replace(layers[0], weight=weight or layers[0].weight)
    network = minihash.Sequential(tuple(layers))
    return replace(model, network=network, params=network.init(0), **changes), x


@pytest.mark.parametrize(
    "rule",
    [
        Lookup(3, np.arange(12) % 3, np.arange(12) % 3 - 1),
        Lookup(300, np.arange(12) * 20),
        Compose(Uniform(9, 1, True), Modulus(4, 2, True)),
    ],
    ids=str,
)
def test_what_learned_sharing_ends_in_has_c(rule, tmp_path):
    with core.use("numpy"):
        model, x = small(VirtualWeight((4, 3), rule, "W"))
        _, logits = run(built(model, tmp_path), x)
        right, _ = model.network.forward(model.params, model.standardiser(x))
    np.testing.assert_allclose(logits, right, atol=1e-5)


def test_numbers_that_float32_cannot_tell_apart_come_in_as_double(tmp_path):
    with core.use("numpy"):
        model, x = small(None, offset=1e8)
        program = built(model, tmp_path)
        _, logits = run(program, x)
        right, _ = model.network.forward(model.params, model.standardiser(x))
    assert "typedef double minihash_number;" in program.with_suffix(".c").read_text()
    np.testing.assert_allclose(logits, right, atol=1e-5)


def test_names_cannot_end_the_comment_that_they_stand_in(tmp_path):
    names = ("*/ int main(void) { return 7; } /*", "two\nlines \\")
    with core.use("numpy"):
        model, x = small(None, dataset="*/ #error", class_names=names)
        assert len(run(built(model, tmp_path), x[:2])[0]) == 2


def test_weights_of_other_sources_are_refused():
    with core.use("numpy"):
        model, _ = small(LowRank.random("W", (4, 3), 2))
    with pytest.raises(ValueError, match="a weight of LowRank has no C"):
        to_c(model)
