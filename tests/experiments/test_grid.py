"""Grids: every combination once, options where they belong, refusals of what belongs nowhere."""

import json
import math
import re
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minihash.cli import main
from minihash.experiments.grid import expand, identity, seedless, together
from minihash.runs.config import Config

pytestmark = pytest.mark.usefixtures("here")
AXES = {
    "hash": st.sampled_from(["uniform", "modulus", "identity", "dirichlet", "neighborhood"]),
    "alpha": st.sampled_from([0.1, 1.0, math.inf]),
    "radius": st.integers(0, 2),
    "signed": st.booleans(),
    "compression": st.sampled_from([0.1, 0.25]),
    "channels": st.sampled_from([(4,), (2, 3)]),
    "model": st.sampled_from(["mlp", "cnn"]),
    "patience": st.integers(1, 2),
    "validation": st.sampled_from([0.1, 0.2]),
    "seed": st.integers(0, 2),
}
OF = {"dirichlet": "alpha", "neighborhood": "radius"}


def by_hand(asked):
    """The choices that a combination keeps, of these axes."""
    hash_, kept = asked.get("hash", "uniform"), dict(asked)
    for name in ("alpha", "radius"):
        if OF.get(hash_) != name:
            kept.pop(name, None)
    if hash_ == "identity":
        kept.pop("signed", None)
        kept.pop("compression", None)
    if asked.get("model") != "cnn":
        kept.pop("channels", None)
    if "validation" not in asked:
        kept.pop("patience", None)
    return kept


@given(
    st.dictionaries(st.sampled_from([*AXES]), st.none(), max_size=4).flatmap(
        lambda names: st.fixed_dictionaries(
            {name: st.lists(AXES[name], min_size=1, max_size=3) for name in names}
        )
    )
)
def test_the_runs_are_the_different_combinations_in_order(axes):
    kept = [by_hand(dict(zip(axes, v, strict=True))) for v in product(*axes.values())]
    if {name for choices in kept for name in choices} != set(axes):
        with pytest.raises(ValueError, match="no run of this grid has a use for --"):
            expand(axes)
        return
    expected = list({identity(c): c for c in (Config(**choices) for choices in kept)}.values())
    assert expand(axes) == expected
    assert len({identity(config) for config in expected}) == len(expected)


def test_what_says_where_a_run_is_computed_makes_no_other_run():
    same = [Config(data_dir="a"), Config(backend="numpy"), Config(threads=2), Config()]
    assert len({identity(config) for config in same}) == 1
    assert len(together([{"seed": [0, 1]}, {"seed": [1, 2]}])) == 3
    assert seedless(Config(seed=1)) == seedless(Config()) != seedless(Config(lr=0.2))


def dry(capsys, *words):
    """The runs that a command would make."""
    assert main(["sweep", *words, "--dry-run", "--json"]) == 0
    return [Config.from_json(run) for run in json.loads(capsys.readouterr().out)["runs"]]


@pytest.fixture
def no_time(monkeypatch):
    """Nothing is timed, no data read."""
    monkeypatch.setattr("minihash.cli.sweeps.estimate", lambda *_: 1.0)
    monkeypatch.setattr("minihash.cli.sweeps.loaded", lambda *_: {})


def test_the_command_line_and_a_file_say_the_same(capsys, no_time):
    words = "--hash uniform,dirichlet --alpha 0.1,inf --hidden 20,10 --hidden 9 --seed 0:3,7"
    words += " --signed yes,no --compression 1/15,0.25 --optimiser sgd,adam --norm batch"
    said = dry(capsys, *words.split())
    assert len(said) == 3 * 2 * 4 * 2 * 2 * 2
    grid = {
        "hash": ["uniform", "dirichlet"],
        "alpha": [0.1, "inf"],
        "hidden": [[20, 10], 9],
        "seed": "0:3,7",
        "signed": [True, False],
        "compression": ["1/15", 0.25],
        "optimiser": "sgd,adam",
        "norm": "batch",
    }
    Path("grid.json").write_text(json.dumps(grid))
    assert dry(capsys, "grid.json") == said
    assert {config.seed for config in said} == {0, 1, 2, 7}
    assert [c.seed for c in said[:4]] == [0, 1, 2, 7]  # seeds run first
    Path("grid.json").write_text(json.dumps([grid, {"hash": "modulus", "seed": 5}]))
    several = dry(capsys, "grid.json", "--seed", "5", "--signed")
    assert len(several) == 3 * 2 * 2 * 2 + 1 and {c.seed for c in several} == {5}
    assert all(c.signed for c in several)


def test_the_options_of_a_hash_are_axes(capsys, no_time):
    words = "--hash neighborhood,uniform --hash-option radius=1,2 --hash-option signed=true"
    found = [(c.hash, c.hash_options) for c in dry(capsys, *words.split())]
    assert found == [
        ("neighborhood", (("radius", 1), ("signed", True))),
        ("neighborhood", (("radius", 2), ("signed", True))),
        ("uniform", (("signed", True),)),
    ]


def test_quick_is_the_same_grid_on_digits(capsys, no_time):
    words = "--dataset mnist --epochs 40 --seed 0,1 --quick"
    assert [(c.dataset, c.epochs) for c in dry(capsys, *words.split())] == [("digits", 5)] * 2


@pytest.mark.parametrize(
    "words, said",
    [
        ("--hash uniform --alpha 1,2", "no run of this grid has a use for --alpha: leave"),
        ("--hash identity --compression 0.1", "no run of this grid has a use for --compression"),
        ("--channels 3", "no run of this grid has a use for --channels"),
        ("--hash-option size=1,2", "no run of this grid has a use for --hash-option size"),
        ("--patience 2", "a use for --patience"),
        ("--seed 5:5", "--seed: expected A:B with A below B, as 0:5, got '5:5'"),
        ("--seed 0,x", "--seed: expected a whole number from 0 to 4294967295, got 'x'"),
        ("--norm batch,layer", "--norm: expected one of batch, none, got 'layer'"),
        ("--signed maybe", "--signed: expected yes or no, got 'maybe'"),
        ("--alhpa 1", "unrecognized arguments: --alhpa: did you mean --alpha"),
        ("--hash uniform,md5", "hash must be one of"),
        ("--threads 2", "unrecognized arguments: --threads"),
        ("none.json", "none.json: No such file"),
        ("list.json", "list.json holds no grid"),
        ("text.json", "text.json is no JSON"),
        ("wrong.json", "unrecognized arguments: --colour=red"),
    ],
)
def test_a_grid_that_says_nothing_or_too_much_is_refused(words, said, capsys, here):
    Path("list.json").write_text("[1]")
    Path("text.json").write_text("hash: uniform")
    Path("wrong.json").write_text('{"colour": "red"}')
    assert main(["sweep", *words.split()]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("minihash: error: ") and err.count("\n") == 1
    assert re.search(said, err), err
    assert not Path("sweep.jsonl").exists()
