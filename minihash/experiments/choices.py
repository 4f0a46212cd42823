"""What the ArbNets paper leaves open, on MNIST: each choice varied alone, the others as by default.

    one table for the network, or one a layer       (one: what its text seems to mean)
    biases: free, hashed, none
    the scale of the initial table
    signs of the hash
    the batch size                                  (50; the rate is not changed with it)
    the inputs: one mean and deviation, those of each pixel, or grey values from 0 to 1

Under the uniform hash. A choice matters where the difference to the default is not one by chance,
over both sparsities and all seeds, in pairs.
"""

from minihash.experiments.claims import Claim, by_sparsities, in_pairs
from minihash.experiments.drawing import panels_of
from minihash.experiments.grid import Axes
from minihash.experiments.progress import written

FILE = "choices"
TITLE = "open choices: accuracy by what is varied"
OPEN: dict[str, list[object]] = {
    "scope": ["layer"],
    "bias": ["hashed", "none"],
    "init_scale": [0.25, 4.0],
    "signed": [True],
    "batch_size": [20, 200],
    "standardise": ["columns", "none"],
}


def grid(dataset: str, compressions: list[float], epochs: int, seeds: range) -> list[Axes]:
    """The defaults, and each other value alone."""
    common: dict = {"dataset": [dataset], "hash": ["uniform"], "compression": compressions}
    common |= {"epochs": [epochs], "seed": seeds}
    return [common, *({**common, name: values} for name, values in OPEN.items())]


GRIDS: dict[str, list[Axes]] = {
    "mnist": grid("mnist", [0.01, 0.1], 4, range(5)),
    "digits": grid("digits", [0.02, 0.2], 3, range(5)),
}
USUAL = "as by default"


def label(record: dict) -> str:
    """What is varied, as it is typed."""
    for name, values in OPEN.items():
        if record["config"].get(name) in values:
            return f"{name.replace('_', '-')} {written(record['config'][name])}"
    return USUAL


def claims(records: list[dict], dataset: str) -> list[Claim]:
    """Whether each value does better than the default, or worse."""
    groups: dict[str, list[dict]] = {}
    for record in records:
        groups.setdefault(label(record), []).append(record)
    found = []
    for name, runs in groups.items():
        if name != USUAL:
            of = "all sparsities"
            found.append(in_pairs(f"{name} matters", of, runs, groups[USUAL], "other"))
    return found


def table(records: list[dict]) -> str:
    """Mean and spread over seeds, in Markdown."""
    return by_sparsities(records, label)


def draw(figure: object, records: list[dict]) -> None:
    """A panel a sparsity, a column a choice."""
    panels_of(figure, records, label)
