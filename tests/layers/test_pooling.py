"""Pooling, Flatten and Reshape against PyTorch and the loops; a network of all layers for images.

A maximum, and a mean of integers over 1, 2, 4, 8 or 16 taps, is exact. Any other mean of n numbers
is within gamma_(n+1) of the mean of their magnitudes.
"""

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from minihash.core import use
from minihash.files.spec import decode, encode
from minihash.hashes import Identity, Modulus, Uniform
from minihash.layers import (
    AveragePool2d,
    Conv2d,
    Dense,
    Flatten,
    GlobalAveragePool,
    MaxPool2d,
    ReLU,
    Reshape,
    pooling,
)
from minihash.networks.sequential import Sequential
from minihash.weights import VirtualWeight
from reference import pooling as loops
from reference import torch_twins
from tests.support.bounds import assert_within, autograd, gamma, total_eps
from tests.support.core_cases import with_threads
from tests.support.strategies import cotangent, dtypes, examples, frozen, layouts

POOLS = {
    MaxPool2d: (torch_twins.max_pool, loops.max_pool, loops.max_pool_backward),
    AveragePool2d: (torch_twins.average_pool, loops.average_pool, loops.average_pool_backward),
}


@st.composite
def pools(draw, values=3):
    """(layer, x, dy): integers below `values` in size, so that many are equal."""

    def pair(low, high):
        return draw(st.tuples(st.integers(low, high), st.integers(low, high)))

    cls, size, stride = draw(st.sampled_from(list(POOLS))), pair(1, 4), pair(1, 4)
    padding = tuple(draw(st.integers(0, k // 2)) for k in size)
    least = [max(1, k - 2 * p) for k, p in zip(size, padding, strict=True)]
    sizes = tuple(n + more for n, more in zip(least, pair(0, 7), strict=True))
    batch, channels, dtype = draw(st.integers(0, 3)), draw(st.integers(1, 3)), draw(dtypes)
    layer = cls(size, draw(st.sampled_from([None, stride])), padding)
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    x = rng.integers(-values, values + 1, (batch, channels, *sizes))
    outputs = layer.windows.outputs(sizes)
    dy = rng.integers(-9, 10, (batch, channels, *outputs))
    return layer, frozen(x.astype(dtype)), frozen(dy.astype(dtype))


def run(layer, x, dy):
    y, cache = layer.forward({}, x)
    dx, grads = layer.backward({}, cache, dy)
    assert grads == {} and y.dtype == dx.dtype == x.dtype.newbyteorder("=")
    return y, dx


@given(pools())
def test_pools_are_pytorchs_and_their_loops(case):
    layer, x, dy = case
    y, dx = run(layer, x, dy)
    by_torch, by_loop, by_loop_backward = POOLS[type(layer)]
    options = layer.size, layer.stride, layer.padding
    backward = (x,) if isinstance(layer, MaxPool2d) else (x.shape,)
    pairs = [(by_loop(x, *options), by_loop_backward(dy, *backward, *options))]
    if x.size:
        expected, (dx_torch,) = autograd(lambda x: by_torch(x, *options), dy, x)
        pairs.append((expected, dx_torch))
    taps = math.prod(layer.size)
    exact = isinstance(layer, MaxPool2d) or taps & (taps - 1) == 0
    size = by_loop(abs(x), *options), by_loop_backward(abs(dy), *backward, *options)
    for pair in pairs:
        for found, expected, magnitude in zip((y, dx), pair, size, strict=True):
            bound = 0 if exact else gamma(taps + 2, total_eps(x.dtype)) * magnitude
            assert_within(found, expected, bound)


@examples(10)
@given(pools(values=99))
def test_no_part_and_no_thread_changes_a_pool(case):
    layer, x, dy = case
    expected = [a.tobytes() for a in run(layer, x, dy)]
    for entries, threads in ((1, 3), (50, 1), (50, 2), (10**9, 1)):
        with pytest.MonkeyPatch.context() as patch, with_threads(threads):
            patch.setattr(pooling, "ENTRIES", entries)
            assert [a.tobytes() for a in run(layer, x, dy)] == expected


@pytest.mark.parametrize("size", [17, (2, 200)])
def test_many_taps_are_told_apart(size):
    layer = MaxPool2d(size, stride=1)
    x = cotangent((1, 2, 20, 210), np.float64, 3)
    dy = cotangent((1, 2, *layer.windows.outputs((20, 210))), np.float64, 4)
    expected, (dx,) = autograd(lambda x: functional.max_pool2d(x, size, 1), dy, x)
    y, found = run(layer, x, dy)
    np.testing.assert_array_equal(y, expected)
    assert_within(found, dx, gamma(math.prod(layer.size), 2e-15) * abs(dy).sum())


def test_the_maximum_of_infinities_and_nan():
    x = np.full((1, 1, 4, 4), -np.inf)
    y, dx = run(MaxPool2d(2), x, np.full((1, 1, 2, 2), 5.0))
    assert (y == -np.inf).all() and dx.reshape(-1).nonzero()[0].tolist() == [0, 2, 8, 10]
    y, dx = run(MaxPool2d(2, padding=1), x, np.full((1, 1, 3, 3), 5.0))
    assert (y == -np.inf).all() and dx.sum() == 45  # none is lost in the padding
    x[0, 0, 1, 1], x[0, 0, 3, 3] = np.nan, np.inf
    dy = np.array([[[[1.0, 2.0], [3.0, np.inf]]]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y, dx = run(MaxPool2d(2), x, dy)
    assert np.isnan(y[0, 0, 0, 0]) and y[0, 0, 1, 1] == np.inf
    assert dx[0, 0, :2, :2].sum() == 1 and dx[0, 0, 3, 3] == np.inf and not np.isnan(dx).any()


@given(dtypes, st.lists(st.integers(1, 5), min_size=1, max_size=3), st.integers(0, 99))
def test_global_averages_are_means(dtype, positions, seed):
    x = cotangent((3, 2, *positions), dtype, seed)
    dy = cotangent((3, 2), dtype, seed + 1)
    axes = tuple(range(2, x.ndim))
    expected, (dx_expected,) = autograd(lambda x: x.mean(axes), dy, x)
    y, dx = run(GlobalAveragePool(), x, dy)
    e = total_eps(dtype)
    assert_within(y, expected, gamma(math.prod(positions) + 2, e) * abs(x).mean(axes))
    assert_within(dx, dx_expected, gamma(2, e) * abs(dx_expected))
    if len(positions) == 2:
        eps = total_eps(np.float64)
        bound = gamma(math.prod(positions) + 2, eps) * abs(x).mean(axes) + e * abs(expected)
        assert_within(y, loops.global_average(x), bound)
        assert_within(dx, loops.global_average_backward(dy, x.shape), e * abs(dx_expected))


@given(dtypes, st.integers(0, 3), st.lists(st.integers(1, 4), max_size=3), st.integers(0, 9))
def test_shapes_are_row_major_and_back(dtype, batch, shape, seed):
    x = cotangent((batch, *shape), dtype, seed)
    dy = cotangent((batch, math.prod(shape)), dtype, 1)
    y, dx = run(Flatten(), x, dy)
    assert y.tobytes() == x.tobytes() and y.shape == dy.shape
    assert dx.tobytes() == dy.tobytes() and dx.shape == x.shape
    dy = cotangent((batch, *reversed(shape)), dtype, 2)
    y, dx = run(Reshape(tuple(reversed(shape))), x, dy)
    assert y.tobytes() == x.tobytes() and y.shape == dy.shape
    assert dx.tobytes() == dy.tobytes() and dx.shape == x.shape


LAYERS = [MaxPool2d(2), AveragePool2d(3, 2, 1), GlobalAveragePool(), Flatten(), Reshape((12, 9))]


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_results_are_fresh_and_layouts_do_not_matter(layer):
    x = cotangent((2, 3, 6, 6), np.float64, 1)
    y, cache = layer.forward({}, x)
    dy = cotangent(y.shape, np.float64, 2)
    dx, _ = layer.backward({}, cache, dy)
    for result in (y, dx, layer.backward({}, cache, dy)[0]):
        assert result.flags.writeable and not np.shares_memory(result, x)
        assert not np.shares_memory(result, dy)
    for layout, other in layouts(x).items():
        again = run(layer, other, layouts(dy)[layout])
        assert [a.tobytes() for a in again] == [y.tobytes(), dx.tobytes()]
    with pytest.raises(ValueError, match=rf"^dy of {type(layer).__name__} must have shape .*"):
        layer.backward({}, cache, dy[:1])
    with pytest.raises(TypeError, match=rf"^dy of {type(layer).__name__} must be float64 .*"):
        layer.backward({}, cache, dy.astype(np.float32))
    arrays = {}
    assert decode(encode(Sequential((layer,)), arrays), arrays) == Sequential((layer,))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MaxPool2d(0), "size must lie in 1 .. .*, got 0; .*"),
        (lambda: MaxPool2d((2, 2, 2)), "size must be one integer or 2, .*"),
        (lambda: MaxPool2d("2"), "size must be an integer, got '2'; .*"),
        (lambda: MaxPool2d(2, 0), "stride must lie in 1 .. .*, got 0; .*"),
        (lambda: AveragePool2d(2, padding=-1), "padding must lie in 0 .. .*, got -1; .*"),
        (lambda: MaxPool2d(3, padding=2), ".* at most half of its size, got 2 x 2 for 3 x 3; .*"),
        (lambda: Reshape(4), "shape of Reshape must be a tuple of sizes, got 4"),
        (lambda: Reshape((0,)), "each size of a shape must lie in 1 .. .*, got 0; .*"),
        (lambda: Reshape((2, 3)).forward({}, np.ones((1, 5))), "x of Reshape must have .* 6 .*"),
        (lambda: Reshape(()).forward({}, np.ones(())), "x of Reshape must have .*"),
        (lambda: Flatten().forward({}, np.ones(())), "x of Flatten must have shape .*"),
        (lambda: Flatten().forward({}, np.ones((1, 2), int)), "x of Flatten must be float32 .*"),
        (lambda: MaxPool2d(3).forward({}, np.ones((1, 1, 2, 5))), "windows must fit .* 2 x 5; .*"),
        (lambda: MaxPool2d(3).forward({}, np.ones((1, 5, 5))), "x of MaxPool2d must have .*"),
        (lambda: AveragePool2d(9).forward({}, np.ones((1, 1, 8, 8))), "windows must fit .*"),
        (lambda: GlobalAveragePool().forward({}, np.ones((1, 5))), "x of GlobalAverage.*"),
        (lambda: GlobalAveragePool().forward({}, np.ones((1, 5, 0))), ".* at least 1 position .*"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(make, message):
    with pytest.raises((TypeError, ValueError), match=f"^{message}$"):
        make()


def test_a_network_for_images_is_pytorchs_bit_for_bit_on_integers():
    """Kernels and the dense layer read one table; their gradients are summed."""
    shared = Uniform(11, 4, signed=True)
    bias = VirtualWeight((6,), Identity(6), "bias")
    weights = [
        VirtualWeight((4, 1, 3, 3), shared, "table"),
        VirtualWeight((6, 2, 3, 3), shared, "table", 36),
        VirtualWeight((3, 54), Modulus(11), "table", 144),
    ]
    network = Sequential(
        (
            *(Reshape((1, 9, 10)), Conv2d(weights[0], padding=1), ReLU(), MaxPool2d(2, 2, 1)),
            *(Conv2d(weights[1], bias, stride=2, padding=2, groups=2), ReLU()),
            *(AveragePool2d(2, padding=1), Flatten(), Dense(weights[2])),
        )
    )
    rng = np.random.default_rng(0)
    params = {"table": rng.integers(-2, 3, 11).astype(float), "bias": np.arange(-3.0, 3.0)}
    x, dy = rng.integers(-2, 3, (5, 90)).astype(float), 4.0 * rng.integers(-3, 4, (5, 3))

    def twin(x, table, bias):
        K1, K2, V = (
            table[torch.from_numpy(w.hash.bucket(w.identifiers()))]
            * torch.from_numpy(w.hash.sign(w.identifiers()))
            for w in weights
        )
        x = functional.relu(functional.conv2d(x.reshape(-1, 1, 9, 10), K1, padding=1))
        x = functional.conv2d(functional.max_pool2d(x, 2, 2, 1), K2, bias, 2, 2, groups=2)
        x = functional.avg_pool2d(functional.relu(x), 2, padding=1)
        return functional.linear(x.flatten(1), V)

    expected, gradients = autograd(twin, dy, x, params["table"], params["bias"])
    with use("numpy"):
        y, caches = network.forward(params, x, step=0)
        dx, grads = network.backward(params, caches, dy)
    np.testing.assert_array_equal(y, expected)
    for found, exact in zip((dx, grads["table"], grads["bias"]), gradients, strict=True):
        np.testing.assert_array_equal(found, exact)
    assert all(gradient.any() for gradient in gradients)
    assert set(network.init()) == {"table", "bias"}
