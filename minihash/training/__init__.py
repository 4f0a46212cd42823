"""Room 6: the training loop; optimisers, schedules and penalties; training on text."""

from minihash.training.evaluation import Evaluation, evaluate
from minihash.training.loop import (
    LOSSES,
    State,
    Training,
    batches,
    epochs,
    start,
    step,
    steps,
    trained,
    updated,
)

__all__ = [
    "LOSSES",
    "Evaluation",
    "State",
    "Training",
    "batches",
    "epochs",
    "evaluate",
    "start",
    "step",
    "steps",
    "trained",
    "updated",
]
