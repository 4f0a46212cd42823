"""Options of network and training: what each builds and computes is what the library says, it is
kept in the run's files, and no bit of it is lost when the run is resumed."""

import json
from pathlib import Path

import numpy as np
import pytest

from minihash import data as datasets
from minihash.cli import main
from minihash.layers import ELU, Dropout, ReLU, Sigmoid, Tanh
from minihash.networks.arbnet import arbnet
from minihash.networks.autoencoder import tied_autoencoder
from minihash.networks.cnn import cnn
from minihash.runs.config import Config
from minihash.runs.folder import config_of
from minihash.runs.kinds import load_model
from minihash.training import Training, start, steps
from minihash.training.optimisers import SGD, Adam, Clipped
from minihash.training.penalties import L1, L2, GroupLasso, WeightDecay
from minihash.training.schedules import Decay, Plateau
from minihash.training.sorted_norms import GrOWL
from reference.streams import stream

pytestmark = pytest.mark.usefixtures("here")
TEXT = "to be, or not to be: that is the question.\n" * 12


def kinds(network):
    return [type(layer).__name__ for layer in network.layers]


def test_the_layers_that_follow_the_weights():
    paper = ["Dense", "ELU", "BatchNorm1d"]
    assert kinds(arbnet((6, 5, 3))) == paper * 2
    relu = arbnet((6, 5, 5, 3), activation=ReLU(), dropout=0.25, seed=9)
    assert kinds(relu) == 2 * ["Dense", "ReLU", "BatchNorm1d", "Dropout"] + ["Dense", "ReLU"] + [
        "BatchNorm1d"
    ]
    drops = [layer for layer in relu.layers if type(layer).__name__ == "Dropout"]
    assert [d.rate for d in drops] == [0.25, 0.25]
    assert [d.seed for d in drops] == [stream(9, "dropout1"), stream(9, "dropout2")]
    noisy = arbnet((6, 5, 3), norm="none", dropout=0.25, input_dropout=0.5, seed=9)
    assert kinds(noisy) == ["Dropout", "Dense", "ELU", "Dropout", "Dense"]
    assert noisy.layers[0] == Dropout(0.5, stream(9, "dropout0"))
    plain = arbnet((6, 5, 3), norm="none", activation=Tanh())
    assert kinds(plain) == ["Dense", "Tanh", "Dense"]  # logits are free to fall
    image = cnn((4, 4), 3, (2,), (5,), norm="none", activation=Sigmoid(), dropout=0.5)
    start = ["Reshape", "Conv2d", "MaxPool2d", "Sigmoid", "Flatten"]
    assert kinds(image) == [*start, "Dense", "Sigmoid", "Dropout", "Dense"]
    for norm in ("layer", None, True):
        with pytest.raises(ValueError, match='norm must be "batch" or "none", got'):
            arbnet((6, 5, 3), norm=norm)


def test_without_a_choice_the_networks_are_those_they_were():
    sizes, shape = (64, 200, 200, 5), (8, 8)
    same = {"activation": ELU(), "norm": "batch", "dropout": 0.0}
    assert Config().network(shape, 5) == arbnet(sizes) == arbnet(sizes, **same)
    assert Config(model="cnn").network(shape, 5) == cnn(shape, 5, **same)
    code = tied_autoencoder((64, 128, 32), "uniform", 0.1, activation=ELU())
    assert Config(model="autoencoder").network(shape, 5) == code
    assert Config().training() == Training()
    assert Config(model="lstm").training().optimiser == Clipped(Adam(), 1.0)
    assert Config(model="autoencoder").training().optimiser == Adam()


def test_the_rate_is_that_of_the_optimiser():
    assert (Config(optimiser="adam").lr, Config(optimiser="sgd").lr) == (0.003, 0.1)
    assert (Config(model="lstm").lr, Config(model="lstm", optimiser="sgd").lr) == (0.005, 0.1)
    assert Config(optimiser="adam", lr=0.5).training() == Training(rate=0.5, optimiser=Adam())
    assert Config(model="rnn", optimiser="sgd").training().optimiser == Clipped(SGD(0.9), 1.0)
    assert Config(clip=0.5).training().optimiser == Clipped(SGD(0.9), 0.5)


