"""How long a grid takes, told without making who asks wait for it."""

from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest

from minihash.data import load, load_text
from minihash.experiments import estimate
from minihash.experiments.estimate import epoch, part_of_test, within
from minihash.experiments.outcome import load as of_config
from minihash.runs.config import Config


@pytest.mark.parametrize(("tested", "times"), [(100, 10), (300, 1000 / 300), (1000, 1), (9999, 1)])
def test_a_part_of_the_test_set_stands_for_all(tested, times, monkeypatch):
    monkeypatch.setattr(estimate, "TESTED", tested)
    digits = load("digits")
    some, found = part_of_test(digits)
    assert (len(some.x_test), len(some.y_test)) == (min(tested, 1000),) * 2
    assert found == times
    assert np.array_equal(some.x_test, digits.x_test[:tested])
    assert some.x_train is digits.x_train and len(digits.x_test) == 1000


def test_a_text_is_tested_whole(tmp_path):
    (tmp_path / "text.txt").write_text("to be or not to be " * 9)
    text = load_text(tmp_path / "text.txt")
    assert part_of_test(text) == (text, 1.0)


@pytest.mark.parametrize(("seconds", "taken"), [(0, 1), (1, 2), (5, 6), (1e9, 9)])
def test_items_are_taken_until_the_time_is_over(seconds, taken, monkeypatch):
    ticks = count()
    monkeypatch.setattr(estimate, "time", SimpleNamespace(perf_counter=lambda: float(next(ticks))))
    assert list(within(range(9), seconds)) == list(range(taken))


def test_an_epoch_is_its_steps_and_its_whole_test(monkeypatch):
    """The clock goes on by a second whenever it is read."""
    ticks = count()
    monkeypatch.setattr(estimate, "time", SimpleNamespace(perf_counter=lambda: float(next(ticks))))
    monkeypatch.setattr(estimate, "TESTED", 100)
    config = Config(hidden=(9,), batch_size=40)
    # Read before and after the steps, when they begin, and after each: two steps take 4 seconds.
    # Read before and after a tenth of the test: all of it takes 10.
    assert epoch(config, of_config(config)) == 4000 / 40 * 4 / 2 + 10
