"""The numbers that cases are made of, as pure functions of a seed, and virtual weights as loops."""

from math import prod
from typing import Any

import numpy as np

from reference.data import float32
from reference.hashes import from_spec
from reference.streams import h, scale, u
from reference.views import gather_view, identifier

U32, U64 = 2.0**-24, 2.0**-53  # unit roundoffs
Json = dict[str, Any]


def whole(shape: tuple[int, ...], seed: int, most: int = 3) -> np.ndarray:
    """Integers from -most to most, as floats.

    >>> whole((2, 2), 1)
    array([[ 2., -1.],
           [ 3., -2.]])
    """
    words = [scale(h(seed, i), 2 * most + 1) - most for i in range(prod(shape))]
    return np.array(words, np.float64).reshape(shape)


def real(shape: tuple[int, ...], seed: int, size: float = 1.0) -> np.ndarray:
    """Numbers from -size to size that are in float32, as float64.

    >>> bool((abs(real((50,), 1)) < 1).all())
    True
    """
    drawn = [float32(size * (2 * u(seed, i) - 1)) for i in range(prod(shape))]
    return np.array(drawn).reshape(shape)


def weight(shape: tuple[int, ...], hash: Json, first_id: int = 0, table: str = "table") -> Json:
    """A virtual weight, as files have it (section 29).

    >>> weight((2, 3), {"type": "Modulus", "buckets": 4})["transposed"]
    False
    """
    found = {"type": "VirtualWeight", "shape": list(shape), "hash": hash, "table": table}
    return found | {"first_id": first_id, "transposed": False}


def free(shape: tuple[int, ...], table: str) -> Json:
    """A virtual weight whose entries are its own.

    >>> free((3,), "b")["hash"]
    {'type': 'Identity', 'buckets': 3}
    """
    return weight(shape, {"type": "Identity", "buckets": prod(shape)}, 0, table)


def transposed(w: Json) -> Json:
    """Its view V^T.

    >>> transposed(free((2, 3), "w"))["shape"]
    [3, 2]
    """
    return w | {"shape": w["shape"][::-1], "transposed": not w["transposed"]}


def buckets(w: Json) -> int:
    """The size of its table.

    >>> buckets(free((2, 3), "w"))
    6
    """
    hash = w["hash"]
    if hash["type"] == "Compose":
        return buckets({"hash": hash["outer"]})
    return hash["buckets"] if "buckets" in hash else prod(hash["kernel"]) * hash["shape"][0]


def virtual(w: Json, table: np.ndarray) -> np.ndarray:
    """V.

    >>> virtual(free((1, 2), "w"), np.array([5.0, 7.0]))
    array([[5., 7.]])
    """
    place = w["first_id"], w["transposed"]
    return gather_view(table, from_spec(w["hash"]), tuple(w["shape"]), *place)


def places(w: Json) -> tuple[np.ndarray, np.ndarray]:
    """(bucket, sign) of every entry: integers of the weight's shape.

    >>> places(free((3,), "w"))[0]
    array([0, 1, 2])
    """
    shape, rule = tuple(w["shape"]), from_spec(w["hash"])
    index, sign = np.zeros(shape, int), np.zeros(shape, int)
    for at in np.ndindex(*shape):
        index[at], sign[at] = rule(identifier(at, shape, w["first_id"], w["transposed"]))
    return index, sign


def lists(values: Any) -> Any:
    """Arrays as nested lists; a whole number without a fraction stays a float in JSON.

    >>> lists({"y": np.array([1.0, 2.5])})
    {'y': [1.0, 2.5]}
    """
    if isinstance(values, dict):
        return {name: lists(entry) for name, entry in values.items()}
    if isinstance(values, list):
        return [lists(entry) for entry in values]
    return np.asarray(values).tolist() if isinstance(values, np.ndarray | np.generic) else values


def balls(found: dict[str, Any]) -> Json:
    """Answers and bounds of balls by name: {"y": ..., "within": {"y": ...}}; bounds rounded up."""
    answers = {name: lists(ball.mid) for name, ball in found.items()}
    bounds = {name: lists(_up(ball.rad)) for name, ball in found.items()}
    return answers | {"within": bounds}


def _up(radii: np.ndarray) -> np.ndarray:
    """Two digits, upwards."""
    assert np.isfinite(radii).all(), "a bound that says nothing"
    with np.errstate(divide="ignore"):
        unit = 10.0 ** (np.floor(np.log10(radii)) - 1)
    return np.where(
        radii > 0, np.array(np.char.mod("%.2g", np.ceil(radii / unit + 0.01) * unit), float), 0
    )
