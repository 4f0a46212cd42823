"""Language models on the command line: trained, killed and resumed, measured, and made to write."""

import json
import math
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minihash.cli import main
from minihash.data import read_text
from minihash.files import checkpoint
from minihash.networks.language_model import language_model
from minihash.runs import folder as disk
from minihash.runs.config import Config
from minihash.runs.kinds import load_model
from minihash.runs.writer import Writer
from minihash.training import Training, start
from minihash.training.language import bits_per_character, generate, steps
from minihash.training.optimisers import Adam, Clipped

ROOT = Path(__file__).resolve().parents[2]
TEXT = "to be, or not to be: that is the question.\n" * 12 + "zounds!"
KINDS = len(set(TEXT))
SMALL = "--model lstm --dataset play.txt --hidden 12 --length 8 --batch-size 4 --epochs 3 --seed 3"
CHOICES = {"scope": "network", "seed": 3}


@pytest.fixture(autouse=True)
def play(here):
    Path("play.txt").write_text(TEXT)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that was never stopped."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINIHASH_BACKEND", "numpy")
        patch.chdir(folder)
        Path("play.txt").write_text(TEXT)
        assert main(["train", *SMALL.split(), "--out", "run", "--quiet"]) == 0
    return folder / "run"


def printed(capsys, *args):
    assert main([*map(str, args)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def trained_by_hand(text, epochs=3, **choices):
    """(model, parameters) as the library alone has them."""
    model = language_model(len(text.vocabulary), 12, "lstm", **CHOICES, **choices)
    training = Training(epochs, 4, 5e-3, Clipped(Adam(), 1.0), seed=3)
    *_, (state, _) = steps(model, training, start(model.network, training), text.train, 8)
    return model, state.params


def test_a_run_is_what_the_library_computes(whole, capsys):
    text, trained = read_text("play.txt"), load_model(whole)
    model, params = trained_by_hand(text)
    assert trained.network == model.network and trained.tokens == "characters"
    assert "".join(map(chr, trained.vocabulary)) == text.vocabulary
    assert all(np.array_equal(trained.params[name], a) for name, a in params.items())
    bits = bits_per_character(model, params, text.validation)
    metrics = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in metrics] == [1, 2, 3]
    assert metrics[-1]["bits_per_character"] == bits and "train_accuracy" not in metrics[-1]
    found = json.loads(printed(capsys, "eval", whole, "--json"))
    assert found == {"bits_per_character": bits, "characters": 53, "dataset": "play"}
    shown = printed(capsys, "eval", whole)
    assert shown == f"bits per character  {bits:.4f}  of 53 held-out characters of play\n"


def test_it_hashes_the_recurrent_weights_and_ties_the_embeddings(here, capsys):
    flags = "--tied --compression 1/4 --truncate 3 --clip 0.5 --epochs 1 --json --quiet"
    result = json.loads(printed(capsys, "train", *SMALL.split(), *flags.split(), "--out", "run"))
    assert result["model"] == "lstm" and result["bits_per_character"] > 0
    assert result["virtual_weights"] == 2 * 48 * 12 + 2 * KINDS * 12
    assert result["stored_weights"] == 48 * 12 // 2 + KINDS * 12  # a quarter of both; one of two
    assert result["other_parameters"] == 2 * 48 + KINDS
    model = load_model("run")
    assert model.language.recurrent[0].truncate == 3 and model.training.optimiser.max_norm == 0.5
    expected = {"tied": True, "hash": "uniform", "compression": 0.25}
    assert model.network == language_model(KINDS, 12, truncate=3, **CHOICES, **expected).network
    shown = printed(capsys, "inspect", "run")
    assert "weight_hh" in shown and "Uniform(buckets=288" in shown
    about = json.loads(printed(capsys, "inspect", "run", "--json"))
    assert about["vocabulary"] == KINDS
    names = [w["name"] for w in about["layers"][1]["weights"]]
    assert names == ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]


def test_progress_has_bits(here, capsys):
    assert main(["train", *SMALL.split(), "--epochs", "2"]) == 0
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    bits = json.loads(Path("runs/play-001/metrics.jsonl").read_text().splitlines()[-1])
    assert f"bits {bits['bits_per_character']:.4f}" in lines[-1] and "accuracy" not in lines[-1]
    assert (
        out.splitlines()[0].split()
        == f"bits per character {bits['bits_per_character']:.4f}".split()
    )


def test_generated_text_is_the_librarys(whole, capsys):
    text, model = read_text("play.txt"), load_model(whole)
    flags = ["--length", "40", "--temperature", "0.5", "--seed", "9", "--prompt", "to be"]
    prompt = text.encode("to be")
    after = generate(model.language, model.params, prompt, 40, 0.5, 9)
    expected = "to be" + text.decode(after)
    assert printed(capsys, "generate", whole, *flags) == expected + "\n"
    assert json.loads(printed(capsys, "generate", whole, *flags, "--json")) == {"text": expected}
    newline = generate(model.language, model.params, text.encode("\n"), 500, 1.0, 0)
    shown = printed(capsys, "generate", whole / "model.safetensors")
    assert shown == text.decode(newline) + "\n"


