"""Codes and k-means in loops: known answers."""

import pytest

from reference import codes, kmeans


@pytest.mark.parametrize(
    ("counts", "lengths", "bits"),
    [
        ([5, 9, 12, 13, 16, 45], [4, 4, 3, 3, 3, 1], 224),
        ([1, 1, 2, 3, 5, 8, 13, 21], [7, 7, 6, 5, 4, 3, 2, 1], 132),
        ([4, 4, 4, 4, 4], [3, 3, 2, 2, 2], 48),
        ([2, 2, 3, 1], [3, 2, 1, 3], 16),
        ([0, 7, 0], [0, 1, 0], 7),
        ([0, 0], [0, 0], 0),
    ],
)
def test_known_codes(counts, lengths, bits):
    assert codes.lengths(counts) == lengths
    assert sum(n * c for n, c in zip(lengths, counts, strict=True)) == bits
    words = [word for word in codes.codewords(lengths) if word]
    assert all(not b.startswith(a) for a in words for b in words if a is not b)


def test_the_example_of_gaps():
    """Nonzeros at 1, 4 and 15 of 16, 3 bits a gap: Han et al., figure 2, has the same form."""
    pairs = codes.gaps([1, 4, 15], 3)
    assert [gap for gap, _ in pairs] == [1, 2, 7, 2]
    assert [own for _, own in pairs] == [True, True, False, True]
    for b in range(1, 6):
        for ids in ([], [0], [31], [0, 31], list(range(32)), [7, 8, 16, 31]):
            assert codes.connected(codes.gaps(ids, b)) == ids
            assert all(gap < 2**b for gap, _ in codes.gaps(ids, b))


def test_a_stream_is_read_as_it_was_written():
    symbols, lengths = [0, 1, 2, 3, 3, 2, 1, 0, 1], [3, 1, 2, 3]
    assert codes.symbols(codes.stream(symbols, lengths), len(symbols), lengths) == symbols


def test_lloyd_stops_above_the_optimum():
    weights = [0.0, 0.1, 1.0, 1.1, 8.0]
    assert kmeans.optimum(weights, 3) == pytest.approx(0.01)
    assert kmeans.cost(weights, kmeans.lloyd(weights, [0.0, 4.0, 8.0])) > 0.5
    assert kmeans.lloyd(weights, [-9.0, 0.5, 8.0]) == [-9.0, 0.55, 8.0]
