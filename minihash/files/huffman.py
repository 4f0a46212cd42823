"""Canonical Huffman codes: the lengths of its codewords are all that a code is stored as.

    lengths     join the two least of (count, smallest symbol in the tree) until one tree is left;
                a symbol that is alone has length 1, one that does not occur 0
    codewords   in the order of (length, symbol), each the one before plus 1, shifted left where the
                length grows: the codewords, as fractions 0.c, rise
    stream      codeword after codeword, high bits first, the last byte filled up with zeros

Decoding reads at every bit at once what symbol would begin there, by where its next 57 bits lie
among the first codewords of each length. What is left to do in order is to step from symbol to
symbol.

Source: Huffman, Proc. IRE 40 (1952); canonical form: Schwartz & Kallick, CACM 7 (1964).
"""

import heapq

import numpy as np

LONGEST = 57  # bits of a codeword: with 7 bits before it, it fits into 8 bytes
BLOCK = 2**15  # bytes that are decoded at once


def lengths(counts: np.ndarray) -> np.ndarray:
    """The length of each symbol's codeword, uint8.

    >>> lengths(np.array([5, 9, 12, 13, 16, 45])), lengths(np.array([0, 7]))
    (array([4, 4, 3, 3, 3, 1], dtype=uint8), array([0, 1], dtype=uint8))
    """
    heap = [(int(n), symbol, symbol) for symbol, n in enumerate(counts) if n]
    heapq.heapify(heap)
    parents: list[int] = [-1] * len(counts)  # of symbols, then of joined trees
    while len(heap) > 1:
        n, symbol, tree = heapq.heappop(heap)
        m, other, second = heap[0]
        parents[tree] = parents[second] = len(parents)
        heapq.heapreplace(heap, (n + m, min(symbol, other), len(parents)))
        parents.append(-1)
    depth = [0] * len(parents)
    for tree in range(len(parents) - 2, -1, -1):
        depth[tree] = depth[parents[tree]] + 1 if parents[tree] >= 0 else 0
    found = np.array(depth[: len(counts)], np.uint8)
    if np.count_nonzero(counts) == 1:
        found[np.flatnonzero(counts)] = 1
    return found


def codewords(lengths: np.ndarray) -> np.ndarray:
    """The codeword of each symbol, uint64, in its last bits; 0 where the length is 0.

    Raises ValueError unless the code is complete, or has one symbol, of length 1.

    >>> codewords(np.array([2, 1, 2]))
    array([2, 0, 3], dtype=uint64)
    """
    order, starts = _ordered(lengths)
    codes = np.zeros(len(lengths), np.uint64)
    codes[order] = starts >> (LONGEST - lengths[order].astype(np.int64)).astype(np.uint64)
    return codes


def _ordered(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The symbols in the order of their codewords, and these, with zeros up to LONGEST bits."""
    lengths = np.asarray(lengths)
    used = np.flatnonzero(lengths)
    if used.size and lengths.max() > LONGEST:
        raise ValueError(f"a codeword has at most {LONGEST} bits, got {lengths.max()}")
    order = used[np.argsort(lengths[used], kind="stable")]
    spans = np.uint64(1) << (LONGEST - lengths[order].astype(np.int64)).astype(np.uint64)
    whole = sum(map(int, spans))  # exact, whatever the lengths
    if order.size != 1 and whole != (1 << LONGEST if order.size else 0):
        raise ValueError("the lengths of its codewords are those of no complete code")
    if order.size == 1 and lengths[order[0]] != 1:
        raise ValueError("a code of one symbol has a codeword of 1 bit")
    return order, np.cumsum(spans, dtype=np.uint64) - spans


def encode(symbols: np.ndarray, lengths: np.ndarray) -> bytes:
    """The stream of the symbols.

    >>> encode(np.array([1, 0, 1, 2]), np.array([2, 1, 2])).hex()
    '4c'
    """
    sizes = lengths[symbols].astype(np.int64)
    codes = codewords(lengths)[symbols]
    ends = np.cumsum(sizes)
    after = np.repeat(ends, sizes) - 1 - np.arange(ends[-1] if ends.size else 0)
    bits = (np.repeat(codes, sizes) >> after.astype(np.uint64)) & np.uint64(1)
    return np.packbits(bits.astype(np.uint8)).tobytes()


def decode(data: np.ndarray, count: int, lengths: np.ndarray) -> tuple[np.ndarray, int]:
    """The first `count` symbols of a stream at the start of `data`, and its bytes.

    data: uint8 (bytes,). Raises ValueError if there are fewer, the last byte is not filled up with
    zeros, or there is no such code.

    >>> decode(np.array([0x4C, 0xFF], np.uint8), 4, np.array([2, 1, 2]))
    (array([1, 0, 1, 2]), 1)
    """
    if count > 8 * data.size:  # each takes a bit at least
        raise ValueError(f"{count} codewords cannot be in {data.size} bytes")
    order, starts = _ordered(lengths)
    if count and not order.size:
        raise ValueError("there are codewords of a code that has no symbols")
    if order.size == 1:  # its codeword is 0
        end = -(-count // 8)
        if data[:end].any():
            raise ValueError("a stream of one symbol holds another")
        return np.full(count, order[0]), end
    sizes = np.asarray(lengths)[order].astype(np.int64)
    found: list[np.ndarray] = []
    at, left = 0, count  # at: the bit where the next codeword begins
    padded = np.concatenate((data, np.zeros(8, np.uint8)))
    while left:
        first = at // 8
        if first >= data.size:
            raise ValueError("a stream of codewords ends too early")
        block = padded[first : first + BLOCK + 8]
        windows = _windows(block)
        ranks = np.searchsorted(starts, windows, side="right") - 1
        following = np.arange(ranks.size) + sizes[ranks]
        begins, at = _chain(following.tolist(), at - 8 * first, left)
        found.append(order[ranks[begins]])
        left -= len(begins)
        at += 8 * first
    if at > 8 * data.size:
        raise ValueError("a stream of codewords ends too early")
    end = -(-at // 8)
    if at % 8 and data[end - 1] & (0xFF >> at % 8):
        raise ValueError("a stream of codewords is not filled up with zeros")
    return np.concatenate([np.zeros(0, np.int64), *found]), end


def _windows(block: np.ndarray) -> np.ndarray:
    """The LONGEST bits that follow each bit of all bytes but the last 8: uint64."""
    words = np.zeros(block.size - 8, np.uint64)
    for k in range(8):
        words |= block[k : k + words.size].astype(np.uint64) << np.uint64(56 - 8 * k)
    shifted = words[:, None] << np.arange(8, dtype=np.uint64)
    return (shifted >> np.uint64(64 - LONGEST)).reshape(-1)


def _chain(following: list[int], at: int, most: int) -> tuple[list[int], int]:
    """Where symbols begin, from `at` on, at most so many, each where the one before ends; and where
    the last of them ends."""
    begins = []
    while at < len(following) and len(begins) < most:
        begins.append(at)
        at = following[at]
    return begins, at
