"""minihash predict: inputs of any kind and number, in batches; a few of them without a compiler."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minihash
from minihash.cli import main
from minihash.runs import predict as examples
from minihash.runs.examples import BATCH, Classifier

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture(scope="module")
def digits():
    return minihash.load("digits")


@pytest.fixture(scope="module")
def model(digits, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINIHASH_BACKEND", "numpy")
        minihash.fit(digits, hidden=(12,), epochs=1).save(path)
    return path


def said(capsys, *args) -> str:
    assert main(["predict", *map(str, args)]) == 0
    return capsys.readouterr().out


def piped(model, content: bytes, *args) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "minihash", "predict", str(model), "-", *args]
    return subprocess.run(command, input=content, capture_output=True, timeout=100)


def as_csv(x: np.ndarray, header: str = "") -> bytes:
    stream = io.StringIO()
    np.savetxt(stream, x, fmt="%g", delimiter=",", header=header, comments="")
    return stream.getvalue().encode()


def as_npy(x: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, x)
    return stream.getvalue()


def test_several_inputs_of_all_kinds_are_a_row_each(model, digits, capsys):
    np.save("two.npy", digits.x_test[4:6])
    Path("rows.csv").write_bytes(as_csv(digits.x_test[6:7]))
    inputs = ["3", "two.npy", "rows.csv"]
    found = json.loads(said(capsys, model, *inputs, "--json"))["predictions"]
    places = [(one["input"], one["example"]) for one in found]
    assert places == [("3", 0), ("two.npy", 0), ("two.npy", 1), ("rows.csv", 0)]
    p = minihash.load_model(model).probabilities(digits.x_test[3:7])
    np.testing.assert_allclose([one["probabilities"] for one in found], p, rtol=1e-4)
    lines = said(capsys, model, *inputs).splitlines()
    assert [line.split("  ")[0].strip() for line in lines] == [
        "3",
        "two.npy",
        "two.npy 1",
        "rows.csv",
    ]
    rows = list(csv.reader(io.StringIO(said(capsys, model, *inputs, "--csv"))))
    assert rows[0] == ["input", "example", "class", *map(str, range(10))]
    assert [row[:2] for row in rows[1:]] == [[name, str(k)] for name, k in places]
    np.testing.assert_allclose(np.array([row[3:] for row in rows[1:]], float), p, rtol=1e-4)
    assert [row[2] for row in rows[1:]] == [str(k) for k in p.argmax(axis=1)]


def test_what_comes_through_a_pipe_is_what_a_file_of_it_is(model, digits, capsys):
    x = digits.x_test[3:5]
    expected = minihash.load_model(model).probabilities(x)
    for content in (as_npy(x), as_csv(x), as_csv(x, ",".join(f"pixel{k}" for k in range(784)))):
        found = json.loads(piped(model, content, "--json").stdout)["predictions"]
        np.testing.assert_allclose([one["probabilities"] for one in found], expected, rtol=1e-4)
    image = pytest.importorskip("PIL.Image")
    for kind in ("PNG", "PPM"):
        picture = io.BytesIO()
        image.fromarray(x[0].reshape(28, 28)).save(picture, kind)
        (one,) = json.loads(piped(model, picture.getvalue(), "--json").stdout)["predictions"]
        np.testing.assert_allclose(one["probabilities"], expected[0], rtol=1e-4)


REFUSED = {
    b"": "standard input is empty",
    b"1,2,3\n": "standard input has shape (1, 3): expected one example (28, 28)",
    b"1,2\n1\n": "standard input is no table of numbers",
    b"one,two\n": "standard input is no table of numbers (no row)",
    b"\x89PNG\r\n\x1a\n\0\0": "standard input is no image that Pillow can read",
    b"\x93NUMPY\1\0": "standard input is not a readable NumPy array",
}


@pytest.mark.parametrize("content", REFUSED, ids=repr)
def test_a_bad_pipe_is_one_line(content, model):
    done = piped(model, content)
    error = done.stderr.decode()
    assert done.returncode == 2 and done.stdout == b"", error
    assert REFUSED[content] in error and error.count("\n") == 1, error


@pytest.mark.parametrize(
    "flags, expected",
    [
        ("3 --csv --json", "give one of them"),
        ("- -", "can be read once"),
        ("rows.csv --invert", "--invert is for an image file, got rows.csv"),
        ("3 rows.csv --invert", "--invert is for an image file, got 3"),
        ("rows.csv --dataset digits", "--dataset is for the index of an example"),
        ("nowhere.csv", "nowhere.csv: No such file"),
    ],
)
def test_what_does_not_go_together_is_one_line(flags, expected, model, digits, capsys):
    Path("rows.csv").write_bytes(as_csv(digits.x_test[:2]))
    assert main(["predict", str(model), *flags.split()]) == 2
    error = capsys.readouterr().err
    assert expected in error and error.count("\n") == 1


def test_many_are_read_one_by_one_and_computed_in_batches(model, digits, monkeypatch):
    """No more than a batch is held between what is read and what is answered."""
    net, sizes, read = minihash.load_model(model), [], []
    answer = Classifier.probabilities
    monkeypatch.setattr(
        Classifier, "probabilities", lambda net, x: sizes.append(len(x)) or answer(net, x)
    )

    def inputs():
        for k in range(1203):
            read.append(k)
            yield f"{k}.png", digits.x_test[k % 1000][None]

    found = examples.predictions(net, inputs())
    name, number, one = next(found)
    assert (name, number, len(read)) == ("0.png", 0, BATCH)
    rest = list(found)
    assert sizes == [BATCH, BATCH, 1203 - 2 * BATCH] and len(rest) == 1202
    assert rest[-1][0] == "1202.png" and rest[999][2]["probabilities"] == pytest.approx(
        one["probabilities"], rel=1e-4
    )


def test_on_a_terminal_it_says_how_far_it_is(model, digits, monkeypatch, capsys):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    np.save("many.npy", np.concatenate([digits.x_test, digits.x_test]))
    monkeypatch.setattr(sys, "stderr", shown := Terminal())
    assert len(said(capsys, model, "many.npy").splitlines()) == 2000
    parts = shown.getvalue().split("\r")
    assert [part for part in parts if part.strip()] == [
        f"{k * BATCH:,} examples" for k in range(1, 4)
    ]
    assert parts[-1] == "" and parts[-2] == " " * len("1,500 examples")


@pytest.mark.parametrize("kind", ["one.npy", "3", "many.npy"])
def test_a_few_examples_compile_nothing(kind, model, digits, monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.delenv("MINIHASH_BACKEND")
    np.save("one.npy", digits.x_test[3])
    np.save("many.npy", digits.x_test)
    code = "import sys; from minihash.cli import main; main(sys.argv[1:]); "
    code += "print('numba' in sys.modules)"
    command = [sys.executable, "-c", code, "predict", str(model), kind]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, timeout=100)
    assert done.stdout.splitlines()[-1] == str(kind == "many.npy"), done.stderr
