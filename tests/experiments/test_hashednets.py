"""HashedNets' tables on a tiny grid: what runs, what is stored, what is said of it."""

import csv
import json
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from minihash.cli import main
from minihash.experiments import expansion, figures, hashednets
from minihash.experiments.ledger import read
from minihash.networks.storage import counts
from minihash.runs.config import Config
from minihash.runs.kinds import load_model
from minihash.training.optimisers import SGD, Clipped
from minihash.training.schedules import Decay, Plateau

pytestmark = pytest.mark.usefixtures("here")
TINY = {"lr": [0.1], "epochs": [1], "seed": [0, 1]}


def tiny(monkeypatch):
    monkeypatch.setitem(hashednets.WIDTHS, "digits", 40)
    grids = hashednets._grids("digits", hashednets.PARTS[3:4], **TINY)
    monkeypatch.setitem(hashednets.GRIDS, "digits", grids)


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
    words = ["reproduce", "hashednets", "--quick", "--json", "--quiet", "--workers", "1"]
    assert main(words) == 0
    out = json.loads(capsys.readouterr().out)
    assert len(out["claims"]) == 5 and all(0 < claim["p"] <= 1 for claim in out["claims"])
    records = read("reproduced/hashednets-digits.jsonl")
    assert [*hashednets.by_method(records)] == ["HashNet", "NN", "HashNetDK", "DK", "RER", "LRD"]
    assert len(records) == 12 and {hashednets.part(r) for r in records} == {1 / 8}
    teacher = load_model("reproduced/teacher-digits")
    assert teacher.network.weights()[0].shape == (40, 784)
    taught = [r for r in records if r["config"]["teacher"] is not None]
    assert {r["config"]["teacher"] for r in taught} == {"teacher-digits"}
    assert len({r["data"] for r in records}) == 2  # of the data, and of the teacher, too
    said = Path("reproduced/hashednets-digits.md").read_text().split("\n\n")
    assert said[0].startswith("| claim |")
    assert "the error of HashNet is below that of NN" in said[0]
    lines = said[1].splitlines()
    assert lines[0] == "| stored | HashNet | NN | HashNetDK | DK | RER | LRD |" and len(lines) == 3
    errors = [hashednets.error(r) for r in records if hashednets.method(r) == "LRD"]
    cell = f"{np.mean(errors):.2f} ± {np.std(errors, ddof=1):.2f}"
    assert lines[2].startswith("| 1/8 |") and lines[2].endswith(f"| {cell} |")
    # Again: nothing is run, the teacher is not asked for, and the files have the same bytes.
    before = {path: path.read_bytes() for path in Path("reproduced").iterdir() if path.is_file()}
    shutil.rmtree("reproduced/teacher-digits")
    assert main(words) == 0
    assert {path: path.read_bytes() for path in Path("reproduced").iterdir()} == before


def test_networks_of_one_part_store_equally_much():
    """The counts of the public repetition; ours hashes the biases of the output too."""
    stored: dict = {}
    for config in figures.runs("hashednets", "mnist"):
        plain = config.teacher is config.dampening is None and config.source == "table"
        if config.seed == 0 and plain:
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
    assert [*stored["sparse"].values()] == [expected[0], expected[3]]
    low = [c for c in figures.runs("hashednets", "mnist") if c.source == "lowrank" and not c.seed]
    found = [counts(c.network((28, 28), 10)) for c in low]
    assert [f["stored_weights"] for f in found] == [12 * 1000 + 16 * 10, 98 * 1000 + 125 * 10]


def test_the_protocols_are_those_of_the_public_repetition_and_of_the_release():
    runs = figures.runs("hashednets", "mnist")
    public = [config for config in runs if config.dampening is None]
    plain = [config for config in public if config.standardise == "none"]
    assert len(public) == 66 and len(plain) == 12 and {c.seed for c in runs} == {0, 1, 2}
    for config in public:
        training = config.training()
        assert training.schedule == Plateau(3, 0.1, "validation")  # PyTorch's patience of 2
        assert training.optimiser == SGD(0.9)
        assert (training.rate, training.epochs, training.batch_size) == (0.01, 50, 50)
        assert config.validation == 0.1
        standardised = replace(config, standardise=None)
        assert standardised in public  # the same but for the inputs
    released = [config for config in runs if config.dampening is not None]
    for config in released:
        training = config.training()
        assert (training.schedule, training.rate) == (Decay(1e-4), 0.1)
        assert training.optimiser == SGD(0.9, dampening=0.9)
        assert (config.compression, config.hash, config.bias) == (1 / 8, "hashednets", "hashed")
        assert (config.validation, config.standardise) == (0.2, "none")
    for config in runs:
        kinds = [type(f).__name__ for f in config.network((28, 28), 10).layers]
        assert kinds == ["Dropout", "Dense", "ReLU", "Dropout", "Dense"]
        assert (config.dropout, config.input_dropout) == (0.25, 0.25)
    assert hashednets.teacher("mnist") in runs  # the full network, of the first seed


@pytest.mark.parametrize(("dataset", "count"), [("rectangles", 72), ("convex", 72), ("digits", 36)])
def test_other_data_have_both_ends(dataset, count):
    runs = figures.runs("hashednets", dataset)
    assert len(runs) == count and {c.dataset for c in runs} == {dataset}
    assert {c.compression for c in runs} == {1.0, 1 / 8, 1 / 64}
    assert {c.teacher for c in runs} == {None, f"teacher-{dataset}"}


