"""What is said while a run trains, and how: time left, counts, threads, what to type next."""

import io
import os
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from minihash import core
from minihash.cli import main
from minihash.runs import progress, train
from minihash.runs.examples import Classifier
from minihash.runs.machine import machine


class Run(SimpleNamespace):
    """What progress reads of a run of 4 batches an epoch, after `step` steps."""

    def __init__(self, step, epochs=3, finished=False):
        epoch, batch = divmod(step, 4)
        line = {"epoch": epoch, "loss": 0.5, "rate": 0.1, "seconds": 9.0, "test_accuracy": 0.5}
        super().__init__(
            state=SimpleNamespace(step=step, batch=batch, epoch=epoch),
            config=SimpleNamespace(epochs=epochs, validation=None),
            metrics=(line,) * epoch,
            initial=Classifier,
            finished=finished or epoch == epochs,
        )


def lefts(times, monkeypatch, first=1, **options):
    """The time that is said to be left at the end of each line, of steps that end at `times`."""
    clock = iter(times)
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    shown = progress.Lines(io.StringIO())
    for step in range(first, first + len(times)):
        shown.step(Run(step, **options), {"loss": 0.5, "rate": 0.1, "batches": 4})
    lines = shown.stream.getvalue().splitlines()
    return [re.search(r" s(, (.*) left)?$", line)[2] for line in lines]


def test_the_time_that_is_left_does_not_count_compiling(monkeypatch):
    """The first step takes 100 s, all others 1 s, what is measured after each epoch 2 s more."""
    times = [100, 101, 102, 105, 106, 107, 108, 111, 112, 113, 114, 117]
    # 8 steps at (105 - 100) / 3, then 4 at (111 - 105) / 4: 8 * 5 / 3, 6
    assert lefts(times, monkeypatch) == ["13 s", "6 s", "0 s"]


def test_a_run_that_is_resumed_takes_its_own_pace(monkeypatch):
    """From step 7: the line of epoch 2 comes after step 8, a second later; 4 steps are left."""
    assert lefts([50, 51], monkeypatch, first=7) == ["4 s"]


def test_without_a_pace_nothing_is_said(monkeypatch):
    assert lefts([100], monkeypatch, first=4) == [None]


def test_a_run_out_of_patience_has_no_time_left(monkeypatch):
    assert lefts([1, 2, 3, 4], monkeypatch, finished=True) == ["0 s"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_lines_of_past_epochs_stay_above_the_bar(here, monkeypatch):
    monkeypatch.setattr(sys, "stderr", shown := Terminal())
    assert main(["train", "--hidden", "5", "--epochs", "3", "--validation", "0.2"]) == 0
    lines = [line.split("\r")[-1].rstrip() for line in shown.getvalue().splitlines()]
    for k in (1, 2, 3):
        line = next(line for line in lines if line.startswith(f"epoch {k}/3: loss "))
        assert re.search(r", test 0\.\d{4}, validation 0\.\d{4}, rate 0\.1, .* s left$", line)
    assert re.match(r"3/3 \|#+\| loss 0\.", lines[-1]), lines[-1]


def test_one_is_not_many(here, capsys):
    assert main(["train", "--hidden", "5", "--epochs", "1", "--out", "run", "--quiet"]) == 0
    assert main(["inspect", "run"]) == 0
    assert capsys.readouterr().out.startswith("trained on digits: 1 epoch, 80 steps\n")
    assert main(["train", "--resume", "run", "--epochs", "2", "--quiet"]) == 0
    assert main(["inspect", "run"]) == 0
    assert capsys.readouterr().out.startswith("trained on digits: 2 epochs, 160 steps\n")


@pytest.mark.parametrize(
    ("system", "name", "expected"),
    [
        ("linux", "runs/my run", "'runs/my run'"),
        ("linux", "runs/digits-001", "runs/digits-001"),
        ("win32", r"C:\my runs\a", r'"C:\my runs\a"'),
        ("win32", r"C:\runs\digits-001", r"C:\runs\digits-001"),
        ("win32", "runs\\a&b", '"runs\\a&b"'),
        ("win32", "runs\\it's", '"runs\\it\'s"'),
    ],
)
def test_what_to_type_is_quoted_as_the_systems_shell_reads_it(system, name, expected, monkeypatch):
    monkeypatch.setattr(train.sys, "platform", system)
    assert train.resume_command(Path(name)) == f"minihash train --resume {expected}"


@pytest.mark.parametrize("asked", [1, 10**6])
def test_threads_are_at_most_as_many_as_there_are_cores(asked, here, capsys):
    fair = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if fair else os.cpu_count()
    with machine("numpy", asked):
        assert core.get_threads() == min(asked, cores)
    assert main(["backends", "--threads", str(asked)]) == 0
    assert f"threads  {min(asked, cores)}\n" in capsys.readouterr().out
