"""Labels are names: the different ones of the training set, in order, are the classes 0 ... k - 1.

Whole numbers are called as they are written (1.0 is 1), texts as they are. What a network learns
and a model file holds are k classes, so that a label of 20240131 costs no more than one of 3.
"""

import numpy as np

FEW = 10  # classes that are never too many


def numbered(
    name: str, keys: tuple[str, str], y_train: np.ndarray, y_test: np.ndarray
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Classes of the training and the test labels (count,), int64, and the names of the classes.

    keys: what the arrays are called. Raises ValueError for labels that are measurements, for one of
    the test set that no training example has, and for texts that cannot be printed.

    >>> numbered("mine", ("y_train", "y_test"), np.array([3, 1, 3]), np.array([3]))
    (array([1, 0, 1]), array([1]), ('1', '3'))
    """
    labels, train, counts = np.unique(y_train, return_inverse=True, return_counts=True)
    single = int((counts == 1).sum())
    if len(labels) > FEW and 2 * single >= len(train):
        raise ValueError(
            f"{name}: {single:,} of {len(train):,} labels in {keys[0]} occur once, as measurements"
            " do: a network learns classes, with several examples each; sort them into a few"
        )
    names = tuple(map(str, labels.tolist()))
    for called in names:
        if not called.isprintable() or not called:
            raise ValueError(f"{name}: {keys[0]} has a label {called!r}: give it printable letters")
    others, test = np.unique(y_test, return_inverse=True)
    number = {called: k for k, called in enumerate(names)}
    for called in map(str, others.tolist()):
        if called not in number:
            raise ValueError(
                f"{name}: {keys[1]} has the label {called!r}, which no training example has:"
                f" expected {listed(names)}"
            )
    found = np.array([number[called] for called in map(str, others.tolist())], np.int64)
    return train.reshape(-1).astype(np.int64), found[test.reshape(-1)], names


def aligned(name: str, own: tuple[str, ...], known: tuple[str, ...]) -> np.ndarray:
    """For each class of a data set, by the names of its classes, the class of a model.

    A class is the one of its name. Numbers 0 ... k - 1 are also classes in a model that has names
    of other kinds: CIFAR-10's 3 is "cat". Raises ValueError for a class that the model has not.

    >>> aligned("mine", ("2", "3"), ("1", "2", "3")).tolist()
    [1, 2]
    """
    number = {called: k for k, called in enumerate(known)}
    if not any(map(_is_number, known)) and all(map(_is_number, own)):
        number = {str(k): k for k in range(len(known))}
    if strange := [called for called in own if called not in number]:
        raise ValueError(
            f"data set {name} has the class {strange[0]}, which the network has not learnt:"
            f" expected {listed(tuple(number))}"
        )
    return np.array([number[called] for called in own], np.int64)


def _is_number(called: str) -> bool:
    return called.removeprefix("-").isdecimal()


def listed(names: tuple[str, ...]) -> str:
    """The names, in the middle left out if they are many.

    >>> listed(("a", "b")), listed(tuple(map(str, range(100))))
    ('a, b', '0, 1, 2, 3, 4 ... 99')
    """
    if len(names) <= 8:
        return ", ".join(names)
    return f"{', '.join(names[:5])} ... {names[-1]}"
