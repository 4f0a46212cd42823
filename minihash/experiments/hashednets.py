"""HashedNets, section 6: test error of networks that store equally much.

    HashNet    784-1000-10 under the released hash, a table a layer, biases hashed: c of the weights
    RER        the same with random edges removed: each of c of the weights by itself, others 0
    LRD        each weight a free matrix times a fixed Gaussian one, of rank c * inputs; free biases
    NN         a dense network of round(1000 c) hidden units
    DK         NN that learns from the answers of the full network, too; HashNetDK: HashNet so

ReLU, no normalisation, dropout 0.25 of inputs and hidden units; batches of 50, rate 0.01, momentum
0.9 undamped, rate / 10 after three epochs of no lower loss on the tenth of the training examples
that is held out; 50 epochs, of which the one that does best on those counts. That is the protocol
of the one public repetition (github.com/jfainberg/hashed_nets), but for its last epoch, which
counts there. The paper tuned all hyperparameters, and does not say to what; temperature 4 and a
half of the loss for the teacher are our own choice. All begin at the scale that the full network
has, RER too.

RECT and CONVEX have 1,200 and 8,000 examples. The loss of a tenth of these is too noisy to steer
by: the rate is divided after ten epochs of no better accuracy on the examples trained on, and the
last epoch counts, since dozens do best on 120. And dropout is tuned: each method at each part with
and without it, of which the one counts that does better on the examples held out. Gradients are
clipped at norm 1: an entry's is the sum over all weights that it serves, and with dropout HashNet
diverged at 1/64 (losses to 1e19). Their teacher is the last epoch of all examples, with dropout on
RECT and without on CONVEX, as the examples held out choose for NN.

"Plain" is the same with inputs bytes / 255, not standardised; how the repetition scales them is not
known.
"Released" is the protocol of the authors' code: bytes / 255, rate 0.1 / (1 + 1e-4 steps), momentum
0.9 damped by 0.9, a fifth held out, and 50 of its 1000 epochs.
"""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from minihash.experiments.claims import Claim, lower, sparsity
from minihash.experiments.drawing import families
from minihash.experiments.grid import Axes
from minihash.experiments.results import counted, value
from minihash.runs.config import Config

FILE = "hashednets"
TITLE = "test error by the part that is stored"
PARTS = [Fraction(1, n) for n in (64, 32, 16, 8, 1)]
ENDS = [PARTS[0], PARTS[3]]
WIDTHS = {"mnist": 1000, "digits": 100, "rectangles": 1000, "convex": 1000}
COMMON: dict[str, list] = {
    "activation": ["relu"],
    "norm": ["none"],
    "dropout": [0.25],
    "input_dropout": [0.25],
    "lr": [0.01],
    "plateau": [3],
    "plateau_of": ["validation"],
    "validation": [0.1],
    "epochs": [50],
}
SEEDS = {"seed": range(3)}
SPARSE = {"hash": ["sparse"], "scope": ["layer"], "bias": ["hashed"]}
LOW_RANK = {"source": ["lowrank"], "hash": ["identity"], "bias": ["free"]}
HASHED = {"hash": ["hashednets"], "bias": ["hashed"]}
FEW = {"plateau": [10], "plateau_of": ["training"], "clip": [1.0]}  # examples
NO_DROPOUT = {"dropout": [0.0], "input_dropout": [0.0]}
PLAIN = {"standardise": ["none"]}
RELEASED = {**PLAIN, "lr": [0.1], "momentum": [0.9], "dampening": [0.9]}
RELEASED |= {"decay": [1e-4], "validation": [0.2]}
# Test error in percent by part, of the public repetition: one seed.
REPEATED = {
    "HashNet": dict(zip(PARTS, (3.15, 2.25, 1.84, 1.52, 1.46), strict=True)),
    "NN": dict(zip(PARTS, (5.91, 3.53, 2.28, 1.75, 1.27), strict=True)),
}


def hidden(part: Fraction, width: int) -> int:
    """The hidden units of a dense network of one hidden layer that stores this part of one so wide.

    >>> [hidden(part, 1000) for part in PARTS]
    [16, 31, 62, 125, 1000]
    """
    return round(part * width)


def hashnet(dataset: str, parts: Sequence[Fraction], **own: list) -> Axes:
    """HashNet, or another under compression, at these parts. own: replaces what is said above."""
    common = {"dataset": [dataset], **COMMON, **HASHED, "hidden": [(WIDTHS[dataset],)]}
    return common | {"compression": [*parts]} | SEEDS | own


def dense(dataset: str, parts: Sequence[Fraction], **own: list) -> Axes:
    """NN at these parts."""
    sizes = [(hidden(part, WIDTHS[dataset]),) for part in parts]
    return {"dataset": [dataset], **COMMON, "hash": ["identity"], "hidden": sizes} | SEEDS | own


def _grids(dataset: str, ends: Sequence[Fraction], **own: list) -> list[Axes]:
    """All methods: HashNet and NN without and with a teacher, then RER and LRD."""
    taught = {"teacher": [f"teacher-{dataset}"]}
    both = hashnet(dataset, ends, **own), dense(dataset, ends, **own)
    others = (hashnet(dataset, ends, **own, **kind) for kind in (SPARSE, LOW_RANK))
    return [*both, *({**axes, **taught} for axes in both), *others]


GRIDS: dict[str, list[Axes]] = {
    "mnist": [
        hashnet("mnist", PARTS),
        dense("mnist", PARTS),
        *_grids("mnist", ENDS),
        hashnet("mnist", ENDS, **PLAIN),
        dense("mnist", ENDS, **PLAIN),
        {k: v for k, v in hashnet("mnist", ENDS[1:], **RELEASED).items() if "plateau" not in k},
    ],
    **{
        dataset: _grids(dataset, ENDS, **FEW) + _grids(dataset, ENDS, **FEW, **NO_DROPOUT)
        for dataset in ("rectangles", "convex")
    },
    "digits": _grids("digits", ENDS, lr=[0.03], epochs=[15]),
}