UMLAUTS = "für über wäre \n" * 40


@pytest.fixture
def umlauts(here):
    """Runs on a text of more bytes than characters: run, of characters; bytes, of bytes."""
    Path("play.txt").write_text(UMLAUTS, "utf-8")
    for tokens, out in (("characters", "run"), ("bytes", "bytes")):
        flags = [*SMALL.split(), "--epochs", "1", "--tokens", tokens, "--out", out, "--quiet"]
        assert main(["train", *flags]) == 0


def test_characters_of_any_alphabet_are_read_counted_and_written(umlauts, capsys):
    model, count = load_model("run"), len(UMLAUTS) // 10
    assert "".join(map(chr, model.vocabulary)) == "\n befrwäü"
    found = json.loads(printed(capsys, "eval", "run", "--json"))
    text = read_text("play.txt")
    bits = bits_per_character(model.language, model.params, text.validation)
    assert found == {"bits_per_character": bits, "characters": count, "dataset": "play"}
    for length in (1, 30):
        flags = "--json", "--prompt", "wä", "--length", length
        written = json.loads(printed(capsys, "generate", "run", *flags))["text"]
        assert written[:2] == "wä" and len(written) == length + 2
    assert main(["generate", "run", "--prompt", "wöre"]) == 2
    error = capsys.readouterr().err
    assert error == ("minihash: error: 'ö' does not occur in the training text: leave it out\n")


