"""A number is computed with as it was written: 1/15 is no float on its way to a table's size."""

import json
from fractions import Fraction
from math import gcd
from pathlib import Path

import pytest

from minihash.cli import main
from minihash.cli.arguments import parser
from minihash.files import checkpoint
from minihash.networks.numbering import make_hash, numbered
from minihash.runs.config import Config
from minihash.runs.folder import config_of
from minihash.runs.kinds import load_model

FRACTIONS = [(p, q) for q in range(1, 65) for p in range(1, q + 1) if gcd(p, q) == 1]
SIZES = (11_760, 784, 198_800, 64 * 63 * 61, 1)


def saved_and_read(config: Config) -> Config:
    return Config.from_json(json.loads(json.dumps(config.to_json())))


def typed(text: str) -> Config:
    """The choices of `train --compression TEXT`, saved and read again."""
    return saved_and_read(
        Config(compression=parser().parse_args(["train", *text.split()]).compression)
    )


@pytest.fixture(scope="module")
def typed_fractions():
    read = parser()  # made once
    args = [read.parse_args(["train", "--compression", f"{p}/{q}"]) for p, q in FRACTIONS]
    return [saved_and_read(Config(compression=a.compression)).hashing() for a in args]


def test_every_fraction_gives_the_table_that_integers_say(typed_fractions):
    assert len(FRACTIONS) == 1260
    for (p, q), hashing in zip(FRACTIONS, typed_fractions, strict=True):
        for size in SIZES:
            hash_ = make_hash("modulus", hashing["compression"], size, 0, {})
            assert hash_.buckets == -(-p * size // q), (p, q, size)


def test_every_fraction_gives_hashednets_the_tables_that_integers_say(typed_fractions):
    """Of the weights of a layer and of its hashed biases: K = ceil(c in out), ceil(c out)."""
    shapes = {"dense1": (15, 784), "dense2": (10, 15)}
    for (p, q), hashing in zip(FRACTIONS[::7], typed_fractions[::7], strict=True):
        c = hashing["compression"]
        pairs = numbered(shapes, "hashednets", c, "layer", "hashed", 0, {})
        found = [w.hash.buckets for pair in pairs for w in pair]
        assert found == [-(-p * size // q) for size in (784 * 15, 15, 15 * 10, 10)], (p, q)


@pytest.mark.parametrize("text", ["0.1", "0.25", "1/4", ".3", "1e-3", "1", "0.30000000000000004"])
def test_a_decimal_is_the_float_that_shows_so(text):
    found = typed(f"--compression {text}").compression
    assert type(found) is float and Fraction(str(found)) == Fraction(text)


@pytest.mark.parametrize("text", ["1/15", "1/3", "0.1234567890123456789", "2/6"])
def test_what_no_float_shows_is_a_fraction(text):
    found = typed(f"--compression {text}").compression
    assert type(found) is Fraction and found == Fraction(text)


def test_a_run_keeps_a_fraction(here, capsys):
    flags = "--hidden 15 --scope layer --compression 1/15 --epochs 1 --out run --quiet"
    assert main(["train", *flags.split()]) == 0
    assert load_model("run").network.weights()[0].hash.buckets == 784
    assert json.loads(Path("run/config.json").read_text())["compression"] == "1/15"
    assert config_of(Path("run")).compression == Fraction(1, 15)
    again = ["train", "--resume", "run", "--epochs", "2", "--quiet"]
    assert main([*again, "--compression", "0.0666666666666666667"]) == 2
    assert "was begun with compression 1/15, got " in capsys.readouterr().err
    assert main([*again, "--compression", "1/15"]) == 0


def test_a_run_that_was_saved_with_the_float_beside_it_goes_on(here):
    """Its tables have the size that the float gave: 785, where 784 had been meant."""
    flags = f"--hidden 15 --scope layer --compression {1 / 15} --epochs 1 --out run --quiet"
    assert main(["train", *flags.split()]) == 0
    spec = checkpoint.read_spec("run/resume.safetensors")
    assert spec["config"]["compression"] == 1 / 15
    assert main(["train", "--resume", "run", "--epochs", "2", "--quiet"]) == 0
    assert load_model("run").network.weights()[0].hash.buckets == 785
