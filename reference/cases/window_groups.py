"""The vectors of the Toeplitz hash: small convolutions in full, the edges of a large one."""

from math import prod
from typing import Any

from reference.cases.hash_groups import OF_HASHES, group, spec
from reference.toeplitz import outputs, per_axis


def documents() -> dict[str, dict[str, Any]]:
    """The files of this module by name.

    >>> documents()["toeplitz"]["section"]
    '3. Hashes'
    """
    return {"toeplitz": OF_HASHES | {"groups": toeplitz_groups()}}


def toeplitz_groups() -> list[dict[str, Any]]:
    """Groups of toeplitz.json.

    >>> toeplitz_groups()[0]["buckets"][:4], toeplitz_groups()[0]["signs"][:4]
    ([0, 1, 2, 0], [1, 1, 1, 0])
    """

    def of(catches: str, shape: list[int], kernel: list[int], **options: Any) -> dict[str, Any]:
        found = spec("Toeplitz", shape=shape, kernel=kernel, **options)
        return group(catches, found, range(connections(shape, kernel, **options)))

    plane = spec("Toeplitz", shape=[1, 2**15, 2**15], kernel=[1, 3, 3], padding=1)
    edges = [0, 1, 2**15, 2**30 - 1, 2**30, 2**45 + 2**15, 2**60 - 2**30 - 2, 2**60 - 1]
    return [
        of("a flipped kernel; a Hankel matrix, by the sum of positions", [1, 5], [1, 3]),
        of("height and width exchanged", [1, 3, 4], [1, 2, 3], padding=[0, 1]),
        of("a division that rounds towards 0", [1, 7], [1, 4], stride=2, padding=3),
        of("inputs between the taps", [1, 7], [1, 3], padding=1, dilation=2),
        of("channels of another group", [4, 3], [6, 2], stride=2, groups=2),
        of("channels of a group interleaved", [2, 3], [4, 2], groups=2),
        group("numbers cut to 32 bits", plane, edges),
        of("strides of the two axes exchanged", [1, 4, 5], [1, 2, 2], stride=[1, 2]),
        of("dilations exchanged", [1, 5, 4], [1, 2, 2], dilation=[3, 1]),
        of("the channel last in the bucket", [2, 3, 3], [2, 2, 2]),
        of("outputs counted without the dilation", [1, 6], [1, 2], dilation=4),
        of("stride and dilation above 1 at once", [1, 9], [1, 3], stride=2, dilation=3, padding=2),
        of("paddings exchanged", [1, 2, 4], [1, 3, 2], padding=[1, 0]),
        of("outputs of two kernels counted without the dilation", [1, 6], [2, 2], dilation=4),
    ]


def connections(shape: list[int], kernel: list[int], **options: Any) -> int:
    """How many identifiers there are: outputs times inputs.

    >>> connections([1, 5], [1, 3])
    15
    """
    axes = len(shape) - 1
    s, pad, d = (
        per_axis(options.get(name, default), axes)
        for name, default in (("stride", 1), ("padding", 0), ("dilation", 1))
    )
    out = [outputs(shape[1 + a], kernel[1 + a], s[a], pad[a], d[a]) for a in range(axes)]
    return kernel[0] * prod(out) * prod(shape)
