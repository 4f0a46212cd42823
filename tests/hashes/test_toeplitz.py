"""Toeplitz against PyTorch's convolutions, SciPy's Toeplitz matrices and its own definition.

That it equals its loop, in all readings, is in test_hashes.py, test_hash_vectors.py, test_core.py.
"""

import math
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg
from torch.nn import functional

from minihash.core import gather
from minihash.hashes import (
    HASHES,
    Compose,
    Identity,
    Lookup,
    Toeplitz,
    Uniform,
    balance,
    border_balance,
)
from minihash.hashes.windows import Windows
from minihash.networks.numbering import make_hash
from minihash.weights import VirtualWeight
from tests.support.hash_strategies import toeplitzes

MOST = 2**31 - 1


def matrix(hash_, table):
    """The virtual weight (outputs, inputs) of a convolution under its hash."""
    inputs = math.prod(hash_.inner.shape if isinstance(hash_, Compose) else hash_.shape)
    w = VirtualWeight((hash_.domain // inputs, inputs), hash_)
    return gather(table, w, backend="numpy")


def by_torch(hash_, kernel):
    """The same matrix, column by column: PyTorch's convolution of one input after another."""
    convolve = functional.conv1d if len(hash_.shape) == 2 else functional.conv2d
    basis = torch.eye(math.prod(hash_.shape), dtype=torch.float64).reshape(-1, *hash_.shape)
    options = hash_.stride, hash_.padding, hash_.dilation, hash_.groups
    columns = convolve(basis, torch.tensor(kernel).reshape(hash_.weight_shape), None, *options)
    assert tuple(columns.shape[1:]) == hash_.output_shape
    return columns.reshape(len(basis), -1).T.numpy()


@given(toeplitzes(), st.integers(0, 999))
def test_its_matrix_is_pytorchs_convolution(hash_, seed):
    kernel = np.random.default_rng(seed).standard_normal(hash_.buckets)
    np.testing.assert_array_equal(matrix(hash_, kernel), by_torch(hash_, kernel))


@given(toeplitzes(), st.integers(1, 9), st.integers(0, 999))
def test_composed_with_the_kernels_hash_it_is_a_hashed_convolution(hash_, n, seed):
    outer = Uniform(n, seed, signed=True)
    table = np.random.default_rng(seed).standard_normal(n)
    kernel = gather(table, VirtualWeight(hash_.weight_shape, outer), backend="numpy")
    expected = by_torch(hash_, kernel.reshape(-1))
    np.testing.assert_array_equal(matrix(Compose(hash_, outer), table), expected)


@pytest.mark.parametrize("size, taps, padding", [(7, 3, 0), (7, 3, 1), (5, 4, 3), (4, 1, 0)])
def test_with_stride_1_it_is_constant_along_diagonals(size, taps, padding):
    hash_, k = Toeplitz((1, size), (1, taps), padding=padding), np.arange(1.0, taps + 1)
    column, row = np.zeros(hash_.output_shape[1]), np.zeros(size)
    row[: taps - padding] = k[padding:]
    column[: padding + 1] = k[padding::-1]
    np.testing.assert_array_equal(matrix(hash_, k), linalg.toeplitz(column, row))


def test_it_is_equation_4_and_not_the_print_of_equation_6():
    size, taps = 6, 3
    w = np.array([2.0, 3.0, 5.0])
    sums = np.zeros((size + taps - 1, size))
    for j, m in np.ndindex(size + taps - 1, taps):
        if 0 <= j - m < size:
            sums[j, j - m] += w[m]  # y(j) = sum over m of X(j - m) W(m)
    ours = Toeplitz((1, size), (1, taps), padding=taps - 1)
    np.testing.assert_array_equal(matrix(ours, w[::-1]), sums)
    b = 2 * size
    printed = [[(u + v) % b for v in range(size)] for u in range(size)]
    np.testing.assert_array_equal(printed, linalg.hankel(range(size), size - 1 + np.arange(size)))


@given(
    st.integers(1, 5),
    st.integers(1, 4),
    st.integers(0, 6),
    st.integers(1, 4),
    st.integers(1, 12),
    st.data(),
)
def test_windows_reach_what_they_reach(taps, stride, padding, dilation, size, data):
    windows = Windows((taps,), stride, padding, dilation)
    if windows.span[0] > size + 2 * padding:
        with pytest.raises(ValueError, match="must fit"):
            windows.outputs((size,))
        return
    (outputs,) = windows.outputs((size,))
    start = data.draw(st.integers(0, outputs - 1))
    stop = data.draw(st.integers(start + 1, outputs))
    for tap, (out,), (into,) in windows.taps((size,), (slice(start, stop),)):
        pairs = [(p - start, p * stride - padding + tap[0] * dilation) for p in range(start, stop)]
        met = [(p, q) for p, q in pairs if 0 <= q < size]
        found = zip(range(stop - start)[out], range(size)[into], strict=True)
        assert list(found) == met


@given(toeplitzes(), st.integers(0, 99))
def test_border_balance_counts_every_connection(hash_, seed):
    ids = np.arange(hash_.domain)
    outer = Lookup(3, np.random.default_rng(seed).integers(0, 3, hash_.buckets))
    shape = (hash_.output_shape[0], math.prod(hash_.output_shape[1:]), -1)
    bucket, connected = hash_.bucket(ids).reshape(shape), hash_.sign(ids).reshape(shape) != 0
    # a window lies wholly in the input if it has as many connections as any could have
    whole = (connected.sum((0, 2)) == math.prod(hash_.weight_shape)).nonzero()[0]
    rest = [p for p in range(shape[1]) if p not in whole]
    for given_outer, through in ((None, bucket), (outer, outer.bucket(bucket))):
        parts = border_balance(hash_, given_outer)
        for name, places in (("interior", whole), ("border", rest), ("all", range(shape[1]))):
            load = np.zeros(hash_.buckets if given_outer is None else 3, int)
            places = list(places)
            np.add.at(load, through[:, places][connected[:, places]], 1)
            np.testing.assert_array_equal(parts[name].load, load)
            assert parts[name].connections == load.sum()
    everything = border_balance(hash_)["all"]
    assert everything.entropy == balance(hash_, hash_.domain).entropy


def test_the_interior_has_the_greatest_entropy_and_the_border_less():
    hash_ = Toeplitz((3, 8, 8), (5, 3, 3), padding=1)
    parts = border_balance(hash_)
    most = math.log(hash_.buckets)
    assert parts["interior"].entropy == pytest.approx(most, rel=1e-15 * hash_.buckets)
    assert parts["border"].entropy < parts["all"].entropy < most
    assert parts["interior"].load.tolist() == [36] * hash_.buckets
    signs = Lookup(2, np.arange(hash_.buckets) % 2, np.arange(hash_.buckets) % 2)
    assert border_balance(hash_, signs)["interior"].load.tolist() == [0, 36 * 67]


def test_the_balance_of_a_large_convolution_enumerates_nothing():
    hash_ = Toeplitz((1, 2**15, 2**15), (1, 3, 3), padding=1)
    edge, inner = 2**15 - 1, 2**15 - 2
    load = np.multiply.outer([edge, 2**15, edge], [edge, 2**15, edge]).reshape(-1)
    parts = border_balance(hash_)
    assert parts["all"].load.tolist() == load.tolist()
    assert parts["interior"].load.tolist() == [inner**2] * 9


def test_one_integer_stands_for_all_axes():
    each = Toeplitz((2, 6, 7), (4, 3, 2), (2, 2), (1, 1), (2, 2), 2)
    assert Toeplitz([2, 6, 7], [4, 3, 2], 2, 1, 2, 2) == each
    assert hash(Toeplitz([2, 6, 7], (4, 3, 2), [2, 2], 1, 2, 2)) == hash(each)
    assert each.weight_shape == (4, 1, 3, 2) and each.output_shape == (4, 2, 4)
    assert type(Toeplitz((1, np.int8(5)), (1, 3)).shape[1]) is int


GOOD = {"shape": (2, 5, 5), "kernel": (4, 3, 3)}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kernel": (4, 6, 3)}, "windows must fit into the padded input, got windows of 6 x 3 .*"),
        ({"dilation": 3}, "windows must fit .* windows of 7 x 7 and an input of 5 x 5, .*"),
        ({"padding": -1}, "padding must lie in 0 .. .*, got -1; .*"),
        ({"padding": (1, 1, 1)}, "padding must be one integer or 2, .*, got .1, 1, 1.; .*"),
        ({"stride": 0}, "stride must lie in 1 .. .*, got 0; .*"),
        ({"stride": 1.5}, "stride must be an integer, got 1.5; .*"),
        ({"dilation": (1, 0)}, "dilation must lie in 1 .. .*, got 0; .*"),
        ({"groups": 3}, "groups must divide the 2 input and the 4 output channels, got 3; .*"),
        ({"groups": 4}, "groups must divide the 2 input and the 4 output channels, got 4; .*"),
        ({"shape": (2, 5)}, "shape and kernel must be .*, got .2, 5. and .4, 3, 3."),
        ({"shape": (2,), "kernel": (4,)}, "shape and kernel must be .*"),
        ({"shape": (2, 0, 5)}, "each size of shape must lie in 1 .. .*, got 0; .*"),
        ({"kernel": (4, True, 3)}, "each size of kernel must be an integer, got True; .*"),
        ({"kernel": 3}, "kernel must be a tuple of sizes, got 3"),
        ({"shape": (MOST, MOST, 3), "kernel": (1, 3, 3)}, ".* fewer than 2.64 connections .*"),
        ({"kernel": (2**30, 3, 3)}, ".* 2.31 kernel entries, .*"),
    ],
)
def test_bad_geometry_is_refused_in_one_line(fields, message):
    with pytest.raises((TypeError, ValueError), match=f"^{message}$"):
        Toeplitz(**GOOD | fields)


