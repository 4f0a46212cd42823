"""Training from Python, on data in memory: nothing is written, nothing is resumed."""

from collections.abc import Callable
from dataclasses import replace

from minihash.data import Dataset, Text
from minihash.runs.brought import choices as brought
from minihash.runs.config import Config
from minihash.runs.kinds import KINDS
from minihash.runs.model import Model
from minihash.runs.train import begun
from minihash.runs.writer import Writer

OF_RUNS = ("dataset", "data_dir", "backend", "threads", "validation", "patience")


def fit(
    data: Dataset | Text, told: Callable[[dict], None] | None = None, **choices: object
) -> Model:
    """Train on a data set; return the model, to be measured, used and saved.

    data: of `minihash.load`, or of arrays by `minihash.assemble`; of `minihash.data.load_text` for
    a model of text. choices: those of `minihash train` (`Config`), as model="cnn" or epochs=3; with
    equal ones and equal data it gives the bits of that command. told: called after each epoch with
    its epoch, loss, train_accuracy and rate.
    Raises TypeError for another choice or other data, ValueError for what does not fit, MemoryError
    for tables that this machine cannot hold.

    >>> import minihash
    >>> model = minihash.fit(minihash.load("digits"), hidden=(20,), epochs=1)
    >>> model.epochs, model.measure(minihash.load("digits"))["test_accuracy"] > 0.7
    (1, True)
    """
    if of_runs := sorted(choices.keys() & set(OF_RUNS)):
        raise TypeError(
            f"fit takes no {of_runs[0]}: the data are given, minihash.core.use and set_threads say "
            "where to compute, and minihash train holds examples out"
        )
    config = Config(dataset=getattr(data, "name", None), **brought(choices))
    kind = KINDS[config.model].model
    wanted = Text if issubclass(kind, Writer) else Dataset
    if not isinstance(data, wanted):
        raise TypeError(
            f"the model {config.model} learns from a {wanted.__name__}, got a "
            f"{type(data).__name__}; minihash.assemble makes one of arrays, "
            "minihash.data.load_text of a text file"
        )
    run, _, _ = begun(config, data, 0)
    if not config.epochs:  # weights as they were brought in
        return run.initial
    model = run.initial
    for end, report in model.learn(run.state, data):  # an epoch at least
        if told is not None and end.batch == 0:
            told({name: value for name, value in report.items() if name != "batches"})
    return replace(model, params=end.params, epochs=end.epoch, steps=end.step)
