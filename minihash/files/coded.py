"""The coded form of a Lookup hash: what connects, as gaps, and what it reads, both Huffman coded.

    n identifiers, of which p_1 < p_2 < ... are connected (sign not 0);  before = -1, b bits a gap
    for each p:  d = p - before
        while d > 2^b:  a pair (gap 2^b - 1, value 0), a filler;  d -= 2^b
        a pair (gap d - 1, value of p);   before = p

    value = 1 + bucket, or 1 + buckets + bucket where the sign is -1; or, if the connected
    identifiers have the buckets 0, 1, 2 ... in order (a tensor that is pruned, not shared): 1

The gaps and the values each have a canonical Huffman code of their own (huffman.py). b is whatever
makes the least of it; 0 bits stand for no gaps, where all identifiers are connected. As one array
of bytes, numbers little-endian:

    n, pairs                          8 bytes each
    b, kind                           1 byte each; kind: 0 no -1, 1 with -1, 2 in order
    the gaps, if b > 0                the lengths of 2^b codewords, a byte each, and a stream
    the values                        the same, of all the values there may be and the filler

Only a hash whose unconnected identifiers are all in bucket 0 is coded, since that comes back.
Reading trusts nothing: it refuses what is not, byte for byte, such an array, and bounds everything
before it allocates.

Source: Han, Mao & Dally, Deep Compression, arXiv 1510.00149, sections 2 and 4.
"""

import struct

import numpy as np

from minihash.files import huffman
from minihash.hashes import Lookup
from minihash.hashes.hash import MAX_BUCKETS

HEAD = struct.Struct("<QQBB")
GAPS = range(1, 9)  # bits of a gap that are tried
MOST = 2**12  # values, beyond which a code of them is no smaller
PLAIN, SIGNED, IN_ORDER = range(3)


def encode(hash_: Lookup) -> np.ndarray | None:
    """The coded form, uint8; None if the hash has none that is smaller than its arrays.

    >>> hash_ = Lookup(3, np.arange(300) % 100 // 99 * 2, np.arange(300) % 100 > 98)
    >>> len(encode(hash_)), hash_.nbytes
    (40, 600)
    """
    n = hash_.domain
    signs = np.ones(n, np.int8) if hash_.signs is None else hash_.signs.astype(np.int8)
    positions = np.flatnonzero(signs)
    if n != positions.size and hash_.assignment[signs == 0].any():
        return None
    kind, values, count = _values(hash_, positions, signs[positions])
    if count > MOST:
        return None
    if positions.size == n:
        forms = [HEAD.pack(n, n, 0, kind) + _part(values, 1 + count)]
    else:
        forms = [_with_gaps(n, positions, b, kind, values, 1 + count) for b in GAPS]
    least = min(forms, key=len)
    return None if len(least) >= hash_.nbytes else np.frombuffer(least, np.uint8)


def _values(hash_: Lookup, positions: np.ndarray, signs: np.ndarray) -> tuple[int, np.ndarray, int]:
    """The kind, the value of each connected identifier, and the greatest there may be."""
    buckets = hash_.assignment[positions].astype(np.int64)
    if not (signs < 0).any():
        if hash_.buckets > 1 and np.array_equal(buckets, np.arange(hash_.buckets)):
            return IN_ORDER, np.ones_like(buckets), 1
        return PLAIN, 1 + buckets, hash_.buckets
    return SIGNED, 1 + buckets + hash_.buckets * (signs < 0), 2 * hash_.buckets


def _with_gaps(
    n: int, positions: np.ndarray, b: int, kind: int, values: np.ndarray, symbols: int
) -> bytes:
    steps = np.diff(positions, prepend=-1) - 1
    fillers = steps >> b
    ends = np.cumsum(fillers + 1) - 1  # where each identifier's own pair is
    pairs = int(ends[-1]) + 1 if ends.size else 0
    gaps = np.full(pairs, 2**b - 1)
    gaps[ends] = steps & (2**b - 1)
    filled = np.zeros(pairs, np.int64)
    filled[ends] = values
    return HEAD.pack(n, pairs, b, kind) + _part(gaps, 2**b) + _part(filled, symbols)


