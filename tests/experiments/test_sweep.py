"""Sweeps: bits of `minihash train`, any schedule, data that differ, runs that fail."""

import json
import os
import signal
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from minihash import data as datasets
from minihash.cli import main
from minihash.experiments import processes
from minihash.experiments.grid import expand
from minihash.experiments.ledger import read
from minihash.experiments.mapped import Mapped
from minihash.experiments.outcome import load, outcome
from minihash.experiments.progress import Shown
from minihash.experiments.sweep import loaded, one_after_another, rehearse, sweep
from minihash.runs.config import Config
from minihash.training import loop

pytestmark = pytest.mark.usefixtures("here")
GRID = expand({"hash": ["uniform", "identity"], "hidden": [(7,)], "epochs": [2], "seed": range(2)})


def timeless(record):
    """A record without its times, as text."""
    lines = [{k: v for k, v in line.items() if k != "seconds"} for line in record["metrics"]]
    return json.dumps(record | {"metrics": lines}, sort_keys=True)


def bits(records):
    return sorted(map(timeless, records))


@pytest.fixture
def alone(here):
    """What the runs of the grid give one after another."""
    return bits(sweep(GRID, Path("alone.jsonl"), one_after_another).records)


@pytest.mark.parametrize("flags", ["--seed 3", "--validation 0.2 --patience 1"])
def test_a_run_has_the_metrics_of_minihash_train(flags, here):
    words = f"--hidden 7 --epochs 4 --hash dirichlet --alpha 0.5 {flags}".split()
    assert main(["train", *words, "--out", "run", "--quiet"]) == 0
    assert main(["sweep", *words, "--out", "runs.jsonl", "--quiet"]) == 0
    (record,) = read("runs.jsonl")
    trained = [json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()]
    assert timeless(record) == timeless(record | {"metrics": trained})
    assert record["config"]["alpha"] == 0.5 and record["stored_weights"] < record["virtual_weights"]
    assert record["numpy"] == np.__version__ and record["backend"] == "numpy"


def test_seconds_are_those_of_training_and_testing(here):
    config = Config(hidden=(200, 200), epochs=3)
    data = load(config)
    then = time.perf_counter()
    record = outcome(config, data)
    took = time.perf_counter() - then
    assert 0.5 * took < sum(line["seconds"] for line in record["metrics"]) <= took + 0.003


def test_models_of_text_and_autoencoders_are_swept_too(here):
    Path("words.txt").write_text("round and round " * 60)
    words = "--model gru,lstm --dataset words.txt --hidden 4 --epochs 1 --length 16 --batch-size 2"
    assert main(["sweep", *words.split(), "--quiet"]) == 0
    words = "--model autoencoder --hidden 3 --epochs 1 --out codes.jsonl --quiet"
    assert main(["sweep", *words.split()]) == 0
    assert [r["metrics"][0]["bits_per_character"] > 0 for r in read("sweep.jsonl")] == [True] * 2
    assert read("codes.jsonl")[0]["metrics"][0]["test_error"] > 0


@pytest.mark.parametrize("safe", [True, False], ids=["fork", "spawn"])
def test_processes_give_the_bits_of_one_after_another(safe, alone, monkeypatch):
    monkeypatch.setattr(processes, "fork_is_safe", lambda configs: safe)
    monkeypatch.setattr(processes, "cores", lambda: 2)
    done = sweep(GRID, Path("runs.jsonl"))
    assert bits(done.records) == bits(read("runs.jsonl")) == alone
    assert (done.new, done.failed, done.signal) == (4, (), 0)
    assert [r["config"]["seed"] for r in done.records] == [config.seed for config in GRID]


def test_only_what_is_missing_is_run(alone, monkeypatch):
    whole = Path("alone.jsonl").read_bytes()
    assert sweep(GRID, Path("alone.jsonl"), one_after_another).new == 0
    assert Path("alone.jsonl").read_bytes() == whole
    lines = whole.splitlines(keepends=True)
    Path("alone.jsonl").write_bytes(b"".join(lines[:2]) + lines[2][:100])
    with pytest.warns(UserWarning, match="cut off"):
        assert sweep(GRID, Path("alone.jsonl"), one_after_another).new == 2
    assert bits(read("alone.jsonl")) == alone


