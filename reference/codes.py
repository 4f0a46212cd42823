"""The coded form of a pruned and shared tensor: gaps, fillers, canonical Huffman codes, in lists.

Source: Han, Mao & Dally, Deep Compression (arXiv 1510.00149), sections 2 and 4. The text says 8 for
the largest gap of 3 bits, its figure 32 for 5 bits: b bits are 1 ... 2^b.
"""


def gaps(connected: list[int], b: int) -> list[tuple[int, bool]]:
    """A pair (gap, whether it is an identifier's own) for each connected one, and for each filler.

    >>> gaps([1, 4, 15], 3)
    [(1, True), (2, True), (7, False), (2, True)]
    """
    pairs, position = [], -1
    for following in connected:
        d = following - position
        while d > 2**b:
            pairs.append((2**b - 1, False))
            d -= 2**b
        pairs.append((d - 1, True))
        position = following
    return pairs


def connected(pairs: list[tuple[int, bool]]) -> list[int]:
    """The identifiers again.

    >>> connected([(1, True), (2, True), (7, False), (2, True)])
    [1, 4, 15]
    """
    found, position = [], -1
    for gap, own in pairs:
        position += gap + 1
        if own:
            found.append(position)
    return found


def lengths(counts: list[int]) -> list[int]:
    """The lengths of the codewords of Huffman's code: of two trees that are joined, those of the
    least (count, smallest symbol), all leaves move down by one. One symbol: 1.

    >>> lengths([5, 9, 12, 13, 16, 45])
    [4, 4, 3, 3, 3, 1]
    """
    found = [0] * len(counts)
    trees = [(count, symbol, [symbol]) for symbol, count in enumerate(counts) if count]
    if len(trees) == 1:
        found[trees[0][1]] = 1
    while len(trees) > 1:
        trees.sort()
        (n, first, leaves), (m, other, more) = trees[:2]
        for symbol in leaves + more:
            found[symbol] += 1
        trees[:2] = [(n + m, min(first, other), leaves + more)]
    return found


def codewords(lengths_: list[int]) -> list[str]:
    """The canonical codewords, as text; "" for a symbol that does not occur.

    >>> codewords([2, 1, 0, 2])
    ['10', '0', '', '11']
    """
    found, code, last = [""] * len(lengths_), 0, 0
    for length, symbol in sorted((n, s) for s, n in enumerate(lengths_) if n):
        code <<= length - last
        found[symbol] = f"{code:0{length}b}"
        code, last = code + 1, length
    return found


def stream(symbols: list[int], lengths_: list[int]) -> bytes:
    """The codewords, one after another, high bits first, filled up with zeros.

    >>> stream([1, 0, 1, 3], [2, 1, 0, 2]).hex()
    '4c'
    """
    words = codewords(lengths_)
    bits = "".join(words[symbol] for symbol in symbols)
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[k : k + 8], 2) for k in range(0, len(bits), 8))


def symbols(data: bytes, count: int, lengths_: list[int]) -> list[int]:
    """So many symbols of a stream.

    >>> symbols(bytes([0x4C]), 4, [2, 1, 0, 2])
    [1, 0, 1, 3]
    """
    words = {word: symbol for symbol, word in enumerate(codewords(lengths_)) if word}
    bits = "".join(f"{byte:08b}" for byte in data)
    found, word = [], ""
    for bit in bits:
        if len(found) == count:
            break
        word += bit
        if word in words:
            found.append(words[word])
            word = ""
    return found


def coded(n: int, buckets: int, entries: dict[int, tuple[int, int]], b: int) -> bytes:
    """The coded form of a hash of n identifiers: of those connected (bucket, sign).

    >>> len(coded(16, 3, {1: (0, 1), 4: (1, 1), 15: (2, 1)}, 3))
    30
    """
    found = sorted(entries.items())
    kind, symbols_ = 0, 1 + buckets
    values = [1 + bucket + (buckets if sign < 0 else 0) for _, (bucket, sign) in found]
    if any(sign < 0 for _, (_, sign) in found):
        kind, symbols_ = 1, 1 + 2 * buckets
    elif buckets > 1 and values == list(range(1, buckets + 1)):
        kind, symbols_, values = 2, 2, [1] * len(values)
    pairs = gaps([i for i, _ in found], b) if b else [(0, True)] * len(found)
    left = iter(values)
    values = [next(left) if own else 0 for _, own in pairs]
    head = n.to_bytes(8, "little") + len(pairs).to_bytes(8, "little") + bytes([b, kind])
    parts = [([gap for gap, _ in pairs], 2**b)] if b else []
    for what, size in [*parts, (values, symbols_)]:
        counts = [what.count(symbol) for symbol in range(size)]
        sizes = lengths(counts)
        head += bytes(sizes) + stream(what, sizes)
    return head
