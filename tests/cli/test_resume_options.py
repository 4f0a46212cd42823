"""Options beside --resume: each is one that may change, or is refused unless it says what the run
was begun with. None is taken without effect."""

import dataclasses
from pathlib import Path

import pytest

from minihash.cli import main
from minihash.cli.arguments import parser
from minihash.runs.config import Config
from minihash.runs.folder import config_of
from minihash.runs.train import FREE

pytestmark = pytest.mark.usefixtures("here")
# For each choice the values that two runs of some model were begun with, as they are typed.
MLP = {
    "dataset": ("digits", "convex"),
    "standardise": ("none", "channels"),
    "channels_last": (None, ""),
    "model": ("mlp", "cnn"),
    "hash": ("dirichlet", "uniform"),
    "alpha": ("2", "3"),
    "radius": (None, "1"),
    "signed": (None, ""),
    "hash_options": (None, "signed=true"),
    "compression": ("1/15", "1/14"),
    "scope": ("layer", "network"),
    "bias": ("none", "free"),
    "hidden": ("5", "5,5"),
    "channels": (None, "3"),
    "kernel": (None, "5"),
    "padding": (None, "0"),
    "activation": ("relu", "elu"),
    "norm": ("none", "batch"),
    "dropout": ("0.25", "0.5"),
    "source": (None, "lowrank"),
    "input_dropout": ("0.125", "0.25"),
    "init_scale": ("0.5", "1"),
    "batch_size": ("40", "50"),
    "momentum": (None, "0.5"),
    "dampening": (None, "0.5"),
    "clip": ("9", "1"),
    "decay": (None, "0.5"),
    "plateau": ("2", "3"),
    "plateau_of": ("validation", "training"),
    "optimiser": ("adam", "sgd"),
    "lr": ("0.01", "0.003"),
    "weight_decay": ("0.001", "0"),
    "l1": ("0.001", "0.002"),
    "l2": ("0.001", "0.002"),
    "group_lasso": (None, "0.1"),
    "growl": (None, "0.1,0"),
    "validation": ("0.2", "1/3"),
    "seed": ("7", "0"),
    "teacher": (None, "run"),
    "temperature": (None, "2"),
    "mix": (None, "0.5"),
    "weights": (None, "net.npz"),
    "names": (None, "fc1,fc2"),
    "dtype": ("float64", "float32"),
}
TEXT = {
    "model": ("gru", "rnn"),
    "dataset": ("play.txt", "digits"),
    "compression": ("0.3", "1/3"),
    "validation": ("50", "0.1"),
    "embedding": ("4", "5"),
    "tied": (None, ""),
    "layers": ("2", "1"),
    "tokens": ("bytes", "characters"),
    "length": ("9", "8"),
    "truncate": ("5", "9"),
    "clip": ("2", "1"),
    "hidden": ("5", "6"),
    "batch_size": ("4", "5"),
}
CHOICES = [field.name for field in dataclasses.fields(Config)]


def flag(name):
    own = {"hash_options": "--hash-option", "weights": "--from"}
    return own.get(name, f"--{name.replace('_', '-')}")


def typed(name, value):
    return [flag(name), value] if value else [flag(name)]


def test_every_option_of_training_is_tried():
    train = next(a for a in parser()._actions if hasattr(a, "choices") and a.choices)
    actions = train.choices["train"]._actions
    assert {action.dest for action in actions} == {
        *CHOICES,
        *("help", "json", "imports", "download", "out", "resume", "quiet"),
    }
    assert {*MLP, *TEXT, *FREE} == set(CHOICES)
    known = {text for action in actions for text in action.option_strings}
    assert known >= {flag(name) for name in CHOICES}


@pytest.mark.parametrize("choices", [MLP, TEXT], ids=["mlp", "text"])
def test_each_choice_of_a_run_is_its_own(choices, capsys):
    Path("play.txt").write_text("to be, or not to be: that is the question.\n" * 12)
    begun = [typed(name, was) for name, (was, _) in choices.items() if was is not None]
    flags = [part for pair in begun for part in pair]
    assert main(["train", *flags, "--epochs", "1", "--out", "run", "--quiet"]) == 0
    before = config_of(Path("run"))
    files = {path: path.read_bytes() for path in Path("run").iterdir()}
    for name, (_, other) in choices.items():
        assert main(["train", "--resume", "run", *typed(name, other)]) == 2, name
        error = capsys.readouterr().err
        assert f"run was begun with {name.replace('_', '-')} " in error, error
        assert error.count("\n") == 1 and "begin a new run without --resume" in error
    assert files == {path: path.read_bytes() for path in Path("run").iterdir()}
    assert main(["train", "--resume", "run", *flags, "--epochs", "2", "--quiet"]) == 0
    assert config_of(Path("run")) == dataclasses.replace(before, epochs=2)


def test_what_may_change_is_honoured():
    flags = "--hidden 5 --epochs 2 --validation 0.5 --patience 1"
    assert main(["train", *flags.split(), "--out", "run", "--quiet"]) == 0
    changed = {"epochs": 4, "patience": 4, "backend": "numpy", "threads": 1}
    given = [part for name, value in changed.items() for part in (flag(name), str(value))]
    assert main(["train", "--resume", "run", *given, "--quiet"]) == 0
    config = config_of(Path("run"))
    assert {name: getattr(config, name) for name in changed} == changed
    assert {*changed, "data_dir"} == set(FREE)
    assert len(Path("run/metrics.jsonl").read_text().splitlines()) == 4
