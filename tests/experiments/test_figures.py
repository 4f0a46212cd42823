"""The published figures on tiny grids: files, claims, and a claim that can fail."""

import json
from pathlib import Path

import numpy as np
import pytest

from minihash.cli import grids, main
from minihash.experiments import drawing, fig1, fig2, fig4, figures
from minihash.experiments.claims import markdown
from minihash.experiments.ledger import read
from minihash.experiments.sweep import one_after_another
from minihash.hashes import HASHES
from minihash.runs.config import Config

pytest.importorskip("matplotlib")
Image = pytest.importorskip("PIL.Image")
pytestmark = pytest.mark.usefixtures("here")
TINY = {"hidden": [(6,)], "epochs": [1], "compression": [0.1, 0.5], "seed": [0, 1]}


def record(accuracy, seed, entropy=1.0, **choices):
    config = Config(seed=seed, dataset="mnist", **choices).to_json()
    return {"config": config, "entropy": {"t": entropy}, "metrics": [{"test_accuracy": accuracy}]}


def tiny(monkeypatch):
    """The grids of digits, cut down."""
    for module, own in (
        (fig2, {"hash": ["dirichlet"], "alpha": [0.1, 1.0, 10.0]}),
        (fig4, {"hash": ["neighborhood"], "radius": [0, 3, 40]}),
    ):
        monkeypatch.setitem(module.GRIDS, "digits", [{"dataset": ["digits"], **own, **TINY}])


