"""Rows that repeat: what one entry more does under the modulus hash.

Row r of a layer begins at the bucket (first + r fan_in) mod n, so that n / gcd(n, fan_in) rows
differ, and no more; neurons of equal rows compute the same. Of sparsity s and a table of its own a
layer has n = s fan_out fan_in, a multiple of fan_in: s fan_out different rows. So many has each of
the layers of the CIFAR-10 network of 2000 at sparsity 0.1: 200, and its last layer one.

With one table for the whole network nothing of it repeats there (n = 2,216,400: 46,175 and 5,541
starts of rows); on MNIST the first layer has 71 of 200 rows at sparsity 0.01.

The same network with one entry more in each table has no rows that repeat: the accuracy that it
adds is what they had cost. A compression that is larger by 1e-7 asks for it.

The paper names one outlier, CIFAR-10 at sparsity 0.1 and radius 0. If its rows repeat, its tables
were one a layer.
"""

import warnings

from minihash.experiments.claims import Claim, by_sparsities, by_sparsity, in_pairs
from minihash.experiments.drawing import panels_of
from minihash.experiments.grid import Axes
from minihash.runs.config import Config
from minihash.weights import distinct

FILE = "repeats"
TITLE = "rows that repeat: accuracy by the number of rows that differ"


def grid(dataset: str, sparsities: list[float], seeds: range, **own: list) -> Axes:
    """Each sparsity, and an entry more, with one table and with a table a layer."""
    compressions = [c for s in sparsities for c in (s, round(s + 1e-7, 9))]
    return {
        "dataset": [dataset],
        "hash": ["modulus"],
        "scope": ["network", "layer"],
        "compression": compressions,
        **own,
        "seed": seeds,
    }


GRIDS: dict[str, list[Axes]] = {
    "mnist": [grid("mnist", [0.01, 0.1], range(10), epochs=[4])],
    "cifar10": [grid("cifar10", [0.1], range(3), hidden=[(2000,) * 5], epochs=[4])],
    "digits": [grid("digits", [0.02, 0.2], range(10), epochs=[3])],
}
FEATURES, CLASSES = {"mnist": 784, "digits": 784, "cifar10": 3072}, 10


def rows(record: dict) -> list[tuple[int, int]]:
    """Of each layer, the rows that differ and all rows."""
    config = Config.from_json(record["config"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of what is counted here
        network = config.network((FEATURES[str(config.dataset)],), CLASSES)
    return [(distinct(w)[0], w.shape[0]) for w in network.weights() if len(w.shape) == 2]


def label(record: dict) -> str:
    """Where the tables are, and how many rows differ in each layer."""
    tables = {"network": "one table", "layer": "one a layer"}[record["config"]["scope"]]
    return f"{tables}: {', '.join(f'{few}/{all_}' for few, all_ in rows(record))}"


def claims(records: list[dict], dataset: str) -> list[Claim]:
    """That rows that repeat cost accuracy; and that, where none does, an entry more is nothing."""
    found = []
    for name, runs in by_sparsity(records).items():
        for scope in ("network", "layer"):
            ours = [r for r in runs if r["config"]["scope"] == scope]
            least = min(float(r["config"]["compression"]) for r in ours)
            fewer = [r for r in ours if float(r["config"]["compression"]) == least]
            more = [r for r in ours if r not in fewer]
            of = f"{label(fewer[0])}, {name}"
            says, asked = "rows that repeat cost accuracy", "more"
            if all(few == all_ for few, all_ in rows(fewer[0])):
                says, asked = "an entry more changes nothing", "same"
            found.append(in_pairs(says, of, more, fewer, asked))
    return found


def table(records: list[dict]) -> str:
    """Mean and spread over seeds, in Markdown."""
    return by_sparsities(records, label)


def draw(figure: object, records: list[dict]) -> None:
    """A panel a sparsity, a column a network."""
    panels_of(figure, records, label)
