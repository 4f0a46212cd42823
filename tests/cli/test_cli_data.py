"""One's own data, from the command line: train, eval and predict take one number for one thing."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from minihash.cli import main
from minihash.files import checkpoint
from minihash.runs.kinds import load_model

pytestmark = pytest.mark.usefixtures("here")
SHORT = ["--hidden", "12", "--epochs", "3", "--quiet"]
Y = np.arange(160) % 4


def pictures(shape=(6, 6)) -> np.ndarray:
    """Whole numbers from 0 to 16 (160, ...) whose class can be seen."""
    x = np.random.default_rng(3).integers(0, 9, (160, *shape))
    x.reshape(160, -1)[np.arange(160), Y] = 16
    x.reshape(160, -1)[0, 10] = 0
    return x


def save(name: str, x: np.ndarray, y: np.ndarray = Y) -> None:
    np.savez(name, x_train=x[:120], y_train=y[:120], x_test=x[120:], y_test=y[120:])


def said(capsys, *args: str) -> dict:
    assert main([*args, "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def probabilities(capsys, *args: str) -> list:
    return said(capsys, "predict", *args)["predictions"][0]["probabilities"]


def refused(capsys, *args: str) -> str:
    assert main([*args]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize("dtype", ["float64", "int64", "uint8", "float32"])
def test_a_row_in_any_dtype_that_holds_it_answers_as_its_index(dtype, capsys):
    x = pictures()
    save("mine.npz", x.astype(dtype))
    assert main(["train", "--dataset", "mine.npz", "--out", "run", *SHORT]) == 0
    for k in (0, 7):
        expected = probabilities(capsys, "run", str(k))
        for other in ("float64", "int64", "uint8", "float32"):
            np.save("row", x[120 + k].astype(other))
            assert probabilities(capsys, "run", "row.npy") == expected
    np.save("row", x[120] / 16)
    assert "expected those of the training data" in refused(capsys, "predict", "run", "row.npy")


def test_a_picture_of_the_same_is_the_same(capsys):
    image = pytest.importorskip("PIL.Image")
    x = pictures()
    save("mine.npz", x.astype(np.float64))
    assert main(["train", "--dataset", "mine.npz", "--out", "run", *SHORT]) == 0
    expected = probabilities(capsys, "run", "5")
    image.fromarray((x[125] * 65535 / 16).round().astype(np.uint16)).save("x.png")
    assert probabilities(capsys, "run", "x.png") == pytest.approx(expected, rel=1e-2)
    image.fromarray((x[125] * 255 / 16).round().astype(np.uint8)).save("x.png")
    assert probabilities(capsys, "run", "x.png") == pytest.approx(expected, rel=0.3)
    image.fromarray(x[125].astype(np.float32)).save("x.tif")
    assert probabilities(capsys, "run", "x.tif") == expected
    image.fromarray((x[125] / 16).astype(np.float32)).save("x.tif")
    assert "x.tif holds float32 from 0 to 1" in refused(capsys, "predict", "run", "x.tif")


def test_a_picture_of_bytes_is_its_row(capsys):
    image = pytest.importorskip("PIL.Image")
    x = (pictures() * 15.9).astype(np.uint8)
    save("mine.npz", x)
    assert main(["train", "--dataset", "mine.npz", "--out", "run", *SHORT]) == 0
    image.fromarray(x[125]).save("x.png")
    image.fromarray(x[125].astype(np.uint16) * 257).save("wide.png")
    expected = probabilities(capsys, "run", "5")
    assert probabilities(capsys, "run", "x.png") == probabilities(capsys, "run", "wide.png")
    assert probabilities(capsys, "run", "x.png") == expected


def test_signed_pictures_say_no_white(capsys):
    image = pytest.importorskip("PIL.Image")
    save("mine.npz", pictures() / 8 - 1)
    assert main(["train", "--dataset", "mine.npz", "--out", "run", *SHORT]) == 0
    image.fromarray(np.zeros((6, 6), np.uint8)).save("x.png")
    assert "do not say what white is" in refused(capsys, "predict", "run", "x.png")
    image.fromarray(np.zeros((6, 6), np.float32)).save("x.tif")
    assert len(probabilities(capsys, "run", "x.tif")) == 4
    assert "leave out --invert" in refused(capsys, "predict", "run", "x.tif", "--invert")


def test_a_test_set_of_another_scale_is_converted_or_refused(capsys):
    x = (pictures() * 15.9375).astype(np.uint8)
    save("bytes.npz", x)
    save("unit.npz", x / 255)
    for name in ("bytes", "unit"):
        assert main(["train", "--dataset", f"{name}.npz", "--out", name, *SHORT]) == 0
    expected = said(capsys, "eval", "unit")
    for key in ("test_accuracy", "test_loss"):
        assert said(capsys, "eval", "unit", "--dataset", "bytes.npz")[key] == expected[key]
    error = refused(capsys, "eval", "bytes", "--dataset", "unit.npz")
    assert (
        "the test set of unit holds float64 from 0 to 1" in error and "multiply it by 255" in error
    )
    model = said(capsys, "eval", "bytes/model.safetensors", "--dataset", "bytes.npz")
    assert model == said(capsys, "eval", "bytes")


def test_a_table_of_other_units_is_refused(capsys):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(160, 3)) * (1, 100, 1e4) + (20, 2000, 2e5)
    save("raw.npz", x)
    save("scaled.npz", (x - x.mean(0)) / x.std(0))
    assert main(["train", "--dataset", "raw.npz", "--out", "run", *SHORT]) == 0
    assert said(capsys, "eval", "run")["examples"] == 40
    error = refused(capsys, "eval", "run", "--dataset", "scaled.npz")
    assert "half of the test examples of scaled are 20 deviations from the mean of what" in error


@pytest.mark.parametrize("dtype", ["uint8", "float64", "int32"])
@pytest.mark.parametrize("by", ["columns", "channels"])
def test_a_test_set_that_was_not_scaled_as_the_training_set_is_refused(dtype, by, capsys):
    x = (pictures((36,)) * 15.9375).astype(np.uint8)
    parts = {"x_train": x[:120] / 255, "x_test": x[120:].astype(dtype)}
    np.savez("mine.npz", **parts, y_train=Y[:120], y_test=Y[120:])
    error = refused(capsys, "train", "--dataset", "mine.npz", "--standardise", by, *SHORT)
    assert "half of the test examples of mine are" in error and not Path("runs").exists()


def test_a_table_of_a_large_mean_is_read_again_as_it_was_learnt(capsys):
    rng = np.random.default_rng(0)
    x = 1e8 + rng.normal(size=(160, 3)) + 8 * (Y % 2)[:, None]
    save("big.npz", x, Y % 2)
    args = ["--dataset", "big.npz", "--out", "run", *SHORT]
    assert said(capsys, "train", *args)["test_accuracy"] == 1.0
    assert said(capsys, "eval", "run")["test_accuracy"] == 1.0
    assert load_model("run").standardiser.wide
    assert said(capsys, "train", "--resume", "run", "--epochs", "4")["test_accuracy"] == 1.0


def test_what_data_are_taken_for_is_said_and_kept(capsys):
    save("mine.npz", pictures().astype(np.float64), Y + 1)
    flags = ["--dataset", "mine.npz", "--hidden", "9", "--epochs", "1"]
    assert main(["train", *flags, "--out", "run"]) == 0
    err = capsys.readouterr().err
    assert "float64, whole numbers from 0 to 16, white is 16; a mean and a deviation for all" in err
    assert "mine: 4 classes, called 1, 2, 3, 4" in err
    about = said(capsys, "inspect", "run")
    assert about["classes"] == ["1", "2", "3", "4"] and about["white"] == 16
    assert about["units"] == "float64, whole numbers from 0 to 16" and about["means"] == 1
    assert main(["inspect", "run"]) == 0
    assert "examples: float64, whole numbers from 0 to 16; 1 mean" in capsys.readouterr().out
    assert said(capsys, "predict", "run", "0")["class_names"] == ["1", "2", "3", "4"]


def test_labels_are_names_wherever_they_are_met(capsys):
    x = pictures()
    names = np.array(["ant", "bee", "cat", "dog"])[Y]
    save("mine.npz", x, names)
    assert main(["train", "--dataset", "mine.npz", "--out", "run", *SHORT]) == 0
    accuracy = said(capsys, "eval", "run")["test_accuracy"]
    capsys.readouterr()
    assert main(["predict", "run", "1"]) == 0
    assert f"labelled {names[121]}" in capsys.readouterr().out
    few = np.isin(names, ("bee", "dog"))
    save("few.npz", np.repeat(x[few], 2, axis=0), np.repeat(names[few], 2))
    both = said(capsys, "eval", "run", "--dataset", "few.npz")["test_accuracy"]
    model = load_model("run")
    p = model.probabilities(np.repeat(x[few], 2, axis=0)[120:].reshape(40, -1))
    right = np.array(model.class_names)[p.argmax(1)] == np.repeat(names[few], 2)[120:]
    assert both == right.mean() and accuracy > 0.5
    save("more.npz", x, np.where(names == "bee", "bug", names))
    error = refused(capsys, "eval", "run", "--dataset", "more.npz")
    assert (
        "has the class bug, which the network has not learnt: expected ant, bee, cat, dog" in error
    )


def test_a_run_whose_labels_were_taken_for_numbers_goes_on(capsys):
    """An earlier version made four classes of the labels 1, 2 and 3, one of them empty."""
    x, y = pictures(), Y % 3 + 1
    save("old.npz", x, y)
    save("new.npz", np.concatenate([x[:1], x]), np.concatenate([[0], y]))
    assert main(["train", "--dataset", "new.npz", "--out", "run", *SHORT]) == 0
    spec = checkpoint.read_spec("run/resume.safetensors")
    assert spec["model"]["class_names"] == ["0", "1", "2", "3"]
    model = replace(load_model("run"), units=None)
    model.save("model.safetensors")
    accuracy = said(capsys, "eval", "model.safetensors", "--dataset", "old.npz")["test_accuracy"]
    p = model.probabilities(x[120:].reshape(40, -1)).argmax(1)
    assert accuracy == (p == y[120:]).mean()


def test_a_label_costs_nothing(capsys):
    y = np.where(np.arange(160) == 3, 2**52, np.where(np.arange(160) == 4, 20240131, Y))
    save("mine.npz", pictures(), y)
    assert main(["train", "--dataset", "mine.npz", "--out", "run", *SHORT]) == 0
    assert load_model("run").outputs == 6
    assert Path("run/model.safetensors").stat().st_size < 20_000


def test_channels_last_is_asked_for_and_remembered(capsys):
    first = pictures((3, 6, 8)).astype(np.uint8)
    last = np.moveaxis(first, 1, 3)
    save("first.npz", first)
    save("last.npz", last)
    assert "--channels-last" in refused(capsys, "train", "--dataset", "last.npz")
    cnn = ["--model", "cnn", "--channels", "4", *SHORT]
    assert main(["train", "--dataset", "first.npz", "--out", "f", *cnn]) == 0
    assert main(["train", "--dataset", "last.npz", "--channels-last", "--out", "l", *cnn]) == 0
    expected = said(capsys, "eval", "f")
    for place in ("l", "l/model.safetensors"):
        found = said(capsys, "eval", place)
        assert {**found, "dataset": "first"} == expected
    assert said(capsys, "eval", "f", "--dataset", "last.npz", "--channels-last") == found
    assert "--channels-last" in refused(capsys, "eval", "f", "--dataset", "last.npz")
    assert probabilities(capsys, "l", "3") == probabilities(capsys, "f", "3")
    np.save("row", last[123])
    np.save("rows", last[123:125])
    assert probabilities(capsys, "l", "row.npy") == probabilities(capsys, "f", "3")
    assert len(said(capsys, "predict", "l", "rows.npy")["predictions"]) == 2
    assert "has shape (6, 8, 3)" in refused(capsys, "predict", "f", "row.npy")
    again = ["train", "--resume", "l", "--epochs", "4", "--quiet"]
    assert main(again) == 0 and json.loads(Path("l/config.json").read_text())["channels_last"]
    flags = ["--dataset", "last.npz", "--no-channels-last"]
    assert main(["train", *flags, "--out", "no", *SHORT]) == 0
    assert load_model("no").shape == (6, 8, 3) and said(capsys, "eval", "no")["examples"] == 40


def test_examples_of_another_shape_are_refused(capsys):
    save("mine.npz", pictures((4, 6)))
    save("turned.npz", pictures((6, 4)))
    save("flat.npz", pictures((24,)))
    assert main(["train", "--dataset", "mine.npz", "--out", "run", *SHORT]) == 0
    assert "examples of shape (4, 6), but" in refused(
        capsys, "eval", "run", "--dataset", "turned.npz"
    )
    assert said(capsys, "eval", "run", "--dataset", "flat.npz")["examples"] == 40


@pytest.mark.parametrize(("by", "means"), [("columns", 36), ("channels", 1), ("none", 1)])
def test_standardise_is_kept(by, means, capsys):
    save("mine.npz", pictures())
    args = ["--dataset", "mine.npz", "--standardise", by, "--out", "run"]
    assert main(["train", *args, *SHORT]) == 0
    model = load_model("run")
    assert len(model.standardiser.mean) == means == said(capsys, "inspect", "run")["means"]
    assert (model.standardiser.std == (1.0,)) == (by == "none")
    assert main(["train", "--resume", "run", "--epochs", "4", "--quiet"]) == 0
    assert load_model("run").standardiser == model.standardiser
    assert main(["train", "--resume", "run", "--standardise", "x", "--quiet"]) == 2
