"""What a generated weight is worth beside a hashed table of as many numbers.

    python -m benchmarks.sources kernel [--seeds N] [--epochs N] [--data-dir DIR]
    python -m benchmarks.sources words  [--seeds N] [--epochs N] [--data-dir DIR]

kernel: MNIST, two convolutions of 7 x 7 and 16 channels, ReLU and pooling after each, and a dense
layer (Ha, Dai & Le, HyperNetworks, A.3.1, without augmentation). The second kernel, 12,544 numbers,
is free, made of 4,244 numbers by a static hypernetwork, or read out of a table of 4,244.

words: Tiny Shakespeare as words. The next word, one of the 1,000 most frequent or another, from the
four before it: embedding, 128 hidden units, softmax. The embedding is free, or a twentieth of it:
its rows under one hash or the sum under two, quotient and remainder, or each number hashed alone.

Verified first, in float64: the gradient of each weight along a random direction is that of finite
differences. Then a line for each side and seed as it ends, and the means at last.
"""

import argparse
import math
import re
import time
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path

import numpy as np

from minihash import core
from minihash.data import load
from minihash.hashes import Identity, Uniform
from minihash.layers import Conv2d, Dense, Embedding, Flatten, MaxPool2d, ReLU, Reshape
from minihash.networks.numbering import free
from minihash.networks.sequential import Sequential
from minihash.sources import (
    Hypernetwork,
    Rows,
    Weight,
    hash_embedding,
    quotient_remainder,
    source_of,
)
from minihash.training import Training, evaluate, start, steps
from minihash.training.optimisers import Adam
from minihash.training.schedules import Constant, Decay
from minihash.weights import VirtualWeight

CONTEXT, WIDTH, HIDDEN, TARGETS = 4, 32, 128, 1000


def verify(weight: Weight) -> None:
    """<dV, the change of V along a direction> is <the gradients, the direction>."""
    source, rng = source_of(weight), np.random.default_rng(0)
    tables = {w.table: w.hash.buckets for w in source.weights()}
    at, way = ({n: rng.standard_normal(size) for n, size in tables.items()} for _ in range(2))
    dV, h = rng.standard_normal(source.shape), 1e-5
    both = [{name: at[name] + sign * h * way[name] for name in at} for sign in (1, -1)]
    up, down = (source.gather(params, dV.dtype) for params in both)
    found = sum((grad * way[name]).sum() for name, grad in source.scatter_add(at, dV).items())
    expected = (dV * (up - down)).sum() / (2 * h)
    assert abs(found - expected) <= 1e-6 * np.linalg.norm(dV) * np.linalg.norm(up), weight


def plain(shape: tuple[int, ...], table: str) -> VirtualWeight:
    return VirtualWeight(shape, Identity(math.prod(shape)), table)


def convnet(kernel: Weight) -> Sequential:
    first = Conv2d(plain((16, 1, 7, 7), "conv1"), free(16, "conv1.bias"), padding=3)
    second = Conv2d(kernel, free(16, "conv2.bias"), padding=3)
    dense = Dense(plain((10, 784), "dense"), free(10, "dense.bias"))
    pooled = ReLU(), MaxPool2d(2)
    return Sequential((Reshape((1, 28, 28)), first, *pooled, second, *pooled, Flatten(), dense))


def kernels(seed: int) -> dict[str, Weight]:
    shape, numbers = (16, 16, 7, 7), 4244
    return {
        "free, 12,544": plain(shape, "kernel"),
        "hypernetwork, 4,244": Hypernetwork.plain("kernel", shape, embedding=4),
        "hashed, 4,244": VirtualWeight(shape, Uniform(numbers, seed, signed=True), "kernel"),
    }


def ngrams(network_of: Weight) -> Sequential:
    hidden = Dense(plain((HIDDEN, CONTEXT * WIDTH), "hidden"), free(HIDDEN, "hidden.bias"))
    output = Dense(plain((TARGETS + 1, HIDDEN), "output"), free(TARGETS + 1, "output.bias"))
    return Sequential((Embedding(network_of), Flatten(), hidden, ReLU(), output))