def _part(symbols: np.ndarray, size: int) -> bytes:
    lengths = huffman.lengths(np.bincount(symbols, minlength=size))
    return lengths.tobytes() + huffman.encode(symbols, lengths)


def packed(hash_: Lookup) -> tuple[int, int, int]:
    """Bits of a value, bits of a gap and bytes of all of them at fixed widths, before they are
    coded: those of the gaps that make the least of it.

    >>> packed(Lookup(3, np.arange(300) % 100 // 99 * 2, np.arange(300) % 100 > 98))
    (2, 7, 4)
    """
    n = hash_.domain
    positions = np.arange(n) if hash_.signs is None else np.flatnonzero(hash_.signs)
    signed = hash_.signs is not None and bool((hash_.signs[positions].view(np.int8) < 0).any())
    count = hash_.buckets * (1 + signed)
    if positions.size == n:
        width = (count - 1).bit_length()
        return width, 0, -(-n * width // 8)
    width, steps = count.bit_length(), np.diff(positions, prepend=-1) - 1
    sizes = ((b, (int((steps >> b).sum()) + steps.size) * (width + b)) for b in GAPS)
    b, bits = min(sizes, key=lambda size: size[1])
    return width, b, -(-bits // 8)


def decode(data: np.ndarray, buckets: int, room: int) -> Lookup:
    """The hash of a coded form. buckets: of its table. room: bytes that its arrays may take.

    Raises ValueError for all that is wrong with it.

    >>> hash_ = Lookup(3, np.arange(300) % 100 // 99 * 2, np.arange(300) % 100 > 98)
    >>> decode(encode(hash_), 3, room=600) == hash_
    True
    """
    if data.dtype != np.uint8 or data.ndim != 1 or data.size < HEAD.size:
        raise ValueError(f"a coded Lookup is {HEAD.size} bytes or more, got {data.size}")
    n, pairs, b, kind = HEAD.unpack(data[: HEAD.size].tobytes())
    if kind > IN_ORDER or b > GAPS[-1] or not 1 <= buckets <= MAX_BUCKETS:
        raise ValueError(f"no coded Lookup of {buckets} buckets is of kind {kind} and {b} bits")
    count = (buckets, 2 * buckets, 1)[kind]
    dtype = np.min_scalar_type(buckets - 1)
    if count > MOST or n * (1 + dtype.itemsize) > room:
        raise ValueError(f"a coded Lookup of {n} identifiers and {count} values is too large")
    rest, gaps = data[HEAD.size :], np.zeros(0, np.int64)
    if b:
        gaps, rest = _read(rest, pairs, 2**b)
    elif pairs != n:
        raise ValueError(f"{n} identifiers without gaps have as many values, got {pairs}")
    values, rest = _read(rest, pairs, 1 + count)
    if rest.size:
        raise ValueError(f"{rest.size} bytes are left after a coded Lookup")
    positions = np.cumsum(gaps + 1) - 1 if b else np.arange(n)
    own = values > 0
    if not np.all(gaps[~own] == 2**b - 1 if b else own):
        raise ValueError("a filler stands where no gap is too long")
    if pairs and positions[-1] >= n:
        raise ValueError(f"the identifiers of a coded Lookup go up to {positions[-1]} of {n}")
    found = np.arange(own.sum()) if kind == IN_ORDER else values[own] - 1
    if kind == IN_ORDER and found.size != buckets:
        raise ValueError(f"{buckets} buckets in order have as many identifiers, got {found.size}")
    assignment, signs = np.zeros(n, dtype), np.zeros(n, np.int8)
    assignment[positions[own]] = found % buckets
    signs[positions[own]] = np.where(found < buckets, 1, -1)
    return Lookup(buckets, assignment, signs)


def _read(data: np.ndarray, count: int, symbols: int) -> tuple[np.ndarray, np.ndarray]:
    """The symbols of a part, and what is after it."""
    if data.size < symbols:
        raise ValueError("a coded Lookup ends too early")
    found, end = huffman.decode(data[symbols:], count, data[:symbols])
    return found, data[symbols + end :]
