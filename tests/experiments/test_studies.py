"""The studies beyond the published figures on tiny grids: what is varied, and what is claimed."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from minihash import core
from minihash.cli import main
from minihash.data import load
from minihash.experiments import balance_or_noise, bimodal, choices, figures, repeats
from minihash.experiments.claims import cells, in_pairs
from minihash.experiments.ledger import read
from minihash.hashes import balance
from minihash.runs.config import Config
from minihash.runs.train import begun
from minihash.training.loop import batches, step

pytestmark = pytest.mark.usefixtures("here")
STUDIES = {
    "balance-or-noise": (balance_or_noise, 7),
    "choices": (choices, 11),
    "repeats": (repeats, 4),
    "bimodal": (bimodal, 3),
}


def tiny(monkeypatch, module):
    """The grid of digits, cut down."""
    small = {"hidden": [(6,)], "epochs": [1], "seed": [0]}
    cut = [
        {**axes, **small, "compression": axes["compression"][: 1 + (module is repeats)]}
        for axes in module.GRIDS["digits"]
    ]
    least = min(float(c) for axes in cut for c in axes["compression"])
    cut = [axes for axes in cut if axes["compression"][0] == least]
    monkeypatch.setitem(module.GRIDS, "digits", cut)


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_is_made_whole(name, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    module, cells = STUDIES[name]
    tiny(monkeypatch, module)
    assert main(["reproduce", name, "--quick", "--json", "--quiet"]) == 0
    out = json.loads(capsys.readouterr().out)
    folder, base = Path("reproduced"), f"{name}-digits"
    assert {Path(path).name for path in out["files"]} == {
        f"{base}{ending}" for ending in (".jsonl", ".csv", ".md", ".png", ".svg")
    }
    runs = read(folder / f"{base}.jsonl")
    assert len(runs) == cells
    said, table = (folder / f"{base}.md").read_text().split("\n\n")
    assert len(table.splitlines()) == 2 + len({module.label(run) for run in runs})
    assert len(said.splitlines()) == 2 + len(out["claims"]) > 2


def of(config, accuracy):
    """A record of a run that came to this accuracy."""
    return {
        "config": config.to_json(),
        "entropy": {"table": 1.0},
        "metrics": [{"test_accuracy": accuracy}],
    }


def invented(name, accuracy):
    """Records of a study's whole grid on MNIST, as this function of a config has them."""
    return [of(config, accuracy(config)) for config in figures.runs(name, "mnist")]


def noise(config):
    return 1e-4 * math.sin(37 * config.seed + len(str(config.hash)))


def held(name, accuracy):
    records = invented(name, accuracy)
    return {(c.says, c.of): c.held for c in STUDIES[name][0].claims(records, "mnist")}


def test_balance_and_noise_come_apart():
    def even(config):
        return config.hash in ("modulus", "balanced") or config.alpha == math.inf

    found = held("balance-or-noise", lambda c: 0.9 * even(c) + noise(c))
    assert len(found) == 8 * 4
    assert all(
        held == ("balance helps" in says) for (says, _), held in found.items() if "much" not in says
    )
    found = held("balance-or-noise", lambda c: 0.9 * (c.hash in ("modulus", "quantile")) + noise(c))
    assert all(held == ("better than noise" in says) for (says, _), held in found.items())


@pytest.mark.parametrize("dataset", ["mnist", "digits"])
def test_columns_of_the_table_have_equal_loads(dataset):
    """Random draws have the relative variance of their loads that runs have."""
    cells: dict = {}
    for config in figures.runs("balance-or-noise", dataset):
        if config.seed == 0:
            network = config.network((784,), 10)
            hash_ = network.weights()[0].hash
            load = balance(hash_, 198_800).load
            name = balance_or_noise.label({"config": config.to_json()})
            cells[float(config.compression), name] = load.var() / load.mean() ** 2
    for (compression, name), found in cells.items():
        if "even" not in name:
            continue
        other = {"quantile, uneven": "uniform", "quantile, very uneven": "dirichlet, very uneven"}
        if name in other:
            assert found == pytest.approx(cells[compression, other[name]], rel=0.15)
    assert all(
        found < 0.3 * cells[c, "uniform"]
        for (c, name), found in cells.items()
        if name in ("modulus", "balanced", "quantile, even")
    )


def test_a_choice_matters_either_way():
    def accuracy(config):
        worth = {"layer": 0.1, "hashed": -0.1}
        return 0.5 + worth.get(config.scope, 0) + worth.get(config.bias, 0) + noise(config)

    found = held("choices", accuracy)
    assert {says for (says, _), yes in found.items() if yes} == {
        "scope layer matters",
        "bias hashed matters",
    }
    assert len(found) == 10 and {of_ for _, of_ in found} == {"all sparsities, 10 pairs"}