def embeddings(seed: int, count: int) -> dict[str, Weight]:
    """A free one, and those of a twentieth of its numbers (quotient and remainder: the nearest)."""
    shape, rows = (count, WIDTH), -(-count // 20)
    E = plain((rows, WIDTH), "E")
    divisor = int(rows / 2 + math.sqrt(rows**2 / 4 - count))  # divisor + count / divisor = rows
    return {
        "free": plain(shape, "E"),
        "rows, one hash": Rows(E, Uniform(rows, seed), count),
        "rows, two hashes": hash_embedding("E", shape, rows, 2, seed),
        "rows, three hashes": hash_embedding("E", shape, rows, 3, seed),
        "quotient and remainder": quotient_remainder("E", shape, divisor),
        "each number, one hash": VirtualWeight(shape, Uniform(rows * WIDTH, seed, True), "E"),
    }


def words(folder: Path) -> tuple[np.ndarray, np.ndarray, int]:
    """The text as tokens (n,), each word's number by its frequency; the targets; how many words."""
    text = next(folder.rglob("tinyshakespeare.txt")).read_text("utf-8")
    found = re.findall(r"[a-z']+|[^\sa-z']", text.lower())
    order = {word: k for k, (word, _) in enumerate(Counter(found).most_common())}
    shuffled = np.random.default_rng(0).permutation(len(order))  # frequency is no part of a hash
    tokens = np.array([order[word] for word in found])
    return shuffled[tokens], np.minimum(tokens, TARGETS), len(order)


def learn(
    network: Sequential,
    phases: list[Training],
    data: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    to_input: Callable,
) -> tuple[float, float]:
    """The loss and the error in percent on the test data, after trainings one upon another."""
    x, y, x_test, y_test = data
    state = start(network, phases[0])
    for training in phases:
        ((state, _),) = deque(steps(network, training, state, x, y, to_input), maxlen=1)
    found = evaluate(network, state.params, x_test, y_test, to_input)
    return found.loss, 100 * (1 - found.accuracy)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("kernel", "words"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--data-dir", default="data")
    options = parser.parse_args()
    if options.what == "kernel":
        mnist = load("mnist", options.data_dir)
        data = mnist.x_train, mnist.y_train, mnist.x_test, mnist.y_test
        sides, network_of, to_input = kernels, convnet, mnist.standardiser()

        def phases(epochs: int, seed: int) -> list[Training]:
            """Adam, its rate a fifth in the last epoch."""
            pairs = (epochs - 1, 1e-3), (epochs, 2e-4)
            return [Training(n, 200, rate, Adam(), Constant(), seed) for n, rate in pairs if n]
    else:
        tokens, targets, count = words(Path(options.data_dir))
        x = np.lib.stride_tricks.sliding_window_view(tokens, CONTEXT)[:-1]
        y, cut = targets[CONTEXT:], len(x) * 9 // 10
        data = x[:cut], y[:cut], x[cut:], y[cut:]
        sides, network_of = (lambda seed: embeddings(seed, count)), ngrams

        def phases(epochs: int, seed: int) -> list[Training]:
            """Adam, its rate falling to a fifth in the end."""
            falls = Decay(4 / (epochs * len(data[0]) / 100))
            return [Training(epochs, 100, 1e-3, Adam(), falls, seed)]

        def to_input(x: np.ndarray, dtype: type) -> np.ndarray:
            return x

    for weight in sides(0).values():
        with core.use("numpy"):
            verify(weight)
    results: dict[str, list] = {}
    for seed in range(options.seeds):
        for name, weight in sides(seed).items():
            began = time.perf_counter()
            found = learn(network_of(weight), phases(options.epochs, seed), data, to_input)
            results.setdefault(name, []).append(found)
            numbers = sum({w.table: w.hash.buckets for w in source_of(weight).weights()}.values())
            print(
                f"{name:24} {numbers:9,} numbers, seed {seed}: loss {found[0]:.4f}, error "
                f"{found[1]:.2f} %, {time.perf_counter() - began:.0f} s",
                flush=True,
            )
    for name, rounds in results.items():
        losses, errors = zip(*rounds, strict=True)
        print(
            f"{name:24} loss {np.mean(losses):.4f} (perplexity {math.exp(np.mean(losses)):.1f}), "
            f"error {np.mean(errors):.2f} % over {len(rounds)} seeds"
        )


if __name__ == "__main__":
    main()
