"""The command line: what it prints, and that all bad input is one line, status 2 and no file.

main() is called in this process where a process of its own would prove nothing more.
"""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minihash import core, data
from minihash.cli import arguments, main
from minihash.compile import kept
from minihash.hashes import HASHES
from minihash.hashes.options import options
from minihash.runs.config import Config
from minihash.runs.kinds import KINDS, load_model

ROOT = Path(__file__).resolve().parents[2]
DIGITS = ROOT / "minihash" / "data" / "digits"


pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Two epochs of the paper's network on the embedded digits: its folder and what was printed."""
    out, printed = tmp_path_factory.mktemp("trained") / "run", io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", printed)
        patch.setenv("MINIHASH_BACKEND", "numpy")  # as `here` has it: bits differ between backends
        assert main(["train", "--epochs", "2", "--out", str(out), "--json"]) == 0
    return out, printed.getvalue()


def tree(path):
    return {p: p.read_bytes() if p.is_file() else None for p in Path(path).rglob("*")}


def printed(capsys, *args):
    assert main([*map(str, args)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def command(*args, **options):
    return subprocess.run(
        [sys.executable, "-m", "minihash", *map(str, args)], capture_output=True, **options
    )


def test_train_ends_with_a_table_and_a_line_of_json(run):
    folder, text = run
    *table, last = text.splitlines()
    result = json.loads(last)
    assert result["test_accuracy"] > 0.88
    assert result["virtual_weights"] == 198_800 and result["stored_weights"] == 19_880
    assert result["other_parameters"] == 410 + 4 * 410
    assert result["bytes_on_disk"] == (folder / "model.safetensors").stat().st_size < 92_000
    assert result["epochs"] == 2 and result["seconds"] > 0 and result["run"] == str(folder)
    assert 30e6 < result["peak_memory"] < 2e9
    for expected in (f"{result['test_accuracy']:.4f}", "198,800", "19,880", "2,050"):
        assert any(expected in line for line in table)
    assert max(map(len, table[:-1])) <= 80
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert lines[-1]["test_accuracy"] == result["test_accuracy"]


def test_eval_finds_what_training_found(run, capsys):
    folder, text = run
    result = json.loads(text.splitlines()[-1])
    for model in (folder, folder / "model.safetensors"):
        found = json.loads(printed(capsys, "eval", model, "--json"))
        assert found["test_accuracy"] == result["test_accuracy"]
        assert found["test_loss"] == result["test_loss"] and found["examples"] == 1000
    assert f"{found['test_accuracy']:.4f}  of 1,000 examples of digits" in printed(
        capsys, "eval", folder
    )


def test_predict_takes_an_index_an_array_or_an_image(run, capsys, here):
    folder, digits = run[0], data.load("digits")
    for index in range(40):  # the first that it gets right: one can tell black from white by it
        out = printed(capsys, "predict", folder, index, "--json")
        expected = json.loads(out)["predictions"][0]
        if expected["label"] == digits.y_test[index]:
            break
    p = np.array(expected["probabilities"])
    assert p.shape == (10,) and abs(p.sum() - 1) < 1e-12 and p.argmax() == expected["label"]

    def predictions(file, *flags):
        return json.loads(printed(capsys, "predict", folder, file, "--json", *flags))["predictions"]

    x = digits.x_test[index]
    for name, array in {
        "flat": x,
        "image": x.reshape(28, 28),
        "batch": x.reshape(1, 28, 28),
        "wide": x.astype(np.int64),
        "real": x.astype(np.float64),
        "deep": x.reshape(28, 28).astype(np.uint16) * 257,
    }.items():
        np.save(name, array)
        assert np.allclose(predictions(f"{name}.npy")[0]["probabilities"], p, atol=1e-5), name
    np.save("many", digits.x_test[:5])
    assert len(predictions("many.npy")) == 5
    assert len(printed(capsys, "predict", folder, "many.npy").splitlines()) == 5

    image = pytest.importorskip("PIL.Image")
    picture = image.fromarray(x.reshape(28, 28))
    picture.save("same.png")
    picture.convert("RGB").resize((84, 84), image.Resampling.BICUBIC).save("large.png")
    image.eval(picture, lambda v: 255 - v).save("paper.png")
    assert np.allclose(predictions("same.png")[0]["probabilities"], p)
    assert np.allclose(predictions("paper.png", "--invert")[0]["probabilities"], p)
    assert predictions("large.png")[0]["label"] == expected["label"]
    assert main(["predict", str(folder), "paper.png"]) == 0
    assert "is bright" in (warning := capsys.readouterr().err) and "with --invert" in warning


def test_predict_draws_bars_in_any_encoding(run, capsys, monkeypatch):
    text = printed(capsys, "predict", run[0], 3)
    first, *rows = text.splitlines()
    assert first.startswith("example 3 of the test set of digits, labelled ")
    shown = [float(row.split()[1]) for row in rows]
    assert len(rows) == 10 and shown == sorted(shown, reverse=True) and "█" in rows[0]
    raw = command("predict", run[0], "3", env=os.environ | {"PYTHONIOENCODING": "ascii"}).stdout
    assert raw.decode("ascii").splitlines()[1].endswith("####")


def test_inspect_counts_every_byte(here, capsys):
    bytes_of = {}
    for flags in (
        ("--hash", "uniform"),
        ("--hash", "dirichlet", "--alpha", "0.05", "--signed"),
        ("--hash", "hashednets", "--scope", "layer", "--bias", "hashed"),
        ("--hash", "identity", "--bias", "none"),
    ):
        main(["train", "--hidden", "30", "--epochs", "1", "--out", flags[1], "--quiet", *flags])
        about = json.loads(printed(capsys, "inspect", flags[1], "--json"))
        text = printed(capsys, "inspect", flags[1])
        assert max(map(len, text.splitlines())) <= 80, text
        memory, virtual = about["memory"], about["virtual_weights"]
        bytes_of[flags[1]] = memory["of_hashes"]
        assert memory["total"] == sum(list(memory.values())[:3])
        assert memory["dense"] == 4 * (virtual + about["other_parameters"])
        model = load_model(flags[1])
        assert memory["tables"] + memory["other_parameters"] == sum(
            array.nbytes for array in model.params.values()
        )
        load = about["histogram"]
        assert sum(count for _, _, count in load) == about["stored_weights"]
        assert sum(low * n for low, _, n in load) <= virtual <= sum(h * n for _, h, n in load)
        for table in about["tables"]:
            assert 0 <= table["entropy"] <= np.log(table["buckets"]) + 1e-9
    virtual = 784 * 30 + 30 * 10
    # nothing; 8 bytes a bucket; 4 and 1 bytes a weight and bias; nothing
    expected = [0, 8 * -(-virtual // 10), 5 * (virtual + 40), 0]
    assert list(bytes_of.values()) == expected


def test_a_trap_is_warned_of_in_one_line(here, capsys):
    flags = ["--hash", "modulus", "--scope", "layer", "--hidden", "20,20", "--epochs", "1"]
    assert main(["train", *flags, "--out", "run", "--quiet"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines and all(line.startswith("minihash: warning: dense") for line in lines)
    assert "rows of its virtual weight differ" in lines[0]


def test_a_run_that_diverges_says_so_in_valid_json(here, capsys):
    flags = ["--lr", "1e30", "--hidden", "9", "--epochs", "2", "--json"]
    assert main(["train", *flags, "--out", "run"]) == 0
    out, err = capsys.readouterr()
    assert err.count("the run has diverged, try a smaller --lr") == 1
    assert json.loads(out.splitlines()[-1])["loss"] is None
    assert "NaN" not in (here / "run" / "metrics.jsonl").read_text()
    assert main(["predict", "run", "0"]) == 2


def test_backends_says_what_is_taken_and_why_not(capsys):
    about = json.loads(printed(capsys, "backends", "--threads", "1", "--json"))
    assert about["taken"] == "numpy" and about["threads"] == 1
    assert about["backends"].keys() == set(core.BACKENDS)
    for name, backend in about["backends"].items():
        assert backend["usable"] == (core.backends()[name] == "")
    said = printed(capsys, "backends")
    assert "numpy    taken" in said
    where = about["kernels"]["folder"]
    assert about["kernels"]["bytes"] == (kept.size(Path(where)) if where else 0)
    assert (f"kept in {where}" if where else "kernels  not kept") in said


def test_the_help_says_what_the_engine_does(capsys):
    text = command("train", "--help").stdout.decode()
    assert tuple(arguments.DATASETS.split(", ")) == data.NAMES
    assert tuple(arguments.TEXTS.split(", ")) == data.TEXTS
    assert tuple(arguments.BACKENDS.split(", ")) == tuple(core.BACKENDS)
    shown, own = " ".join(text.split()), text[text.index("--hash-option takes") :]
    assert main(["train", "--hash", "none of them"]) == 2
    offered = re.search("hash must be one of (.*), got", capsys.readouterr().err)[1].split(", ")
    for name, cls in HASHES.items():
        assert (name in offered) == cls.by_size, name
        assert bool(re.search(rf"^  {name} ", own, re.M)) == cls.by_size, name
    for name in {name for cls in HASHES.values() if cls.by_size for name in options(cls)}:
        assert f"{name}=" in own, name
    for model, kind in KINDS.items():
        assert re.search(rf"--model NAME [^-]*\b{model}\b", shown)
        config = Config(model=model)
        for name in (*kind.choices, "seed", "dtype"):
            default = getattr(config, name)
            default = ",".join(map(str, default)) if isinstance(default, tuple) else default
            if default is not None and default is not False:
                assert re.search(rf"[( ]{default}[;)]", shown), (name, default)
    check = "import sys, minihash.cli as c\ntry: c.main(['--help'])\nexcept SystemExit: pass\n"
    check += "print(sorted({'numba', 'numpy', 'scipy', 'tqdm'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_progress_is_a_bar_on_a_terminal_and_a_line_an_epoch_elsewhere(stream, monkeypatch):
    monkeypatch.setattr(sys, "stderr", shown := stream())
    assert main(["train", "--hidden", "5", "--epochs", "3"]) == 0
    if stream is Terminal:
        states = shown.getvalue().rstrip().split("\r")
        last = states[-1]
        assert any(state.startswith("first step |") for state in states)
        assert last.startswith("3/3 |#") and len(last) <= 80
    else:
        lines = shown.getvalue().splitlines()
        assert [line.split(":")[0] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
        last = lines[-1]
    for part in ("loss 0.", "accuracy 0.", "test 0.", "rate 0.1", " left"):
        assert part in last, last
