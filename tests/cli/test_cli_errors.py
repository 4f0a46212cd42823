"""Bad input to the command line: one line that says what to do, status 2, every file as it was."""

import gzip
import os
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from minihash.cli import main
from minihash.data.idx import PARTS
from minihash.runs.kinds import load_model

ROOT = Path(__file__).resolve().parents[2]
DIGITS = ROOT / "minihash" / "data" / "digits"


pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Small runs: of a classifier, a language model and an autoencoder."""
    folder, words = tmp_path_factory.mktemp("trained"), "abcd" * 100
    (folder / "words.txt").write_text(words)
    commands = {
        "run": "--hidden 9",
        "text": f"--model rnn --dataset {folder}/words.txt --hidden 5 --batch-size 2",
        "code": "--model autoencoder --hidden 5",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINIHASH_BACKEND", "numpy")
        for name, flags in commands.items():
            out = ["--epochs", "1", "--out", str(folder / name), "--quiet"]
            assert main(["train", *flags.split(), *out]) == 0
    return folder


@pytest.fixture(scope="module")
def run(runs):
    return runs / "run"


@pytest.fixture(scope="module")
def text(runs):
    return runs / "text"


@pytest.fixture(scope="module")
def code(runs):
    return runs / "code"


def tree(path):
    return {p: p.read_bytes() if p.is_file() else None for p in Path(path).rglob("*")}


BAD = {
    "": "COMMAND",
    "frobnicate": "invalid choice: 'frobnicate'",
    "train --frob": "unrecognized arguments: --frob",
    "train --epoch 1": "arguments: --epoch 1: did you mean --epochs?; see minihash train --help",
    "predict x 3 --jsno": "--jsno: did you mean --json?; see minihash predict --help",
    "train --epochs 0": "epochs must be a positive integer, got 0",
    "train --epochs 1.5": "got '1.5'",
    "train --hash frob": "hash must be one of identity, modulus",
    "train --alpha 3": "the uniform hash has no alpha",
    "train --hash identity --signed": "the identity hash has no signed",
    "train --hash dirichlet": "needs alpha; give it a value (--hash-option alpha=VALUE)",
    "train --hash dirichlet --alpha -1": "alpha must be at least",
    "train --hash neighborhood": "needs radius; give it a value (--hash-option radius",
    "train --hash neighborhood --radius -1": "--radius: expected a whole number from 0",
    "train --hash-option radius": "expected NAME=VALUE, as alpha=0.5, got 'radius'",
    "train --hash-option =3": "expected NAME=VALUE",
    "train --hash-option seed=3": "the uniform hash has no option seed; it has signed",
    "train --hash-option width=3": "the uniform hash has no option width; it has signed",
    "train --hash-option signed=yes": "signed of the uniform hash must be true or false, got 'yes'",
    "train --hash dirichlet --hash-option alpha=x": "must be a number, got 'x'",
    "train --hash dirichlet --alpha 1 --hash-option alpha=1": "give only one of them",
    "train --hash neighborhood --hash-option radius=1.5": "a whole number, got '1.5'",
    "train --import none.of.them": "--import none.of.them has failed (ModuleNotFoundError: ",
    "train --resume RUN --hash-option signed=true": "was begun with hash-options (), got (('signed",
    "train --hash hashednets --scope network": 'scope "layer"',
    "train --data-dir full": "--data-dir is for the data sets mnist, cifar10, rectangles, convex, ",
    "train --download": "--download is for the data sets mnist, cifar10, rectangles, convex, tiny",
    "train --dataset colour.npz --data-dir full": "got colour.npz: leave it out, or name one of",
    "train --model lstm --dataset words.txt --download": "got words.txt: leave it out, or name",
    "train --resume RUN --patience 3": "hold some out with --validation",
    "train --resume TEXT --tokens bytes": "was begun with tokens characters, got bytes",
    "train --resume RUN --data-dir full": "got digits: leave it out, or name one of these",
    "train --resume RUN --download": "--download is for the data sets mnist",
    "eval RUN --data-dir full": "got digits: leave it out",
    "eval RUN --dataset colour.npz --download": "got colour.npz: leave it out",
    "predict RUN 3 --download": "--download is for the data sets mnist",
    "predict RUN 3 --invert": "--invert is for an image file, got 3: leave it out",
    "predict RUN shape.npy --invert": "--invert is for an image file, got shape.npy",
    "predict RUN shape.npy --data-dir full": "--data-dir is for the index of an example, got shape",
    "predict RUN shape.npy --dataset mnist": "--dataset is for the index of an example, got shape",
    "predict RUN none.png --download": "--download is for the index of an example, got none.png",
    "train --compression -0.1": "compression must lie in (0, 1], got -0.1",
    "train --compression 22/7": "compression must lie in (0, 1], got 22/7",
    "train --compression 1e-999999999": "compression must lie in (0, 1], got 0.0",
    "train --compression 1e999999999": "--compression: expected a number, got '1e999999999'",
    "train --validation 0": "of 4,000 to train with, 0 cannot be held out for validation: give",
    "train --validation 4000": "of 4,000 to train with, 4,000 cannot be held out",
    "train --validation 1.5": "of 4,000 to train with, 6,000 cannot be held out",
    "train --validation some": "--validation: expected a number from 0, got 'some'",
    "train --model rnn --dataset words.txt --validation 1": "of 576 to train with, 1 cannot be",
    "train --patience 3": "hold some out with --validation, or leave --patience out",
    "train --activation gelu": "activation must be one of elu, relu, sigmoid, tanh, got 'gelu'",
    "train --norm layer": "--norm: invalid choice",
    "train --dropout 1": "rate of Dropout must lie in [0, 1), got 1.0",
    "train --optimiser lion": "optimiser must be one of sgd, adam, got 'lion'",
    "train --l1 -1": "--l1: expected a number from 0, got '-1'",
    "train --l2 inf": "strength of L2 must lie in [0, inf), got inf",
    "train --group-lasso 0.1": "may be in two groups, as it is under Uniform",
    "train --growl 0.1,0": "must own their weights, as under Identity, got Uniform",
    "train --growl 0.1": "--growl: expected S,SLOPE or S,SLOPE,PART, as 0.001,1e-5, got '0.1'",
    "train --growl 1,0,2": "expected S,SLOPE or S,SLOPE,PART, as 0.001,1e-5, got '1,0,2'",
    "train --hash identity --growl 99,0": "lower strength and slope until an epoch of steps takes",
    "train --model lstm --dropout 0.5": "the model lstm has no dropout",
    "train --model gru --activation relu": "the model gru has no activation",
    "train --model autoencoder --norm none": "the model autoencoder has no norm",
    "train --tokens bytes": "the model mlp has no tokens",
    "train --compression nan": "--compression: expected a number, got 'nan'",
    "train --scope net": "--scope: invalid choice",
    "train --hidden 20,,20": "--hidden: expected sizes",
    "train --hidden 99999999,99999999": "buckets must lie in",
    "train --lr 0": "must be positive, got 0",
    "train --batch-size 1": "change the batch size",
    "train --seed 4294967296": "--seed: expected a whole number from 0 to 4294967295",
    "train --dtype float16": "--dtype: invalid choice",
    "train --threads 0": "--threads: expected a whole number from 1, got '0'",
    "train --backend abacus": "the backend must be one of numba, numpy, cuda, got 'abacus'",
    "train --dataset mnost": "unknown data set 'mnost'",
    "train --dataset mnist": "data set mnist was not found: train-images-idx3-ubyte",
    "train --dataset mnist --data-dir nowhere": "nowhere is not a folder",
    "train --dataset mnist --data-dir cut": "is damaged",
    "train --dataset none.npz": "none.npz: No such file or directory: check the path",
    "train --dataset text.npz": "text.npz is damaged",
    "train --out full": "--out full is there already and not empty: give another name",
    "train --out text.npz": "--out text.npz is a file",
    "train --out text.npz/x --hidden 5": "text.npz/x: Not a directory: choose another place",
    "train --resume nowhere": "there is no run to resume in nowhere",
    "train --model frob": "model must be one of mlp, cnn, rnn",
    "train --tied": "the model mlp has no tied: leave it out, or choose a model that has: rnn, gru",
    "train --clip 0": "clip must be a positive norm, got 0.0",
    "train --model cnn --length 9": "the model cnn has no length",
    "train --layers 2": "the model mlp has no layers: leave it out, or choose",
    "train --model rnn --layers 0": "--layers: expected a whole number from 1, got '0'",
    "train --model rnn --dataset words.txt --layers 1001": "layers must lie in 1 .. 1000, got 1001",
    "train --resume TEXT --layers 2": "was begun with layers 1, got 2",
    "train --model lstm --channels 3": "the model lstm has no channels",
    "train --model lstm --bias none": "the model lstm has no bias",
    "train --model autoencoder --scope layer": "the model autoencoder has no scope",
    "train --model autoencoder --bias hashed": "free or none, got hashed",
    "train --dataset words.txt": "words.txt is text, which only the models rnn, gru and lstm read",
    "train --model autoencoder --dataset tinyshakespeare": "tinyshakespeare is text",
    "train --model lstm --dataset digits": "digits is no text: name tinyshakespeare, or a text",
    "train --model lstm": "data set tinyshakespeare was not found: tinyshakespeare.txt",
    "train --model lstm --dataset none.txt": "none.txt: No such file",
    "train --model lstm --dataset colour.npz": "colour.npz is a zip archive (an .npz is",
    "train --model lstm --dataset shape.npy": "shape.npy is a NumPy array and no text",
    "train --model lstm --dataset shape.npy --tokens bytes": "shape.npy is a NumPy array and no",
    "train --model lstm --dataset RUN/model.safetensors": "no text in UTF-8, it has bytes",
    "train --model lstm --dataset latin.txt": "(byte 252 at 1): save it as UTF-8, or read it byte",
    "train --model lstm --dataset cut.txt.gz": "cut.txt.gz is damaged",
    "train --model lstm --dataset full": "full is a folder, no regular file: give the name",
    "train --model lstm --dataset empty.txt": "empty.txt has 0 characters: expected 2 at",
    "train --model lstm --dataset short.txt": "the last tenth of short has 1 character, too few",
    "train --model lstm --dataset words.txt --length 18": "at least length 18 need 577 characters",
    "train --model lstm --dataset words.txt --batch-size 999": "lower the batch size or the length",
    "train --model gru --dataset words.txt --tied --embedding 9": "of 9 and a state of 256",
    "train --model rnn --dataset words.txt --hidden 8,8": "have one size, got sizes 8,8",
    "train --model rnn --dataset words.txt --truncate 65": "of length 64, got truncate 65",
    "train --model rnn --dataset words.txt --clip 0": "clip must be a positive norm, got 0.0",
    "train --model rnn --dataset words.txt --clip inf": "max_norm of Clipped must lie in",
    "train --model rnn --dataset words.txt --hash hashednets --scope network": 'scope "layer"',
    "train --model rnn --compression 1/0": "--compression: expected a number, got '1/0'",
    "train --resume TEXT --tied": "was begun with tied False, got True",
    "eval TEXT --dataset strange.txt": "'z' does not occur in the training text: leave it out",
    "eval TEXT --dataset short.txt": "the last tenth of short has 1 character, too few",
    "predict TEXT 3": "holds a model that has no classes, and so predicts none: use minihash gen",
    "predict CODE 3": "holds a model that has no classes, and so predicts none: use minihash eval",
    "eval CODE --dataset colour.npz": "takes examples of 784 numbers, but data set colour has 12",
    "generate RUN": "holds no model of text: give a run of --model rnn, gru or lstm",
    "generate nowhere": "there is no checkpoint 'nowhere'",
    "generate TEXT --prompt abzy": "'z' does not occur in the training text: leave it out",
    "generate TEXT --prompt=": "the prompt must have at least one character",
    "generate TEXT --length 0": "--length: expected a whole number from 1, got '0'",
    "generate TEXT --temperature -1": "temperature must be at least 0",
    "generate TEXT --temperature inf": "temperature must be at least 0 and finite",
    "generate TEXT --seed -1": "--seed: expected a whole number from 0",
    "generate LOST": "its training has diverged",
    "eval nowhere": "there is no checkpoint 'nowhere'",
    "eval RUN/config.json": "config.json': it is no safetensors file: give one that minihash saved",
    "eval RUN/metrics.jsonl": "metrics.jsonl': it is no safetensors file",
    "eval words.txt": "words.txt': it is no safetensors file",
    "eval full": "the folder full has no model.safetensors",
    "eval text.npz": "text.npz is no .npz file of arrays, or damaged (",
    "eval RUN --dataset colour.npz": "the network takes examples of 784 numbers of 10 classes",
    "eval RUN/resume.safetensors": "is no model: give a run folder",
    "inspect cut.safetensors": "cut.safetensors': the file is damaged",
    "predict RUN 1000": "has examples 0 .. 999, got 1000",
    "predict RUN -1": "has examples 0 .. 999, got -1",
    "predict RUN none.png": "there is no file none.png",
    "predict RUN text.npz": "text.npz is no image that Pillow can read",
    "predict RUN none.npy": "none.npy: No such file",
    "predict RUN text.npy": "text.npy is not a readable NumPy array",
    "predict RUN shape.npy": "shape.npy has shape (3, 27, 28): expected one example (28, 28)",
    "predict RUN float.npy": "float64 from 0 to 1, in units that cannot be told: expected those",
    "predict RUN nan.npy": "nan.npy has 784 numbers that are not finite (NaN or infinity), the",
    "train --channels-last": "--channels-last is for an .npz file, got digits: leave it out",
    "eval RUN --no-channels-last": "--channels-last is for an .npz file, got digits",
    "eval TEXT --channels-last": "--channels-last is for pictures, and the model is of text",
    "predict RUN float.npy --channels-last": "--channels-last is for the index of an example",
    "train --standardise rows": "--standardise: expected columns, channels, none or MEAN:STD",
    "train --model lstm --standardise none": "the model lstm has no standardise",
    "train --resume RUN --standardise none": "was begun with standardise None, got none",
    "backends --backend abacus": "got 'abacus'",
}
if find_spec("PIL") is None:
    del BAD["predict RUN text.npz"]  # which is refused for another reason


def test_bad_input_is_one_line_and_changes_no_file(run, text, code, here, capsys, monkeypatch):
    os.makedirs("full/of")
    for name in ("text.npz", "text.npy"):
        Path(name).write_text("no array")
    model = (run / "model.safetensors").read_bytes()
    Path("cut.safetensors").write_bytes(model[:-1])
    os.mkdir("cut")
    for part in PARTS:
        content = (DIGITS / f"{part}.gz").read_bytes()
        Path("cut", f"{part}.gz").write_bytes(content[: 5000 if "train-images" in part else None])
    x, y = np.arange(48, dtype=np.uint8).reshape(4, 3, 2, 2), np.arange(4)
    np.savez("colour.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    np.save("shape", np.zeros((3, 27, 28), np.uint8))
    np.save("float", np.arange(784.0) / 783)
    np.save("nan", np.full(784, np.nan))
    Path("empty.txt").write_text("")
    Path("short.txt").write_text("ab" * 5)
    Path("words.txt").write_text("abcd" * 160)
    Path("latin.txt").write_bytes("für alle".encode("latin-1"))
    Path("cut.txt.gz").write_bytes(gzip.compress(b"abcd" * 160)[:-9])
    Path("strange.txt").write_text("abz" * 10)
    lost = load_model(text)
    spoilt = {name: np.full_like(array, np.nan) for name, array in lost.params.items()}
    replace(lost, params=spoilt).save("lost.safetensors")
    runs = {"RUN": str(run), "TEXT": str(text), "CODE": str(code), "LOST": "lost.safetensors"}
    before = tree(here) | tree(run.parent)
    cases = [(line, expected, {}) for line, expected in BAD.items()]
    cases.append(("train", "got 'abacus'", {"MINIHASH_BACKEND": "abacus"}))
    cases.append(("train", "MINIHASH_NUM_THREADS must be", {"MINIHASH_NUM_THREADS": "many"}))
    for line, expected, environment in cases:
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            for name, path in runs.items():
                line = line.replace(name, path)
            status = main(line.split(" ") if line else [])
        out, err = capsys.readouterr()
        assert status == 2 and out == "", line
        assert err.startswith("minihash: error: ") and err.count("\n") == 1, err
        assert expected in err, (line, err)
        assert tree(here) | tree(run.parent) == before, line


@pytest.mark.parametrize("extra, args", [("PIL", ["predict"]), ("pooch", ["train"])])
def test_a_missing_extra_is_named(extra, args, run, here, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, extra, None)
    Path("x.png").write_bytes(b"x")
    rest = [str(run), "x.png"] if extra == "PIL" else ["--dataset", "mnist", "--download"]
    assert main([*args, *rest]) == 2
    name = {"PIL": "image", "pooch": "data"}[extra]
    assert f"pip install 'minihash[{name}]'" in capsys.readouterr().err
    assert os.listdir(here) == ["x.png"]


def test_a_network_that_cannot_fit_is_refused_before_it_is_made(here, capsys, monkeypatch):
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": 8, "SC_PAGE_SIZE": 4096}.__getitem__)
    assert main(["train", "--hidden", "20"]) == 2
    error = capsys.readouterr().err
    assert "not enough memory (it takes more than 51.8 kB, 32.8 kB are there): make" in error
    assert os.listdir(here) == []


def command(*args, stdout=subprocess.PIPE):
    args = [sys.executable, "-m", "minihash", *map(str, args)]
    return subprocess.run(args, stdout=stdout, stderr=subprocess.PIPE)


def test_as_processes_too(run, here):
    bad = command("train", "--epochs", "0")
    assert bad.returncode == 2 and bad.stdout == b"" and bad.stderr.count(b"\n") == 1
    assert b"Traceback" not in bad.stderr
    version = command("--version")
    assert version.returncode == 0 and version.stdout.startswith(b"minihash ")
    if os.path.exists("/dev/full"):
        with open("/dev/full", "wb") as full:
            ended = command("eval", run, stdout=full)
        assert ended.returncode == 2 and b"free some space" in ended.stderr
        assert ended.stderr.count(b"\n") == 1
    assert os.listdir(here) == []
