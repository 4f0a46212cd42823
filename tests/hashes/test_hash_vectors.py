"""The known-answer vectors of `reference/vectors`, in the NumPy and in the Numba reading.

Each vector names the bug that it catches.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from minihash.hashes import Compose, Modulus
from minihash.hashes.dirichlet import alias_table
from minihash.hashes.xxh32 import U32, stream, unit, xxh32, xxh32_bytes
from tests.support.hash_strategies import build, numba_reading

VECTORS = Path(__file__).resolve().parents[2] / "reference" / "vectors"


def groups(file: str) -> list[dict]:
    return json.loads((VECTORS / file).read_text("utf-8"))["groups"]


HASH_GROUPS = [
    (f"{path.stem}-{k}", group)
    for path in sorted(VECTORS.glob("*.json"))
    for k, group in enumerate(json.loads(path.read_text("utf-8"))["groups"])
    if "hash" in group and "buckets" in group
]


@pytest.mark.parametrize("group", [g for _, g in HASH_GROUPS], ids=[n for n, _ in HASH_GROUPS])
def test_vectors_in_the_numpy_reading(group):
    hash_ = build(group["hash"])
    ids = [int(i) for i in group["identifiers"]]
    assert hash_.bucket(ids).tolist() == group["buckets"], group["catches"]
    assert hash_.sign(ids).tolist() == group["signs"], group["catches"]


@pytest.mark.parametrize("group", [g for _, g in HASH_GROUPS], ids=[n for n, _ in HASH_GROUPS])
def test_vectors_in_the_numba_reading(group):
    pytest.importorskip("numba")
    hash_ = build(group["hash"])
    if hash_.buckets > 10**6:
        hash_, group = same_with_a_small_table(hash_, group)
    for i, bucket, sign in zip(group["identifiers"], group["buckets"], group["signs"], strict=True):
        buckets, signs = numba_reading(hash_, int(i), 1)
        if sign:  # a gather shows no bucket where there is no connection
            assert buckets[0] == bucket, group["catches"]
        assert signs[0] == sign, group["catches"]


def same_with_a_small_table(hash_, group):
    """A huge table cannot be gathered from: the buckets of it, folded by a modulus."""
    small = Compose(hash_, Modulus(997))
    return small, {**group, "buckets": [b % 997 for b in group["buckets"]]}


@pytest.mark.parametrize("group", [g for g in groups("dirichlet.json") if "weights" in g])
def test_vectors_of_the_dirichlet_tables(group):
    hash_ = build(group["hash"])
    weights = hash_.weights()
    threshold, alias = alias_table(weights)
    assert weights.tolist() == group["weights"], group["catches"]
    assert threshold.tolist() == group["threshold"], group["catches"]
    assert alias.tolist() == group["alias"], group["catches"]


@pytest.mark.parametrize("group", groups("xxh32.json"), ids=lambda g: g["catches"])
def test_vectors_of_xxh32(group):
    seed = group["seed"]
    if "bytes" in group:
        hashes = [xxh32_bytes(bytes.fromhex(data), seed) for data in group["bytes"]]
    else:
        ids = np.array([int(i) for i in group["identifiers"]], np.uint64)
        hashes = xxh32(ids, U32(seed)).tolist()
    assert hashes == group["hashes"], group["catches"]


@pytest.mark.parametrize("group", groups("streams.json"), ids=lambda g: g["catches"])
def test_vectors_of_streams(group):
    seed = group.get("seed", 0)
    if "streams" in group:
        assert [int(stream(seed, name)) for name in group["names"]] == group["streams"]
    if "uniforms" in group:
        ids = np.array([int(i) for i in group["identifiers"]], np.uint64)
        assert unit(ids, U32(seed)).tolist() == group["uniforms"]
    if "signs" in group:
        ids = [int(i) for i in group["identifiers"]]
        assert Modulus(7, seed, signed=True).sign(ids).tolist() == group["signs"]