def test_momentum_and_dampening_are_of_sgd_and_the_rate_falls_in_one_way():
    damped = Config(momentum=0.8, dampening=0.8, decay=1e-4).training()
    assert damped == Training(optimiser=SGD(0.8, dampening=0.8), schedule=Decay(1e-4))
    own = Config(momentum=0.0, plateau=2, plateau_of="validation", validation=0.1).training()
    assert own == Training(optimiser=SGD(), schedule=Plateau(2, of="validation"))
    assert Config(model="rnn", optimiser="sgd", momentum=0.5).training().optimiser == Clipped(
        SGD(0.5), 1.0
    )
    for choices, said in (
        ({"optimiser": "adam", "momentum": 0.5}, "momentum is of the optimiser sgd, got adam"),
        ({"model": "lstm", "dampening": 0.5}, "dampening is of the optimiser sgd, got adam"),
        ({"decay": 0.1, "plateau": 3}, "the rate falls by a decay or at plateaus"),
        ({"plateau_of": "validation"}, "a plateau of validation needs examples held out"),
        ({"plateau_of": "test"}, "of must be one of training, validation, got 'test'"),
        ({"optimiser": "rprop"}, "optimiser must be one of sgd, adam, got 'rprop'"),
    ):
        with pytest.raises(ValueError, match=said):
            Config(**choices).training()


def test_hashednets_has_a_table_for_each_layer_without_being_told():
    assert Config(hash="hashednets").scope == "layer" and Config(hash="uniform").scope == "network"
    assert Config(model="lstm", hash="hashednets").scope == "layer"
    assert Config(model="autoencoder", hash="hashednets").scope is None
    flags = "--hash hashednets --hidden 5 --epochs 1 --out run --quiet"
    assert main(["train", *flags.split()]) == 0
    assert json.loads(Path("run/config.json").read_text())["scope"] == "layer"


def test_penalties_are_on_what_matrices_read():
    strengths = {"l1": 0.5, "l2": 0.25, "weight_decay": 0.125}
    config = Config(bias="hashed", scope="layer", hidden=(5,), **strengths)
    tables = ("dense1.weight", "dense2.weight")
    found = {L1(0.5, tables), L2(0.25, tables), WeightDecay(0.125, tables)}
    assert set(config.training(config.network((8, 8), 3)).penalties) == found
    config = Config(model="lstm", tied=True, l1=0.5)
    assert config.penalties(config.network(9)) == (L1(0.5, ("embedding", "lstm")),)
    assert Config(l1=0.0).penalties(Config().network((8, 8), 3)) == (L1(0.0, ("table",)),)


def test_the_groups_of_a_group_lasso_are_the_outputs_of_each_matrix_once():
    config = Config(model="cnn", hash="identity", channels=(2,), hidden=(5,), group_lasso=0.5)
    found = config.penalties(config.network((4, 4), 3))
    assert all(isinstance(p, GroupLasso) and p.strength == 0.5 for p in found)
    assert [(p.weight.shape, p.weight.first_id) for p in found] == [
        ((2, 9), 0),
        ((5, 8), 18),
        ((3, 5), 58),
    ]
    code = Config(model="autoencoder", hash="identity", hidden=(5,), group_lasso=0.5)
    found = code.penalties(code.network((4, 4), 3))
    assert [p.weight.shape for p in found] == [(5, 16)]  # the decoder's is its transpose


def test_the_groups_of_growl_are_the_inputs_of_each_matrix_once():
    config = Config(model="cnn", hash="identity", channels=(2,), hidden=(5,), growl=(0.5, 0.25))
    found = config.penalties(config.network((4, 4), 3))
    assert all(isinstance(p, GrOWL) and p.lambdas[-1] == 0.5 and p.part == 0.5 for p in found)
    assert [(p.weight.shape, p.lambdas.size) for p in found] == [
        ((2, 1, 3, 3), 1),
        ((5, 8), 8),
        ((3, 5), 5),
    ]
    code = Config(model="autoencoder", hash="identity", hidden=(5,), growl=(0.5, 0.25, 1.0))
    (one,) = code.penalties(code.network((4, 4), 3))
    assert (one.weight.shape, one.part) == ((5, 16), 1.0)  # the decoder's is its transpose
    assert Config.from_json(code.to_json()) == code


