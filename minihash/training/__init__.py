"""Room 6: the training loop; optimisers, schedules and penalties; training on text."""

from minihash.training.loop import (
    LOSSES,
    Evaluation,
    State,
    Training,
    batches,
    epochs,
    evaluate,
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
