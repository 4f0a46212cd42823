"""Seeded beginnings and orders: initial tables, the order of the examples, their batches."""

from math import sqrt

from reference.streams import h, stream, u


def initial_bound(shapes: list[tuple[int, int]]) -> float:
    """The bound of a table that virtual matrices of these shapes (fan_out, fan_in) read.

    bound = sqrt(sum fan_out / sum (fan_out fan_in)), which is 1 / sqrt(fan_in) for a single matrix
    (HashedNets); 0 for a table that biases alone read.

    >>> initial_bound([(10, 784)]) == 1 / 28
    True
    """
    size = sum(fan_out * fan_in for fan_out, fan_in in shapes)
    return sqrt(sum(fan_out for fan_out, _ in shapes) / size) if shapes else 0.0


def initial_table(name: str, entries: int, bound: float, seed: int) -> list[float]:
    """table[k] = bound (2 u(stream(seed, "init/" name), k) - 1), uniform over (-bound, bound).

    A float32 table holds these numbers, each rounded once.

    >>> all(abs(entry) < 0.5 for entry in initial_table("table", 10, 0.5, seed=0))
    True
    """
    words = stream(seed, "init/" + name)
    return [bound * (2 * u(words, k) - 1) for k in range(entries)]


def epoch_order(count: int, epoch: int, seed: int) -> list[int]:
    """The order of examples 0 ... count - 1 in an epoch: by increasing word.

    word of example i = h(stream(seed, "epoch"), i + 2^32 epoch)

    The words of one epoch are all different (see reference/streams.py), so how a sort breaks ties
    does not matter.

    >>> sorted(epoch_order(5, epoch=1, seed=0))
    [0, 1, 2, 3, 4]
    """
    words = stream(seed, "epoch")
    return sorted(range(count), key=lambda i: h(words, i + 2**32 * epoch))


def batches(order: list[int], batch_size: int) -> list[list[int]]:
    """Consecutive slices of an order; the last one may be short.

    An example that would be left alone joins the batch before: a batch of one has no variance.

    >>> batches([2, 0, 1, 4, 3], 3), batches([2, 0, 1], 2)
    ([[2, 0, 1], [4, 3]], [[2, 0, 1]])
    """
    slices = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    if len(slices) > 1 and len(slices[-1]) == 1:
        slices[-2:] = [slices[-2] + slices[-1]]
    return slices
