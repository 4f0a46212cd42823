"""A teacher: what a run learns from one, that no bit is lost on resume, and whom it refuses."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from minihash import data as datasets
from minihash.cli import main
from minihash.experiments.grid import expand, identity
from minihash.experiments.outcome import load, outcome
from minihash.experiments.sweep import one_after_another, sweep
from minihash.layers import Distillation
from minihash.layers.distillation import lessons
from minihash.runs.config import Config
from minihash.runs.kinds import load_model
from minihash.runs.teaching import fingerprint
from minihash.runs.validation import split
from minihash.training import start, steps

pytestmark = pytest.mark.usefixtures("here")
PLAIN = ["train", "--quiet", "--norm", "none", "--lr", "0.05"]
STUDENT = [*PLAIN, "--hidden", "6", "--seed", "3", "--validation", "0.2", "--teacher", "teacher"]
STUDENT += ["--temperature", "2", "--mix", "0.75"]


@pytest.fixture
def teacher(here):
    assert (
        main([*PLAIN, "--hash", "identity", "--hidden", "9", "--epochs", "1", "--out", "teacher"])
        == 0
    )
    return load_model("teacher")


def test_a_student_learns_what_the_library_computes_and_resumes_to_the_bit(teacher):
    assert main([*STUDENT, "--epochs", "2", "--out", "whole"]) == 0
    assert main([*STUDENT, "--epochs", "1", "--out", "run"]) == 0
    assert main(["train", "--resume", "run", "--epochs", "2", "--quiet"]) == 0
    metrics = [Path(f, "metrics.jsonl").read_text().splitlines() for f in ("whole", "run")]
    told = [[json.loads(line) | {"seconds": 0} for line in lines] for lines in metrics]
    assert told[0] == told[1]
    models = [Path(f, "model.safetensors").read_bytes() for f in ("whole", "run")]
    assert models[0] == models[1]
    model = load_model("whole")
    assert model.training.loss == Distillation(2.0, 0.75)
    rest, _ = split(datasets.load("digits"), 0.2, 3)
    answers, _ = teacher.network.forward(teacher.params, teacher.standardiser(rest.x_train))
    taught = lessons(rest.y_train, answers)
    first = start(model.network, model.training)
    ends = [
        state
        for state, _ in steps(
            model.network, model.training, first, rest.x_train, taught, model.standardiser
        )
        if state.batch == 0
    ]
    kept = ends[model.epochs - 1].params
    assert all(np.allclose(kept[name], a, rtol=1e-3, atol=1e-5) for name, a in model.params.items())


def test_a_record_has_no_place_of_the_teacher_but_its_data_are_the_teachers_too(teacher, tmp_path):
    config = Config(teacher="teacher", hidden=(4,), epochs=1)
    record = outcome(config, load(config))
    assert record["config"]["teacher"] == "teacher"
    shutil.copytree("teacher", tmp_path / "far" / "teacher")
    far = Config(teacher=str(tmp_path / "far" / "teacher"), hidden=(4,), epochs=1)
    assert identity(far) == identity(config) and outcome(far, load(far))["data"] == record["data"]
    plain = Config(hidden=(4,), epochs=1)
    assert identity(plain) != identity(config)
    assert outcome(plain, load(plain))["data"] != record["data"]
    path = Path("runs.jsonl")
    assert sweep([plain, config], path, one_after_another).new == 2
    assert sweep([plain, far], path, one_after_another).new == 0
    # Another teacher of the same name: its runs are not mixed with those of the first.
    assert main([*PLAIN, "--hidden", "5", "--epochs", "1", "--out", "other/teacher"]) == 0
    other = Config(teacher="other/teacher", hidden=(4,), epochs=1, seed=1)
    with pytest.raises(ValueError, match="or by another teacher teacher: find that one"):
        sweep([other], path, one_after_another)
    shutil.rmtree("teacher")
    assert main([*STUDENT, "--epochs", "1", "--out", "run"]) == 2


def test_what_a_run_learns_from_by_teaching_is_of_both(teacher):
    config = Config(teacher="teacher")
    assert fingerprint(config, 1) != fingerprint(config, 2)
    assert fingerprint(Config(), 1) == 1
    at = Config(teacher="teacher/model.safetensors")
    assert fingerprint(at, 1) == fingerprint(config, 1)


def test_a_run_is_not_resumed_under_another_teacher(teacher, capsys):
    assert main([*STUDENT, "--epochs", "1", "--out", "run"]) == 0
    shutil.rmtree("teacher")
    assert main([*PLAIN, "--hidden", "5", "--epochs", "1", "--out", "teacher"]) == 0
    capsys.readouterr()
    assert main(["train", "--resume", "run", "--epochs", "2", "--quiet"]) == 2
    assert "the data set or teacher digits is not the one" in capsys.readouterr().err


def test_in_a_grid_temperatures_are_of_teachers():
    axes = {"teacher": (None, "t"), "temperature": (2.0, 4.0), "mix": (0.5,)}
    assert [(c.teacher, c.temperature) for c in expand(axes)] == [
        (None, None),
        ("t", 2.0),
        ("t", 4.0),
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--temperature 2", "temperature and mix are of what a teacher answers"),
        ("--teacher gone", "gone"),
        ("--teacher code", "the teacher code is no classifier of examples"),
        ("--teacher text --dataset two.npz", "the network takes examples of"),
        ("--model lstm --teacher code", "the model lstm has no teacher"),
        ("--teacher t --temperature 0", "temperature of Distillation must be positive"),
    ],
)
def test_what_is_no_teacher_is_refused_in_one_line(words, said, capsys):
    if "code" in words:
        assert (
            main(
                [
                    "train",
                    "--quiet",
                    "--model",
                    "autoencoder",
                    "--hidden",
                    "4",
                    "--epochs",
                    "1",
                    "--out",
                    "code",
                ]
            )
            == 0
        )
    if "two.npz" in words:
        assert main([*PLAIN, "--hidden", "4", "--epochs", "1", "--out", "text"]) == 0
        x = np.zeros((8, 3), np.float32)
        np.savez(
            "two.npz",
            x_train=x + np.arange(8)[:, None],
            y_train=np.arange(8) % 2,
            x_test=x,
            y_test=np.arange(8) % 2,
        )
    capsys.readouterr()
    assert main(["train", "--epochs", "1", "--out", "run", *words.split()]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1 and not Path("run").exists()
