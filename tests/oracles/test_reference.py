"""The oracles of randomness: XXH32, streams, hashes, balance, seeded draws."""

import math
from fractions import Fraction

import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reference import balance, hashes, layers, streams, training, xxh32

uint32 = st.integers(0, 2**32 - 1)
uint64 = st.integers(0, 2**64 - 1)


@pytest.mark.parametrize(
    ("length", "plain", "seeded"),
    [
        (0, 0x02CC5D05, 0x36B78AE7),
        (1, 0xCF65B03E, 0xB4545AA4),
        (14, 0x1208E7E2, 0x6AF1D1FE),
        (222, 0x5BD11DBD, 0x58803C5F),
    ],
)
def test_xxh32_equals_the_official_sanity_values(length, plain, seeded):
    data = xxh32.sanity_buffer(length)
    assert (xxh32.xxh32(data, 0), xxh32.xxh32(data, 2654435761)) == (plain, seeded)


@given(st.binary(max_size=100), uint32)
def test_xxh32_equals_the_xxhash_package(data, seed):
    assert xxh32.xxh32(data, seed) == xxhash.xxh32_intdigest(data, seed)


@given(uint32, uint64)
def test_a_word_is_xxh32_of_eight_little_endian_bytes(seed, i):
    assert streams.h(seed, i) == xxhash.xxh32_intdigest(np.array(i, "<u8").tobytes(), seed)


@given(uint32, st.text(st.characters(max_codepoint=127)))
def test_a_stream_is_xxh32_of_the_name(seed, name):
    assert streams.stream(seed, name) == xxhash.xxh32_intdigest(name.encode("ascii"), seed)


@given(uint32, uint64)
def test_uniform_numbers_are_exact_and_inside_the_unit_interval(seed, i):
    number = streams.u(seed, i)
    assert 0 < number < 1
    assert Fraction(number) == (streams.h(seed, i) + Fraction(1, 2)) / 2**32


@given(uint32, st.integers(1, 2**32))
def test_scale_is_the_floor_of_the_exact_product(word, n):
    assert streams.scale(word, n) == math.floor(Fraction(word * n, 2**32)) < n


@given(uint32, uint32, uint32)
def test_words_of_one_upper_half_never_tie(seed, upper, lower):
    """XXH32 over 8 bytes can be undone, so that the lower half follows from the word."""

    def undo_multiply(word, prime):
        return word * pow(prime, -1, 2**32) & xxh32.MASK

    def undo_shift(word, bits):
        found = word
        for _ in range(32 // bits):
            found = word ^ found >> bits
        return found

    def undo_lane(word):
        return xxh32.rotate_left(undo_multiply(word, xxh32.PRIME4), 32 - 17)

    word = undo_shift(streams.h(seed, lower + 2**32 * upper), 16)
    word = undo_shift(undo_multiply(word, xxh32.PRIME3), 13)
    word = undo_shift(undo_multiply(word, xxh32.PRIME2), 15)
    word = undo_lane(word) - upper * xxh32.PRIME3 & xxh32.MASK
    word = undo_lane(word) - (seed + xxh32.PRIME5 + 8) & xxh32.MASK
    assert undo_multiply(word, xxh32.PRIME3) == lower


@given(uint64, st.integers(1, 2**31), uint32, st.booleans())
def test_buckets_lie_in_the_table_and_signs_do_not_move_them(i, buckets, seed, signed):
    for hash_function in (hashes.modulus, hashes.uniform):
        bucket, sign = hash_function(i, buckets, seed=seed, signed=signed)
        assert 0 <= bucket < buckets
        assert sign == (streams.random_sign(seed, i) if signed else 1)
        assert hash_function(i, buckets, seed=seed, signed=not signed)[0] == bucket


@given(uint64, st.integers(1, 2**31), st.integers(0, 2**31 - 1), uint32)
def test_a_neighborhood_is_within_its_radius_of_the_modulus_hash(i, buckets, radius, seed):
    bucket, _ = hashes.neighborhood(i, buckets, radius, seed)
    apart = (bucket - i) % buckets
    assert 0 <= bucket < buckets
    assert min(apart, buckets - apart) <= radius
    assert hashes.neighborhood(i, buckets, 0, seed) == hashes.modulus(i, buckets)


def test_uniform_buckets_signs_and_coins_are_independent():
    """Chi-squared test of the 4 x 2 x 2 table of 20,000 identifiers."""
    counts = np.zeros((4, 2, 2))
    coins = streams.stream(0, "coin")
    for i in range(20_000):
        bucket, sign = hashes.uniform(i, 4, seed=0, signed=True)
        counts[bucket, (sign + 1) // 2, streams.h(coins, i) >> 31] += 1
    assert stats.chisquare(counts.reshape(-1)).pvalue > 1e-3


def test_neighborhood_offsets_are_uniform_over_both_ends():
    offsets = [(hashes.neighborhood(i, 1000, 2)[0] - i + 2) % 1000 for i in range(10_000)]
    assert stats.chisquare(np.bincount(offsets, minlength=5)).pvalue > 1e-3
    assert max(offsets) == 4


@pytest.mark.parametrize(
    ("output", "input_", "rep_output", "rep_input"),
    [(1, 1, "123", "123"), (9, 784, "91011", "784785786"), (1000, 99, "100010011002", "99100101")],
)
def test_hashednets_keys_are_those_of_the_released_code(output, input_, rep_output, rep_input):
    i, buckets = (output - 1) * 784 + (input_ - 1), 98_000
    bucket_key = (rep_output + "_" + rep_input + "idxW").encode()
    sign_key = (rep_output + "_" + rep_input + "xi_W").encode()
    bucket = xxhash.xxh32_intdigest(bucket_key, 1691) % buckets
    sign = 1 if xxhash.xxh32_intdigest(sign_key, 1691) % 2 else -1
    assert hashes.hashednets(i, buckets, 784, 1000) == (bucket, sign)


def test_hashednets_biases_have_their_own_tag():
    bucket = xxhash.xxh32_intdigest(b"345_123idxB", 1691) % 125
    sign = 1 if xxhash.xxh32_intdigest(b"345_123xi_B", 1691) % 2 else -1
    assert hashes.hashednets(2, 125, 1, 1000, tag="B") == (bucket, sign)


@pytest.mark.parametrize("call", [(hashes.identity, 3, 3), (hashes.lookup, 0, 2, [2])])
def test_identifiers_and_buckets_outside_are_refused(call):
    with pytest.raises(ValueError, match="needs"):
        call[0](*call[1:])


def test_compose_multiplies_signs_and_takes_the_outer_one_of_the_inner_bucket():
    inner = hashes.from_spec(
        {"type": "Lookup", "buckets": 3, "assignment": [2, 1, 0], "signs": [-1, 0, 1]}
    )
    outer = hashes.from_spec(
        {"type": "Lookup", "buckets": 9, "assignment": [6, 7, 8], "signs": [1, 1, -1]}
    )
    composed = [hashes.compose(i, inner, outer) for i in range(3)]
    assert composed == [(8, 1), (7, 0), (6, 1)]


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=20).filter(any))
def test_entropy_equals_that_of_scipy_and_keeps_its_bounds(loads):
    """Both sum at most 20 terms, each at most 1/e and rounded a few times."""
    entropy = balance.entropy(loads)
    bound = 20 * 8 * 2**-53 * (1 + math.log(len(loads)))
    assert abs(entropy - stats.entropy(loads)) <= bound
    assert -bound <= entropy <= math.log(len(loads)) + bound
    assert balance.normalised_entropy(loads) == entropy / math.log(len(loads))


