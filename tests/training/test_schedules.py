"""Schedules against the loops and against PyTorch's own."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minihash.training.schedules import Constant, Decay, Plateau
from reference import optimisers as loops

accuracies = st.lists(st.integers(0, 5).map(lambda n: n / 5), max_size=30)


def run(schedule, accuracies, rate=1.0):
    """The rates of epochs 0, 1, ..., one more than there are accuracies."""
    state = schedule.init()
    rates = [schedule.rate(rate, state, step=0)]
    for accuracy in accuracies:
        before = dict(state)
        new = schedule.after_epoch(state, accuracy)
        assert state == before
        state = json.loads(json.dumps(new, allow_nan=False))  # as a checkpoint keeps it
        rates.append(schedule.rate(rate, state, step=0))
    return rates


@given(accuracies, st.integers(1, 5), st.sampled_from([0.1, 0.3, 0.5]))
def test_plateau_drops_when_the_loops_do(accuracies, patience, factor):
    rates = run(Plateau(patience, factor), accuracies)
    assert rates == loops.plateau_rates(accuracies, 1.0, patience, factor)


@given(accuracies, st.integers(1, 5))
def test_plateau_drops_when_pytorch_does(accuracies, patience):
    # PyTorch counts the bad epochs that it tolerates: one fewer. Halving is exact, at once or not.
    optimiser = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    twin = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, mode="max", factor=0.5, patience=patience - 1, threshold=0.0, eps=0.0
    )
    rates = [1.0]
    for accuracy in accuracies:
        twin.step(accuracy)
        rates.append(optimiser.param_groups[0]["lr"])
    assert run(Plateau(patience, factor=0.5), accuracies) == rates


def test_the_papers_plateau_divides_by_ten_after_four_epochs():
    rates = run(Plateau(), [0.5, 0.6, 0.6, 0.6, 0.5, 0.6, 0.7], rate=0.1)
    assert rates == [0.1] * 6 + [0.1 * 0.1] * 2


def test_an_accuracy_that_is_nan_is_no_better():
    assert run(Plateau(patience=1), [float("nan"), 0.5, 0.6]) == [1.0, 0.1, 0.1, 0.1]


@given(st.floats(1e-6, 10), st.floats(0, 1), st.integers(0, 10**6))
def test_decay_is_that_of_the_loops(rate, decay, step):
    schedule = Decay(decay)
    state = schedule.after_epoch(schedule.init(), 0.5)
    assert state == {} and schedule.rate(rate, state, step) == loops.decayed_rate(rate, decay, step)
    assert Constant().rate(rate, {}, step) == rate


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Plateau(patience=0), r"patience must lie in 1 .*, got 0; .*"),
        (lambda: Plateau(of="test"), "of must be one of training, validation, got 'test'"),
        (lambda: Plateau(factor=10), r"factor of Plateau must lie in \[0, 1\], got 10; .*"),
        (lambda: Decay(-1e-4), r"decay of Decay must lie in \[0, inf\), got -0.0001; .*"),
        (lambda: Decay(float("inf")), r"decay of Decay must lie in \[0, inf\), got inf; .*"),
        (lambda: Decay("1"), r"decay of Decay must be a number, got '1'; .*"),
    ],
)
def test_what_is_no_schedule_is_refused_in_one_line(make, message):
    with pytest.raises((TypeError, ValueError), match=f"^{message}$"):
        make()
