"""Small alpha is bimodal over seeds: some runs learn, others stay near chance. What decides?

Under the Dirichlet hash of alpha 0.01 few entries serve nearly all weights. The first guess is the
entropy of the last layer's own loads l_k, whose 10 x 200 weights are the fewest:

    H_last = -sum_k (l_k / 2000) ln(l_k / 2000)

The second is the offset of the network's initial weights. Few entries do not cancel, so that the
mean of V is far from 0, and every neuron begins as nearly the same sum of its inputs:

    offset = |mean of V| / deviation of V          over all identifiers, before the first step

The third is the drift of the first steps. An entry's gradient is the sum over all weights that it
serves, so that one step, often the first, can move nearly all of V one way, far beyond the spread
that it has:

    drift = |mean of V| after 200 steps

Every neuron is then the sum of its inputs, and stays so: BatchNorm makes what a layer does
independent of the scale of V, and its gradient inverse to it (van Laarhoven, arXiv 1706.05350).

Two remedies, on the same seeds. Signs that are drawn with the buckets take the mean away and leave
the loads as they are (HashedNets: they "remove the bias of the hashed inner product"). A gradient
whose norm is clipped at 1 (Pascanu, Mikolov & Bengio, arXiv 1211.5063) takes the drift away and
leaves the network as it is.

The second guess was made on seeds 0 to 19, the third on 20 to 39 after 10 steps, on 40 to 59, where
some are struck later, after 200; these are others.
"""

from collections.abc import Sequence
from itertools import islice

import numpy as np

from minihash.data import load
from minihash.experiments.claims import Claim, by_sparsities, by_sparsity, in_pairs, rising
from minihash.experiments.drawing import families
from minihash.experiments.grid import Axes
from minihash.hashes import balance
from minihash.networks.sequential import Sequential
from minihash.runs.config import Config
from minihash.runs.machine import machine
from minihash.runs.train import begun
from minihash.weights import VirtualWeight

FILE = "bimodal"
TITLE = "alpha 0.01: accuracy by three guesses at what decides"
FEATURES, CLASSES = 784, 10  # of the data sets below
AS_IT_IS = "as it is"
STEPS = 200  # after which the drift is measured


def grid(dataset: str, compressions: list[float], epochs: int) -> list[Axes]:
    """Many seeds at one small alpha: as they are, with signs, and with clipped gradients."""
    axes: Axes = {"dataset": [dataset], "hash": ["dirichlet"], "alpha": [0.01]}
    axes = {**axes, "compression": compressions, "epochs": [epochs], "seed": range(60, 80)}
    return [{**axes, "signed": [False, True]}, {**axes, "clip": [1.0]}]


GRIDS: dict[str, list[Axes]] = {
    "mnist": grid("mnist", [0.01, 0.1], 2),
    "digits": grid("digits", [0.02, 0.2], 3),
}


def network_of(record: dict) -> tuple[Sequential, list[VirtualWeight]]:
    """The network of a run, and its matrices."""
    network = Config.from_json(record["config"]).network((FEATURES,), CLASSES)
    return network, [w for w in network.weights() if len(w.shape) == 2]


def mean_and_deviation(network: Sequential, params: dict[str, np.ndarray]) -> tuple[float, float]:
    """Of all virtual weights of the matrices."""
    parts = []
    for w in network.weights():
        if len(w.shape) == 2:
            ids = w.identifiers()
            parts.append((params[w.table][w.hash.bucket(ids)] * w.hash.sign(ids)).ravel())
    v = np.concatenate(parts).astype(float)
    return float(v.mean()), float(v.std())


def last_entropy(record: dict) -> float:
    """H_last, in nats."""
    last = network_of(record)[1][-1]
    return balance(last.hash, last.size, last.first_id).entropy


def offset(record: dict) -> float:
    """|mean| / deviation of all virtual weights before the first step."""
    network, _ = network_of(record)
    mean, deviation = mean_and_deviation(network, network.init(record["config"]["seed"]))
    return abs(mean) / deviation


def drift(record: dict) -> float:
    """|mean| of all virtual weights after the first steps, which `measured` has made again."""
    return float(record["drift"])


def measured(records: Sequence[dict], where: Config) -> list[dict]:
    """The runs, those as they are with their drift: each makes its first steps again. where: a run
    that says where the data are, and what computes. Raises as `load` does."""
    data = load(str(where.dataset), where.data_dir)
    found = []
    with machine(where.backend, 1):
        for record in records:
            if label(record) == AS_IT_IS:
                run, examples, _ = begun(Config.from_json(record["config"]), data, 0)
                *_, (state, _) = islice(run.initial.learn(run.state, examples), STEPS)
                mean, _ = mean_and_deviation(run.initial.network, state.params)
                record = record | {"drift": abs(mean)}
            found.append(record)
    return found


def label(record: dict) -> str:
    """What was done about it."""
    if record["config"]["signed"]:
        return "with signs"
    return "gradients clipped" if record["config"]["clip"] else AS_IT_IS


def split(records: Sequence[dict]) -> dict[str, list[dict]]:
    """The runs of each label."""
    found: dict[str, list[dict]] = {AS_IT_IS: [], "with signs": [], "gradients clipped": []}
    for record in records:
        found[label(record)].append(record)
    return found


def claims(records: list[dict], dataset: str) -> list[Claim]:
    """Which guess holds of the runs as they are, and whether the remedies help."""
    plain, signed, clipped = split(records).values()
    found = rising("accuracy rises with the last layer's entropy", plain, last_entropy)
    found += rising("accuracy falls with the offset", plain, lambda record: -offset(record))
    found += rising("accuracy falls with the drift", plain, lambda record: -drift(record))
    for says, remedied in (("signs help", signed), ("clipped gradients help", clipped)):
        own = by_sparsity(remedied)
        found += [in_pairs(says, n, own[n], runs) for n, runs in by_sparsity(plain).items()]
    return found


def table(records: list[dict]) -> str:
    """Mean and spread over seeds, in Markdown."""
    return by_sparsities(records, label)


def draw(figure: object, records: list[dict]) -> None:
    """Every run, by each guess."""
    groups = {
        f"{name}, {text}": own
        for text, runs in split(records).items()
        for name, own in by_sparsity(runs).items()
    }
    panels = figure.subplots(1, 3, sharey=True)
    for axes, guess in zip(panels[:2], (last_entropy, offset), strict=True):
        families(axes, groups, guess)
    families(panels[2], {n: own for n, own in groups.items() if n.endswith(AS_IT_IS)}, drift)
    panels[0].set(xlabel="entropy of the last layer (nats)", ylabel="test accuracy")
    panels[1].set(xlabel="|mean| / deviation of the initial weights")
    panels[2].set(xlabel=f"|mean| of the weights after {STEPS} steps", xscale="log")
