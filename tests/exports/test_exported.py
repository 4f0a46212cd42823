"""Exported models, in C, NumPy and ONNX, answer as the model does; what cannot be is refused."""

import subprocess
import sys
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import minihash
from minihash import VirtualWeight, core, layers
from minihash.cli import main
from minihash.data import Standardiser, Units
from minihash.exports import dense, to_c, to_numpy, to_onnx
from minihash.hashes import Uniform
from minihash.layers.layer import Layer
from tests.support.exported import WAYS, classifier

TO = {"c": to_c, "numpy": to_numpy, "onnx": to_onnx}
DIGITS = minihash.load("digits")
TRAINED = ["--hash", "hashednets", "--hidden", "5", "--epochs", "1", "--quiet", "--out", "run"]
CASES = {
    "uniform": {"hash": "uniform", "signed": True, "dropout": 0.2},
    "dirichlet": {"hash": "dirichlet", "alpha": 1.0, "bias": "hashed", "standardise": "columns"},
    "neighborhood": {"hash": "neighborhood", "radius": 5, "activation": "tanh", "scope": "layer"},
    "balanced": {"hash": "balanced", "bias": "none", "activation": "sigmoid"},
    "relu": {"hash": "modulus", "signed": True, "norm": "none", "activation": "relu"},
    "identity": {"hash": "identity", "standardise": "none"},
    "cnn": {"model": "cnn", "channels": (4, 6), "hidden": (20,)},
    "robe": {"model": "cnn", "channels": (4,), "hash": "robe", "kernel": 4, "padding": 1},
    "low rank": {"hash": "identity", "source": "lowrank", "norm": "none"},
}


@pytest.fixture(autouse=True)
def no_compiler():
    with core.use("numpy"):
        yield


@cache
def trained(name):
    choices = {"hidden": (30, 20), "epochs": 1, "batch_size": 100} | CASES[name]
    return minihash.fit(DIGITS, **choices)


def compared(way, model, exported, x, folder):
    """Logits within what sums of some 800 float32 products, and batch norms that may divide by
    small deviations, leave open; the same class wherever it is clear."""
    right, _ = model.network.forward(model.params, model.standardiser(x.reshape(len(x), -1)))
    found, scale = WAYS[way](exported, folder, x), abs(right).max()
    np.testing.assert_allclose(found, right, atol=1e-5 * scale, rtol=0)
    order = np.sort(right, axis=1)
    clear = order[:, -1] - order[:, -2] > 4e-5 * scale
    assert clear.mean() > 0.9 and (found.argmax(1) == right.argmax(1))[clear].all()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CASES)
def test_a_file_answers_as_the_model_does(name, way, tmp_path):
    model = trained(name)
    exported = dense(model) if name == "low rank" else model
    x = DIGITS.x_test[: 1000 if way != "c" or name in ("uniform", "cnn") else 50]
    compared(way, model, exported, x, tmp_path)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["dirichlet", "cnn"])
def test_the_dense_form_answers_as_the_model_does(name, way, tmp_path):
    model = trained(name)
    compared(way, model, dense(model), DIGITS.x_test[:50], tmp_path)


@pytest.mark.parametrize("way", ["numpy", "onnx"])
def test_a_small_file_is_as_small_as_the_tables(way):
    model = minihash.fit(DIGITS, epochs=1, compression=0.05)
    stored = sum(p.nbytes for p in model.params.values())
    small, full = (len(TO[way](m)) for m in (model, dense(model)))
    assert small < stored * (5 / 4 if way == "numpy" else 1) + 10_000
    assert small < full / 10 and full > 4 * 198_800


def everything():
    """A network of every layer that is written; pictures of four channels, 9 x 4."""

    def weight(name, *shape):
        return VirtualWeight(shape, Uniform(40, len(shape), True), name)

    return minihash.Sequential(
        (
            layers.Reshape((4, 9, 4)),
            layers.Conv2d(weight("a", 4, 2, 3, 2), weight("b", 4), (2, 1), (1, 2), (1, 3), 2),
            layers.BatchNorm2d("norm1", 4, eps=0.25),
            layers.AveragePool2d((3, 2), (1, 2), (1, 1)),
            layers.Sigmoid(),
            layers.MaxPool2d(3, 2, 1),
            layers.ReLU(),
            layers.Conv2d(weight("c", 5, 4, 1, 1)),
            layers.Tanh(),
            layers.GlobalAveragePool(),
            layers.BatchNorm1d("norm2", 5),
            layers.Reshape((5, 1)),
            layers.Dense(weight("d", 3, 1), weight("e", 3)),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.ELU(),
            layers.Dense(weight("f", 6, 15)),
        )
    )


