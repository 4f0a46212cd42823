"""What is claimed beside what came out: a claim, the test that it was put to, and its answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from minihash.experiments.results import crossed, value
from minihash.experiments.statistics import bends, differs, exceeds, paired, rises

LEVEL = 0.05  # of p
HEAD = ("claim", "of", "test", "statistic", "p", "held")


@dataclass(frozen=True)
class Claim:
    """A sentence, of a paper or of ours, put to a test. of: the runs, in words. held: whether they
    agree with the sentence, at `LEVEL`; None where they are too few for any p below it."""

    says: str
    of: str
    test: str
    statistic: float
    p: float
    held: bool | None


def markdown(claims: Sequence[Claim]) -> str:
    """A table, a row a claim.

    >>> print(markdown([Claim("it rises", "all", "Spearman's rho", 0.5, 0.01, True)]))
    | claim | of | test | statistic | p | held |
    | --- | --- | --- | --- | --- | --- |
    | it rises | all | Spearman's rho | 0.5 | 0.010 | yes |
    """
    head = [f"| {' | '.join(HEAD)} |", "| --- " * 6 + "|"]
    return "\n".join(head + [f"| {' | '.join(cells(claim))} |" for claim in claims])


def cells(claim: Claim) -> tuple[str, ...]:
    """A claim as text, a cell a column."""
    p = "< 0.001" if claim.p < 0.001 else f"{claim.p:.3f}"
    held = {True: "yes", False: "no", None: "too few runs"}[claim.held]
    return claim.says, claim.of, claim.test, f"{claim.statistic:.3g}", p, held


def sparsity(record: dict) -> float:
    """Stored weights / virtual weights, as the run was asked for it."""
    return float(Fraction(str(record["config"]["compression"])))


def group(record: dict) -> str:
    """The sparsity in words, to two digits: what differs less has but an entry more.

    >>> group({"config": {"compression": 0.0100001}})
    'sparsity 0.01'
    """
    return f"sparsity {sparsity(record):.2g}"


def by_sparsity(records: Sequence[dict]) -> dict[str, list[dict]]:
    """The records of each sparsity, the sparsest first."""
    names = dict.fromkeys(map(group, sorted(records, key=sparsity)))
    return {name: [r for r in records if group(r) == name] for name in names}


def figures(records: Sequence[dict]) -> np.ndarray:
    """What the runs reach; 0 for one that has diverged."""
    return np.nan_to_num(np.array([value(record) for record in records]))


def rising(
    says: str, records: Sequence[dict], place: Callable[[dict], float], whole: bool = False
) -> list[Claim]:
    """Whether the figure rises with the place, in each sparsity, or in all runs as a whole."""
    claims = []
    for name, runs in ({"all": records} if whole else by_sparsity(records)).items():
        rho, p = rises(np.array([place(run) for run in runs]), figures(runs))
        claims.append(Claim(says, _of(name, runs), "Spearman's rho > 0", rho, p, p < LEVEL))
    return claims


def bending(
    records: Sequence[dict], place: Callable[[dict], float], straight: str, concave: str
) -> list[Claim]:
    """Whether the figure is linear in the place in the sparser half, and concave in the other."""
    claims = []
    groups = by_sparsity(records)
    for k, (name, runs) in enumerate(groups.items()):
        c, p = bends(np.array([place(run) for run in runs]), figures(runs))
        if 2 * k < len(groups):
            claims.append(Claim(straight, _of(name, runs), "quadratic term = 0", c, p, p >= LEVEL))
        else:
            held = p < LEVEL and c < 0
            claims.append(Claim(concave, _of(name, runs), "quadratic term < 0", c, p, held))
    return claims


def steeper(says: str, records: Sequence[dict], place: Callable[[dict], float]) -> list[Claim]:
    """Whether the figure rises faster with the place in the least sparse runs than in the
    sparsest."""
    groups = by_sparsity(records)
    names = [*groups][:: max(len(groups) - 1, 1)]
    if len(names) < 2:
        return []
    runs = groups[names[0]] + groups[names[1]]
    dense = np.array([run in groups[names[1]] for run in runs])
    x = np.array([place(run) for run in runs])
    slope, p = differs(x, figures(runs), dense)
    of = f"{names[1]} against {names[0].split()[-1]}, {len(runs)} runs"
    return [Claim(says, of, "difference of slopes > 0", slope, p, p < LEVEL)]


def lower(
    says: str,
    records: Sequence[dict],
    others: Sequence[dict],
    place: Callable[[dict], float],
    error: Callable[[dict], float],
) -> Claim:
    """Whether the error is lower than that of the others at equal places, as a ratio."""
    both = {place(run) for run in records} & {place(run) for run in others}
    records, others = ([r for r in some if place(r) in both] for some in (records, others))
    runs = [*records, *others]
    x, y = (np.array([of(run) for run in runs]) for of in (place, error))
    ratio, p = exceeds(x, np.log(y), np.arange(len(runs)) >= len(records))
    of = f"{len(records)} and {len(others)} runs"
    return Claim(says, of, "ratio of errors > 1", float(np.exp(ratio)), p, p < LEVEL)


def by_sparsities(records: Sequence[dict], label: Callable[[dict], str]) -> str:
    """A Markdown table: a row a label, a column a sparsity."""
    return crossed(sorted(records, key=sparsity), label, group)


PAIRED: dict[str, tuple[str, Callable[[float, float], bool]]] = {
    "more": ("mean difference > 0, signs flipped", lambda mean, p: p < LEVEL and mean > 0),
    "other": ("mean difference, signs flipped", lambda mean, p: p < LEVEL),
    "same": ("mean difference = 0, signs flipped", lambda mean, p: p >= LEVEL),
}


def in_pairs(
    says: str, of: str, ours: Sequence[dict], theirs: Sequence[dict], asked: str = "more"
) -> Claim:
    """Whether the first runs reach more than the others ("other": more or less, "same": neither),
    in pairs of one sparsity and seed: such two see the examples in one order."""
    a, b = ({(group(r), r["config"]["seed"]): r for r in runs} for runs in (ours, theirs))
    pairs = sorted(a.keys() & b.keys())
    d = figures([a[pair] for pair in pairs]) - figures([b[pair] for pair in pairs])
    mean, p = paired(d)
    test, holds = PAIRED[asked]
    held = bool(holds(mean, p)) if 2.0 ** (1 - len(pairs)) < LEVEL else None
    return Claim(says, f"{of}, {len(pairs)} pairs", test, mean, p, held)


def _of(name: str, runs: Sequence[dict]) -> str:
    return f"{name}, {len(runs)} runs"
