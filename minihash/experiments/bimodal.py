"""Small alpha is bimodal over seeds: some runs learn, others stay near chance. What decides?

Under the Dirichlet hash of alpha 0.01 few entries serve nearly all weights. The first guess is the
entropy of the last layer's own loads l_k, whose 10 x 200 weights are the fewest:

    H_last = -sum_k (l_k / 2000) ln(l_k / 2000)

The second is the offset of the network's initial weights. Few entries do not cancel, so that the
mean of V is far from 0, and every neuron begins as nearly the same sum of its inputs:

    offset = |mean of V| / deviation of V          over all identifiers, before the first step

Signs that are drawn with the buckets take the offset away and leave the loads as they are
(HashedNets: they "remove the bias of the hashed inner product"). So each seed is run twice, without
signs and with them. The second guess was made on seeds 0 to 19; these are others.
"""

from collections.abc import Sequence

import numpy as np

from minihash.experiments.claims import Claim, by_sparsities, by_sparsity, in_pairs, rising
from minihash.experiments.drawing import families
from minihash.experiments.grid import Axes
from minihash.hashes import balance
from minihash.networks.sequential import Sequential
from minihash.runs.config import Config
from minihash.weights import VirtualWeight

FILE = "bimodal"
TITLE = "alpha 0.01: accuracy by the offset of the initial weights"
FEATURES, CLASSES = 784, 10  # of the data sets below


def grid(dataset: str, compressions: list[float], epochs: int) -> list[Axes]:
    """Many seeds at one small alpha, without signs and with them."""
    axes: Axes = {"dataset": [dataset], "hash": ["dirichlet"], "alpha": [0.01]}
    axes = {**axes, "compression": compressions, "signed": [False, True]}
    return [{**axes, "epochs": [epochs], "seed": range(20, 40)}]


GRIDS: dict[str, list[Axes]] = {
    "mnist": grid("mnist", [0.01, 0.1], 2),
    "digits": grid("digits", [0.02, 0.2], 3),
}


def network_of(record: dict) -> tuple[Sequential, list[VirtualWeight]]:
    """The network of a run, and its matrices."""
    network = Config.from_json(record["config"]).network((FEATURES,), CLASSES)
    return network, [w for w in network.weights() if len(w.shape) == 2]


def last_entropy(record: dict) -> float:
    """H_last, in nats."""
    last = network_of(record)[1][-1]
    return balance(last.hash, last.size, last.first_id).entropy


def offset(record: dict) -> float:
    """|mean| / deviation of all virtual weights before the first step."""
    network, matrices = network_of(record)
    tables = network.init(record["config"]["seed"])
    parts = []
    for w in matrices:
        ids = w.identifiers()
        parts.append((tables[w.table][w.hash.bucket(ids)] * w.hash.sign(ids)).ravel())
    v = np.concatenate(parts).astype(float)
    return abs(float(v.mean())) / float(v.std())


def label(record: dict) -> str:
    """Whether the hash draws signs."""
    return "with signs" if record["config"]["signed"] else "without signs"


def split(records: Sequence[dict]) -> tuple[list[dict], list[dict]]:
    """The runs without signs, and those with them."""
    return [r for r in records if not r["config"]["signed"]], [
        r for r in records if r["config"]["signed"]
    ]


def claims(records: list[dict], dataset: str) -> list[Claim]:
    """Which guess holds of the runs without signs, and whether signs help."""
    plain, signed = split(records)

    def near(record: dict) -> float:
        return -offset(record)

    found = rising("accuracy rises with the last layer's entropy", plain, last_entropy)
    found += rising("accuracy falls with the offset", plain, near)
    own = by_sparsity(signed)
    for name, runs in by_sparsity(plain).items():
        found.append(in_pairs("signs help", name, own[name], runs))
    return found


def table(records: list[dict]) -> str:
    """Mean and spread over seeds, in Markdown."""
    return by_sparsities(records, label)


def draw(figure: object, records: list[dict]) -> None:
    """Every run, by each guess."""
    groups = {
        f"{name}, {text}": own
        for name, runs in by_sparsity(records).items()
        for text, own in zip(("without signs", "with signs"), split(runs), strict=True)
    }
    left, right = figure.subplots(1, 2, sharey=True)
    families(left, groups, last_entropy)
    families(right, groups, offset)
    left.set(xlabel="entropy of the last layer (nats)", ylabel="test accuracy")
    right.set(xlabel="|mean| / deviation of the initial weights")
