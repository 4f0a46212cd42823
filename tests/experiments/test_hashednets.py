"""HashedNets' tables on a tiny grid: what runs, what is stored, what is said of it."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from minihash.cli import main
from minihash.experiments import figures, hashednets
from minihash.experiments.ledger import read
from minihash.networks.storage import counts
from minihash.runs.config import Config
from minihash.training.optimisers import SGD
from minihash.training.schedules import Plateau

pytestmark = pytest.mark.usefixtures("here")
TINY = {"lr": [0.1], "epochs": [1], "seed": [0, 1]}


def tiny(monkeypatch):
    grids = hashednets._grid("digits", hashednets.PARTS[3:], 40, **TINY)
    monkeypatch.setitem(hashednets.GRIDS, "digits", grids)
    monkeypatch.setitem(hashednets.WIDTHS, "digits", 40)


def record(accuracy, seed=0, part=Fraction(1, 8), hash="hashednets"):
    choices = {"dataset": "mnist", "seed": seed, "hash": hash}
    if hash == "identity":
        choices["hidden"] = (hashednets.hidden(part, 1000),)
    else:
        choices["compression"] = part
    config = Config(**choices).to_json()
    return {"config": config, "entropy": {"t": 1.0}, "metrics": [{"test_accuracy": accuracy}]}


def test_the_table_is_made_whole(monkeypatch, capsys):
    tiny(monkeypatch)
    assert main(["reproduce", "hashednets", "--quick", "--json", "--quiet"]) == 0
    out = json.loads(capsys.readouterr().out)
    assert len(out["claims"]) == 1 and 0 < out["claims"][0]["p"] <= 1
    records = read("reproduced/hashednets-digits.jsonl")
    assert len(records) == 8
    said = Path("reproduced/hashednets-digits.md").read_text().split("\n\n")
    assert said[0].startswith("| claim |") and "HashNet's error is below" in said[0]
    lines = said[1].splitlines()
    assert lines[0] == "| stored | HashNet | NN |" and len(lines) == 4
    errors = [100 * (1 - hashednets.value(r)) for r in records if hashednets.part(r) == 1 / 8]
    ours = [
        e
        for e, r in zip(errors, [r for r in records if hashednets.part(r) == 1 / 8], strict=True)
        if hashednets.method(r) == "NN"
    ]
    cell = f"{np.mean(ours):.2f} ± {np.std(ours, ddof=1):.2f}"
    assert lines[2].startswith("| 1/8 |") and lines[2].endswith(f"| {cell} |")


def test_networks_of_one_part_store_equally_much():
    """The counts of the public repetition; ours hashes the biases of the output too."""
    stored: dict = {}
    for config in figures.runs("hashednets", "mnist"):
        if config.seed == 0:
            found = counts(config.network((28, 28), 10))
            kept = found["stored_weights"] + found["other_parameters"]
            stored.setdefault(config.hash, {})[config.compression, config.hidden] = kept
    assert [*stored["identity"].values()] == [12730, 24655, 49300, 99385, 795010]
    parts = hashednets.PARTS
    expected = [-(-784000 // p.denominator) - (-1000 // p.denominator) for p in parts]
    expected = [
        n - (-10000 // p.denominator) - (-10 // p.denominator)
        for n, p in zip(expected, parts, strict=True)
    ]
    assert [*stored["hashednets"].values()] == expected
    assert abs(expected[0] / 12730 - 1) < 0.03


def test_the_protocol_is_that_of_the_public_repetition():
    runs = figures.runs("hashednets", "mnist")
    assert len(runs) == 30 and {c.seed for c in runs} == {0, 1, 2}
    for config in runs:
        training = config.training()
        assert training.schedule == Plateau(3, 0.1, "validation")  # PyTorch's patience of 2
        assert training.optimiser == SGD(0.9)
        assert (training.rate, training.epochs, training.batch_size) == (0.01, 50, 50)
        kinds = [type(f).__name__ for f in config.network((28, 28), 10).layers]
        assert kinds == ["Dropout", "Dense", "ReLU", "Dropout", "Dense"]
        assert (config.validation, config.dropout, config.input_dropout) == (0.1, 0.25, 0.25)


def test_the_claim_is_tested_at_equal_parts_and_can_fail():
    few, many = Fraction(1, 64), Fraction(1, 8)
    ours = [record(a - 0.001 * s, s, p) for p, a in ((few, 0.95), (many, 0.98)) for s in range(3)]
    worse = [
        record(a - 0.001 * s, s, p, "identity")
        for p, a in ((few, 0.9), (many, 0.96))
        for s in range(3)
    ]
    full = [record(0.5, 0, Fraction(1)), record(0.999, 0, Fraction(1), "identity")]  # not counted
    (claim,) = hashednets.claims(ours + worse + full, "mnist")
    assert claim.held and claim.statistic == pytest.approx(1.96, abs=0.05)
    same = [
        record(1 - hashednets.error(r) / 100, 5, Fraction(r["config"]["compression"]), "identity")
        for r in ours
    ]
    (claim,) = hashednets.claims(ours + same, "mnist")
    assert not claim.held and claim.statistic == pytest.approx(1.0)
    table = hashednets.table(ours + worse).splitlines()
    assert table[0] == "| stored | HashNet | NN | HashNet, repeated | NN, repeated |"
    assert table[2] == "| 1/64 | 5.10 ± 0.10 | 10.10 ± 0.10 | 3.15 | 5.91 |"


def test_a_data_set_that_a_figure_is_not_of_is_refused(capsys):
    assert main(["reproduce", "hashednets", "--dataset", "cifar10"]) == 2
    assert "hashednets is of mnist" in capsys.readouterr().err
