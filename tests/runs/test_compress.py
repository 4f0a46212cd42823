"""Compression of a run: its stages, its folder, and what stops it anywhere."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from minihash.cli import main
from minihash.runs import compress as compression
from minihash.runs import folder as disk
from minihash.runs.kinds import load_model
from minihash.runs.progress import Progress
from minihash.sharing import Codebook, values

pytestmark = pytest.mark.usefixtures("here")
TRAIN = (
    "train --dataset mine.npz --hidden 9 --hash identity --norm none --epochs 2 --quiet --out run"
)
OPTIONS = {"density": "0.3,0.5", "rounds": "2", "prune_epochs": "1,2", "bits": "2", "epochs": "2"}


@pytest.fixture
def run(here):
    rng = np.random.default_rng(4)
    x = rng.normal(size=(90, 6, 8)).astype(np.float32)
    y = np.argmax(x[:, 0, :3], axis=1)
    np.savez("mine.npz", x_train=x[:60], y_train=y[:60], x_test=x[60:], y_test=y[60:])
    assert main(TRAIN.split()) == 0
    return Path("run")


def flags(options=OPTIONS):
    return [part for pair in options.items() for part in ("--option", "=".join(pair))]


def test_a_compressed_run_is_a_run(run, capsys):
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    capsys.readouterr()
    assert main(["compress", "run", *flags(), "--out", "small", "--json"]) == 0
    said = capsys.readouterr()
    page, line = said.out.strip().rsplit("\n", 1)
    result = json.loads(line)
    assert "stage 3: codebooks of 2 bits" in said.err and "epoch 5/5: " in said.err
    names = [stage["name"] for stage in result["stages"]]
    assert names == ["pruned to 55.8%", "pruned to 31.4%", "codebooks of 2 bits"]
    assert [stage["epochs"] for stage in result["stages"]] == [1, 3, 5]
    assert all(name in page for name in names) and "times smaller" in page
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before
    size = Path("small/model.safetensors").stat().st_size
    assert result["bytes_on_disk"] == size and result["before"]["bytes"] / size == result["rate"]
    rows = {row["weight"]: row for row in result["layers"]}
    model = load_model("small")
    for name, V in values(model.network, model.params).items():
        kept = np.count_nonzero(V)
        assert kept == rows[name]["kept"] == round(V.size * {"dense1.weight": 0.3}.get(name, 0.5))
        assert np.unique(V[V != 0]).size == rows[name]["values"] == 3
        assert rows[name]["dense"] == 4 * V.size > rows[name]["coded"]
    metrics = [json.loads(text) for text in Path("small/metrics.jsonl").read_text().splitlines()]
    after = [metrics[stage["epochs"] - 1]["test_accuracy"] for stage in result["stages"]]
    assert [stage["after"]["test_accuracy"] for stage in result["stages"]] == after
    measured = main(["eval", "small", "--json"]) or json.loads(
        capsys.readouterr().out.splitlines()[-1]
    )
    assert measured["test_accuracy"] == after[-1]
    inspected = main(["inspect", "small"]) or capsys.readouterr().out
    assert f"{size:,}" in inspected and "are hashes, as gaps and codewords" in inspected
    assert main(["predict", "small", "3"]) == 0
    assert main(["compress", "--resume", "small", "--json", "--quiet"]) == 0
    again = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {**again, "peak_memory": 0} == {**result, "peak_memory": 0}
    assert main(["train", "--resume", "small", "--epochs", "6", "--quiet"]) == 0
    longer = load_model("small")
    assert longer.epochs == 6 and longer.network == model.network
    assert any((longer.params[name] != model.params[name]).any() for name in model.params)


class Killed(Exception):
    """The process ends here."""


class Kill(Progress):
    def __init__(self, step):
        self.left = step

    def step(self, run, report):
        self.left -= 1
        if not self.left:
            raise Killed


@pytest.mark.parametrize("step", [1, 3, 6, 9])
def test_a_compression_that_is_killed_anywhere_ends_with_the_same_bits(run, step):
    """An epoch has two steps: one, two and two epochs in three stages."""
    compression.compress(run, options=OPTIONS, out=Path("whole"))
    with pytest.raises(Killed):
        compression.compress(run, options=OPTIONS, out=Path("cut"), progress=Kill(step))
    if step == 1:
        assert not Path("cut/metrics.jsonl").read_text()
    with pytest.raises(Killed):
        compression.resume(Path("cut"), progress=Kill(1))
    result = compression.resume(Path("cut"))
    assert load_model("cut").epochs == 5 and result["epochs"] == 5
    for name in ("model.safetensors", "config.json"):
        assert Path("cut", name).read_bytes() == Path("whole", name).read_bytes()
    whole, cut = disk.load(Path("whole")), disk.load(Path("cut"))
    assert whole.sharing == cut.sharing and whole.sharing["done"]


def test_what_is_under_way_is_no_run_to_train_or_to_compress(run, capsys):
    with pytest.raises(Killed):
        compression.compress(run, options=OPTIONS, out=Path("cut"), progress=Kill(4))
    for command in ("train --resume cut", "compress cut"):
        assert main(command.split()) == 2
    error = capsys.readouterr().err
    assert "go on with minihash compress --resume cut" in error
    assert "cut is not trained yet" in error


def test_a_run_of_one_table_and_a_cnn_are_compressed_too(run):
    flags = "--dataset mine.npz --norm batch --epochs 1 --quiet"
    for k, more in enumerate(("--hidden 9 --bias hashed", "--model cnn --channels 2 --hidden 5")):
        assert main(f"train {flags} {more} --out {k}".split()) == 0
        options = {"bits": (2,), "epochs": 1}
        result = compression.compress(Path(f"{k}"), options=options, out=Path(f"{k}-small"))
        assert result["epochs"] == 1 and all(row["values"] <= 3 for row in result["layers"])


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("compress", "name the run to compress, or go on with one by --resume"),
        ("compress none", "there is no run to resume in none"),
        ("compress run --method magic", "method must be one of codebook.*, got 'magic'"),
        ("compress run --option bit=3", "the codebook method has no option bit; it has density"),
        ("compress run --option bits=few", "option bits of the codebook method must be whole num"),
        (
            "compress run --option density=0.1,0.2,0.3",
            "density must be one number for all 2 layers",
        ),
        ("compress run --out run", "--out run is there already and not empty"),
        ("compress --resume run", "run is no compression"),
        ("compress run --resume run", "--resume goes on as it began"),
        ("compress run --plot x.doc", "must end with one of"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(run, command, message, capsys):
    assert main(command.split()) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(message, error), error
    assert {path.name for path in Path().iterdir()} - {"matplotlib"} == {"mine.npz", "run"}


def test_a_picture_of_the_weights(run):
    pytest.importorskip("matplotlib")
    options = flags({"bits": "2", "epochs": "1"})
    assert main(["compress", "run", *options, "--out", "small", "--plot", "w.png", "--quiet"]) == 0
    assert Path("w.png").read_bytes()[:4] == b"\x89PNG"


def test_options_read_from_text_are_those_of_python():
    options = {"density": "0.5,0.25", "rounds": "2", "start": "linear", "prune_rate": "none"}
    expected = Codebook(density=(0.5, 0.25), rounds=2, start="linear", prune_rate=None)
    assert compression.made("codebook", options) == expected
