"""Blocks, Robe and Roast: identifiers in blocks, which read pieces of the table."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from minihash.core import gather, matmul, scatter_add
from minihash.hashes import Blocks, Lookup, Modulus, Roast, Robe, check_hash
from minihash.hashes.division import divided, divisor
from minihash.networks.arbnet import arbnet
from minihash.weights import VirtualWeight, distinct
from reference.hashes import from_spec
from tests.support import hash_strategies as hs

FALSE_ALARM = 1e-6  # of each statistical test, were its seed drawn at random


@given(st.integers(1, 2**33) | st.integers(1, 2**12), st.integers(0, 2**63 - 1))
def test_divided_is_division(n, x):
    x = min(x, n * 2**49)
    for near in {x, x - x % n, max(0, x - x % n - 1)}:
        q, r = divided(np.array([near], np.uint64), divisor(n))
        assert (int(q[0]), int(r[0])) == divmod(near, n)


@given(st.integers(0, 12).flatmap(hs.lookups))
def test_blocks_of_one_are_a_look_up(kept):
    blocks = Blocks(kept.buckets, 1, kept.assignment, kept.signs)
    ids = np.arange(kept.domain)
    np.testing.assert_array_equal(blocks.bucket(ids), kept.bucket(ids))
    np.testing.assert_array_equal(blocks.sign(ids), kept.sign(ids))


def test_blocks_keep_an_entry_of_the_smallest_type_for_each_block():
    blocks = Blocks(200 * 784, 784, np.arange(1000) % 200)
    assert blocks.assignment.dtype == np.uint8 and blocks.nbytes == 1000
    assert blocks.domain == 784_000 and blocks.run == 784


def test_blocks_are_equal_by_content():
    plain = Blocks(6, 3, [0, 1])
    assert plain == Blocks(6, 3, np.array([0, 1], np.int64), [1, 1])
    assert hash(plain) == hash(Blocks(6, 3, [0, 1], [1, 1]))
    for other in (Blocks(6, 2, [0, 1]), Blocks(6, 3, [1, 1]), Blocks(6, 3, [0, 1], [1, -1])):
        assert plain != other
    assert plain != Lookup(6, [0, 1])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"size": 0}, "size must lie in 1 .. 6"),
        ({"size": 7}, "size must lie in 1 .. 6"),
        ({"size": 4}, "size must divide the 6 buckets, got 4"),
        ({"assignment": [0, 3]}, "assignment must lie in 0 .. 2, got 0 .. 3"),
        ({"signs": [1]}, "signs must have one entry for each of 2"),
        ({"signs": [1, 2]}, "signs must lie in -1 .. 1"),
    ],
)
def test_blocks_refuse(fields, message):
    with pytest.raises(ValueError, match=message):
        Blocks(**{"buckets": 6, "size": 2, "assignment": [0, 2]} | fields)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Robe(5, block=6), "block must lie in 1 .. 5, got 6"),
        (lambda: Robe(5, block=0), "block"),
        (lambda: Robe(5, 2, row=0), "row"),
        (lambda: Robe(5, 2, numbers=(1, 2, 3)), "numbers must be four integers"),
        (lambda: Robe(5, 2, numbers=7), "numbers must be four integers"),
        (lambda: Robe(5, 2, numbers=(7, 2, 3, 4)), "P of numbers"),
        (lambda: Robe(5, 2, numbers=(2**31, 2, 3, 4)), "P of numbers"),
        (lambda: Robe(5, 2, numbers=(45007, 2, 45007, 4)), "each R of numbers"),
        (lambda: Robe(5, 2, numbers=(45007, 2, 3, -1)), "each R of numbers"),
        (lambda: Roast(6, 4, tile=(2, 3)), "fewer entries than the 6 buckets, got 2 x 3"),
        (lambda: Roast(6, 4, tile=(2,)), "tile must be"),
        (lambda: Roast(6, 4, tile=3), "tile must be"),
        (lambda: Roast(6, 4, tile=(0, 3)), "each size of a tile"),
        (lambda: Roast(9, 0, tile=(2, 3)), "columns"),
    ],
)
def test_robe_and_roast_refuse(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_released_numbers_give_the_released_indices():
    """ROBE's code: numbers of RandomState(seed), seed 1024, after P; a is the category."""
    P, count, dim, Z, m = 2038074743, 50, 64, 16, 10_000
    numbers = (P, *np.random.RandomState(1024).randint(0, P, 10).tolist()[:3])
    category, d = np.divmod(np.arange(count * dim), dim)
    start = (category * numbers[3] + d // Z * numbers[2] + numbers[1]) % P % (m - Z + 1)
    found = Robe(m, Z, row=dim, numbers=numbers).bucket(np.arange(count * dim))
    np.testing.assert_array_equal(found, start + d % Z)
    assert numbers[1:] == (634329019, 1825252241, 871205356)


def test_tiles_give_the_released_indices_in_the_transpose():
    """RzLinear: W (K, N) = (fan_in, fan_out) in tiles, each row-major in the table."""
    K, N, Bk, Bn, H = 64, 96, 16, 32, 2000
    R0, R1, R2, R3 = numbers = (45007, 11, 22_222, 33_333)
    W = np.empty((K, N))
    for k in range(K // Bk):
        for n in range(N // Bn):
            start = (k * R3 + n * R2 + R1) % R0 % (H - Bk * Bn)
            piece = np.arange(start, start + Bk * Bn).reshape(Bk, Bn)
            W[k * Bk : (k + 1) * Bk, n * Bn : (n + 1) * Bn] = piece
    released = VirtualWeight((K, N), Roast(H, N, (Bk, Bn), numbers=numbers))
    table = np.arange(float(H))
    np.testing.assert_array_equal(gather(table, released), W)
    x = np.ones((1, K))
    np.testing.assert_array_equal(matmul(x, table, released.T), x @ W)


@pytest.mark.parametrize("hash_", [Robe(4000, 32, seed=1), Roast(4000, 784, (1, 16), seed=1)])
def test_windows_begin_anywhere(hash_):
    """The universal hash spreads them evenly: more evenly than at random, by its rank."""
    first = hash_.bucket(np.arange(2_000) * hash_.run)
    counts = np.bincount(first * 16 // hash_.buckets, minlength=16)
    assert stats.chisquare(counts).pvalue > FALSE_ALARM
    assert first.max() < hash_.buckets - hash_.run + 1


@pytest.mark.parametrize(
    "hash_", [Robe(400, 8, seed=2, signed=True), Roast(400, 40, (2, 8), seed=2, signed=True)]
)
def test_signs_are_a_fair_coin_for_each_run(hash_):
    signs = hash_.sign(np.arange(80_000)).reshape(-1, 8)
    assert (signs == signs[:, :1]).all()
    assert stats.binomtest(int((signs[:, 0] > 0).sum()), len(signs)).pvalue > FALSE_ALARM


@pytest.mark.parametrize(
    "hash_",
    [Robe(97, 8, row=20, signed=True), Robe(97, 9), Roast(97, 10, (3, 4)), Blocks(6, 3, [1, 0])],
    ids=repr,
)
def test_they_keep_their_contract(hash_):
    loop = from_spec(hs.spec_of(hash_))
    check_hash(hash_, 100, loop)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_weights_that_begin_within_a_run(backend):
    """Rows of 5 in blocks of 4, from identifier 3 on: every kind of cut, either way round."""
    hash_ = Robe(13, 4, seed=5, signed=True)
    for w in (plain := VirtualWeight((6, 5), hash_, first_id=3), plain.T):
        bucket, sign = hash_.bucket(w.identifiers()), hash_.sign(w.identifiers())
        assert set(np.unique(sign)) == {-1, 1}
        table, dV = np.arange(1.0, 14.0), np.arange(30.0).reshape(w.shape)
        np.testing.assert_array_equal(gather(table, w, backend=backend), sign * table[bucket])
        expected = np.bincount(bucket.ravel(), (sign * dV).ravel(), minlength=13)
        np.testing.assert_array_equal(scatter_add(dV, w, backend=backend), expected)


def test_rows_of_equal_buckets_and_other_signs_are_distinct():
    """Folding equal rows is for hashes without signs."""
    shape, table = (3, 4), np.arange(1.0, 5.0)
    signed = VirtualWeight(shape, Blocks(4, 4, [0, 0, 0], [1, -1, 0]))
    assert distinct(signed) == shape and distinct(VirtualWeight(shape, Modulus(4))) == (1, 4)
    V = np.outer([1, -1, 0], table)
    np.testing.assert_array_equal(gather(table, signed), V)
    np.testing.assert_array_equal(matmul(np.ones((2, 4)), table, signed), np.ones((2, 4)) @ V.T)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_not_finite_stays_out_of_missing_connections(dtype):
    weight = VirtualWeight((2, 4), Blocks(8, 4, [0, 1], [0, -1]))
    table = np.array([math.nan, math.inf, 1, 2, 3, math.nan, 5, -0.0], dtype)
    V = gather(table, weight, backend="numba")
    np.testing.assert_array_equal(V, [[0, 0, 0, 0], [-3, math.nan, -5, 0]])
    assert not np.signbit(V[0]).any()
    dV = np.full((2, 4), math.inf, dtype)
    expected = [0, 0, 0, 0, *[-math.inf] * 4]
    np.testing.assert_array_equal(scatter_add(dV, weight, backend="numba"), expected)


@pytest.mark.parametrize("scope", ["network", "layer"])
def test_networks_give_tiles_the_columns_of_each_matrix(scope):
    net = arbnet((30, 20, 10), "roast", 0.5, scope, "none", seed=3, tile=(2, 4), signed=True)
    weights = net.weights()
    assert [w.hash.columns for w in weights] == [30, 20]
    assert len({w.hash.seed for w in weights}) == 2
    assert {w.first_id for w in weights} == {0}
    assert len({w.table for w in weights}) == (1 if scope == "network" else 2)
    assert weights[0].hash.buckets == (400 if scope == "network" else 300)


def test_networks_of_robe_have_one_numbering():
    net = arbnet((30, 20, 10), "robe", 0.5, block=8)
    assert [w.first_id for w in net.weights() if w.table == "table"] == [0, 600]