def test_bytes_are_called_bytes(umlauts, capsys):
    count = -(-len(UMLAUTS.encode()) // 10)
    found = json.loads(printed(capsys, "eval", "bytes", "--json"))
    assert found.keys() == {"bits_per_byte", "bytes", "dataset"} and found["bytes"] == count
    shown = printed(capsys, "eval", "bytes")
    assert (
        shown == f"bits per byte  {found['bits_per_byte']:.4f}  of {count} held-out bytes of play\n"
    )
    for length in (1, 30):
        flags = "--json", "--prompt", "ü", "--length", length
        text = json.loads(printed(capsys, "generate", "bytes", *flags))["text"]
        assert text[0] == "ü" and (length + 1) // 2 < len(text) <= length + 1
    assert main(["train", "--resume", "bytes", "--epochs", "2"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("bits per byte ") and "epoch 2/2: loss" in err and ", bits " in err


def test_a_model_is_of_the_tokens_that_its_text_has(here):
    """Whatever the choices say: the text may have been read by hand."""
    Path("play.txt").write_text(UMLAUTS, "utf-8")
    for tokens in ("characters", "bytes"):
        text, config = read_text("play.txt", tokens=tokens), Config(model="rnn", dataset="x")
        model = Writer.begun(config, text)
        assert model.tokens == tokens and model.alphabet.vocabulary == text.vocabulary


def test_a_run_saved_when_all_were_of_bytes_goes_on_with_them(umlauts, here):
    """What such a run was of is not said in its files."""
    Path("old").mkdir()
    for name in ("resume", "model"):
        spec, arrays = checkpoint.load(f"bytes/{name}.safetensors")
        assert spec["model"].pop("tokens") == "bytes"
        if name == "resume":
            assert spec["config"].pop("tokens") == "bytes"
        checkpoint.save(f"old/{name}.safetensors", spec, arrays)
    assert load_model("old").write("ü", 5) == load_model("bytes").write("ü", 5)
    for run in ("old", "bytes"):
        assert main(["train", "--resume", run, "--epochs", "2", "--quiet"]) == 0
        assert disk.config_of(Path(run)).tokens == "bytes"
    old, new = (Path(run, "model.safetensors").read_bytes() for run in ("old", "bytes"))
    assert old == new


def test_another_text_is_measured_in_the_vocabulary_of_the_first(whole, capsys):
    """Bytes 'o' and 't' are tokens 0 and 1 of their own text, others of the model's."""
    Path("two.txt").write_text("to" * 100)
    found = json.loads(printed(capsys, "eval", whole, "--dataset", "two.txt", "--json"))
    model = load_model(whole)
    tokens = read_text("play.txt").encode("to" * 10)
    assert found["bits_per_character"] == bits_per_character(model.language, model.params, tokens)
    Path("strange.txt").write_text("tü" * 100)
    assert main(["eval", str(whole), "--dataset", "strange.txt"]) == 2
    assert "'ü' does not occur in the training text: leave it out" in capsys.readouterr().err


KILLS_ITSELF = """
import os, signal, sys
from minihash.cli import main
from minihash.networks.language_model import LanguageModel
number, count = getattr(signal, sys.argv[1]), int(sys.argv[2])
gradients, calls = LanguageModel.gradients, []

def counted(*args):
    calls.append(1)
    if len(calls) == count:
        os.kill(os.getpid(), number)
    return gradients(*args)

LanguageModel.gradients = counted
sys.exit(main(["train", *sys.argv[3:]]))
"""


def signalled(name, count, *args):
    """Train in a process of its own, which gets a signal in step number `count`."""
    command = [sys.executable, "-c", KILLS_ITSELF, name, str(count), *args]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=100)


def assert_same_end(whole):
    assert Path("run/model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    ended, expected = (
        [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        for folder in (Path("run"), whole)
    )
    for line in (*ended, *expected):
        del line["seconds"]
    assert ended == expected


def test_stopped_in_an_epoch_and_resumed_it_ends_with_the_same_bits(whole, capsys):
    batches = math.ceil((len(TEXT) * 9 // 10 - 1) // 4 / 8)
    ended = signalled("SIGTERM", batches + 5, *SMALL.split(), "--out", "run")
    assert ended.returncode == 128 + signal.SIGTERM
    assert "stopped after 1 of 3 epochs and 5 batches" in ended.stderr
    saved = disk.load(Path("run")).state
    assert saved.carried.keys() == {"h", "c"} and saved.carried["h"].shape == (4, 12)
    assert main(["train", "--resume", "run", "--quiet"]) == 0
    assert_same_end(whole)


def killed_and_resumed(flags, times):
    draw = random.Random(5)
    for _ in range(times):
        saved = Path("run/resume.safetensors").is_file()
        args = ("--resume", "run") if saved else (*flags, "--out", "run")
        assert signalled("SIGKILL", draw.randint(14, 32), *args).returncode in (
            -signal.SIGKILL,
            0,
        )
    assert main(["train", "--resume", "run", "--quiet"]) == 0


def test_killed_at_any_steps_and_resumed_it_ends_with_the_same_bits(whole):
    killed_and_resumed(SMALL.split(), 3)
    assert_same_end(whole)


def test_layers_are_trained_killed_and_resumed_and_write(here, capsys):
    flags = [*SMALL.split(), "--layers", "2"]
    assert main(["train", *flags, "--out", "whole", "--quiet"]) == 0
    killed_and_resumed(flags, 1)
    assert_same_end(here / "whole")
    text, trained = read_text("play.txt"), load_model("run")
    model, params = trained_by_hand(text, layers=2)
    assert len(model.recurrent) == 2 and trained.network == model.network
    assert all(np.array_equal(trained.params[name], a) for name, a in params.items())
    bits = bits_per_character(model, params, text.validation)
    capsys.readouterr()
    assert json.loads(printed(capsys, "eval", "run", "--json"))["bits_per_character"] == bits
    after = generate(model, params, text.encode("to"), 20, 1.0, 3)
    found = printed(capsys, "generate", "run", "--prompt", "to", "--length", "20", "--seed", "3")
    assert found == "to" + text.decode(after) + "\n"
    shown = printed(capsys, "inspect", "run")
    assert shown.count("LSTM") == 2 and "lstm2.bias_hh" in shown


def test_a_run_saved_when_all_had_one_layer_goes_on(whole):
    assert main(["train", *SMALL.split(), "--epochs", "2", "--out", "run", "--quiet"]) == 0
    spec, arrays = checkpoint.load("run/resume.safetensors")
    assert spec["config"].pop("layers") == 1
    kinds = [layer["type"] for layer in spec["model"]["network"]["layers"]]
    assert kinds == ["Embedding", "LSTM", "Dense"]
    checkpoint.save("run/resume.safetensors", spec, arrays)
    assert main(["train", "--resume", "run", "--epochs", "3", "--quiet"]) == 0
    assert_same_end(whole)


def test_a_saved_state_that_is_none_is_refused(whole, capsys):
    ended = signalled("SIGTERM", 3, *SMALL.split(), "--out", "run")
    assert ended.returncode == 128 + signal.SIGTERM
    spec, arrays = checkpoint.load("run/resume.safetensors")
    wrong = {name: a for name, a in arrays.items() if name != "carried/c"}
    of_two = arrays | {"carried/h2": arrays["carried/h"]}
    for content in (wrong, of_two, arrays | {"carried/h": np.zeros((4, 3), np.float32)}):
        checkpoint.save("run/resume.safetensors", spec, content)
        assert main(["train", "--resume", "run", "--quiet"]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and "state of LSTM" in error


WRONG = {
    "vocabulary": (10**18, [], ["a"] * KINDS, list(range(KINDS - 1)), [1] * KINDS, [300] * KINDS),
    "length": ("8", None, 1.5),
    "tokens": ("words", None, 3, []),
    "dataset": (3, None),
    "type": ("Classifier", "Autoencoder", "Model", 3, None),
    "network": ({"type": "Sequential", "layers": []}, 3),
    "standardiser": (1,),
}


def test_a_hostile_model_is_refused(whole):
    spec, arrays = checkpoint.load(whole / "model.safetensors")
    for field, values in WRONG.items():
        for value in values:
            hostile = spec | {"model": spec["model"] | {field: value}}
            checkpoint.save("hostile", hostile, arrays)
            with pytest.raises(ValueError, match="cannot load model hostile: "):
                load_model("hostile")