def dying(monkeypatch, times):
    """The first run of seed 1 kills its process, so many times."""

    def deadly(config, *rest):
        deaths = len(list(Path().glob("death*")))
        if config == GRID[1] and deaths < times:
            Path(f"death{deaths}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return outcome(config, *rest)

    monkeypatch.setattr(processes, "outcome", deadly)
    monkeypatch.setattr(processes, "fork_is_safe", lambda configs: True)


@pytest.mark.parametrize("times", [1, 2])
def test_a_process_that_dies_costs_its_run_a_retry(times, alone, monkeypatch):
    dying(monkeypatch, times)
    done = sweep(GRID, Path("runs.jsonl"))
    assert len(list(Path().glob("death*"))) == times
    assert bits(done.records) == bits(read("runs.jsonl")) == alone and not done.failed


def test_a_run_that_always_dies_is_given_up_and_the_others_are_not(alone, monkeypatch, capsys):
    dying(monkeypatch, 99)
    words = "--hash uniform,identity --hidden 7 --epochs 2 --seed 0:2 --out runs.jsonl"
    assert main(["sweep", *words.split()]) == 2
    err = capsys.readouterr().err
    run = "hash uniform, compression 0.1, seed 1"
    assert f"no result of {run}: its process died 3 times, by signal 9, as" in err
    assert len(list(Path().glob("death*"))) == processes.TRIES
    found = bits(read("runs.jsonl"))
    assert len(found) == 3 and set(found) < set(alone)
    monkeypatch.setattr(processes, "outcome", outcome)
    assert bits(sweep(GRID, Path("runs.jsonl")).records) == alone


def test_a_run_that_fails_says_why(monkeypatch):
    def failing(config, *rest):
        if config == GRID[2]:
            raise MemoryError("no room")
        return outcome(config, *rest)

    monkeypatch.setattr(processes, "outcome", failing)
    monkeypatch.setattr(processes, "fork_is_safe", lambda configs: True)
    done = sweep(GRID, Path("runs.jsonl"))
    assert done.failed == ("hash identity, compression 1.0, seed 0: MemoryError: no room",)
    assert len(done.records) == 3


def test_what_does_not_fit_is_refused_before_anything_is_written(capsys):
    for words in ("--hash dirichlet --hidden 7", "--dataset none.npz", "--lr 0.1,-1"):
        assert main(["sweep", *words.split()]) == 2
        out, err = capsys.readouterr()
        assert out == "" and err.startswith("minihash: error: ") and err.count("\n") == 1
        assert not list(Path().glob("*.jsonl"))


def test_other_data_of_the_same_name_are_refused(capsys):
    y = np.arange(40) % 2
    for shift in (0, 1):
        x = np.random.default_rng(0).normal(size=(40, 3)) + shift
        np.savez("mine.npz", x_train=x[:30], y_train=y[:30], x_test=x[30:], y_test=y[30:])
        words = f"--dataset mine.npz --hidden 3 --epochs 1 --seed {shift} --quiet"
        assert main(["sweep", *words.split()]) == 2 * shift
    assert "runs on another data set that is called mine.npz" in capsys.readouterr().err
    assert len(read("sweep.jsonl")) == 1


def test_a_warning_is_told_once_for_all_runs(here):
    grid = expand({"scope": ["layer"], "hash": ["modulus"], "epochs": [1], "seed": range(3)})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sweep(grid, Path("runs.jsonl"), lambda *_: ())
    texts = [str(w.message) for w in caught if "rows of its virtual weight" in str(w.message)]
    assert len(texts) == len(set(texts)) > 0


@pytest.mark.parametrize("count, seeds", [(1, 2), (2, 1), (8, 1)])
def test_a_whole_step_is_compiled_before_the_forks_where_it_pays(count, seeds, monkeypatch):
    """Two seeds of each hash, two epochs in batches of 50, shared by so many cores."""
    asked = []
    monkeypatch.setattr("minihash.experiments.sweep.cores", lambda: count)
    monkeypatch.setattr(loop, "whole_step", lambda *given: asked.append(given[-1]))
    rehearse(GRID, loaded(GRID))
    assert asked == [2 * seeds * len(load(GRID[0])[0].x_train) // 50] * 2


def test_a_fork_is_taken_where_no_thread_could_hold_a_lock():
    import threading

    assert not processes.fork_is_safe([Config(backend="cuda")])
    stop = threading.Event()
    other = threading.Thread(target=stop.wait)
    other.start()
    assert not processes.fork_is_safe([Config()])
    stop.set()
    other.join()


def test_mapped_data_are_shared_and_equal(tmp_path):
    digits = datasets.load("digits")
    there = Mapped([np.zeros(3, np.uint8), digits, np.zeros(0)], tmp_path / "arrays")
    again = there.get()[1]
    assert len(there.pickled) < 5000 and again.shape == digits.shape
    for ours, theirs in zip(again.arrays, digits.arrays, strict=True):
        assert np.array_equal(ours, theirs) and ours.flags.aligned and not ours.flags.owndata
    assert Mapped(np.zeros(0), tmp_path / "empty").get().shape == (0,)


class Terminal:
    """A stream that keeps what it is told."""

    def __init__(self):
        self.text = ""

    def isatty(self):
        return False

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def test_a_line_a_finished_run_with_the_time_left(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    stream = Terminal()
    shown = Shown(stream)
    with shown.over(2, 5):
        for _ in range(3):
            clock[0] += 10
            shown.finished("seed 1: test accuracy 0.9")
    lines = stream.text.splitlines()
    assert lines[0] == "3/5 seed 1: test accuracy 0.9, 20 s left"
    assert [line.rpartition(", ")[2] for line in lines] == ["20 s left", "10 s left", "0 s left"]


def test_the_data_are_read_once():
    data = loaded(GRID)
    assert len(data) == 1
    (one,) = data.values()
    assert one[1] == load(GRID[0])[1]
