"""Exports as their users run them: each takes a model, a folder and x, and returns the logits.

And models of one layer, or of any, to be exported.
"""

import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import minihash
from minihash import core
from minihash.data import Standardiser, Units
from minihash.exports import to_c, to_numpy, to_onnx
from minihash.layers import Dense
from minihash.weights import VirtualWeight

FLAGS = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off"]


def built(model, folder, *flags):
    """The program of the model in C."""
    if not shutil.which("gcc"):
        pytest.skip("there is no gcc")
    (folder / "model.c").write_text(to_c(model))
    command = ["gcc", *FLAGS, *flags, "-DMINIHASH_MAIN", "model.c", "-o", "model", "-lm"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "model"


def run(program, x):
    """Classes, and logits."""
    lines = "\n".join(" ".join(map(str, row)) for row in x.reshape(len(x), -1).tolist())
    text = subprocess.run([program], input=lines, capture_output=True, text=True, check=True).stdout
    found = np.array([line.split() for line in text.splitlines()], float)
    return found[:, 0].astype(int), found[:, 1:]


def c(model, folder, x):
    return run(built(model, folder), x)[1]


def numpy(model, folder, x):
    """In a process that has NumPy, and nothing of what is beside it here."""
    (folder / "model.py").write_text(to_numpy(model))
    np.save(folder / "x.npy", x)
    code = (
        "import sys, numpy; before = {*sys.modules}; sys.path.insert(0, '.'); import model; "
        "numpy.save('y.npy', model.predict(numpy.load('x.npy'))); "
        "tops = {name.partition('.')[0] for name in {*sys.modules} - before}; "
        "print(*tops - {*sys.stdlib_module_names})"
    )
    command = [sys.executable, "-I", "-W", "error", "-c", code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert {*done.stdout.split()} <= {"model", "numpy"} and not done.stderr
    return np.load(folder / "y.npy")


def onnx(model, folder, x):
    """By onnxruntime, a file that the checker of ONNX has passed."""
    from onnx import checker, load_from_string
    from onnxruntime import InferenceSession

    data = to_onnx(model)
    checker.check_model(load_from_string(data), full_check=True)
    session = InferenceSession(data, providers=["CPUExecutionProvider"])
    (given,), (result,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape) == ("x", ["batch", *model.shape])
    assert (result.name, result.shape) == ("logits", ["batch", model.outputs])
    return session.run(None, {"x": x.reshape(len(x), *model.shape)})[0]


WAYS = {"c": c, "numpy": numpy, "onnx": onnx}


def classifier(network, features, shape=None, **changes):
    """An untrained classifier of bytes, or of other numbers, that are taken as they are."""
    params, shape = network.init(0), shape or (features,)
    with core.use("numpy"):
        outputs = len(network.forward(params, np.zeros((1, features), np.float32))[0][0])
    units = Units("float32", 0.0, 1.0, 0.0, False, 1.0)
    standardiser = Standardiser((0.0,), (1.0,), 1.0)
    names = tuple(map(str, range(outputs)))
    own = {"network": network, "params": params, "shape": shape, "class_names": names}
    own |= {"standardiser": standardiser, "units": units}
    return replace(small(), **(own | changes))


@cache
def small():
    """A trained classifier of two numbers."""
    x = np.random.default_rng(0).normal(size=(40, 2))
    data = minihash.assemble("small", x, np.arange(40) % 2, x[:9], np.arange(9) % 2)
    with core.use("numpy"):
        return minihash.fit(data, hidden=(2,), epochs=1, hash="identity", norm="none")


def matrix(rule, first_id, shape):
    """A classifier y = V x whose logits of unit vectors are the entries of V, to the bit: tables
    are 1, 2, 3 ..., and each sum has one term that is not 0."""
    network = minihash.Sequential((Dense(VirtualWeight(shape, rule, "W", first_id)),))
    table = np.arange(1, rule.buckets + 1, dtype=np.float32)
    return replace(classifier(network, shape[1]), params={"W": table})
