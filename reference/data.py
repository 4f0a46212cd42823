"""From stored numbers and characters to what a network reads."""

import struct
from math import sqrt

from reference.streams import h, stream


def byte_moments(rows: list[list[int]], groups: int, peak: int = 255) -> tuple[list, list]:
    """(mean, std) of each group of bytes, in units of peak, from sums of integers.

    mean = S1 / n / peak;  std = sqrt(n S2 - S1^2) / n / peak, or 1 where the deviation is at most
    4 ulp of the mean. Groups are equal parts of a row, one after another.

    >>> byte_moments([[0, 255, 7, 7]], 2)
    ([0.5, 0.027450980392156862], [0.5, 1.0])
    """
    width, means, stds = len(rows[0]) // groups, [], []
    for c in range(groups):
        values = [v for row in rows for v in row[c * width : (c + 1) * width]]
        n, s1, s2 = len(values), sum(values), sum(v * v for v in values)
        mean, deviation = s1 / n, sqrt(n * s2 - s1 * s1) / n
        means.append(mean / peak)
        stds.append(deviation / peak if deviation > 4 * 2.0**-52 * abs(mean) else 1.0)
    return means, stds


def float32(x: float) -> float:
    """x rounded to float32.

    >>> float32(0.1)
    0.10000000149011612
    """
    return struct.unpack("<f", struct.pack("<f", x))[0]


def standardise(
    row: list[int], mean: list[float], std: list[float], peak: float = 255.0
) -> list[float]:
    """(v - peak mean_c) / (peak std_c) of bytes, each operation rounded to float32.

    Other numbers are centred and divided in float64, and rounded once in the end.

    >>> standardise([0, 255], [0.5], [0.25])
    [-2.0, 2.0]
    """
    width, found = len(row) // len(mean), []
    for k, v in enumerate(row):
        c = k // width
        centred = float32(v - float32(mean[c] * peak))
        found.append(float32(centred / float32(std[c] * peak)))
    return found


def held_out_to_test(labels: list, count: int = 5) -> list[int]:
    """Of data without a test set: of each class of n, the floor(n / 5) of least word.

    word of example i = h(stream(0, "test"), i)

    >>> held_out_to_test(["a"] * 5 + ["b"] * 4)
    [2]
    """
    words = stream(0, "test")
    held = []
    for name in set(labels):
        own = [i for i, label in enumerate(labels) if label == name]
        held += sorted(own, key=lambda i: h(words, i))[: len(own) // count]
    return sorted(held)


def vocabulary(text: str | bytes) -> list:
    """Its different characters by code point, or its bytes; a token is a position in it.

    >>> vocabulary("banana")
    ['a', 'b', 'n']
    """
    return sorted(set(text))


def text_parts(text: str | bytes) -> tuple[list[int], list[int]]:
    """(tokens to train on, tokens to test on): the first floor(9 n / 10), and the rest.

    >>> text_parts("banana")
    ([1, 0, 2, 0, 2], [0])
    """
    kinds = vocabulary(text)
    tokens = [kinds.index(character) for character in text]
    return tokens[: 9 * len(text) // 10], tokens[9 * len(text) // 10 :]


def streams(tokens: list[int], batch: int) -> tuple[list[list[int]], list[list[int]]]:
    """(inputs, targets): the text cut into `batch` streams side by side, of floor((n - 1) / batch)
    tokens; a target is the token after its input. What is left over at the end is not read.

    >>> streams([0, 1, 2, 3, 4, 5], 2)
    ([[0, 1], [2, 3]], [[1, 2], [3, 4]])
    """
    each = (len(tokens) - 1) // batch
    starts = [b * each for b in range(batch)]
    inputs = [tokens[s : s + each] for s in starts]
    return inputs, [tokens[s + 1 : s + 1 + each] for s in starts]