@pytest.mark.filterwarnings("ignore:.*rows of its virtual weight differ")
@pytest.mark.parametrize("dataset", ["mnist", "digits"])
def test_rows_that_repeat_are_counted_as_they_are(dataset):
    counts = {}
    for config in figures.runs("repeats", dataset):
        if config.seed == 0:
            weights = [w for w in config.network((784,), 10).weights() if len(w.shape) == 2]
            found = repeats.rows({"config": config.to_json()})
            for w, (few, rows) in zip(weights, found, strict=True):
                indices = w.hash.bucket(w.identifiers())
                assert (len(np.unique(indices, axis=0)), w.shape[0]) == (few, rows)
            counts[config.scope, config.compression] = min(few / rows for few, rows in found)
    sparse, more, dense, _ = sorted({compression for _, compression in counts})
    assert counts["network", sparse] == 71 / 200 and counts["network", dense] == 1
    assert counts["layer", dense] <= 0.2 and counts["layer", more] == 1


def test_repeats_are_what_costs_accuracy_or_not():
    def accuracy(config):
        few = repeats.rows({"config": config.to_json()})[0][0]
        return 0.9 * (few == 200) + noise(config)

    found = held("repeats", accuracy)
    assert all(found.values())
    assert sorted(says for says, _ in found) == [
        "an entry more changes nothing",
        *["rows that repeat cost accuracy"] * 3,
    ]
    assert sorted(held("repeats", noise).values()) == [False, False, False, True]


@pytest.mark.parametrize("asked", ["more", "other", "same"])
def test_of_too_few_pairs_nothing_is_said(asked):
    """Of five, no difference has a p below 1 / 16."""
    configs = [Config(seed=seed) for seed in range(6)]
    far, near = ([of(c, 0.5 * k) for c in configs] for k in (1, 0))
    assert in_pairs("it is", "all", far, near, asked).held is (asked != "same")
    few = in_pairs("it is", "all", far[:5], near[:5], asked)
    assert few.held is None and few.p == 1 / 16 and few.statistic == 0.5
    assert cells(few)[-1] == "too few runs"


def test_guesses_and_remedies_are_told_apart():
    configs = [config for config in figures.runs("bimodal", "mnist") if config.seed < 66]
    guesses = (bimodal.last_entropy, bimodal.offset, bimodal.drift)
    for guess, sign, at in zip(guesses, (1, -1, -1), ((0, 1), (2, 3), (4, 5)), strict=True):
        for remedy in ("signed", "clip"):
            records = []
            for c in configs:
                record = {"config": c.to_json(), "drift": (7 * c.seed + 3 * bool(c.signed)) % 11}
                worth = sign * guess(record) - 9 * c.signed - 9 * bool(c.clip)
                more = 99.0 * bool(getattr(c, remedy))
                records.append(of(c, worth + more) | {"drift": record["drift"]})
            found = bimodal.claims(records, "mnist")
            assert [k for k, c in enumerate(found[:6]) if c.statistic > 0.99] == [*at]
            helps = [remedy == "signed"] * 2 + [remedy == "clip"] * 2
            assert [claim.held for claim in found[6:]] == helps


def virtual(network, tables):
    """All weights of the matrices, as numbers of 8 bytes."""
    matrices = [w for w in network.weights() if len(w.shape) == 2]
    return np.concatenate([core.gather(tables[w.table], w).ravel() for w in matrices]).astype(float)


def test_entropy_and_offset_are_those_of_the_weights():
    chosen = figures.runs("bimodal", "digits")[::21]
    assert {config.signed for config in chosen} == {False, True}
    for config in chosen:
        network = config.network((784,), 10)
        last = network.weights()[-2]
        assert last.shape == (10, 200)
        record = {"config": config.to_json()}
        load = np.bincount(last.hash.bucket(last.identifiers()).ravel())
        p = load[load > 0] / 2000
        assert bimodal.last_entropy(record) == pytest.approx(-(p * np.log(p)).sum())
        v = virtual(network, network.init(config.seed))
        assert bimodal.offset(record) == pytest.approx(abs(v.mean()) / v.std())


def test_the_drift_is_that_of_the_same_run_after_its_first_steps(monkeypatch):
    """The batches in their order, a step at a time; of runs as they are, and only of these."""
    monkeypatch.setattr(bimodal, "STEPS", 10)
    data = load("digits")
    chosen = figures.runs("bimodal", "digits")[::21]
    assert {(c.signed, c.clip) for c in chosen} == {(False, None), (True, None), (False, 1.0)}
    records = bimodal.measured([of(config, 0.5) for config in chosen], chosen[0])
    assert [r | {"drift": 0} for r in records] == [of(c, 0.5) | {"drift": 0} for c in chosen]
    for config, record in zip(chosen, records, strict=True):
        if config.signed or config.clip:
            assert "drift" not in record
            continue
        run, examples, _ = begun(config, data, 0)
        network, state = run.initial.network, run.state
        for batch in batches(len(examples.x_train), 50, config.seed, 0)[:10]:
            x = run.initial.standardiser(examples.x_train[batch], np.dtype(np.float32))
            state = step(network, run.initial.training, state, x, examples.y_train[batch], 0.1)
        v = virtual(network, state.params)
        assert bimodal.drift(record) == pytest.approx(abs(v.mean()), rel=1e-6)