@pytest.mark.parametrize("way", WAYS)
def test_every_layer_that_is_written(way, tmp_path):
    """In bytes, with a mean and a deviation for each channel."""
    rng, network = np.random.default_rng(1), everything()
    units = Units("uint8", 0.0, 255.0, 0.0, True, 255.0)
    standardiser = Standardiser((0.3, 0.6, 0.4, 0.5), (0.2, 0.4, 0.3, 0.25), 255.0)
    own = {"shape": (4, 9, 4), "units": units, "standardiser": standardiser}
    model = classifier(network, 144, **own)
    params = {k: rng.uniform(0.5, 1.5, p.shape).astype("f4") for k, p in model.params.items()}
    model = replace(model, params=params)
    x = rng.integers(0, 256, (20, 4, 9, 4)).astype(np.uint8)
    right, _ = network.forward(params, standardiser(x.reshape(20, -1)))
    found = WAYS[way](model, tmp_path, x)
    np.testing.assert_allclose(found, right, rtol=1e-5, atol=1e-5)
    assert np.ptp(right, axis=0).max() > 0.1


@pytest.mark.parametrize("way", WAYS)
def test_numbers_that_float32_cannot_tell_apart_come_in_as_double(way, tmp_path):
    x = np.random.default_rng(0).normal(size=(40, 3)) + 1e8
    data = minihash.assemble("far", x, np.arange(40) % 2, x[:9], np.arange(9) % 2)
    compared(way, *[minihash.fit(data, hidden=(4,), epochs=1)] * 2, x, tmp_path)


@dataclass(frozen=True)
class OwnReLU(layers.ReLU):
    """May compute anything."""


@pytest.mark.parametrize("way", WAYS)
def test_what_has_no_such_form_is_refused(way):
    told = {"c": "C", "numpy": "NumPy", "onnx": "ONNX"}[way]
    with pytest.raises(ValueError, match=f"a weight of LowRank has no {told}: export with --dense"):
        TO[way](trained("low rank"))
    network = trained("identity").network
    for layer in (OwnReLU(), Layer()):
        other = replace(trained("identity"), network=minihash.Sequential((*network.layers, layer)))
        for model in (other, dense(other)):
            with pytest.raises(ValueError, match=f"the layer {type(layer).__name__} has no {told}"):
                TO[way](model)
    with pytest.raises(ValueError, match=f"only classifiers have {told}, got Autoencoder"):
        TO[way](minihash.fit(DIGITS, model="autoencoder", hidden=(3,), epochs=1))


def test_what_a_command_cannot_write_it_says_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *TRAINED]) == 0
    for words in ("--to onnx", "--to numpy --out missing/x.py"):
        assert main(["export", "run", *words.split()]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert "hashednets: export with --dense" in lines[0] and len(lines) == 2
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert main(["export", "run", "--to", "onnx", "--dense"]) == 2
    assert "needs the package onnx: pip install 'minihash[onnx]'" in capsys.readouterr().err
    model = tmp_path / "run" / "model.safetensors"
    model.write_bytes(model.read_bytes()[:-9])
    for way in WAYS:
        assert main(["export", "run", "--to", way]) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"run"}


def test_the_command_writes_files_that_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *TRAINED]) == 0
    for words in ("", "--to numpy", "--to onnx --dense --out dense.onnx"):
        assert main(["export", "run", *words.split()]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[0] for line in lines[-3:]] == ["run.c", "run.py", "dense.onnx"]
    assert "minihash_predict" in Path("run.c").read_text()
    right = minihash.load_model("run").probabilities(DIGITS.x_test[:9]).argmax(axis=1)
    np.save("x.npy", DIGITS.x_test[:9])
    np.savez("x.npz", x_test=DIGITS.x_test[:9].reshape(-1, 28, 28), y_test=right)
    for file in ("x.npy", "x.npz"):
        command = [sys.executable, "-I", "run.py", file]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert printed.split() == [str(k) for k in right]
    done = subprocess.run([sys.executable, "-I", "run.py"], capture_output=True, text=True)
    assert done.returncode == 1 and "usage: python run.py FILE.npy" in done.stderr


def test_names_cannot_end_the_text_that_they_stand_in(tmp_path):
    names = ('"""\nimport os', "two\nlines \\", *"23456789")
    model = replace(trained("identity"), dataset='"""; raise Exception; """\\', class_names=names)
    space = {"__name__": "script"}
    exec(to_numpy(model), space)
    assert space["CLASSES"] == names and "os" not in space
    with pytest.raises(
        ValueError, match=r"x must be \(n, ...\), 784 numbers each, got shape \(784"
    ):
        space["predict"](np.zeros(784))
    assert space["predict"](np.zeros((0, 28, 28))).shape == (0, 10)


def test_onnx_says_what_goes_in_and_what_the_classes_are(monkeypatch):
    from onnx import TensorProto, load_from_string

    model = load_from_string(to_onnx(trained("uniform")))
    assert model.graph.input[0].type.tensor_type.elem_type == TensorProto.UINT8
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 18), ("minihash", 1)]
    assert {p.key: p.value for p in model.metadata_props} == {
        "classes": '["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]'
    }
    with monkeypatch.context() as patch:
        patch.setattr("minihash.exports.onnx.MOST", 50_000)
        assert to_onnx(trained("uniform"))
        with pytest.raises(ValueError, match="holds 50,000 bytes of arrays, got 98,008: not"):
            to_onnx(dense(trained("uniform")))
    plain = load_from_string(to_onnx(dense(trained("uniform"))))
    assert not plain.functions and [o.domain for o in plain.opset_import] == [""]
