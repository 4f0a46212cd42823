"""ArbNets, figure 3: accuracy by the entropy of the table's use, a curve a sparsity.

The runs are those of figure 2, seen by H = -sum p ln p of the loads that their weights put on the
table (eq. 7), of which alpha decides all but the draw. The paper finds accuracy rising, linear in H
when the network is sparse and concave when it is not.
"""

from minihash.experiments import fig2
from minihash.experiments.claims import Claim, bending, by_sparsity, rising
from minihash.experiments.drawing import families
from minihash.experiments.results import entropy

FILE, GRIDS, table = fig2.FILE, fig2.GRIDS, fig2.table
TITLE = "accuracy by entropy"


def claims(records: list[dict], dataset: str) -> list[Claim]:
    """That accuracy rises with entropy, and how."""
    return rising("accuracy rises with entropy", records, entropy) + bending(
        records, entropy, "linear in entropy when sparse", "concave in entropy when not"
    )


def draw(figure: object, records: list[dict]) -> None:
    """Accuracy by entropy; each run has its own."""
    axes = figure.subplots()
    families(axes, by_sparsity(records), entropy)
    axes.set(xlabel="entropy (nats)", ylabel="test accuracy")
