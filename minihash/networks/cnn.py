"""Room 5: networks beside the ArbNet, under the same hashes.

cnn    for each number of channels: Conv2d 3 x 3, MaxPool2d 2, ELU, BatchNorm2d
       Flatten; for each hidden size and the classes: Dense, ELU, BatchNorm1d

The largest of four comes first, which is the same as last, since ELU never falls, and leaves the
others a quarter to do. Kernels and matrices are virtual weights, numbered one after another as
in the ArbNet: under Identity, the plain network.

Sources: LeCun et al., Proc. IEEE 86 (1998), for its form; hashed kernels: Chang & Lipson, ArbNets,
arXiv 2312.08401, section 2.
"""

import math
from itertools import pairwise

from minihash.checks import check_count
from minihash.hashes import Identity
from minihash.hashes.xxh32 import stream
from minihash.layers import (
    ELU,
    BatchNorm1d,
    BatchNorm2d,
    Conv2d,
    Dense,
    Flatten,
    MaxPool2d,
    Reshape,
)
from minihash.networks.arbnet import make_hash, warn_of_repeats
from minihash.networks.sequential import Sequential
from minihash.weights import VirtualWeight

KERNEL = 3


def cnn(
    shape: tuple[int, ...],
    classes: int,
    channels: tuple[int, ...] = (16, 32),
    hidden: tuple[int, ...] = (200, 200),
    hash: str = "uniform",
    compression: float = 0.1,
    scope: str = "network",
    bias: str = "free",
    seed: int = 0,
    **options: object,
) -> Sequential:
    """A convolutional network that takes rows of pixels.

    shape: of an image, (height, width) or (channels, height, width). channels: of each convolution;
    each halves height and width. hidden: sizes of the dense layers before the last. hash ...
    options: as for `arbnet`, of kernels, matrices and hashed biases.
    Raises TypeError or ValueError for anything else; warns where rows of a matrix repeat.

    >>> net = cnn((28, 28), 10, hash="identity")
    >>> [w.shape for w in net.weights() if w.table == "table"]
    [(16, 1, 3, 3), (32, 16, 3, 3), (200, 1568), (200, 200), (10, 200)]
    """
    if not isinstance(shape, (tuple, list)) or len(shape) not in (2, 3):
        raise ValueError(
            f"a cnn takes images, (height, width) or (channels, height, width), got examples of "
            f"shape {shape}; use a data set of images, or the model mlp"
        )
    image = tuple(check_count("each size of an image", size, 1, 2**31 - 1) for size in shape)
    image = (1,) * (3 - len(image)) + image
    size = [side >> len(channels) for side in image[1:]]
    if not channels or min(size) < 1:
        raise ValueError(
            f"channels must be 1 or more numbers, each of which halves the {image[1]} x {image[2]} "
            f"pixels of an image, got {tuple(channels)}; try (16, 32)"
        )
    widths = (channels[-1] * math.prod(size), *hidden, classes)
    shapes = [(o, i, KERNEL, KERNEL) for i, o in pairwise((image[0], *channels))]
    shapes += [(fan_out, fan_in) for fan_in, fan_out in pairwise(widths)]
    build: list = [Reshape(image)]
    for k, (weight, vector) in enumerate(
        _weights(shapes, hash, compression, scope, bias, seed, options), 1
    ):
        if len(weight.shape) == 4:
            layers = Conv2d(weight, vector, padding=KERNEL // 2), MaxPool2d(2), ELU()
            build += [*layers, BatchNorm2d(f"norm{k}", weight.shape[0])]
        else:
            build += [Flatten()] if k == len(channels) + 1 else []
            build += [Dense(weight, vector), ELU(), BatchNorm1d(f"norm{k}", weight.shape[0])]
    return Sequential(tuple(build))


def _weights(
    shapes: list[tuple[int, ...]],
    hash: str,
    compression: float,
    scope: str,
    bias: str,
    seed: int,
    options: dict[str, object],
) -> list[tuple[VirtualWeight, VirtualWeight | None]]:
    """The weight and the bias of each layer, numbered as `arbnet` does."""
    for shape in shapes:
        for size in shape:
            check_count("each size of a layer", size, 1, 2**31 - 1)
    seed = check_count("seed", seed, 0, 2**32 - 1)
    if scope not in ("network", "layer"):
        raise ValueError(f'scope must be "network" or "layer", got {scope!r}')
    if bias not in ("free", "hashed", "none"):
        raise ValueError(f'bias must be "free", "hashed" or "none", got {bias!r}')
    count = sum(math.prod(shape) + (shape[0] if bias == "hashed" else 0) for shape in shapes)
    shared = make_hash(hash, compression, count, seed, options) if scope == "network" else None
    pairs, first_id = [], 0
    for k, shape in enumerate(shapes, 1):
        name = f"{'conv' if len(shape) == 4 else 'dense'}{k}"
        fan_out, fan_in = shape[0], math.prod(shape[1:])
        if shared is not None:
            weight = VirtualWeight(shape, shared, "table", first_id)
            first_id += weight.size
        else:
            salt = int(stream(seed, name))
            rule = make_hash(hash, compression, fan_out * fan_in, salt, options, fan_out, fan_in)
            weight = VirtualWeight(shape, rule, f"{name}.weight")
        vector = None
        if bias == "hashed" and shared is not None:
            vector = VirtualWeight((fan_out,), shared, "table", first_id)
            first_id += fan_out
        elif bias == "hashed":
            salt = int(stream(salt, "bias"))
            rule = make_hash(hash, compression, fan_out, salt, options, fan_out, 1, "B")
            vector = VirtualWeight((fan_out,), rule, f"{name}.bias")
        elif bias == "free":
            vector = VirtualWeight((fan_out,), Identity(fan_out), f"{name}.bias")
        if len(shape) == 2:
            warn_of_repeats(name, weight)
        pairs.append((weight, vector))
    return pairs
