"""Options that a hash has no use for are refused, never ignored."""

import json
import math
import os
from pathlib import Path

import pytest

from minihash.cli import main
from minihash.files import checkpoint
from minihash.runs.config import Config
from minihash.runs.folder import config_of
from minihash.runs.kinds import KINDS

pytestmark = pytest.mark.usefixtures("here")

OF_HASHES = {  # the options of each hash, besides a compression, with a value
    "identity": {},
    "modulus": {"--signed": ""},
    "uniform": {"--signed": ""},
    "dirichlet": {"--alpha": "2", "--signed": ""},
    "neighborhood": {"--radius": "2", "--signed": ""},
    "hashednets": {},
}


def refusal(capsys, *args):
    """What is said in one line, and nothing made."""
    assert main(["train", *args]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("minihash: error: ") and err.count("\n") == 1
    assert not os.path.exists("runs")
    return err.removeprefix("minihash: error: ").rstrip("\n")


@pytest.mark.parametrize("model", KINDS)
def test_no_model_ignores_an_option_of_another_hash(model, here, capsys):
    Path("words.txt").write_text("abcd" * 1000)
    begun = ["--model", model]
    begun += ["--dataset", "words.txt"] if model in ("rnn", "gru", "lstm") else []
    options = {flag: value for own in OF_HASHES.values() for flag, value in own.items()}
    for name, own in OF_HASHES.items():
        scope = ["--scope", "layer"] if name == "hashednets" and model != "autoencoder" else []
        required = [part for pair in own.items() for part in pair if part]
        for flag in options.keys() - own:
            other = [flag, options[flag]] if options[flag] else [flag]
            error = refusal(capsys, *begun, "--hash", name, *scope, *required, *other)
            assert f"the {name} hash has no {flag[2:]}; it has " in error


@pytest.mark.parametrize("model", KINDS)
@pytest.mark.parametrize("compression", ["0.25", "1/3", "0"])
def test_the_identity_hash_has_no_compression(model, compression, capsys):
    flags = ["--model", model, "--hash", "identity", "--compression", compression]
    shown = compression if "/" in compression else float(compression)
    assert refusal(capsys, *flags) == (
        "the identity hash stores every weight, which is compression 1, got "
        f"{shown}: leave it out, or choose a hash that shares, as uniform"
    )


def test_compression_1_of_the_identity_hash_is_what_it_is(here):
    short = ["train", "--hidden", "5", "--epochs", "1", "--hash", "identity", "--quiet"]
    assert main([*short, "--compression", "1", "--out", "given"]) == 0
    assert main([*short, "--out", "left out"]) == 0
    files = [Path(out, "model.safetensors").read_bytes() for out in ("given", "left out")]
    assert files[0] == files[1]
    assert [config_of(Path(out)).compression for out in ("given", "left out")] == [1, 1]


def test_a_run_saved_with_a_compression_of_the_identity_hash_goes_on(here):
    short = ["train", "--hidden", "5", "--hash", "identity", "--quiet"]
    assert main([*short, "--epochs", "2", "--out", "whole"]) == 0
    assert main([*short, "--epochs", "1", "--out", "run"]) == 0
    spec, arrays = checkpoint.load("run/resume.safetensors")
    spec["config"]["compression"] = 0.1
    checkpoint.save("run/resume.safetensors", spec, arrays)
    assert main(["train", "--resume", "run", "--epochs", "2", "--quiet"]) == 0
    whole, run = (Path(out, "model.safetensors").read_bytes() for out in ("whole", "run"))
    assert whole == run and main(["eval", "run"]) == 0


def test_an_option_of_a_hash_is_the_flag_of_its_name(here):
    short = ["train", "--hidden", "5", "--epochs", "1", "--hash", "neighborhood", "--quiet"]
    assert main([*short, "--radius", "2", "--signed", "--out", "flag"]) == 0
    options = ["--hash-option", "radius=2", "--hash-option", "signed=true"]
    assert main([*short, *options, "--out", "option"]) == 0
    flag, option = (Path(out, "model.safetensors").read_bytes() for out in ("flag", "option"))
    assert flag == option
    assert config_of(Path("option")).hash_options == (("radius", 2), ("signed", True))


def test_a_run_saved_before_hashes_had_options_goes_on(here):
    short = ["train", "--hidden", "5", "--quiet"]
    assert main([*short, "--epochs", "2", "--out", "whole"]) == 0
    assert main([*short, "--epochs", "1", "--out", "run"]) == 0
    spec, arrays = checkpoint.load("run/resume.safetensors")
    assert spec["config"].pop("hash_options") == []
    checkpoint.save("run/resume.safetensors", spec, arrays)
    assert main(["train", "--resume", "run", "--epochs", "2", "--quiet"]) == 0
    whole, run = (Path(out, "model.safetensors").read_bytes() for out in ("whole", "run"))
    assert whole == run


def test_choices_come_back_from_json():
    config = Config(hash="neighborhood", hash_options={"signed": "true", "radius": "3"})
    assert config.hash_options == (("radius", 3), ("signed", True))
    assert Config.from_json(json.loads(json.dumps(config.to_json()))) == config
    config = Config(hash="dirichlet", hash_options={"alpha": math.inf})
    assert Config.from_json(json.loads(json.dumps(config.to_json()))) == config
