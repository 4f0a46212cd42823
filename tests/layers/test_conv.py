"""Conv2d and Conv1d against PyTorch, the loops, and Dense under their Toeplitz hash.

Integer-valued inputs: bit for bit. Elsewhere a sum of n products, in any order, is within
gamma_n sum |a b|; y has n = channels of a group * taps + 1, dx at most out_channels * taps, the
gradient of a table batch * outputs and then the load of its bucket.
"""

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from torch.nn import functional

from minihash import core
from minihash.core.numba import convolution, patches
from minihash.files.spec import decode, encode
from minihash.hashes import HASHES, Compose, Identity, Lookup, Modulus, Toeplitz, Uniform
from minihash.layers import Conv1d, Conv2d
from minihash.networks.sequential import Sequential
from minihash.weights import VirtualWeight
from reference import convolution as loops
from tests.support.backends import array_backend  # noqa: F401
from tests.support.bounds import assert_within, gamma, total_eps
from tests.support.conv_cases import bits, cases, equal
from tests.support.core_cases import with_threads
from tests.support.strategies import cotangent, examples, frozen_dict, layouts


@given(cases())
def test_convolution_is_dense_under_its_toeplitz_hash_is_pytorch(case):
    ours = case.ours()
    assert {result.dtype for result in ours.values()} == {case.x.dtype}
    equal(ours, case.torch())
    equal(ours, case.dense())


@examples(5)
@given(cases(kinds=["uniform-signed"], dtypes=[np.float64]))
def test_the_backend_of_the_core_does_not_matter(case):
    pytest.importorskip("numba")
    with core.use("numba"):
        found = case.ours()
    equal(found, case.ours())


@examples(15)
@given(cases(most_images=2))
def test_convolution_is_its_loops(case):
    layer = case.layer
    K, *B = (core.gather(case.params[w.table], w, "numpy") for w in layer.weights())

    def plane(a):
        return a if a.ndim != 3 else a[:, :, None, :]

    pad = 2 - len(layer.axes)
    options = (1,) * pad + layer.stride, (0,) * pad + layer.padding, (1,) * pad + layer.dilation
    options += (layer.groups,)
    x, K4, dy = plane(case.x), plane(K), plane(case.dy)
    y = loops.convolution_forward(x, K4, B[0] if B else None, *options)
    dx, dK, dB = loops.convolution_backward(dy, x, K4, *options)
    expected = {"y": y.reshape(case.dy.shape), "dx": dx.reshape(case.x.shape)}
    for w, gradient in zip(layer.weights(), (dK.reshape(K.shape), dB), strict=False):
        dtable = core.scatter_add(gradient, w, "numpy")
        expected[w.table] = expected.get(w.table, 0) + dtable
    equal(case.ours(), expected)


@given(cases(whole=False))
def test_real_numbers_are_within_their_error_bounds(case):
    found, exact, size = case.ours(), case.torch(), case.torch(magnitudes=True)
    e, layer = total_eps(case.x.dtype), case.layer
    taps = math.prod(layer.windows.kernel)
    terms = {"y": layer.weight.shape[1] * taps + 1, "dx": layer.weight.shape[0] * taps}
    load = sum(w.size for w in layer.weights())
    sums = case.dy.size // layer.weight.shape[0] + load
    for name, result in found.items():
        assert_within(result, exact[name], gamma(terms.get(name, sums) + 1, e) * size[name])


CUTS = {
    "entries": (1, 1, 1),
    "short": (5, 60, 2),
    "long": (100, 1000, 3),
    "one": (2**20, 2**24, 64),
}


@pytest.mark.parametrize("cut", CUTS)
@examples(10)
@given(case=cases(most_images=9))
def test_no_cut_and_no_thread_count_changes_integer_results(case, cut):
    expected = bits(case.torch())
    columns, entries, lanes = CUTS[cut]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(patches, "COLUMNS", columns)
        patch.setattr(patches, "ENTRIES", entries)
        patch.setattr(convolution, "PARTS", lanes)
        for threads in (1, 3):
            with with_threads(threads):
                found = case.ours()
                found = {name: result.astype(np.float64) for name, result in found.items()}
                assert bits(found) == expected


def layer_of(channels=4, out_channels=6, taps=3, bias=True, **options):
    """A hashed layer with a free bias, and its parameters."""
    depth = channels // options.get("groups", 1)
    weight = VirtualWeight((out_channels, depth, taps, taps), Uniform(50, 3, True), "kernel")
    free = VirtualWeight((out_channels,), Identity(out_channels), "bias") if bias else None
    layer = Conv2d(weight, free, **options)
    rng = np.random.default_rng(5)
    params = {w.table: rng.standard_normal(w.hash.buckets) for w in layer.weights()}
    return layer, params