def teacher(dataset: str) -> Config:
    """The full network that others of its data set learn from."""
    own = GRIDS[dataset][1] | {"hidden": [(WIDTHS[dataset],)]}
    if own["plateau_of"] == FEW["plateau_of"]:
        own |= {"validation": [None]} | (NO_DROPOUT if dataset == "convex" else {})
    return Config(**{name: values[0] for name, values in own.items()})


def method(record: dict) -> str:
    """What the paper calls a run."""
    config = record["config"]
    if config.get("source") == "lowrank":
        return "LRD"
    name = {"hashednets": "HashNet", "sparse": "RER", "identity": "NN"}[config["hash"]]
    if config.get("teacher"):
        return {"HashNet": "HashNetDK", "NN": "DK"}[name]
    if config.get("dampening"):
        return f"{name}, released"
    return f"{name}, plain" if config["standardise"] == "none" else name


def part(record: dict) -> float:
    """Which part of the full network a run stores, as it was asked for."""
    config = record["config"]
    if config["hash"] != "identity" or config.get("source") == "lowrank":
        return sparsity(record)
    width = WIDTHS[config["dataset"]]
    return float(next(p for p in PARTS if hidden(p, width) == config["hidden"][0]))


def error(record: dict) -> float:
    """Test error in percent."""
    return 100 * (1 - value(record))


def tuned(records: Sequence[dict]) -> list[dict]:
    """Of each method at each part, the runs with the dropout that does best on the examples held
    out, by its mean over seeds."""
    groups: dict[tuple[str, float], dict[float, list[dict]]] = {}
    for record in records:
        of_one = groups.setdefault((method(record), part(record)), {})
        of_one.setdefault(record["config"]["dropout"], []).append(record)
    return [run for of_one in groups.values() for run in max(of_one.values(), key=held_out)]


def held_out(runs: Sequence[dict]) -> float:
    """The mean accuracy on the examples held out; 0 where there are none."""
    return float(np.mean([counted(run).get("validation_accuracy") or 0.0 for run in runs]))


def counting(records: Sequence[dict]) -> list[dict]:
    """The runs as they count: by the last epoch where the rate follows the examples trained on,
    else whole, by the epoch that does best on those held out."""
    return [
        record | {"metrics": record["metrics"][-1:]}
        if record["config"].get("plateau_of") == "training"
        else record
        for record in records
    ]


def by_method(records: Sequence[dict]) -> dict[str, list[dict]]:
    """The runs of each method that count, in the order of the grid."""
    groups: dict[str, list[dict]] = {}
    for record in tuned(records):
        groups.setdefault(method(record), []).append(record)
    return groups


def claims(records: list[dict], dataset: str) -> list[Claim]:
    """That HashNet's error is below that of all but HashNetDK, whose is lower still, where they
    are compressed."""
    runs = {n: [r for r in rs if part(r) < 1] for n, rs in by_method(records).items()}
    pairs = [("HashNet", other) for other in ("RER", "LRD", "NN", "DK")]
    pairs += [("HashNetDK", "HashNet"), ("HashNet, plain", "NN, plain")]
    return [
        lower(f"the error of {one} is below that of {other}", runs[one], runs[other], part, error)
        for one, other in pairs
        if {one, other} <= runs.keys()
    ]


def spread(errors: Sequence[float]) -> str:
    """Mean and standard deviation over seeds; a dash for none.

    >>> spread([3.0, 4.0, 5.0]), spread([3.0]), spread([])
    ('4.00 ± 1.00', '3.00', '-')
    """
    if not errors:
        return "-"
    more = f" ± {np.std(errors, ddof=1):.2f}" if len(errors) > 1 else ""
    return f"{np.mean(errors):.2f}{more}"


def table(records: Sequence[dict]) -> str:
    """Markdown: a row a part, a column a method; mean and standard deviation over seeds, and the
    dropout that was chosen, where there is a choice."""
    groups = by_method(records)
    choice = len({record["config"]["dropout"] for record in records}) > 1
    mnist = records[0]["config"]["dataset"] == "mnist"
    known = [name for name in groups if mnist and name in REPEATED]
    head = ["stored", *groups, *(f"{name}, repeated" for name in known)]
    lines = [f"| {' | '.join(head)} |", "| --- " * len(head) + "|"]
    for p in sorted({part(r) for r in records}):
        cells = [str(Fraction(p).limit_denominator(1000))]
        for runs in groups.values():
            here = [r for r in runs if part(r) == p]
            chosen = f", dropout {here[0]['config']['dropout']:g}" if choice and here else ""
            cells.append(spread([error(r) for r in here]) + chosen)
        cells += [f"{REPEATED[name][Fraction(p)]:.2f}" for name in known]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(figure: object, records: list[dict]) -> None:
    """Error by part, both in their logarithms."""
    axes = figure.subplots()
    families(axes, by_method(records), part, error)
    axes.set(xlabel="stored part", ylabel="test error, %", xscale="log", yscale="log")
    axes.xaxis.set_major_formatter(lambda x, _: str(Fraction(x).limit_denominator(1000)))
    places = sorted({part(r) for r in records})
    axes.set_xticks(places, minor=False)
    low, high = axes.get_ylim()
    axes.set_yticks(
        [tick for tick in (1, 1.5, 2, 3, 5, 7, 10, 15, 20, 25, 30, 40, 50) if low < tick < high]
    )
    axes.yaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
