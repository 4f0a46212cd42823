"""Validation: what is held out, which epoch is kept, when a run ends, and that no bit depends on
where it was stopped."""

import json
import math
import os
import re
import signal
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from minihash import data as datasets
from minihash.cli import main
from minihash.data import Dataset, Text
from minihash.experiments.outcome import load, outcome
from minihash.files import checkpoint
from minihash.runs import folder as disk
from minihash.runs import train as training
from minihash.runs.examples import Autoencoder, Classifier
from minihash.runs.folder import config_of
from minihash.runs.kinds import load_model
from minihash.runs.progress import Progress
from minihash.runs.validation import best, loss_of, named, split
from minihash.runs.writer import Writer
from reference.optimisers import plateau_rates
from reference.streams import h, stream

pytestmark = pytest.mark.usefixtures("here")
SMALL = ["train", "--hidden", "12", "--seed", "3", "--validation", "0.2", "--quiet", "--lr", "0.3"]
PART = ["--dataset", "part.npz", "--batch-size", "10"]
TEXT = "to be, or not to be: that is the question.\n" * 12


def small(count: int) -> Dataset:
    """Example i holds i, and is labelled by it."""
    x = np.arange(count, dtype=np.uint8)[:, None]
    y = np.arange(count)
    return datasets.assemble("small", x, y, x[:2], y[:2], classes=count)


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize(
    ("count", "share", "expected"),
    [(40, 8, 8), (40, 0.2, 8), (41, 0.2, 8), (10, 0.3, 3), (30, Fraction(1, 3), 10), (5, 4, 4)],
)
def test_what_is_held_out_comes_first_by_its_hash(count, share, expected, seed):
    rest, held = split(small(count), share, seed)
    order = sorted(range(count), key=lambda i: h(stream(seed, "validation"), i))
    assert sorted(held.y_test) == sorted(order[:expected])
    assert sorted(rest.y_train) == sorted(order[expected:])
    assert np.array_equal(held.x_test[:, 0], held.y_test)
    assert np.array_equal(rest.x_train[:, 0], rest.y_train)
    assert np.array_equal(rest.x_test, small(count).x_test)


def test_of_a_text_its_end_is_held_out():
    text = Text("t", np.arange(20), np.arange(3), "abc")
    rest, held = split(text, 0.25, seed=0)
    assert rest.train.tolist() == [*range(15)] and held.validation.tolist() == [*range(15, 20)]
    assert rest.validation.tolist() == [0, 1, 2]
    for share in (1, 20, 0.05):
        with pytest.raises(ValueError, match=r"of 20 to train with, .* cannot be held out"):
            split(text, share, seed=0)


@pytest.mark.parametrize(
    ("kind", "name", "values", "expected"),
    [
        (Classifier, "validation_accuracy", [0.5, 0.7, 0.7, 0.6], 2),
        (Classifier, "validation_accuracy", [0.0, 0.0], 1),
        (Autoencoder, "validation_error", [0.5, 0.7, 0.4, 0.4], 3),
        (Autoencoder, "validation_error", [math.nan, None, 0.4, math.nan, 0.5], 3),
        (Autoencoder, "validation_error", [math.nan, None, math.inf], 0),
        (Writer, "validation_bits_per_character", [3.0, 2.5, 2.6], 2),
        (Writer, "validation_bits_per_byte", [3.0, 2.5, 2.6], 2),
        (Writer, "bits_per_byte", [3.0, 2.5, 2.6], 0),
    ],
)
def test_the_best_epoch_is_the_first_that_none_before_equals(kind, name, values, expected):
    metrics = [{"epoch": k, name: value} for k, value in enumerate(values, 1)]
    assert best(kind, metrics) == expected


@pytest.fixture
def part(here):
    """A data set: a tenth of the digits, in batches of 10."""
    digits = datasets.load("digits")
    parts = {"x_train": digits.x_train, "x_test": digits.x_test}
    arrays = {name: x[::10].reshape(-1, 28, 28) for name, x in parts.items()}
    np.savez("part.npz", **arrays, y_train=digits.y_train[::10], y_test=digits.y_test[::10])
    return datasets.load("part.npz")


