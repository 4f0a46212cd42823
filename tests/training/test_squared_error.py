"""Training on the squared error: of given targets, or of the inputs themselves (autoencoders)."""

import json

import numpy as np
import pytest
import torch

from minihash import core, data
from minihash.cli import main
from minihash.hashes import Uniform
from minihash.layers import ELU, Dense, Sigmoid
from minihash.networks.autoencoder import tied_autoencoder
from minihash.networks.sequential import Sequential
from minihash.runs.kinds import load_model
from minihash.training import Training, evaluate, start, steps
from minihash.training.optimisers import SGD
from minihash.training.schedules import Plateau
from minihash.weights import VirtualWeight
from tests.support.training_cases import batch_of, examples, to_input

RNG = np.random.default_rng(0)


def virtual(w, twins):
    ids = w.identifiers()
    signs = torch.as_tensor(w.hash.sign(ids))
    return twins[w.table][torch.as_tensor(w.hash.bucket(ids))] * signs


@pytest.mark.parametrize("itself", [True, False])
def test_a_step_is_torchs(itself):
    """Sigmoid and hashed weights; the autoencoder's are tied."""
    if itself:
        choices = {"hash": "uniform", "compression": 0.4, "signed": True}
        network = tied_autoencoder((6, 4, 2), activation=Sigmoid(), **choices)
    else:
        one, two = (
            VirtualWeight(shape, Uniform(9, 1), "table", first)
            for shape, first in (((4, 6), 0), ((3, 4), 24))
        )
        network = Sequential((Dense(one), Sigmoid(), Dense(two)))
    x, _ = examples(10)
    wanted = None if itself else RNG.normal(size=(10, 3))
    training = Training(2, 4, 0.5, SGD(momentum=0.9), loss="squared-error")
    state = first = start(network, training, np.float64)
    twins = {name: torch.tensor(a, requires_grad=True) for name, a in state.params.items()}
    optimiser = torch.optim.SGD(twins.values(), 0.5, momentum=0.9)
    for after, report in steps(network, training, first, x, wanted, to_input):
        batch = batch_of(training, state, 10)
        h = inputs = torch.tensor(to_input(x[batch], np.float64))
        for layer in network.layers:
            if isinstance(layer, Dense):
                bias = virtual(layer.bias, twins) if layer.bias else None
                h = torch.nn.functional.linear(h, virtual(layer.weight, twins), bias)
            else:
                h = torch.sigmoid(h)
        target = inputs if itself else torch.tensor(wanted[batch])
        loss = torch.nn.functional.mse_loss(h, target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if state.batch == 0:
            assert report["loss"] == pytest.approx(loss.item(), rel=1e-12)
        for name, twin in twins.items():
            np.testing.assert_allclose(after.params[name], twin.detach(), rtol=0, atol=1e-12)
        assert "train_accuracy" not in report
        state = after
    assert state.step == 6


def test_each_pair_of_sizes_has_a_hash_with_a_seed_of_its_own():
    network = tied_autoencoder((6, 6, 6), "uniform", 0.5)
    first, second, third, last = (x.weight.hash for x in network.layers if isinstance(x, Dense))
    assert first.seed != second.seed and (first, second) == (last, third)


def test_the_error_is_the_mean_over_all_numbers_for_any_batch_size():
    network = tied_autoencoder((6, 2), activation=None)
    x, _ = examples(13)
    with core.use("numpy"):
        params = network.init(seed=1, dtype=np.float64)
        z = to_input(x, np.float64)
        expected = np.mean((network.forward(params, z)[0] - z) ** 2)
        for size in (1, 4, 13, 500):
            error, accuracy = evaluate(
                network, params, x, None, to_input, size, loss="squared-error"
            )
            assert error == pytest.approx(expected, rel=1e-12) and accuracy == 0


def test_the_schedule_sees_a_falling_error_as_better():
    """At a rate of almost 0 nothing changes: each epoch is as good as the best, and the rate falls.
    At a good one it does not."""
    x, _ = examples(40)
    network = tied_autoencoder((6, 3), activation=None)
    for rate, drops in ((1e-300, 2), (0.05, 0)):
        training = Training(5, 40, rate, SGD(), Plateau(2), loss="squared-error")
        begun = start(network, training, np.float64)
        *_, (state, _) = steps(network, training, begun, x, None, to_input)
        assert state.schedule["drops"] == drops


def test_bad_input_is_refused():
    network, (x, labels) = tied_autoencoder((6, 2)), examples(8)
    training = Training(loss="squared-error")
    begun = start(network, training)
    for wanted, expected in (
        (np.zeros((8, 5), np.float32), "target must have shape"),
        (np.zeros((7, 6), np.float32), "7 labels and 8 examples"),
    ):
        with pytest.raises(ValueError, match=expected):
            steps(network, training, begun, x, wanted, to_input)
    with pytest.raises(TypeError, match="target must be float"):
        steps(network, training, begun, x, labels, to_input)
    with pytest.raises(ValueError, match="loss must be one of cross-entropy, squared-error, got"):
        Training(loss="hinge")


def test_an_autoencoder_on_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINIHASH_BACKEND", "numpy")
    flags = ["--hash", "identity", "--hidden", "40,20", "--epochs", "2"]
    command = ["train", "--model", "autoencoder", *flags, "--json", "--out"]
    assert main([*command, "run"]) == 0
    out, err = capsys.readouterr()
    result = json.loads(out.splitlines()[-1])
    assert result["virtual_weights"] == 2 * result["stored_weights"] == 2 * (784 + 20) * 40
    assert [line.split(":")[0] for line in err.splitlines()] == ["epoch 1/2", "epoch 2/2"]
    assert f"test error {result['test_error']:.4f}" in err and "accuracy" not in err
    # The mean digit leaves 0.73 of the variance, 20 principal components leave 0.26.
    assert 0.25 < result["test_error"] < 0.6
    model, digits = load_model("run"), data.load("digits")
    sizes = (784, 40, 20)
    assert model.network == tied_autoencoder(sizes, activation=ELU()) and model.shape == (28, 28)
    z = digits.standardiser()(digits.x_test)
    error = np.square(model.network.forward(model.params, z)[0] - z, dtype=np.float64).mean()
    assert result["test_error"] == pytest.approx(error, rel=1e-6)
    assert main(["eval", "run", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {"test_error": result["test_error"], "examples": 1000, "dataset": "digits"}
    assert main(["inspect", "run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["shape"] == [28, 28]
    assert main([*command[:-1], "--epochs", "1", "--bias", "none", "--out", "half"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["other_parameters"] == 0
    assert main([*command, "again", "--epochs", "1", "--quiet"]) == 0
    assert main(["train", "--resume", "again", "--epochs", "2", "--quiet"]) == 0
    same = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("run", "again")]
    assert same[0] == same[1]
