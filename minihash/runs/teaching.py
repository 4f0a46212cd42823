"""A teacher: a trained classifier whose answers another one learns from, beside the labels.

    lessons     of each training example the label, and the teacher's logits
                (layers/distillation.py)

The teacher evaluates each training example once, before the first step, in the dtype of the run.
What a run learns from are the data and the teacher: their fingerprint is that of both.
"""

import zlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from minihash.data import Dataset, Text
from minihash.layers.distillation import lessons
from minihash.runs.examples import BATCH, Classifier
from minihash.runs.kinds import load_model
from minihash.runs.model import FILE

if TYPE_CHECKING:
    from minihash.runs.config import Config


def taught(config: "Config", data: Dataset | Text) -> Dataset | Text:
    """The data with lessons for training labels, if the run has a teacher.

    Raises FileNotFoundError if it is not there, ValueError if it is no classifier of such data.
    """
    if config.teacher is None:
        return data
    teacher = load_model(config.teacher)
    if not isinstance(teacher, Classifier) or not isinstance(data, Dataset):
        raise ValueError(f"the teacher {config.teacher} is no classifier of examples: give one")
    teacher.check(data)
    if (teacher.known_units, teacher.class_names) != (data.units, data.class_names):
        raise ValueError(
            f"the teacher {config.teacher} has learnt other classes, or of numbers of another unit "
            f"than those of {data.name}: train it on this data set"
        )
    logits = np.empty((len(data.x_train), teacher.outputs), config.dtype)
    dtype = next(iter(teacher.params.values())).dtype
    for first in range(0, len(logits), BATCH):
        part = slice(first, first + BATCH)
        inputs = teacher.standardiser(data.x_train[part], dtype)
        logits[part], _ = teacher.network.forward(teacher.params, inputs)
    return replace(data, y_train=lessons(data.y_train, logits))


def fingerprint(config: "Config", of_data: int) -> int:
    """The CRC-32 of what a run learns from: of the data, and of its teacher's file."""
    if config.teacher is None:
        return of_data
    path = Path(config.teacher)
    return zlib.crc32((path / FILE if path.is_dir() else path).read_bytes(), of_data)