def lines(folder):
    found = map(json.loads, (Path(folder) / "metrics.jsonl").read_text().splitlines())
    return [{k: v for k, v in line.items() if k != "seconds"} for line in found]


def assert_same_end(folder, other):
    model, expected = (Path(f, "model.safetensors").read_bytes() for f in (folder, other))
    assert model == expected and lines(folder) == lines(other)
    config, expected = (Path(f, "config.json").read_text() for f in (folder, other))
    assert config == expected


def test_the_best_epoch_is_kept_and_patience_ends_the_run(part, capsys):
    assert main([*SMALL, *PART, "--epochs", "40", "--patience", "3", "--out", "run", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    kept, metrics = result["best_epoch"], lines("run")
    scores = [line["validation_accuracy"] for line in metrics]
    assert kept == int(np.argmax(scores)) + 1 and len(metrics) == kept + 3 < 40
    assert (result["epochs"], result["validation_accuracy"]) == (kept + 3, max(scores))
    model = load_model("run")
    assert (model.epochs, model.steps) == (kept, kept * 32)  # 320 in batches of 10
    _, held = split(part, 0.2, seed=3)
    assert model.measure(held)["test_accuracy"] == max(scores)
    assert model.measure(part)["test_accuracy"] == result["test_accuracy"]
    assert result["test_accuracy"] == metrics[kept - 1]["test_accuracy"]
    assert named(model.measure(held)).keys() <= metrics[0].keys()
    # It is the model of a run that ended there: nothing but the choice of the epoch is new.
    assert main([*SMALL, *PART, "--epochs", str(kept), "--out", "short"]) == 0
    short = load_model("short").params
    assert all(np.array_equal(model.params[name], short[name]) for name in short)
    # From one session to the next, too: the epochs after it are no better.
    assert main([*SMALL, *PART, "--epochs", str(kept + 1), "--out", "two"]) == 0
    assert main(["train", "--resume", "two", "--epochs", str(kept + 2), "--quiet"]) == 0
    two = load_model("two")
    assert two.epochs == kept
    assert all(np.array_equal(model.params[name], two.params[name]) for name in two.params)
    # A run that has ended has no step left; with more patience it goes on as if it never had.
    assert main(["train", "--resume", "run", "--quiet"]) == 0
    assert len(lines("run")) == kept + 3
    assert main([*SMALL, *PART, "--epochs", "40", "--patience", "5", "--out", "whole"]) == 0
    assert main(["train", "--resume", "run", "--patience", "5", "--quiet"]) == 0
    assert_same_end("run", "whole")


def test_the_table_says_which_epoch_is_kept(capsys):
    assert main([*SMALL[:-3], "--epochs", "2", "--out", "run"]) == 0
    out, err = capsys.readouterr()
    found = lines("run")
    kept = int(np.argmax([line["validation_accuracy"] for line in found]))
    assert re.search(rf"validation accuracy +{found[kept]['validation_accuracy']:.4f}\n", out)
    assert f"; the model is that of epoch {kept + 1}, the best" in out
    assert f", validation {found[1]['validation_accuracy']:.4f}, rate" in err.splitlines()[1]


@pytest.mark.parametrize("model", ["mlp", "gru"])
def test_the_rate_falls_where_the_validation_loss_rests(model, here):
    Path("play.txt").write_text(TEXT)
    flags = ["--plateau", "1", "--plateau-of", "validation"]
    text = ["--model", "gru", "--dataset", "play.txt", "--length", "8", "--batch-size", "4"]
    flags += text if model == "gru" else []
    flags = [*SMALL[:-1], "3", *flags]
    assert main([*flags, "--epochs", "8", "--out", "whole"]) == 0
    name = "validation_loss" if model == "mlp" else "validation_bits_per_character"
    found = lines("whole")
    expected = plateau_rates([1 / (1 + line[name]) for line in found], 3.0, patience=1)
    assert [line["rate"] for line in found] == expected[:-1]
    assert len(set(expected)) > 1  # it has fallen
    assert main([*flags, "--epochs", "3", "--out", "run"]) == 0
    assert main(["train", "--resume", "run", "--epochs", "8", "--quiet"]) == 0
    assert_same_end("run", "whole")
    config = config_of(Path("run"))
    told = outcome(config, load(config))["metrics"]
    assert [{k: v for k, v in line.items() if k != "seconds"} for line in told] == found


def test_the_loss_that_a_schedule_watches():
    line = {"validation_accuracy": 0.5, "validation_loss": 2.0, "test_loss": 3.0}
    assert loss_of(Classifier, line) == 2.0
    assert loss_of(Autoencoder, {"validation_error": 4.0}) == 4.0


def test_the_statistics_of_the_inputs_are_those_of_what_is_trained_on():
    assert main([*SMALL, "--epochs", "1", "--out", "run"]) == 0
    rest, _ = split(datasets.load("digits"), 0.2, seed=3)
    assert load_model("run").standardiser == rest.standardiser()


class StopsItself(Progress):
    """Sends a signal to its own process after so many batches of an epoch."""

    def __init__(self, batch):
        self.batch = batch

    def step(self, run, report):
        if run.state.batch == self.batch:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(
    "flags",
    [
        "--hidden 12 --lr 0.3 --dataset part.npz --batch-size 10",
        "--model autoencoder --hidden 6 --hash identity --dataset part.npz --batch-size 10",
        "--model lstm --dataset play.txt --hidden 12 --length 8 --batch-size 4",
    ],
)
def test_stopped_and_resumed_it_keeps_the_same_epoch(flags, part):
    Path("play.txt").write_text(TEXT)
    command = ["train", *flags.split(), "--validation", "0.2", "--quiet"]
    assert main([*command, "--epochs", "4", "--out", "whole"]) == 0
    assert main([*command, "--epochs", "2", "--out", "run"]) == 0
    with pytest.raises(training.Stopped):
        training.resume(Path("run"), {"epochs": 4}, progress=StopsItself(batch=3))
    run = disk.load(Path("run"))
    assert (run.state.epoch, run.state.batch) == (2, 3)
    assert load_model("run").epochs == run.best_epoch > 0
    assert main(["train", "--resume", "run", "--quiet"]) == 0
    assert_same_end("run", "whole")


def test_a_run_that_diverges_at_once_has_no_best_epoch_and_runs_out_of_patience(capsys):
    flags = "--model autoencoder --hidden 5 --lr 1e30 --validation 0.2 --patience 2 --epochs 9"
    assert main(["train", *flags.split(), "--out", "run", "--quiet"]) == 0
    assert "the run has diverged" in capsys.readouterr().err
    assert len(lines("run")) == 2 and load_model("run").epochs == 2
    assert not disk.load(Path("run")).best


def test_what_is_saved_as_the_best_is_proved_to_fit(capsys):
    assert main([*SMALL, "--epochs", "1", "--out", "run"]) == 0
    spec, arrays = checkpoint.load("run/resume.safetensors")
    name = "best/norm1.gamma"
    wrong = [arrays | {name: arrays[name][:-1]}, arrays | {name: arrays[name].astype(np.int32)}]
    wrong += [{k: v for k, v in arrays.items() if k != name}, arrays | {"best/x": arrays[name]}]
    lines_ = b'{"epoch": "1", "validation_accuracy": {}}\n'
    wrong.append(arrays | {"metrics": np.frombuffer(lines_, np.uint8)})
    for content in wrong:
        checkpoint.save("run/resume.safetensors", spec, content)
        assert main(["train", "--resume", "run", "--epochs", "2"]) == 2
        error = capsys.readouterr().err
        assert "run/resume.safetensors: " in error and error.count("\n") == 1
    counters = spec["counters"] | {"epoch": 0}
    checkpoint.save("run/resume.safetensors", spec | {"counters": counters}, arrays)
    with pytest.raises(ValueError, match="cannot resume"):
        disk.load(Path("run"))  # without an epoch there is no best one


def test_a_run_without_validation_keeps_its_last_epoch():
    assert main(["train", "--hidden", "5", "--epochs", "2", "--out", "run", "--quiet"]) == 0
    run = disk.load(Path("run"))
    assert run.best_epoch == 0 and not run.best and run.model.epochs == 2
    assert replace(run, state=replace(run.state, epoch=1)).finished is False