def test_loads_leave_out_connections_that_are_not_there():
    assert balance.loads(lambda i: (i % 2, (1, 0, -1)[i % 3]), 2, range(6)) == [2, 2]


def test_entropy_of_no_loads_is_0():
    assert balance.entropy([0, 0]) == 0


@given(uint32, st.floats(0, 10), st.integers(0, 20))
def test_initial_tables_keep_their_bound(seed, bound, entries):
    table = training.initial_table("table", entries, bound, seed)
    assert len(table) == entries
    assert all(abs(entry) <= bound for entry in table)
    words = xxhash.xxh32_intdigest(b"init/table", seed)
    for k, entry in enumerate(table):
        word = xxhash.xxh32_intdigest(k.to_bytes(8, "little"), words)
        assert entry == bound * ((2 * word + 1 - 2**32) / 2**32)


def test_initial_tables_are_uniform():
    table = training.initial_table("table", 3000, 0.5, seed=0)
    assert stats.kstest(table, stats.uniform(-0.5, 1).cdf).pvalue > 1e-3


@given(uint32, uint32, st.integers(0, 60))
def test_an_epoch_is_a_permutation_by_its_words(seed, epoch, count):
    order = training.epoch_order(count, epoch, seed)
    assert sorted(order) == list(range(count))
    words = np.array(
        [streams.h(streams.stream(seed, "epoch"), i + (epoch << 32)) for i in range(count)]
    )
    assert order == list(np.argsort(words, kind="stable"))


def test_batches_are_consecutive_and_none_of_several_has_a_single_example():
    assert training.batches([4, 2, 0, 1, 3], 3) == [[4, 2, 0], [1, 3]]
    assert training.batches([4, 2, 0, 1, 3], 2) == [[4, 2], [0, 1, 3]]
    assert training.batches([4], 2) == [[4]]
    assert training.batches([1, 0], 1) == [[1, 0]]
    assert training.batches([], 2) == []


@given(st.lists(st.tuples(st.integers(1, 99), st.integers(1, 99)), min_size=1, max_size=5))
def test_an_initial_bound_lies_between_those_of_its_matrices(shapes):
    bounds = [fan_in**-0.5 for _, fan_in in shapes]
    bound = training.initial_bound(shapes)
    assert min(bounds) * (1 - 2**-50) <= bound <= max(bounds) * (1 + 2**-50)
    assert training.initial_bound([shapes[0]] * 3) == training.initial_bound(shapes[:1])


def test_dropout_keeps_a_word_at_its_threshold_and_drops_the_one_below():
    word = streams.h(streams.stream(0, "dropout"), 5)
    assert layers.dropout_mask((6,), word / 2**32, seed=0, step=0)[5]
    assert not layers.dropout_mask((6,), (word + 1) / 2**32, seed=0, step=0)[5]
