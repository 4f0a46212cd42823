"""The coded form of a Lookup: what comes back, how small it is, and what is refused."""

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from minihash.files import coded, huffman
from minihash.files import spec as spec_file
from minihash.files.spec import decode, encode
from minihash.hashes import Lookup
from minihash.sharing import kept
from reference import codes

ROOM = 2**28


@st.composite
def hashes(draw):
    """Lookups of every mask and code, most of them large enough to be coded."""
    n, buckets = draw(st.integers(0, 400)), draw(st.sampled_from([1, 2, 3, 15, 300]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    density = draw(st.sampled_from([0.0, 0.01, 0.1, 0.5, 1.0]))
    signs = (rng.random(n) < density) * 1
    if draw(st.booleans()):
        signs *= rng.choice([-1, 1], n)
    near = rng.integers(0, buckets, n) if draw(st.booleans()) else rng.geometric(0.5, n) % buckets
    return Lookup(buckets, near * (signs != 0), signs)


def entries(hash_):
    ids = np.arange(hash_.domain)
    pairs = zip(ids.tolist(), hash_.bucket(ids).tolist(), hash_.sign(ids).tolist(), strict=True)
    return {i: (bucket, sign) for i, bucket, sign in pairs if sign}


@given(hashes())
def test_any_mask_and_code_come_back_and_are_those_of_the_oracle(hash_):
    data = coded.encode(hash_)
    by_loops = [codes.coded(hash_.domain, hash_.buckets, entries(hash_), b) for b in range(1, 9)]
    if len(entries(hash_)) == hash_.domain:
        by_loops = [codes.coded(hash_.domain, hash_.buckets, entries(hash_), 0)]
    least = min(by_loops, key=len)
    if data is None:
        assert len(least) >= hash_.nbytes
        return
    assert data.tobytes() == least and data.size < hash_.nbytes
    again = coded.decode(data, hash_.buckets, ROOM)
    assert again == hash_ and again.assignment.dtype == hash_.assignment.dtype
    assert (again.signs is None) == (hash_.signs is None)
    arrays = {}
    spec = json.loads(json.dumps(encode((hash_, hash_), arrays)))
    assert list(arrays) == ["spec/0"] and spec[0]["coded"] == {"array": "spec/0"}
    first, second = decode(spec, arrays)
    assert first == hash_ and first is second


def test_a_pruned_tensor_needs_its_gaps_alone():
    mask = np.random.default_rng(1).random(9000) < 0.1
    hash_ = kept(mask)
    data = coded.encode(hash_)
    assert data.size < 700 and coded.decode(data, hash_.buckets, ROOM) == hash_
    with pytest.raises(ValueError, match=f"{hash_.buckets + 1} buckets in order have as many"):
        coded.decode(data, hash_.buckets + 1, ROOM)


def test_what_would_not_come_back_is_not_coded():
    """Buckets of unconnected identifiers are part of a hash, though nobody reads them."""
    assert coded.encode(Lookup(2, np.arange(999) % 2, np.arange(999) % 2)) is not None
    assert coded.encode(Lookup(2, np.arange(999) % 2, np.arange(999) % 3 > 0)) is None
    assert coded.encode(Lookup(5000, np.zeros(9999, int))) is None


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=30).filter(any),
    st.integers(0, 2**32 - 1),
)
@example([2, 2, 3, 1], 0)  # equal trees, of which the one with the smallest symbol goes first
def test_codes_are_huffmans(counts, seed):
    sizes = huffman.lengths(np.array(counts))
    assert sizes.tolist() == codes.lengths(counts)
    words = codes.codewords(sizes.tolist())
    found = [
        f"{c:0{n}b}" if n else "" for c, n in zip(huffman.codewords(sizes), sizes, strict=True)
    ]
    assert found == words
    symbols = np.repeat(np.arange(len(counts)), counts)
    np.random.default_rng(seed).shuffle(symbols)
    data = huffman.encode(symbols, sizes)
    assert data == codes.stream(symbols.tolist(), sizes.tolist())
    bits = sum(n * int(size) for n, size in zip(counts, sizes, strict=True))
    assert len(data) == -(-bits // 8)
    p = np.array([n for n in counts if n]) / sum(counts)
    entropy = -(p * np.log2(p)).sum()
    assert entropy - 1e-9 <= bits / sum(counts) < entropy + 1 or len(p) == 1
    after = np.frombuffer(data + b"\xaa\x55", np.uint8)
    again, end = huffman.decode(after, symbols.size, sizes)
    assert again.tolist() == symbols.tolist() and end == len(data)


@pytest.mark.parametrize("sizes", [[2, 2, 2], [1, 1, 1], [1, 2], [2], [58] * 2, [3, 3, 3, 3, 1, 1]])
def test_lengths_that_are_no_complete_code_are_refused(sizes):
    with pytest.raises(ValueError, match=r"no complete code|of one symbol|at most 57 bits"):
        huffman.codewords(np.array(sizes, np.uint8))


def test_codewords_are_read_across_blocks(monkeypatch):
    monkeypatch.setattr(huffman, "BLOCK", 2)
    symbols = np.random.default_rng(0).integers(0, 40, 500) ** 2 % 40
    sizes = huffman.lengths(np.bincount(symbols, minlength=40))
    data = np.frombuffer(huffman.encode(symbols, sizes), np.uint8)
    assert huffman.decode(data, 500, sizes)[0].tolist() == symbols.tolist()


def test_the_longest_codewords_come_back():
    """Counts of Fibonacci make a codeword as long as there are symbols."""
    counts = [1, 1]
    while len(counts) < 26:
        counts.append(sum(counts[-2:]))
    sizes = huffman.lengths(np.array(counts))
    assert sizes.tolist() == [25, 25, *range(24, 0, -1)]
    longest = np.array([*range(56, 0, -1), 57, 57], np.uint8)  # and as one that is stored may be
    symbols = np.array([57, 0, 56, 3, 57])
    data = np.frombuffer(huffman.encode(symbols, longest), np.uint8)
    assert huffman.decode(data, 5, longest)[0].tolist() == symbols.tolist()


# Hostile arrays


GOOD = coded.encode(Lookup(3, np.arange(600) % 100 // 99 * 2, np.arange(600) % 100 > 98))


def changed(at, value, data=GOOD):
    other = data.copy()
    other[at] = value
    return other


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (GOOD[:17], "is 18 bytes or more, got 17"),
        (GOOD.astype(np.int8), "is 18 bytes or more"),
        (GOOD.reshape(1, -1), "is 18 bytes or more"),
        (changed(16, 9), "of 3 buckets is of kind 0 and 9 bits"),
        (changed(17, 3), "of kind 3"),
        (changed(5, 1), "identifiers and 3 values is too large"),
        (changed(10, 1), "codewords cannot be in"),
        (changed(15, 255), "codewords cannot be in"),
        (GOOD[:20], "ends too early"),
        (changed(slice(18, 26), 0), "code that has no symbols"),
        (changed(18, 1), "no complete code"),
        (changed(18, 58), "at most 57 bits"),
        (np.append(GOOD, np.uint8(0)), "1 bytes are left"),
        (GOOD[:-1], "cannot be in|ends too early"),
        (changed(-1, GOOD[-1] | 1), "not filled up with zeros"),
        (changed(0, 0x57), "go up to 599 of 599"),
    ],
)
def test_what_is_no_coded_lookup_is_refused(data, message):
    with pytest.raises(ValueError, match=message):
        coded.decode(data, 3, ROOM)


def test_a_filler_without_need_is_refused():
    pairs, values = np.array([0, 1, 1]), np.array([0, 1, 1])
    data = coded.HEAD.pack(9, 3, 1, 0) + coded._part(pairs, 2) + coded._part(values, 2)
    with pytest.raises(ValueError, match="a filler stands where no gap is too long"):
        coded.decode(np.frombuffer(data, np.uint8), 1, ROOM)
    data = coded.HEAD.pack(3, 3, 0, 0) + coded._part(values, 2)
    with pytest.raises(ValueError, match="a filler stands where no gap is too long"):
        coded.decode(np.frombuffer(data, np.uint8), 1, ROOM)


def test_a_stream_of_one_symbol_holds_no_other():
    hash_ = Lookup(1, np.zeros(99, int))
    data = coded.encode(hash_)
    assert coded.decode(data, 1, ROOM) == hash_
    with pytest.raises(ValueError, match="a stream of one symbol holds another"):
        coded.decode(changed(-3, 4, data), 1, ROOM)


def test_a_few_bytes_ask_for_little_memory(monkeypatch):
    monkeypatch.setattr(spec_file, "FREE", 2**20)
    data = coded.HEAD.pack(2**40, 0, 1, 0) + bytes(4)
    data = np.frombuffer(data, np.uint8)
    tracemalloc.start()
    with pytest.raises(ValueError, match="too large"):
        coded.decode(data, 1, ROOM)
    arrays, spec = {"a": data}, {"type": "Lookup", "buckets": 1, "coded": {"array": "a"}}
    with pytest.raises(ValueError, match=r"of a Lookup is not valid: .* too large"):
        decode(spec, arrays)
    many = coded.HEAD.pack(2**18, 0, 1, 0) + bytes(4)  # each within the room, all of them not
    arrays = {f"{k}": np.frombuffer(many, np.uint8) for k in range(3)}
    spec = [{"type": "Lookup", "buckets": 1, "coded": {"array": str(k)}} for k in range(3)]
    with pytest.raises(ValueError, match="too large"):
        decode(spec, arrays)
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


@pytest.mark.parametrize("given_", ["spec/0", 3, None, [1]])
def test_a_coded_form_is_an_array(given_):
    with pytest.raises(ValueError, match="coded must be an array"):
        decode({"type": "Lookup", "buckets": 1, "coded": given_}, {})
    with pytest.raises(ValueError, match="buckets must be int"):
        decode({"type": "Lookup", "buckets": 1.5, "coded": {"array": "a"}}, {"a": GOOD})


def test_the_coded_files_of_today_can_be_read_for_ever():
    """A file as it was first written: any change of the form breaks those of users."""
    path = Path(__file__).parent / "checkpoints" / "lookup.bin"
    data = np.frombuffer(path.read_bytes(), np.uint8)
    ids = np.arange(400)
    hash_ = Lookup(5, ids * 7 % 5 * (ids % 9 == 0), (ids % 9 == 0) * (1 - 2 * (ids % 2)))
    assert coded.decode(data, 5, ROOM) == hash_
