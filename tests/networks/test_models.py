"""Networks beside the ArbNet: held to PyTorch and its autograd, and used by the command line."""

import json
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from minihash.cli import main
from minihash.layers import BatchNorm2d, Conv2d, Dense, Flatten, Reshape, softmax_cross_entropy
from minihash.networks.cnn import cnn
from minihash.runs.kinds import load_model

pytestmark = pytest.mark.usefixtures("here")


def torch_logits(net, params, x):
    """The network said again in PyTorch; its weights are read by the index of their hash."""

    def weight(w):
        if w is None:
            return None
        ids = w.identifiers()
        bucket, sign = w.hash.bucket(ids), w.hash.sign(ids)
        return params[w.table][torch.as_tensor(bucket)] * torch.as_tensor(sign)

    for layer in net.layers:
        name = type(layer).__name__
        if isinstance(layer, Reshape):
            x = x.reshape(len(x), *layer.shape)
        elif isinstance(layer, Conv2d):
            x = F.conv2d(x, weight(layer.weight), weight(layer.bias), padding=1)
        elif isinstance(layer, Dense):
            x = F.linear(x, weight(layer.weight), weight(layer.bias))
        elif isinstance(layer, Flatten):
            x = x.flatten(1)
        elif name == "MaxPool2d":
            x = F.max_pool2d(x, 2)
        elif name == "ELU":
            x = F.elu(x)
        else:
            gamma, beta = params[f"{layer.name}.gamma"], params[f"{layer.name}.beta"]
            x = F.batch_norm(x, None, None, gamma, beta, training=True, eps=layer.eps)
    return x


@pytest.mark.parametrize("shape", [(8, 8), (3, 9, 12)])
@pytest.mark.parametrize("scope", ["network", "layer"])
@pytest.mark.parametrize("bias", ["free", "hashed", "none"])
def test_cnn_is_torchs(shape, scope, bias):
    options = {"hash": "dirichlet", "alpha": 1.0, "signed": True, "compression": 0.3}
    net = cnn(shape, 5, (3, 4), (6,), scope=scope, bias=bias, seed=3, **options)
    params = net.init(seed=1, dtype=np.float64)
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((7, math.prod(shape))), rng.integers(5, size=7)
    y, caches = net.forward(params, x, step=0)
    loss, cache = softmax_cross_entropy.forward(y, labels)
    dx, grads = net.backward(params, caches, softmax_cross_entropy.backward(cache))
    twins = {name: torch.tensor(a, requires_grad=True) for name, a in params.items()}
    inputs = torch.tensor(x, requires_grad=True)
    expected = F.cross_entropy(torch_logits(net, twins, inputs), torch.tensor(labels))
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-12)
    np.testing.assert_allclose(dx, inputs.grad, rtol=0, atol=1e-12)
    assert grads.keys() == {n for n, p in twins.items() if p.grad is not None}
    for name, grad in grads.items():
        np.testing.assert_allclose(grad, twins[name].grad, rtol=0, atol=1e-12, err_msg=name)
    assert sum(np.abs(grad).max() > 1e-3 for grad in grads.values()) >= 3