def run(layer, params, x, dy):
    y, cache = layer.forward(params, x)
    dx, grads = layer.backward(params, cache, dy)
    return {"y": y, "dx": dx} | grads


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_number_of_threads_changes_no_bit(dtype):
    layer, params = layer_of(padding=1)
    params = {name: table.astype(dtype) for name, table in params.items()}
    x, dy = cotangent((21, 4, 17, 19), dtype, 0), cotangent((21, 6, 17, 19), dtype, 1)
    results = []
    for threads in (1, 2, 3, 7):
        with with_threads(threads):
            results += [bits(run(layer, params, x, dy)) for _ in range(2)]
    assert all(result == results[0] for result in results)


def test_regions_cover_every_output_once_in_bounded_memory():
    shapes = [(5, (20, 20), 9), (3, (2000, 3), 7), (2, (1, 5000), 64), (64, (7, 7), 576)]
    for batch, outputs, taps in [*shapes, (1, (40, 40), 2**20)]:
        count = np.zeros((batch, *outputs), int)
        for region in patches.regions(slice(0, batch), outputs, taps):
            count[region.images, region.rows, region.columns] += 1
            assert region.size == math.prod(region.shape) <= patches.COLUMNS
            assert region.size * taps <= max(patches.ENTRIES, taps)
        assert (count == 1).all()


@pytest.mark.parametrize("cls", [Conv1d, Conv2d])
def test_results_are_fresh_and_layouts_do_not_matter(cls):
    axes = len(cls.axes)
    weight = VirtualWeight((4, 3, *(3,) * axes), Modulus(7), "kernel")
    layer = cls(weight, VirtualWeight((4,), Identity(4), "bias"), padding=1)
    params = frozen_dict({"kernel": np.arange(7.0), "bias": np.arange(4.0)})
    x, dy = (
        cotangent((2, 3, *(5,) * axes), np.float64, 1),
        cotangent((2, 4, *(5,) * axes), float, 2),
    )
    plain = run(layer, params, x, dy)
    for name, result in plain.items():
        assert result.flags.writeable and result.flags.c_contiguous, name
        assert not any(np.shares_memory(result, given) for given in (x, dy, *params.values()))
    for layout in layouts(x):
        other = {name: layouts(array)[layout] for name, array in params.items()}
        assert bits(run(layer, other, layouts(x)[layout], layouts(dy)[layout])) == bits(plain)


def test_backward_may_be_called_twice_and_an_empty_batch_is_one():
    layer, params = layer_of(padding=1)
    x, dy = cotangent((3, 4, 5, 5), np.float64, 1), cotangent((3, 6, 5, 5), np.float64, 2)
    _, cache = layer.forward(params, x)
    first, again = (layer.backward(params, cache, dy) for _ in range(2))
    assert bits({"dx": first[0]} | first[1]) == bits({"dx": again[0]} | again[1])
    empty = run(layer, params, x[:0], dy[:0])
    assert empty["y"].shape == (0, 6, 5, 5) and empty["dx"].shape == (0, 4, 5, 5)
    assert not empty["kernel"].any() and not empty["bias"].any()


def test_nan_and_infinity_reach_the_outputs_that_see_them_and_no_other():
    layer, params = layer_of()
    x, dy = cotangent((2, 4, 9, 9), np.float64, 1).copy(), cotangent((2, 6, 7, 7), np.float64, 2)
    x[0, 1, 4, 4], x[1, 0, 0, 0] = np.nan, np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = run(layer, params, x, dy)
    seen = functional.conv2d(
        torch.from_numpy(np.isfinite(x) - 1.0), torch.ones(1, 4, 3, 3).double()
    )
    bad = np.broadcast_to((seen != 0).numpy(), result["y"].shape)
    assert (np.isfinite(result["y"]) == ~bad).all()
    assert np.isfinite(result["dx"]).all() and np.isfinite(result["bias"]).all()
    assert not np.isfinite(result["kernel"]).all()


def test_as_dense_is_the_kernels_hash_after_the_toeplitz_hash():
    layer, _ = layer_of(channels=4, groups=2, stride=2, padding=1)
    dense = layer.as_dense(5, 6)
    toeplitz = Toeplitz((4, 5, 6), (6, 3, 3), 2, 1, 1, 2)
    assert dense.weight.hash == Compose(toeplitz, layer.weight.hash)
    assert dense.weight.shape == (6 * 3 * 3, 4 * 5 * 6) and dense.weight.table == "kernel"
    assert dense.bias.shape == (6 * 3 * 3,) and dense.bias.table == "bias"
    with pytest.raises(ValueError, match=r"^windows must fit .*"):
        layer_of()[0].as_dense(2, 5)


