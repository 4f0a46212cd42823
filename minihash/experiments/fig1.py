"""ArbNets, figure 1: how even the buckets' probabilities are, by alpha.

    p ~ symmetric Dirichlet(alpha) over 1000 entries (eq. 8),   H = -sum p ln p (eq. 7)

The paper shows p as a heat map for several alpha: the higher, the more balanced. Nothing is
trained. Here, too, H is shown beside it, of several draws: between the alphas it must not overlap.
"""

import numpy as np

from minihash.experiments.claims import LEVEL, Claim
from minihash.experiments.statistics import rises
from minihash.hashes import Dirichlet

ENTRIES = 1000
ALPHAS = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
SEEDS = 5
DRAWN = 0  # the seed of the picture
TITLE = "multinomial parameters of 1000 entries"


def draws() -> list[dict]:
    """A dict for each alpha and seed: alpha, seed, p (ENTRIES,), entropy.

    >>> found = draws()
    >>> len(found), round(float(found[0]["p"].sum()), 9)
    (30, 1.0)
    """
    found = []
    for alpha in ALPHAS:
        for seed in range(SEEDS):
            weights = Dirichlet(ENTRIES, alpha, seed).weights()
            p = weights / weights.sum()
            some = p[p > 0]
            entropy = float(-(some * np.log(some)).sum())
            found.append({"alpha": alpha, "seed": seed, "p": p, "entropy": entropy})
    return found


def claims(found: list[dict]) -> list[Claim]:
    """That balance rises with alpha."""
    x, y = (np.array([draw[name] for draw in found]) for name in ("alpha", "entropy"))
    rho, p = rises(x, y)
    of = f"{len(found)} draws of {ENTRIES} entries"
    says = "the higher alpha, the more balanced"
    return [Claim(says, of, "Spearman's rho > 0", rho, p, p < LEVEL)]


def csv(found: list[dict]) -> str:
    """A line a draw: its entropy, then p of each entry, if it is one of those in the picture."""
    lines = [",".join(["alpha", "seed", "entropy", *(f"p{k}" for k in range(ENTRIES))])]
    for draw in found:
        own = f"{draw['alpha']:g},{draw['seed']},{draw['entropy']:.6g}"
        seen = draw["seed"] == DRAWN
        lines.append(",".join([own, *(f"{p:.3g}" if seen else "" for p in draw["p"].tolist())]))
    return "\n".join(lines) + "\n"


def draw(figure: object, found: list[dict]) -> None:
    """The first draw of each alpha, darker where an entry is used more; even use is 1."""
    shown = [draw for draw in found if draw["seed"] == DRAWN]
    panels = figure.subplots(2, len(shown) // 2)
    for axes, one in zip(panels.flat, shown, strict=True):
        use = np.clip(ENTRIES * one["p"], 1e-2, 1e2).reshape(25, 40)
        image = axes.imshow(np.log10(use), cmap="magma_r", vmin=-2, vmax=2)
        axes.set(title=f"alpha {one['alpha']:g}, H = {one['entropy']:.2f}", xticks=[], yticks=[])
    bar = figure.colorbar(image, ax=panels, location="right")
    bar.set_label("log10 of use / even use")