def test_weights_are_numbered_one_after_another():
    net = cnn((28, 28), 10, (4, 8), (20,), bias="hashed")
    next_id = 0
    for w in net.weights():
        assert (w.table, w.first_id) == ("table", next_id)
        next_id += w.size
    assert {w.hash.buckets for w in net.weights()} == {-(-next_id // 10)}
    tables = [w for w in cnn((28, 28), 10, scope="layer").weights() if len(w.shape) > 1]
    assert [w.hash.buckets for w in tables] == [-(-w.size // 10) for w in tables]
    assert len({w.hash.seed for w in tables}) == len(tables) == 5
    norms = [f.features for f in net.layers if isinstance(f, BatchNorm2d)]
    assert norms == [4, 8] and net.layers[-2:] == cnn((28, 28), 10, (4, 8), (20,)).layers[-2:]


def test_lenet_5_is_a_cnn():
    """The net that compression is compared on: 431,080 parameters, 580 of them biases."""
    net = cnn((28, 28), 10, (20, 50), (500,), "identity", norm="none", kernel=5, padding=0)
    shapes = [w.shape for w in net.weights() if len(w.shape) > 1]
    assert shapes == [(20, 1, 5, 5), (50, 20, 5, 5), (500, 800), (10, 500)]
    assert sum(w.size for w in net.weights()) == 431_080
    assert net.forward(net.init(), np.zeros((2, 784), np.float32))[0].shape == (2, 10)


def test_cnn_refuses_what_it_cannot_be():
    for shape, choices, expected in (
        ((784,), {}, r"takes images, .* got examples of shape \(784,\)"),
        ((28, 28), {"channels": (2,) * 5}, r"halves the 28 x 28 pixels .* 1 x 1 must be left"),
        ((28, 28), {"channels": ()}, r"got \(\); try"),
        ((28, 28), {"kernel": 5, "padding": 0, "channels": (2,) * 3}, "of 5 with padding 0 takes"),
        ((28, 28), {"kernel": 3, "padding": 3}, "padding must"),
        ((28, 28), {"channels": (0,)}, "each size must"),
        ((28, 28), {"scope": "net"}, 'scope must be "network" or "layer"'),
        ((28, 28), {"bias": "some"}, 'bias must be "free"'),
        ((28, 28), {"hash": "frob"}, "hash must be one of"),
        ((28, 28), {"hash": "hashednets"}, 'scope "layer"'),
    ):
        with pytest.raises(ValueError, match=expected):
            cnn(shape, 10, **choices)


def test_cnn_on_the_command_line(capsys):
    flags = ["--model", "cnn", "--channels", "4,8", "--hidden", "20", "--epochs", "1", "--json"]
    assert main(["train", *flags, "--compression", "0.5", "--out", "run", "--quiet"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["test_accuracy"] > 0.85
    count = 9 * 4 + 9 * 4 * 8 + 8 * 49 * 20 + 20 * 10
    assert result["virtual_weights"] == count and result["stored_weights"] == -(-count // 2)
    assert main(["eval", "run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["test_accuracy"] == result["test_accuracy"]
    assert main(["predict", "run", "3"]) == 0
    assert capsys.readouterr().out.startswith("example 3 of the test set of digits")
    assert main(["inspect", "run"]) == 0
    out = capsys.readouterr().out
    assert "Conv2d" in out and "8 x 4 x 3 x 3" in out and "MaxPool2d" in out
    assert max(map(len, out.splitlines())) <= 80
    assert load_model("run").features == 784
    assert main(["train", "--resume", "run", "--model", "mlp"]) == 2
    assert "run was begun with model cnn, got mlp" in capsys.readouterr().err


def test_resuming_a_cnn_gives_the_bits_of_a_run_that_never_stopped(capsys):
    flags = ["--model", "cnn", "--channels", "2", "--hidden", "5", "--quiet"]
    assert main(["train", *flags, "--epochs", "2", "--out", "whole"]) == 0
    assert main(["train", *flags, "--epochs", "1", "--out", "parts"]) == 0
    assert main(["train", "--resume", "parts", "--epochs", "2", "--quiet"]) == 0
    whole, parts = load_model("whole").params, load_model("parts").params
    assert all(np.array_equal(whole[name], parts[name]) for name in whole)


def test_models_that_are_none_are_refused_in_one_line(capsys):
    x, y = np.arange(24, dtype=np.uint8).reshape(4, 6), np.arange(4)
    np.savez("rows.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    for line, expected in {
        "train --model frob": "gru, lstm, autoencoder, got 'frob'",
        "train --channels 3": "the model mlp has no channels",
        "train --model cnn --channels 3,,": "--channels: expected sizes",
        "train --model cnn --dataset rows.npz": "a cnn takes images",
    }.items():
        assert main(line.split()) == 2, line
        err = capsys.readouterr().err
        assert expected in err and err.count("\n") == 1