@pytest.mark.parametrize("dataset", ["rectangles", "convex"])
def test_few_examples_are_learnt_with_and_without_dropout(dataset):
    runs = figures.runs("hashednets", dataset)
    without = [c for c in runs if (c.dropout, c.input_dropout) == (0, 0)]
    both = [c for c in runs if (c.dropout, c.input_dropout) == (0.25, 0.25)]
    assert len(without) == len(both) == 36
    assert {replace(c, dropout=0.25, input_dropout=0.25) for c in without} == set(both)
    assert {c.training().schedule for c in runs} == {Plateau(10, 0.1, "training")}
    assert {c.training().optimiser for c in runs} == {Clipped(SGD(0.9), 1.0)}
    teacher = hashednets.teacher(dataset)
    assert teacher.validation is None and teacher.training().schedule == Plateau(10)
    kept = {"hidden": (1000,), "compression": 1.0, "teacher": None, "validation": 0.1}
    (full,) = {replace(c, **kept) for c in runs if c.hash == "identity" and c.seed == 0} & {
        replace(teacher, validation=0.1)
    }
    assert full.dropout == full.input_dropout == (0.25 if dataset == "rectangles" else 0)


def dropped(dropout, validation, test, seed):
    choices = {"dropout": dropout, "validation": 0.1, "compression": Fraction(1, 8), "seed": seed}
    config = Config(dataset="convex", hash="hashednets", **choices).to_json()
    metrics = [{"validation_accuracy": validation, "test_accuracy": test}]
    return {"config": config, "entropy": {"t": 1.0}, "metrics": metrics}


def test_the_dropout_that_counts_is_chosen_by_the_examples_held_out():
    """By the mean over seeds, and not by what the test says."""
    some = [dropped(0.25, v, 0.9, s) for s, v in enumerate((0.9, 0.5, 0.6))]
    none = [dropped(0.0, v, 0.8, s) for s, v in enumerate((0.7, 0.7, 0.7))]
    assert hashednets.tuned(some + none) == none == hashednets.tuned(none + some)
    assert hashednets.by_method(some + none) == {"HashNet": none}
    assert hashednets.table(some + none).endswith("| 1/8 | 20.00 ± 0.00, dropout 0 |")
    worse = [dropped(0.0, v, 0.8, s) for s, v in enumerate((0.7, 0.7, None))]
    assert hashednets.tuned(some + worse) == some
    assert hashednets.table(some).endswith("| 1/8 | 10.00 ± 0.00 |")


def test_the_last_epoch_counts_where_few_examples_are_held_out(monkeypatch, capsys):
    """In the table and in the file of figures; by the first best epoch otherwise."""
    lines = [{"validation_accuracy": 1.0, "test_accuracy": a} for a in (0.2, 0.3)]
    few = Config(dataset="convex", validation=0.1, plateau_of="training").to_json()
    many = Config(dataset="mnist", validation=0.1, plateau_of="validation").to_json()
    runs = [{"config": config, "metrics": lines} for config in (few, many)]
    assert [hashednets.error(r) for r in hashednets.counting(runs)] == pytest.approx([70, 80])
    assert [len(r["metrics"]) for r in runs] == [2, 2]
    kinds = {c.plateau_of for c in figures.runs("hashednets", "convex")}
    assert kinds == {"training"}
    monkeypatch.setitem(hashednets.WIDTHS, "digits", 40)
    own = {"lr": [0.1], "epochs": [2], "seed": [0], "plateau_of": ["training"]}
    grids = hashednets._grids("digits", hashednets.PARTS[3:4], **own)[:2]
    monkeypatch.setitem(hashednets.GRIDS, "digits", grids)
    words = ["reproduce", "hashednets", "--quick", "--json", "--quiet", "--workers", "1"]
    assert main(words) == 0
    capsys.readouterr()
    last = [r["metrics"][-1]["test_accuracy"] for r in read("reproduced/hashednets-digits.jsonl")]
    with open("reproduced/hashednets-digits.csv", newline="") as file:
        kept = list(csv.DictReader(file))
    assert [(row["epoch"], float(row["test_accuracy"])) for row in kept] == [("2", a) for a in last]


def test_a_network_grows_on_tables_that_do_not(monkeypatch, capsys):
    stored = []
    for config in figures.runs("expansion", "mnist")[::3]:
        matrices = [w for w in config.network((28, 28), 10).weights() if len(w.shape) == 2]
        stored.append(sum({w.table: w.hash.buckets for w in matrices}.values()))
    assert stored == [50 * 784 + 500] * 5
    own = {"lr": [0.1], "epochs": [1]}
    monkeypatch.setitem(
        expansion.GRIDS, "digits", expansion._grids("digits", 10, (1, 4, 16), **own)
    )
    assert main(["reproduce", "expansion", "--quick", "--json", "--quiet", "--workers", "1"]) == 0
    out = json.loads(capsys.readouterr().out)
    assert [claim["test"] for claim in out["claims"]] == [
        "Spearman's rho > 0",
        "ratio of errors > 1",
    ]
    said = Path("reproduced/expansion-digits.md").read_text().splitlines()
    assert [line.split(" | ")[0] for line in said[-3:]] == ["| x 1", "| x 4", "| x 16"]


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
