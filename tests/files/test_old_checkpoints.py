"""Checkpoints that an earlier version wrote: today's code reads them, goes on from them, and prints
what that version printed.

checkpoints/printed.json holds, for each run, the choices it was trained with (`minihash train`, on
the NumPy backend; the mlp's was stopped in its second epoch) and what `eval`, `inspect`, `predict`
or `generate`, and for the mlp `train --resume`, printed with --json.

Bits are asked where they are promised: the mlp, on a machine that computes as the one that wrote
them did. Its arithmetic has stayed as it was. That of convolutions and recurrent layers has not:
the earlier version summed them in kernels of Numba under every backend, in another order.
"""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from minihash.cli import main
from minihash.data import load

FOLDER = Path(__file__).with_name("checkpoints")
PRINTED = json.loads((FOLDER / "printed.json").read_text("utf-8"))
CASES = [
    (r, c) for r, found in PRINTED["runs"].items() for c in found if c not in ("train", "resume")
]
ROUNDINGS = 1000  # more than lie one upon another between an input and what is printed


@pytest.fixture(autouse=True)
def old(here):
    shutil.copytree(FOLDER, here, dirs_exist_ok=True)


def arithmetic() -> str:
    """A digest of how NumPy sums and computes elementary functions on this machine."""
    rng = np.random.default_rng(0)
    x, W = (rng.standard_normal(shape, np.float32) for shape in ((50, 784), (24, 784)))
    y = x @ W.T
    found = [y, y.T @ x]
    for z in (abs(y), abs(y).astype(np.float64)):
        found += [np.exp(-z), np.expm1(-z), np.log(z + 1), np.sqrt(z)]
    return hashlib.sha256(b"".join(a.tobytes() for a in found)).hexdigest()


def printed(capsys, *args: str) -> dict:
    assert main([*args, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def assert_same(found, expected, bits: bool):
    """Equal; without `bits`, floats up to rounding."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert_same(found[key], value, bits)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            assert_same(a, b, bits)
    elif isinstance(expected, float) and not bits:
        assert found == pytest.approx(expected, rel=ROUNDINGS * 2.0**-24, abs=0)
    else:
        assert found == expected and type(found) is type(expected)


@pytest.mark.parametrize(("name", "command"), CASES)
def test_they_are_read_and_answer_as_they_did(name, command, capsys):
    found = printed(capsys, command, name, *PRINTED["arguments"].get(command, []))
    if command == "inspect":  # what it says besides today
        assert found.pop("bytes_on_disk") == Path(name, "model.safetensors").stat().st_size
        assert found.pop("coded_hashes") == 0
    bits = command == "inspect" or name == "mlp"
    expected = PRINTED["runs"][name][command]
    assert_same(found, expected, bits and arithmetic() == PRINTED["arithmetic"])


def test_they_take_bytes_for_what_they_were_trained_on(capsys):
    """They say nothing of units but that pixels go to 255."""
    expected = printed(capsys, "predict", "mlp", "0")["predictions"]
    x = load("digits").x_test[0]
    for dtype in (np.uint8, np.float64, np.int32):
        np.save("x", x.astype(dtype))
        assert printed(capsys, "predict", "mlp", "x.npy")["predictions"] == expected
    np.save("x", x / 255)
    assert main(["predict", "mlp", "x.npy"]) == 2
    assert "training data (uint8, numbers from 0 to 255)" in capsys.readouterr().err
    dark = x.reshape(1, 28, 28) // 16  # of a set whose whole floats to 16 were taken for bytes
    part = np.repeat(dark, 30, axis=0).astype(np.float64), np.arange(30) % 10
    np.savez("dark.npz", x_train=part[0], y_train=part[1], x_test=part[0], y_test=part[1])
    assert printed(capsys, "eval", "mlp", "--dataset", "dark.npz")["examples"] == 30


def test_a_run_that_was_stopped_goes_on(capsys):
    expected = PRINTED["runs"]["mlp"]["resume"]
    found = printed(capsys, "train", "--resume", "mlp", "--quiet")
    assert expected["epochs"] == 2 and found.keys() >= expected.keys()
    for name, value in expected.items():  # elsewhere, roundings have grown for forty steps
        if arithmetic() == PRINTED["arithmetic"] or not isinstance(value, float):
            assert found[name] == value, name