@pytest.mark.parametrize("name", ["fig2", "fig3", "fig4"])
def test_a_figure_is_made_whole(name, monkeypatch, capsys):
    tiny(monkeypatch)
    assert main(["reproduce", name, "--quick", "--json", "--quiet"]) == 0
    out = json.loads(capsys.readouterr().out)
    folder, base = Path("reproduced"), f"{name}-digits"
    kind = "neighborhood" if name == "fig4" else "dirichlet"
    assert {Path(path).name for path in out["files"]} == {
        f"{kind}-digits.jsonl",
        *(f"{base}{ending}" for ending in (".csv", ".md", ".png", ".svg")),
    }
    assert len(read(folder / f"{kind}-digits.jsonl")) == 12
    assert len((folder / f"{base}.csv").read_text().splitlines()) == 13
    with Image.open(folder / f"{base}.png") as drawn:
        assert drawn.format == "PNG" and len(drawn.getcolors()) > 20
    svg = (folder / f"{base}.svg").read_text()
    assert "</svg>" in svg and ">test accuracy</text>" in svg  # as letters
    said, table = (folder / f"{base}.md").read_text().split("\n\n")
    assert len(table.splitlines()) == 2 + 3  # places, of two sparsities in two columns
    assert table.splitlines()[0] == "| test accuracy | sparsity 0.1 | sparsity 0.5 |"
    assert len(said.splitlines()) == 2 + len(out["claims"])
    assert all(0 < claim["p"] <= 1 for claim in out["claims"])
    # Again: nothing is run, and the files have the same bytes.
    before = {path: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr("minihash.cli.sweeps.in_processes", lambda configs, *_: iter(configs and 1))
    assert main(["reproduce", name, "--quick", "--quiet"]) == 0
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_figures_2_and_3_are_made_of_the_same_runs(monkeypatch):
    tiny(monkeypatch)
    done = [
        figures.reproduce(name, figures.runs(name, "digits"), Path("out"), one_after_another)
        for name in ("fig2", "fig3")
    ]
    assert [one.swept.new for one in done] == [12, 0]


def test_figure_1_shows_p_and_its_entropy(capsys):
    assert main(["reproduce", "fig1", "--out", "one"]) == 0
    assert "yes" in capsys.readouterr().out
    lines = [line.split(",") for line in Path("one/fig1.csv").read_text().splitlines()]
    assert len(lines) == 1 + len(fig1.ALPHAS) * fig1.SEEDS
    for line, drawn in zip(lines[1:], fig1.draws(), strict=True):
        alpha, seed, entropy = map(float, line[:3])
        assert (alpha, seed) == (drawn["alpha"], drawn["seed"])
        np.testing.assert_allclose(entropy, drawn["entropy"], rtol=6e-3)
        assert len(line) == 3 + fig1.ENTRIES
        if seed == 0:
            np.testing.assert_allclose([*map(float, line[3:])], drawn["p"], rtol=6e-3)
        else:
            assert {*line[3:]} == {""}
    assert Path("one/fig1.svg").exists()
    most = max(draw["entropy"] for draw in fig1.draws())
    assert most < np.log(fig1.ENTRIES) < most + 0.01


def test_without_matplotlib_all_but_the_pictures_is_there(monkeypatch):
    monkeypatch.setattr(drawing, "can_draw", lambda: False)
    with pytest.warns(UserWarning, match="no picture is drawn"):
        done = figures.reproduce("fig1", [], Path("out"))
    assert [path.name for path in done.files] == ["fig1.csv", "fig1.md"]


def test_claims_are_of_each_sparsity_and_can_fail():
    up, down = (
        [
            record(
                0.5 + sign * (0.1 * k + 0.001 * seed),
                seed,
                hash="dirichlet",
                alpha=10.0**k,
                compression=c,
            )
            for c in (0.01, 0.1)
            for k in range(4)
            for seed in range(3)
        ]
        for sign in (1, -1)
    )
    assert [claim.held for claim in fig2.claims(up, "mnist")] == [True, True]
    assert [claim.held for claim in fig2.claims(down, "mnist")] == [False, False]
    found = fig2.claims(up, "cifar10")
    assert len(found) == 3 and not found[2].held  # one slope for both
    steep = [
        r | {"metrics": [{"test_accuracy": 0.5}]} if r["config"]["compression"] == 0.01 else r
        for r in up
    ]
    assert fig2.claims(steep, "cifar10")[2].held
    assert "| accuracy rises with alpha | sparsity 0.01, 12 runs |" in markdown(found)


def test_the_radius_is_read_downwards():
    runs = [
        record(0.9 - 0.1 * k, seed, hash="neighborhood", radius=10**k, compression=c)
        for c in (0.01, 0.1)
        for k in range(4)
        for seed in range(3)
    ]
    found = fig4.claims(runs, "mnist")
    assert [claim.held for claim in found] == [True, True, False]


GRIDS = [(name, dataset) for name in figures.FIGURES for dataset in figures.FIGURES[name].GRIDS]


@pytest.mark.parametrize("name, dataset", GRIDS)
def test_the_grids_are_runs_that_can_begin(name, dataset):
    configs = figures.runs(name, dataset)
    assert len(configs) >= 12
    for config in configs:
        assert config.hash in HASHES and config.dataset == dataset
        buckets = config.compression * 198_800
        assert config.radius is None or dataset == "cifar10" or 2 * config.radius < buckets


def test_the_command_line_knows_all_of_them():
    assert grids.FIGURES == figures.NAMES
    assert set(grids.DATASETS) == {dataset for _, dataset in GRIDS}


def test_mnist_and_cifar10_are_as_large_as_was_asked():
    for name, axis in (("fig2", "alpha"), ("fig4", "radius")):
        mnist, cifar = figures.runs(name, "mnist"), figures.runs(name, "cifar10")
        sizes = [len({getattr(c, field) for c in mnist}) for field in (axis, "compression", "seed")]
        assert sizes == [8, 4, 5] and {c.epochs for c in mnist} == {12}
        assert {c.hidden for c in cifar} == {(2000,) * 5} and {c.epochs for c in cifar} == {4}
        assert len({getattr(c, axis) for c in cifar if c.seed == 0}) == 4


@pytest.mark.parametrize(
    "words, said",
    [
        ("fig1 --dataset mnist", "--dataset is of figures that are trained"),
        ("fig2 --dataset mnist --quick", "--quick is on the digits, got --dataset mnist"),
        ("fig9", "invalid choice: 'fig9'"),
        ("bimodal --dataset cifar10", "bimodal is of mnist, digits, got --dataset cifar10"),
    ],
)
def test_what_does_not_fit_is_refused(words, said, capsys):
    assert main(["reproduce", *words.split()]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1 and not Path("reproduced").exists()


def test_a_dry_run_says_what_and_how_long_and_writes_nothing(monkeypatch, capsys):
    tiny(monkeypatch)
    assert main(["reproduce", "fig2", "--quick", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "alpha" in out and "12 runs, 0 of them in reproduced" in out and "about " in out
    assert not Path("reproduced").exists()
