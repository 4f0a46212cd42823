"""Room 5: a convolutional network under the hashes of the ArbNet.

    for each number of channels                  Conv2d 3 x 3, MaxPool2d 2, ELU, BatchNorm2d
    then                                         Flatten
    for each hidden size, and the classes        Dense, ELU, BatchNorm1d, as in the ArbNet

ELU never falls, nor does another activation, so that MaxPool2d may come before it as well as after.
Before it, ELU has a quarter of the entries to do. Kernels and matrices are virtual weights,
numbered as in the ArbNet; under Identity it is the plain network.

LeNet-5 as it is compared today has channels (20, 50), hidden (500,), kernel 5, padding 0, ReLU and
no normalisation.

Sources: LeCun et al., Proc. IEEE 86 (1998), for its form; hashed kernels: Chang & Lipson, ArbNets,
arXiv 2312.08401, section 2.
"""

import math
from fractions import Fraction
from itertools import pairwise

from minihash.checks import check_count
from minihash.layers import (
    ELU,
    BatchNorm2d,
    Conv2d,
    Dense,
    Flatten,
    MaxPool2d,
    Reshape,
)
from minihash.layers.layer import Layer
from minihash.networks.arbnet import after_dense
from minihash.networks.numbering import numbered, warn_of_repeats
from minihash.networks.sequential import Sequential


def cnn(
    shape: tuple[int, ...],
    classes: int,
    channels: tuple[int, ...] = (16, 32),
    hidden: tuple[int, ...] = (200, 200),
    hash: str = "uniform",
    compression: float | Fraction = 0.1,
    scope: str = "network",
    bias: str = "free",
    seed: int = 0,
    activation: Layer = ELU(),  # noqa: B008 (frozen)
    norm: str = "batch",
    dropout: float = 0.0,
    kernel: int = 3,
    padding: int | None = None,
    **options: object,
) -> Sequential:
    """A convolutional network that takes rows of pixels.

    shape: of an image, (height, width) or (channels, height, width). channels: of each convolution;
    each halves height and width. hidden: sizes of the dense layers before the last. hash ...
    dropout, options: as for `arbnet`, of kernels, matrices and hashed biases; norm of convolutions
    too, dropout of the hidden dense layers. kernel: its side. padding: zeros around an image; None
    keeps the size under an odd kernel.
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
    check_count("kernel", kernel, 1, 2**31 - 1)
    padding = kernel // 2 if padding is None else check_count("padding", padding, 0, kernel - 1)
    size = list(image[1:])
    for _ in channels:
        size = [(side + 2 * padding - kernel + 1) // 2 for side in size]
    if not channels or min(size) < 1:
        raise ValueError(
            f"channels must be 1 or more numbers; each halves the {image[1]} x {image[2]} pixels "
            f"of an image, less what a kernel of {kernel} with padding {padding} takes, and 1 x 1 "
            f"must be left, got {tuple(channels)}; try (16, 32)"
        )
    widths = (channels[-1] * math.prod(size), *hidden, classes)
    shapes: dict[str, tuple[int, ...]] = {
        f"conv{k}": (o, i, kernel, kernel)
        for k, (i, o) in enumerate(pairwise((image[0], *channels)), 1)
    }
    for k, (fan_in, fan_out) in enumerate(pairwise(widths), len(channels) + 1):
        shapes[f"dense{k}"] = fan_out, fan_in
    pairs = numbered(shapes, hash, compression, scope, bias, seed, options)
    layers: list = [Reshape(image)]
    for k, (name, (weight, vector)) in enumerate(zip(shapes, pairs, strict=True), 1):
        fan_out = weight.shape[0]
        if k <= len(channels):
            layers += [Conv2d(weight, vector, padding=padding), MaxPool2d(2), activation]
            layers += [BatchNorm2d(f"norm{k}", fan_out)] if norm == "batch" else []
        else:
            warn_of_repeats(name, weight)
            layers += [Flatten()] if k == len(channels) + 1 else []
            last = k == len(shapes)
            after = after_dense(k, fan_out, last, activation, norm, dropout, seed)
            layers += [Dense(weight, vector), *after]
    return Sequential(tuple(layers))
