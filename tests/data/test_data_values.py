"""The map from stored values to inputs, and arrays that are no data set."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minihash.data import Standardiser, assemble, fit_standardiser


@given(
    hnp.arrays(np.uint8, st.tuples(st.integers(1, 600), st.just(6))), st.sampled_from([1, 2, 3, 6])
)
def test_standardised_training_set_has_the_mean_and_deviation_asked_for(x, channels):
    to_input = fit_standardiser(x, channels, peak=255.0)
    by_channel = x.reshape(len(x), channels, -1).astype(np.longdouble) / 255
    # x/255 <= 1 and n <= 3600 terms: both sides are good to far less than 3600 * 2^-52
    assert np.allclose(to_input.mean, by_channel.mean((0, 2)), rtol=0, atol=3600 * 2.0**-52)
    std = by_channel.std((0, 2))
    std[[len(np.unique(by_channel[:, c])) == 1 for c in range(channels)]] = 1
    assert np.allclose(to_input.std, std, rtol=3600 * 2.0**-52, atol=0)

    before = x.copy()
    for dtype in (np.float32, np.float64):
        y = to_input(x, dtype)
        assert y.dtype == dtype and y.shape == x.shape and not np.shares_memory(x, y)
        u = np.finfo(dtype).eps / 2
        m, s = np.repeat(to_input.mean, 6 // channels), np.repeat(to_input.std, 6 // channels)
        exact = (x / np.longdouble(255) - m) / s
        # each of peak*mean, peak*std, the difference and the quotient is rounded (the first two
        # twice), all relative to at most (v + peak*mean) / (peak*std)
        assert np.all(np.abs(y - exact) <= 7 * u * (x / 255 + m) / s)
    assert np.array_equal(x, before)


def test_standardised_floats_of_a_large_mean_do_not_cancel():
    x = np.random.default_rng(5).integers(0, 2, (5000, 4)) + 1e9
    ones = (x == x.max()).mean()
    to_input = fit_standardiser(x, peak=1.0)
    assert to_input.mean[0] == pytest.approx(1e9 + ones, rel=1e-15)
    assert to_input.std[0] == pytest.approx(np.sqrt(ones * (1 - ones)), rel=1e-6)


def test_a_channel_that_never_varies_is_only_centred():
    x = np.array([[7, 0], [7, 255]], np.uint8)
    assert fit_standardiser(x, 2).std == (1.0, 0.5)
    assert fit_standardiser(x.astype(np.float64), 2).std == (1.0, 0.5)
    assert fit_standardiser(x, 2)(x, np.float64)[:, 0].tolist() == [0, 0]


def test_standardiser_refuses_what_it_cannot_map():
    to_input = Standardiser((0.5, 0.5), (1.0, 1.0))
    assert to_input(np.empty((0, 4), np.uint8)).shape == (0, 4)
    with pytest.raises(ValueError, match=r"shape \(3, 5\).*multiple of the 2 channel"):
        to_input(np.zeros((3, 5), np.uint8))
    with pytest.raises(ValueError, match=r"shape \(4,\)"):
        to_input(np.zeros(4, np.uint8))
    with pytest.raises(TypeError, match=r"float16.*ask for float32 or float64"):
        to_input(np.zeros((1, 4), np.uint8), np.float16)
    with pytest.raises(ValueError, match="not empty"):
        fit_standardiser(np.zeros((0, 4), np.uint8))


# What is not a data set


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x_train": np.zeros((0, 4))}, r"training examples are float64 of shape \(0, 4\)"),
        ({"x_test": np.zeros(3)}, r"test examples are float64 of shape \(3,\)"),
        ({"x_train": np.zeros((3, 4), object)}, "training examples are object"),
        ({"y_train": [0, 1]}, "3 training examples but 2 labels"),
        ({"x_test": np.zeros((3, 5))}, r"shape \(4,\) and test examples \(5,\)"),
        ({"y_test": [0, 1, 2]}, "test labels run from 0 to 2: expected 0 to 1"),
        ({"y_train": [0, -1, 1]}, "training labels run from -1 to 1"),
        ({"y_train": [0, 0.5, 1]}, "training labels are not all whole numbers"),
        ({"y_train": [0, np.nan, 1]}, "training labels are not all whole numbers"),
        ({"y_train": [0, np.inf, 1]}, "training labels are not all whole numbers"),
        ({"y_test": np.eye(3)}, r"test labels are float64 of shape \(3, 3\).*argmax"),
        ({"y_test": ["a", "b", "c"]}, "test labels are <U1"),
    ],
)
def test_arrays_that_are_no_data_set_are_refused_in_one_line(changed, message):
    arrays = {
        "x_train": np.zeros((3, 4)),
        "y_train": [0, 1, 0],
        "x_test": np.zeros((3, 4)),
        "y_test": [[1], [0], [1]],
    }
    assert assemble("mine", **arrays).y_test.tolist() == [1, 0, 1]
    with pytest.raises(ValueError, match=message) as caught:
        assemble("mine", **(arrays | changed))
    assert "\n" not in str(caught.value)
