"""The loops of networks by size, of data and of files: the bytes of the engine's files."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minihash.data import load
from minihash.data.split import fifth
from minihash.data.standardiser import Standardiser, fit_standardiser
from minihash.data.text import read_text
from minihash.files import checkpoint
from minihash.networks.language_model import language_model
from minihash.runs.config import Config
from minihash.runs.train import begun
from minihash.training.language import streams
from reference import builders, data, files

SGD = {"type": "SGD", "momentum": 0.9, "nesterov": False, "weight_decay": 0.0}
DIRICHLET = {"type": "Dirichlet", "alpha": {"float": "inf"}, "signed": False}
CASES = [
    ({"hash": "uniform"}, {"type": "Uniform", "signed": False}),
    ({"hash": "modulus", "signed": True, "bias": "hashed", "compression": "1/15"}, "Modulus"),
    ({"hash": "dirichlet", "alpha": math.inf, "scope": "layer", "bias": "hashed"}, DIRICHLET),
    (
        {"hash": "hashednets", "bias": "hashed", "norm": "none"},
        {"type": "HashedNets", "seed": 1691},
    ),
    ({"hash": "identity", "bias": "none", "activation": "relu", "dropout": 0.25}, "Identity"),
]


@pytest.mark.parametrize("choices, rule", CASES, ids=lambda case: str(case)[:40])
@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_a_model_before_its_first_step_is_the_same_file(choices, rule, seed, tmp_path):
    config = Config(hidden=(9, 5), seed=seed, epochs=7, **choices)
    digits = load("digits")
    run, _, _ = begun(config, digits, 0)
    run.initial.save(tmp_path / "model.safetensors")

    if isinstance(rule, str):
        rule = {"type": rule, "signed": choices.get("signed", False)}
    of_network = {"compression": config.compression, "scope": config.scope, "bias": config.bias}
    network = builders.arbnet(
        (784, 9, 5, 10),
        rule,
        **of_network,
        seed=seed,
        activation={"elu": "ELU", "relu": "ReLU"}[config.activation],
        norm=config.norm,
        dropout=config.dropout,
    )
    rows = digits.x_train.tolist()
    mean, std = data.byte_moments(rows, 1)
    pixels = [v for row in rows for v in row]
    units = {"type": "Units", "dtype": "uint8", "low": 0.0, "high": 255.0, "white": 255.0}
    units |= {"mean": sum(pixels) / len(pixels), "whole": True, "channels_last": None}
    model = {
        "type": "Classifier",
        "network": network,
        "dataset": "digits",
        "epochs": 0,
        "steps": 0,
        "shape": [28, 28],
        "class_names": [str(k) for k in range(10)],
        "standardiser": {"type": "Standardiser", "mean": mean, "std": std, "peak": 255.0},
        "units": units,
        "training": {
            "type": "Training",
            "epochs": 7,
            "batch_size": 50,
            "rate": 0.1,
            "loss": "cross-entropy",
            "optimiser": SGD,
            "penalties": [],
            "schedule": {"type": "Plateau", "factor": 0.1, "patience": 4},
            "seed": seed,
        },
    }
    found = builders.initial_parameters(network, seed)
    arrays = {name: ("F32", (len(values),), values) for name, values in found.items()}
    ours = files.checkpoint({"kind": "model", "model": model}, arrays)
    assert ours == (tmp_path / "model.safetensors").read_bytes()


NAMES = st.text("abz/.0", min_size=1, max_size=5)
DTYPES = {"F32": "f4", "F64": "f8", "U8": "u1", "U16": "u2", "U32": "u4", "I8": "i1", "BOOL": "?"}


@given(st.dictionaries(NAMES, st.tuples(st.sampled_from(sorted(DTYPES)), st.integers(0, 5))))
def test_files_of_any_arrays_are_the_same_and_are_read_back(tmp_path_factory, kinds):
    arrays = {n: np.arange(size).astype(DTYPES[dtype]) for n, (dtype, size) in kinds.items()}
    spec = {"b": [1, {"z": None, "a": 0.1}], "a": "\u00e4"}
    path = tmp_path_factory.mktemp("files") / "file"
    checkpoint.save(path, spec, arrays)
    listed = {n: (kinds[n][0], a.shape, a.tolist()) for n, a in arrays.items()}
    assert files.checkpoint(spec, listed) == path.read_bytes()
    assert files.read(path.read_bytes()) == (spec, listed)


@pytest.mark.parametrize("groups", [1, 3, 6])
def test_bytes_are_standardised_alike(groups):
    x = np.random.default_rng(groups).integers(0, 256, (40, 6)).astype(np.uint8)
    x[:, 5] = 7
    mean, std = data.byte_moments(x.tolist(), groups)
    found = fit_standardiser(x, groups)
    assert found == Standardiser(tuple(mean), tuple(std))
    loops = np.array([data.standardise(row, mean, std) for row in x.tolist()], np.float32)
    np.testing.assert_array_equal(loops, found(x))


@given(st.lists(st.sampled_from("abc"), min_size=13, max_size=60))
def test_the_same_fifth_of_each_class_is_held_out(labels):
    held = fifth(np.array(labels), "mine")
    assert np.flatnonzero(held).tolist() == data.held_out_to_test(labels)


def test_a_text_has_the_same_tokens_parts_and_streams(tmp_path):
    words = "B\u00e4nke und \U0001f40d Bananen, " * 9
    (tmp_path / "words.txt").write_text(words, "utf-8")
    for tokens, content in (("characters", words), ("bytes", words.encode())):
        text = read_text(tmp_path / "words.txt", tokens=tokens)
        assert list(text.vocabulary) == data.vocabulary(content)
        train, test = data.text_parts(content)
        assert (text.train.tolist(), text.validation.tolist()) == (train, test)
        model = language_model(len(text.vocabulary), 3)
        found = streams(model, text.train, 4, 5)
        assert tuple(part.tolist() for part in found) == data.streams(train, 4)
