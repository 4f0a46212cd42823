"""Examples that are held out of the training data, to choose an epoch by.

    examples    the first n of the training examples, i in the order of
                h(stream(seed, "validation"), i)
    text        the last n characters before the last tenth, which is the test set
    best        the epoch whose metric on them is the first to be better than all before; what is no
                number is never better

They are neither trained on nor tested on: what they chose cannot flatter the test set's numbers.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from minihash.data import Dataset, Text
from minihash.hashes.xxh32 import stream, xxh32
from minihash.runs.model import Model


def split(
    data: Dataset | Text, share: int | float | Fraction, seed: int
) -> tuple[Dataset | Text, Dataset | Text]:
    """The data without what is held out, and the data whose test set is that.

    share: how many, or which part of the training examples, rounded down.
    Raises ValueError unless one at least is held out, and one is left.

    >>> from minihash.data import load
    >>> rest, held = split(load("digits"), 0.2, seed=0)
    >>> len(rest.x_train), len(held.x_test)
    (3200, 800)
    """
    text = isinstance(data, Text)
    whole = len(data.train if text else data.x_train)
    count = share if isinstance(share, int) else math.floor(Fraction(str(share)) * whole)
    least = 2 if text else 1  # the first character of a text is given
    if not least <= count < whole:
        raise ValueError(
            f"of {whole:,} to train with, {count:,} cannot be held out for validation: give a part "
            "between 0 and 1, as 0.2, or a smaller number"
        )
    if text:
        rest, held = data.train[:-count], data.train[-count:]
        return replace(data, train=rest), replace(data, validation=held)
    order = np.argsort(xxh32(np.arange(whole, dtype=np.uint64), stream(seed, "validation")))
    chosen = np.zeros(whole, bool)
    chosen[order[:count]] = True
    x, y = data.x_train, data.y_train
    return (
        replace(data, x_train=x[~chosen], y_train=y[~chosen]),
        replace(data, x_test=x[chosen], y_test=y[chosen]),
    )


def named(measured: dict[str, float]) -> dict[str, float]:
    """What `Model.measure` found on them, by other names than the test set's.

    >>> named({"test_accuracy": 0.5, "bits_per_character": 2.0})
    {'validation_accuracy': 0.5, 'validation_bits_per_character': 2.0}
    """
    return {f"validation_{name.removeprefix('test_')}": x for name, x in measured.items()}


def best(model: Model, metrics: Sequence[dict]) -> int:
    """The best epoch of these metrics, from 1; 0 if there is none."""
    found, at = -math.inf, 0
    for line in metrics:
        value = value_of(model, line)
        value = value if model.RISES else -value
        if value > found:
            found, at = value, line["epoch"]
    return at


def loss_of(model: Model, line: dict) -> float:
    """The loss on them, the last of what a model is measured by: what a schedule watches."""
    return next(
        line[name] for name in reversed(named(dict.fromkeys(model.METRICS))) if name in line
    )


def value_of(model: Model, line: dict) -> float:
    """The metric that an epoch is chosen by; NaN if it is no number, or was not measured."""
    names = named(dict.fromkeys(model.METRICS))
    found = next((line[name] for name in names if name in line), None)
    return math.nan if found is None else found
