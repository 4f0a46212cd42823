"""From Python: trained on arrays, saved, loaded and used, with the bits of the command."""

from pathlib import Path

import numpy as np
import pytest

import minihash
from minihash.cli import main
from minihash.hashes import Uniform
from minihash.hashes.balance import balance
from minihash.runs import examples
from minihash.training import Evaluation, evaluate

pytestmark = pytest.mark.usefixtures("here")
CHOICES = {"hidden": (9,), "epochs": 2, "hash": "uniform", "seed": 4, "batch_size": 33}


@pytest.fixture
def data():
    """Three classes of 3 x 2 pixels."""
    y = np.arange(110) % 3
    x = (np.random.default_rng(0).integers(0, 99, (110, 3, 2)) + 70 * y[:, None, None]).astype("u1")
    return minihash.assemble("three", x[:90], y[:90], x[90:], y[90:])


def test_fit_gives_the_bits_of_the_command(data, here):
    reports = []
    model = minihash.fit(data, reports.append, **CHOICES)
    x, y = data.x_train.reshape(-1, 3, 2), data.y_train
    np.savez(
        "three.npz", x_train=x, y_train=y, x_test=data.x_test.reshape(-1, 3, 2), y_test=data.y_test
    )
    flags = "--hidden 9 --epochs 2 --hash uniform --seed 4 --batch-size 33 --quiet --out run"
    assert main(["train", "--dataset", "three.npz", *flags.split()]) == 0
    trained = minihash.load_model("run")
    assert model.params.keys() == trained.params.keys()
    for name, array in model.params.items():
        assert array.tobytes() == trained.params[name].tobytes(), name
    assert (model.epochs, model.steps) == (trained.epochs, trained.steps) == (2, 6)
    assert [report["epoch"] for report in reports] == [1, 2]
    assert reports[1].keys() == {"epoch", "loss", "rate", "train_accuracy"}


def test_what_is_saved_is_loaded_and_answers_alike(data):
    model = minihash.fit(data, **CHOICES)
    model.save("three.safetensors")
    again = minihash.load_model("three.safetensors")
    p = again.probabilities(data.x_test)
    assert p.shape == (20, 3) and np.allclose(p.sum(axis=1), 1)
    np.testing.assert_array_equal(p, model.probabilities(data.x_test))
    assert again.measure(data) == model.measure(data)
    assert (p.argmax(axis=1) == data.y_test).mean() == model.measure(data)["test_accuracy"]


def test_models_of_text_and_without_classes_are_trained_alike(data):
    Path("text.txt").write_text("round and round " * 40)
    text = minihash.data.load_text("text.txt")
    writer = minihash.fit(text, model="gru", hidden=(5,), epochs=1, length=16, batch_size=2)
    assert len(writer.write("ro", 7)) == 9
    coder = minihash.fit(data, model="autoencoder", hidden=(3,), epochs=1)
    assert coder.measure(data)["test_error"] > 0


@pytest.mark.parametrize(
    "choices, error, said",
    [
        ({"dataset": "mnist"}, TypeError, "fit takes no dataset"),
        ({"threads": 2}, TypeError, "set_threads"),
        ({"colour": 1}, TypeError, "colour"),
        ({"hash": "md5"}, ValueError, "hash must be one of"),
        ({"model": "lstm"}, TypeError, "lstm learns from a Text, got a Dataset"),
    ],
)
def test_what_does_not_fit_is_refused(choices, error, said, data):
    with pytest.raises(error, match=said):
        minihash.fit(data, **choices)


def test_many_examples_are_answered_in_batches(data, monkeypatch):
    model = minihash.fit(data, **CHOICES)
    x = np.concatenate([data.x_train] * 13)  # 1170, no multiple of a batch
    seen, forward = [], type(model.network).forward
    monkeypatch.setattr(
        type(model.network),
        "forward",
        lambda network, params, x, *step: seen.append(len(x)) or forward(network, params, x, *step),
    )
    p = model.probabilities(x)
    assert seen == [examples.BATCH, examples.BATCH, 170] and len(p) == 1170
    np.testing.assert_allclose(p[90 * 12 :], p[:90], rtol=1e-5)
    assert model.probabilities(x[:0]).shape == (0, 3)


def test_what_is_printed_is_short(data):
    model = minihash.fit(data, **CHOICES)
    assert len(repr(model)) < 80 and "Classifier('three'" in repr(model)
    Path("text.txt").write_text("round and round " * 40)
    text = minihash.data.load_text("text.txt")
    writer = minihash.fit(text, model="rnn", hidden=(5,), epochs=1, length=16, batch_size=2)
    assert len(repr(writer)) < 80 and "Writer('text'" in repr(writer)
    shown = repr(balance(Uniform(50_000), 100))
    assert len(shown) < 160 and "load" not in shown.replace("largest", "")
    found = evaluate(model.network, model.params, data.x_test, data.y_test, model.standardiser)
    assert isinstance(found, Evaluation) and found == (found.loss, found.accuracy)
    assert found.accuracy == model.measure(data)["test_accuracy"]
    assert repr(found).startswith("Evaluation(loss=")