def test_sizes_alone_make_no_toeplitz_hash():
    """Nor a Lookup, Blocks nor a Compose: the builder of networks does not offer them."""
    offered = {name for name, cls in HASHES.items() if cls.by_size}
    assert set(HASHES) - offered == {"toeplitz", "lookup", "blocks", "compose"}
    for name in set(HASHES) - offered:
        with pytest.raises(ValueError, match=r"^hash must be one of identity, .*, got ") as caught:
            make_hash(name, 0.5, 10, 0, {})
        assert name not in str(caught.value).split(", got ")[0]


def test_identifiers_of_a_large_convolution_do_not_overflow():
    side, taps = 2**15, [*product(range(3), range(3))]
    hash_ = Toeplitz((1, side, side), (1, 3, 3), padding=1)
    for p in [(0, 0), (1, 1), (side - 1, side - 1), (side - 1, 0)]:
        row = (p[0] * side + p[1]) * side * side
        for t, (i, j) in enumerate(taps):
            q = p[0] + i - 1, p[1] + j - 1
            if all(0 <= v < side for v in q):
                i = row + q[0] * side + q[1]
                assert (hash_.bucket(i), hash_.sign(i)) == (t, 1)
    assert hash_.sign([hash_.domain - 3, 2, side * side - 1]).tolist() == [0, 0, 0]
    assert Compose(hash_, Identity(9)).domain == side**4
