"""A new kind of model is an entry of KINDS: the rest of the program knows it from there."""

import json
import math
from pathlib import Path

import pytest

from minihash.cli import main
from minihash.networks.arbnet import arbnet
from minihash.runs.config import Config
from minihash.runs.examples import Classifier
from minihash.runs.folder import config_of
from minihash.runs.kinds import KINDS, Kind, load_model

pytestmark = pytest.mark.usefixtures("here")


def linear(config, shape, classes):
    """One layer, without a bias."""
    sizes = (math.prod(shape), classes)
    return arbnet(sizes, bias="none", seed=config.seed, **config.hashing())


@pytest.fixture
def kind(monkeypatch):
    choices = {"dataset": "digits", "hash": "modulus", "compression": 0.37, "lr": 0.0123}
    choices |= {"epochs": 1, "batch_size": 50}
    monkeypatch.setitem(KINDS, "linear", Kind(Classifier, choices, linear))


def test_every_command_knows_it(kind, capsys):
    def printed(*args):
        assert main([*args, "--json"]) == 0
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    result = printed("train", "--model", "linear", "--out", "run")
    assert (result["model"], result["epochs"]) == ("linear", 1)
    assert result["stored_weights"] == math.ceil(0.37 * 784 * 10)
    assert config_of(Path("run")).model == "linear"
    assert printed("eval", "run")["test_accuracy"] == result["test_accuracy"]
    assert printed("inspect", "run")["tables"][0]["hash"].startswith("Modulus(buckets=2901")
    assert printed("predict", "run", "3")["predictions"]
    resumed = printed("train", "--resume", "run", "--epochs", "2")
    assert resumed["epochs"] == 2 and load_model("run").epochs == 2


def test_the_help_shows_it_and_its_defaults(kind, capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "mlp, cnn, autoencoder, linear; of text: rnn" in shown
    assert "autoencoder 0.003; linear 0.0123)" in shown


def test_choices_that_it_has_not_are_refused(kind):
    assert Config(model="linear").compression == 0.37
    with pytest.raises(ValueError, match="the model linear has no hidden: leave it out, or choose"):
        Config(model="linear", hidden=(3,))
