"""Weights of PyTorch by commands: evaluated, where a run begins, and back again, bit for bit."""

import json
from pathlib import Path

import numpy as np
import pytest

import minihash
from minihash.cli import main
from minihash.data import load, load_text
from minihash.exports import from_state, read_state
from minihash.files.state import state_bytes
from minihash.runs.brought import choices
from minihash.runs.kinds import load_model

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("here")
nn, functional = torch.nn, torch.nn.functional
SAID = ["--dataset", "digits", "--standardise", "0.5:0.25", "--activation", "relu"]


def arrays(module):
    return {name: value.numpy() for name, value in module.state_dict().items()}


def logits(net, x):
    with torch.no_grad():
        return net.eval()((torch.from_numpy(x).float() / 255 - 0.5) / 0.25).numpy()


@pytest.fixture(scope="module")
def digits():
    return load("digits")


@pytest.fixture(scope="module")
def mlp(digits):
    """A net that knows the digits under one scale of its inputs alone."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(784, 16), nn.ReLU(), nn.Linear(16, 10))
    x = (torch.from_numpy(digits.x_train).float() / 255 - 0.5) / 0.25
    y, optimiser = torch.from_numpy(digits.y_train), torch.optim.Adam(net.parameters(), 0.003)
    for k in range(171):
        rows = slice(k % 57, None, 57)
        optimiser.zero_grad()
        functional.cross_entropy(net(x[rows]), y[rows]).backward()
        optimiser.step()
    return net


@pytest.fixture
def file(mlp, here):
    Path("net.safetensors").write_bytes(state_bytes(arrays(mlp), "safetensors"))
    np.savez("net.npz", **arrays(mlp))
    return "net.safetensors"


def said(capsys, *args):
    """The last line of JSON."""
    capsys.readouterr()
    assert main([*args, "--json"]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def refused(capsys, *args):
    capsys.readouterr()
    assert main([*args]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith("minihash: error: ")
    return error


def test_a_trained_net_is_evaluated_as_it_is(mlp, digits, file, capsys):
    right = (logits(mlp, digits.x_test).argmax(1) == digits.y_test).mean()
    assert right > 0.7
    for name in (file, "net.npz"):
        found = said(capsys, "eval", name, *SAID)
        assert found["test_accuracy"] == right and found["dataset"] == "digits"
        assert found["taken_for"] == (
            "mlp of 0, 2; relu; inputs are (v / 255 - mean) / std, mean 0.5, std 0.25"
        )
    wrong = said(capsys, "eval", file, *SAID[:2], "--standardise", "0:1/255", *SAID[4:])
    assert wrong["test_accuracy"] < right and "std 0.00392157" in wrong["taken_for"]
    assert main(["eval", file, *SAID, "--confusion"]) == 0
    out = capsys.readouterr().out
    assert "taken for: mlp of 0, 2; relu; inputs are (v / 255" in out and "a row is a class" in out


def test_what_a_file_does_not_say_is_not_guessed(mlp, file, capsys):
    error = refused(capsys, "eval", file, "--dataset", "digits")
    assert "how inputs were scaled: --standardise" in error and "--activation" in error
    assert "--norm" not in error
    assert "--dataset" in refused(capsys, "eval", file, *SAID[2:])
    norms = nn.Sequential(nn.Linear(784, 10), nn.ReLU(), nn.BatchNorm1d(10))
    np.savez("norms.npz", **arrays(norms))
    assert "--norm batch" in refused(capsys, "eval", "norms.npz", *SAID)
    assert said(capsys, "eval", "norms.npz", *SAID, "--norm", "batch")["examples"] == 1000
    error = refused(capsys, "eval", file, *SAID, "--hidden", "15")
    assert "0.weight has shape (16, 784), expected (15, 784); 0.bias has shape" in error
    torch.save(mlp.state_dict(), "net.pt")
    assert "safetensors.torch.save_file" in refused(capsys, "eval", "net.pt", *SAID)
    np.savez("none.npz", x=np.ones(3))
    assert "named as torch.nn names" in refused(capsys, "eval", "none.npz", *SAID)
    assert "name it by --from" in refused(capsys, "train", "--names", "0,2")
    assert "epochs must be" in refused(capsys, "train", "--epochs", "0")


def test_a_run_that_begins_with_weights_is_a_run(mlp, file, capsys):
    begin = ["train", "--from", file, *SAID, "--quiet"]
    right = said(capsys, "eval", file, *SAID)["test_accuracy"]
    found = said(capsys, *begin, "--epochs", "0", "--out", "run")
    assert found["test_accuracy"] == right and found["epochs"] == 0
    assert said(capsys, "eval", "run")["test_accuracy"] == right
    assert main(["export", "run", "--to", "safetensors", "--out", "back.safetensors"]) == 0
    assert main(["export", "run", "--to", "npz", "--out", "back.npz"]) == 0
    for name in ("back.safetensors", "back.npz"):
        back = read_state(name)
        assert {n: a.tolist() for n, a in back.items()} == {
            n: a.tolist() for n, a in arrays(mlp).items()
        }
    Path(file).unlink()  # a run holds what it began with
    assert said(capsys, "train", "--resume", "run", "--quiet")["epochs"] == 0
    assert said(capsys, "train", "--resume", "run", "--epochs", "1", "--quiet")["epochs"] == 1
    begin[2] = "net.npz"
    assert said(capsys, *begin, "--epochs", "1", "--out", "at once")["before"] == {
        name: found[name] for name in ("test_accuracy", "test_loss")
    }
    models = [Path(run, "model.safetensors").read_bytes() for run in ("run", "at once")]
    assert models[0] == models[1]


def test_on_a_hash_a_run_begins_with_the_nearest_table(file, digits, capsys):
    hashed = ["--hash", "uniform", "--compression", "0.3", "--scope", "layer", "--signed"]
    begin = ["train", "--from", file, *SAID, *hashed, "--epochs", "0", "--out", "run"]
    assert main(begin) == 0
    assert ", projected on uniform at 0.3; relu" in capsys.readouterr().err
    model = load_model("run")
    right = from_state(model.network, read_state(file))
    assert {n: a.tolist() for n, a in model.params.items()} == {
        n: a.tolist() for n, a in right.items()
    }
    assert model.params["dense1.weight"].size == np.ceil(0.3 * 784 * 16)
    hashed = {"hash": "uniform", "compression": 0.3, "scope": "layer", "signed": True}
    told = {"weights": file, "standardise": "0.5:0.25", "activation": "relu", "epochs": 0}
    by_python = minihash.fit(digits, **told, **hashed)
    assert {n: a.tolist() for n, a in by_python.params.items()} == {
        n: a.tolist() for n, a in right.items()
    }


def test_weights_that_were_brought_in_can_be_compressed(file, capsys):
    assert main(["train", "--from", file, *SAID, "--epochs", "0", "--out", "run", "--quiet"]) == 0
    options = ["--option", "rounds=1", "--option", "epochs=1", "--option", "bits=4"]
    done = said(capsys, "compress", "run", *options, "--out", "small", "--quiet")
    assert done["before"]["test_accuracy"] > 0.7 and done["rate"] > 1


def test_a_file_of_minihash_says_everything_itself(file, capsys):
    assert main(["train", "--from", file, *SAID, "--epochs", "0", "--out", "run", "--quiet"]) == 0
    assert "leave it out" in refused(capsys, "eval", "run", "--activation", "relu")
    assert "leave it out" in refused(capsys, "eval", "run", "--model", "mlp")


def test_shapes_say_what_a_network_is():
    lenet = nn.ModuleDict({"b": nn.Conv2d(1, 4, 5), "c": nn.Conv2d(4, 6, 5, bias=False)})
    lenet.update({"fc1": nn.Linear(96, 7), "fc2": nn.Linear(7, 10)})
    np.savez("cnn.npz", **arrays(lenet))
    told = {"weights": "cnn.npz", "standardise": "none", "activation": "tanh"}
    found = choices(told)
    assert (found["model"], found["channels"], found["kernel"]) == ("cnn", (4, 6), 5)
    assert (found["hidden"], found["norm"], found["hash"]) == ((7,), "none", "identity")
    assert choices(told | {"hash": "modulus"})["hash"] == "modulus"
    for cell, name in ((nn.RNN, "rnn"), (nn.GRU, "gru"), (nn.LSTM, "lstm")):
        net = nn.ModuleDict({"e": nn.Embedding(9, 3), "r": cell(3, 5, 2), "d": nn.Linear(5, 9)})
        np.savez("text.npz", **arrays(net))
        found = choices({"weights": "text.npz"})
        assert (found["model"], found["hidden"], found["embedding"]) == (name, (5,), 3)
        assert found["layers"] == 2 and "standardise" not in found


def test_a_cnn_of_any_padding_answers_as_there(digits, capsys):
    for padding, left in ((0, 4), (2, 7)):
        torch.manual_seed(padding)
        first = nn.Conv2d(1, 3, 5, padding=padding), nn.ReLU(), nn.MaxPool2d(2)
        then = nn.Conv2d(3, 4, 5, padding=padding), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()
        net = nn.Sequential(nn.Unflatten(1, (1, 28, 28)), *first, *then)
        net.append(nn.Linear(4 * left * left, 10))
        np.savez("cnn.npz", **arrays(net))
        right = (logits(net, digits.x_test).argmax(1) == digits.y_test).mean()
        found = said(capsys, "eval", "cnn.npz", *SAID, "--backend", "numpy")
        assert found["test_accuracy"] == right and f"; padding {padding};" in found["taken_for"]
    state = arrays(net) | {"8.weight": np.ones((10, 4 * 6 * 6), np.float32)}
    np.savez("odd.npz", **state)
    assert "at any padding" in refused(capsys, "eval", "odd.npz", *SAID)


def test_a_language_model_answers_as_there(capsys):
    Path("words.txt").write_text("the cat sat on the mat, and that was that. " * 40)
    torch.manual_seed(3)
    text = load_text("words.txt")
    known = len(text.vocabulary)
    parts = nn.Embedding(known, 6), nn.LSTM(6, 6, 2, batch_first=True), nn.Linear(6, known)
    net = nn.ModuleDict(dict(zip(("encoder", "lstm", "decoder"), parts, strict=True)))
    np.savez("lm.npz", **arrays(net))
    tokens = torch.from_numpy(text.validation.astype(np.int64))
    with torch.no_grad():
        answers = parts[2](parts[1](parts[0](tokens[None, :-1]))[0])[0]
        bits = functional.cross_entropy(answers.double(), tokens[1:]).item() / np.log(2)
    found = said(capsys, "eval", "lm.npz", "--dataset", "words.txt", "--backend", "numpy")
    assert found["bits_per_character"] == pytest.approx(bits, abs=1e-6)
    assert f"encoder, lstm.0, lstm.1, decoder; tokens are the {known}" in found["taken_for"]
    begin = ["train", "--from", "lm.npz", "--model", "lstm", "--dataset", "words.txt"]
    assert main([*begin, "--epochs", "0", "--out", "run", "--quiet"]) == 0
    assert main(["export", "run", "--to", "npz"]) == 0
    assert {n: a.tolist() for n, a in read_state("run.npz").items()} == {
        n: a.tolist() for n, a in arrays(net).items()
    }