def test_growl_makes_inputs_0_and_their_run_resumes():
    flags = "--hash identity --scope layer --norm none --hidden 20 --growl 0.005,1e-5 --seed 3"
    command = ["train", *flags.split(), "--standardise", "none", "--quiet"]
    assert main([*command, "--epochs", "2", "--out", "whole"]) == 0
    assert main([*command, "--epochs", "1", "--out", "run"]) == 0
    assert main(["train", "--resume", "run", "--epochs", "2", "--quiet"]) == 0
    whole, run = (Path(f, "model.safetensors").read_bytes() for f in ("whole", "run"))
    assert whole == run
    inputs = load_model("run").params["dense1.weight"].reshape(20, 784)
    lost = ~inputs.any(axis=0)
    assert 100 < lost.sum() < 784
    assert np.count_nonzero(inputs[:, ~lost]) > 0.9 * inputs[:, ~lost].size


FLAGS = {
    "mlp": "--activation tanh --norm none --dropout 0.25 --optimiser adam --l1 1e-4 --l2 1e-3",
    "cnn": "--model cnn --channels 2 --activation relu --dropout 0.5 --weight-decay 1e-3",
    "damped": "--momentum 0.5 --dampening 0.5 --decay 1e-3 --input-dropout 0.25 --norm none",
    "clipped": "--clip 0.1 --compression 0.02",
    "groups": "--hash identity --group-lasso 0.01",
    "autoencoder": "--model autoencoder --activation sigmoid --optimiser sgd --weight-decay 1e-4",
}


@pytest.mark.parametrize("name", FLAGS)
def test_a_run_is_what_the_library_computes_and_resumes_to_the_bit(name):
    flags = ["train", *FLAGS[name].split(), "--hidden", "6", "--seed", "3", "--quiet"]
    assert main([*flags, "--epochs", "2", "--out", "whole"]) == 0
    assert main([*flags, "--epochs", "1", "--out", "run"]) == 0
    assert main(["train", "--resume", "run", "--epochs", "2", "--quiet"]) == 0
    whole, run = (Path(f, "model.safetensors").read_bytes() for f in ("whole", "run"))
    assert whole == run
    config, model = config_of(Path("run")), load_model("run")
    words = [flag.split(" ") for flag in f" {FLAGS[name]}".split(" --")[1:]]
    for flag, value in words:
        kept = getattr(config, flag.replace("-", "_"))
        assert kept == type(kept)(value) if not isinstance(kept, tuple) else kept == (int(value),)
    digits = datasets.load("digits")
    network = config.network(digits.shape, digits.classes)
    training = config.training(network)
    assert (model.network, model.training) == (network, training)
    labels = digits.y_train if name != "autoencoder" else None
    first = start(network, training)
    *_, (state, _) = steps(network, training, first, digits.x_train, labels, model.standardiser)
    assert all(np.array_equal(state.params[key], a) for key, a in model.params.items())


def test_a_group_lasso_makes_whole_rows_0():
    flags = "--hash identity --scope layer --norm none --hidden 20 --group-lasso 0.003 --epochs 3"
    assert main(["train", *flags.split(), "--out", "run", "--quiet"]) == 0
    rows = load_model("run").params["dense1.weight"].reshape(20, 784)
    lost = ~rows.any(axis=1)
    assert 0 < lost.sum() < 20
    assert np.count_nonzero(rows[~lost]) > 0.9 * rows[~lost].size  # groups, not entries


def test_a_text_is_trained_by_sgd_with_penalties_and_goes_on():
    Path("play.txt").write_text(TEXT)
    flags = "--model gru --dataset play.txt --hidden 9 --length 8 --batch-size 4 --optimiser sgd"
    command = ["train", *flags.split(), "--l2", "1e-3", "--l1", "1e-4", "--quiet"]
    assert main([*command, "--epochs", "3", "--out", "whole"]) == 0
    assert main([*command, "--epochs", "1", "--out", "run"]) == 0
    assert main(["train", "--resume", "run", "--epochs", "3", "--quiet"]) == 0
    whole, run = (Path(f, "model.safetensors").read_bytes() for f in ("whole", "run"))
    assert whole == run
    tables = ("embedding", "gru", "output")
    assert load_model("run").training.penalties == (L1(1e-4, tables), L2(1e-3, tables))