def test_a_view_of_a_weight_is_a_kernel():
    stored = VirtualWeight((3, 3, 4, 6), Uniform(20, 1, True), "kernel", 9)
    layer = Conv2d(stored.T, padding=1)
    table = {"kernel": np.random.default_rng(0).integers(-4, 5, 20).astype(float)}
    x = np.random.default_rng(1).integers(-4, 5, (2, 4, 5, 5)).astype(float)
    K = core.gather(table["kernel"], stored, "numpy").T
    expected = functional.conv2d(torch.from_numpy(x), torch.from_numpy(K.copy()), padding=1).numpy()
    np.testing.assert_array_equal(layer.forward(table, x)[0], expected)
    y, _ = layer.as_dense(5, 5).forward(table, x.reshape(2, -1))
    np.testing.assert_array_equal(y.reshape(expected.shape), expected)


@pytest.mark.parametrize("cls", [Conv1d, Conv2d])
def test_specs_come_back_equal(cls):
    weight = VirtualWeight((4, 2, *(3,) * len(cls.axes)), Lookup(2, [0, 1] * 36), "kernel")
    network = Sequential((cls(weight, stride=2, padding=1, dilation=2, groups=2),))
    arrays = {}
    assert decode(encode(network, arrays), arrays) == network
    assert set(HASHES) >= {"toeplitz"}


WEIGHT = VirtualWeight((4, 2, 3, 3), Modulus(5), "kernel")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"weight": 3}, "the weight of Conv2d must be a VirtualWeight or a source, got 3; .*"),
        (
            {"weight": VirtualWeight((4, 2, 3), Modulus(5))},
            "the weight of Conv2d must have shape "
            r"\(out_channels, channels / groups, height, width\), got \(4, 2, 3\); .*",
        ),
        ({"bias": np.zeros(4)}, "the bias of Conv2d must be a VirtualWeight, got .*"),
        ({"bias": VirtualWeight((2,), Modulus(5))}, r".* must have shape \(4,\), got \(2,\); .*"),
        ({"stride": 0}, "stride must lie in 1 .. .*, got 0; .*"),
        ({"padding": -1}, "padding must lie in 0 .. .*, got -1; .*"),
        ({"dilation": (1, 2, 3)}, "dilation must be one integer or 2, .*"),
        ({"groups": 3}, "groups must divide the 6 input and the 4 output channels, got 3; .*"),
        ({"groups": 0}, "groups must lie in 1 .. .*, got 0; .*"),
        ({"groups": 1.0}, "groups must be an integer, got 1.0; .*"),
    ],
)
def test_fields_that_do_not_fit_are_refused_in_one_line(fields, message):
    with pytest.raises((TypeError, ValueError), match=f"^{message}$"):
        Conv2d(**{"weight": WEIGHT} | fields)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((1, 2, 5)), r"x of Conv2d must have shape \(any, 2, any, any\), got .*; .*"),
        (np.zeros((1, 3, 5, 5)), r"x of Conv2d must have shape \(any, 2, any, any\), got .*; .*"),
        (
            np.zeros((1, 2, 5, 2)),
            "windows must fit into the padded input, got windows of 3 x 3 and "
            "an input of 5 x 2, padded 5 x 2; .*",
        ),
        (np.zeros((1, 2, 0, 5)), "windows must fit into the padded input, .*"),
        (np.zeros((1, 2, 5, 5), int), "x of Conv2d must be float32 or float64, got int64; .*"),
        (np.zeros((1, 2, 5, 5), np.float32), "the parameter 'kernel' must be float32 .*"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_in_one_line(x, message):
    with pytest.raises((TypeError, ValueError), match=f"^{message}$"):
        Conv2d(WEIGHT).forward({"kernel": np.zeros(5)}, x)


def test_parameters_and_dy_that_do_not_fit_are_refused_in_one_line():
    layer, x = Conv2d(WEIGHT), np.zeros((1, 2, 5, 5))
    with pytest.raises(ValueError, match=r"^params must hold an array 'kernel', got none; .*"):
        layer.forward({}, x)
    with pytest.raises(ValueError, match=r"^the parameter 'kernel' must have shape .*"):
        layer.forward({"kernel": np.zeros(6)}, x)
    params = {"kernel": np.zeros(5)}
    _, cache = layer.forward(params, x)
    for dy in (np.zeros((1, 4, 5, 5)), np.zeros((2, 4, 3, 3)), np.zeros((1, 4, 9))):
        with pytest.raises(ValueError, match=r"^dy of Conv2d must have shape \(1, 4, 3, 3\), .*"):
            layer.backward(params, cache, dy)
    with pytest.raises(TypeError, match=r"^dy of Conv2d must be float64 .*"):
        layer.backward(params, cache, np.zeros((1, 4, 3, 3), np.float32))
    with pytest.raises(ValueError, match=r"^the weight of Conv1d .*, length\), got .*"):
        Conv1d(WEIGHT)
