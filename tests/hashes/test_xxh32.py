"""XXH32 against its official values and the `xxhash` package, in both readings, NumPy and Numba."""

import struct

import numpy as np
import pytest
import xxhash
from hypothesis import example, given
from hypothesis import strategies as st

from minihash.compile.body import compiled
from minihash.hashes.xxh32 import U32, U64, scale, stream, unit, xxh32, xxh32_bytes, xxh32_columns
from tests.support.hash_strategies import EDGES, identifiers, seeds

PRIME = 2654435761


def sanity_buffer(length: int) -> bytes:
    """The buffer of the specification's test values."""
    generator, data = PRIME, bytearray()
    for _ in range(length):
        data.append(generator >> 56)
        generator = generator * 11400714785074694797 % 2**64
    return bytes(data)


def official(i: int, seed: int) -> int:
    return xxhash.xxh32_intdigest(struct.pack("<Q", i), seed)


@pytest.fixture(scope="module")
def njit_xxh32():
    """xxh32 over an array of identifiers, read by njit one scalar at a time."""
    numba = pytest.importorskip("numba")
    h = compiled(xxh32, numba.njit)

    @numba.njit
    def over(ids, seed):
        out = np.empty(ids.size, np.uint64)  # wide, so that a result that has not wrapped shows
        for k in range(ids.size):
            out[k] = h(ids[k], seed)
        return out

    return over


@pytest.mark.parametrize(
    ("length", "seed", "value"),
    [
        (0, 0, 0x02CC5D05),
        (1, 0, 0xCF65B03E),
        (14, 0, 0x1208E7E2),
        (222, 0, 0x5BD11DBD),
        (0, PRIME, 0x36B78AE7),
        (1, PRIME, 0xB4545AA4),
        (14, PRIME, 0x6AF1D1FE),
        (222, PRIME, 0x58803C5F),
    ],
)
def test_official_sanity_values(length, seed, value):
    assert xxh32_bytes(sanity_buffer(length), seed) == value


@given(st.binary(max_size=70), seeds)
def test_bytes_equal_the_package(data, seed):
    assert xxh32_bytes(data, seed) == xxhash.xxh32_intdigest(data, seed)


@given(st.integers(0, 40), st.integers(0, 5), seeds, st.randoms(use_true_random=False))
def test_columns_equal_the_package(length, count, seed, random):
    strings = [random.randbytes(length) for _ in range(count)]
    columns = np.frombuffer(b"".join(strings), np.uint8).reshape(count, length).T
    assert xxh32_columns(columns, seed).tolist() == [
        xxhash.xxh32_intdigest(s, seed) for s in strings
    ]


@given(st.lists(identifiers, min_size=1, max_size=30), seeds)
@example(EDGES, 0)
@example(EDGES, 2**32 - 1)
def test_identifiers_equal_the_package_in_both_readings(njit_xxh32, ids, seed):
    expected = [official(i, seed) for i in ids]
    array = np.array(ids, np.uint64)
    assert xxh32(array, U32(seed)).dtype == np.uint32
    assert xxh32(array, U32(seed)).tolist() == expected
    assert njit_xxh32(array, U32(seed)).tolist() == expected


@pytest.mark.parametrize("around", [2**8, 2**16, 2**31, 2**32, 2**33, 2**48, 2**53, 2**63, 2**64])
def test_runs_across_word_boundaries_in_both_readings(njit_xxh32, around):
    ids = [i for i in range(around - 40, around + 40) if i < 2**64]
    expected = [official(i, 1691) for i in ids]
    array = np.array(ids, np.uint64)
    assert xxh32(array, U32(1691)).tolist() == expected
    assert njit_xxh32(array, U32(1691)).tolist() == expected


@given(st.integers(0, 2**32 - 1), st.integers(1, 2**32 - 1))
@example(2**32 - 1, 2**32 - 1)
def test_scale_is_the_exact_floor(word, n):
    assert int(scale(np.array([word], np.uint32), U64(n))[0]) == word * n // 2**32


@given(identifiers, seeds)
def test_unit_is_exact(i, seed):
    u = float(unit(np.array([i], np.uint64), U32(seed))[0])
    assert u * 2**33 == 2 * official(i, seed) + 1  # every number here is exact
    assert 0 < u < 1


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30), seeds)
def test_a_stream_is_the_hash_of_its_name(name, seed):
    assert int(stream(seed, name)) == xxhash.xxh32_intdigest(name.encode("ascii"), seed)


def test_two_seeds_are_one_sequence_shifted_and_streams_are_not():
    """Why there are streams: over 8 bytes, seed + PRIME3 is the next identifier."""
    ids = np.arange(2**16, dtype=np.uint64)
    other = U32(7 + 0xC2B2AE3D)
    np.testing.assert_array_equal(xxh32(ids, other), xxh32(ids + U64(1), U32(7)))
    for name in ("bucket", "sign", "coin", "gamma"):
        one, next_ = stream(int(other), name), stream(7, name)
        assert (xxh32(ids, one) == xxh32(ids + U64(1), next_)).mean() < 0.01


def test_streams_are_not_near_shifts_of_each_other():
    """Any two seeds are shifts by (s1 - s2) / PRIME3 mod 2^32. Over many streams those shifts must
    look random: within 2^20 of 0, 1 in 2048; k of N is bounded by Chernoff at 1e-9."""
    names = ["bucket", "sign", "coin", "gamma"]
    inverse = pow(0xC2B2AE3D, -1, 2**32)
    near = total = 0
    for seed in range(400):
        starts = [int(stream(seed, name)) for name in names]
        starts += [int(stream(seed + 1, name)) for name in names]
        for a in range(len(starts)):
            for b in range(a):
                shift = (starts[a] - starts[b]) * inverse % 2**32
                near += min(shift, 2**32 - shift) < 2**20
                total += 1
    mean = total / 2048
    assert near < mean + (2 * mean * 20.8) ** 0.5 + 20.8  # exp(-20.8) < 1e-9, Bernstein's form
