"""Test examples of a set that names none: a fifth of each class, the same ones each time.

Of a class of n examples, those floor(n / 5) whose numbers have the lowest hashes.
"""

import numpy as np

from minihash.hashes.xxh32 import stream, xxh32


def fifth(labels: np.ndarray, name: str) -> np.ndarray:
    """Which examples are held out to test: bool (examples,). name: of what they are from.

    Raises ValueError if no class has five examples.

    >>> fifth(np.array(["a"] * 5 + ["b"] * 4), "mine").tolist()
    [False, False, True, False, False, False, False, False, False]
    """
    order = np.argsort(xxh32(np.arange(len(labels), dtype=np.uint64), stream(0, "test")))
    _, of, counts = np.unique(labels, return_inverse=True, return_counts=True)
    order = order[np.argsort(of[order], kind="stable")]  # class by class
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    held = np.zeros(len(labels), bool)
    held[order] = rank < np.repeat(counts // 5, counts)
    if not held.any():
        raise ValueError(
            f"{name} has no class of five examples, of which one could be held out to test: give"
            " more"
        )
    return held
