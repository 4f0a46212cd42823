"""The confusion matrix of a classifier: C[i, j] = examples of class i that it takes for class j."""

import numpy as np

from minihash.data import Dataset
from minihash.runs.examples import Classifier


def confusion(model: Classifier, data: Dataset) -> np.ndarray:
    """C of the test set: int64 (classes, classes) of the model. Its trace / sum is the accuracy.

    Raises ValueError as `Classifier.check` does.
    """
    model.check(data)
    taken = model.probabilities(data.x_test).argmax(axis=1)
    matrix = np.zeros((model.outputs, model.outputs), np.int64)
    np.add.at(matrix, (data.y_test, taken), 1)
    return matrix


def pairs(matrix: np.ndarray, most: int) -> list[tuple[int, int, int]]:
    """What is confused oftenest: (class, the class it is taken for, examples).

    >>> pairs(np.array([[8, 1, 0], [0, 5, 2], [0, 0, 9]]), most=5)
    [(1, 2, 2), (0, 1, 1)]
    """
    wrong = [(int(i), int(j), int(matrix[i, j])) for i, j in np.argwhere(matrix) if i != j]
    return sorted(wrong, key=lambda pair: -pair[2])[:most]
