"""The map from stored values to inputs, and arrays that are no data set."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minihash.data import Standardiser, assemble, fit_standardiser
from minihash.data.labels import aligned


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
        ({"x_train": np.zeros((0, 4))}, r"x_train is float64 of shape \(0, 4\)"),
        ({"x_test": np.zeros(3)}, r"x_test is float64 of shape \(3,\)"),
        ({"x_train": np.zeros((3, 4), object)}, "x_train is object"),
        ({"y_train": [0, 1]}, "3 training examples but 2 labels"),
        ({"x_test": np.zeros((3, 5))}, r"shape \(4,\) and test examples \(5,\)"),
        ({"y_test": [0, 1, 2]}, "y_test has the label '2', which no training example has"),
        ({"y_train": [0, -1, 1], "classes": 2}, "training labels run from -1 to 1"),
        ({"y_test": [0, 2, 1], "classes": 2}, "test labels run from 0 to 2: expected 0 to 1"),
        ({"y_train": ["a", "b", "a"], "classes": 2}, "training labels run from a to b"),
        ({"y_train": [0, 0.5, 1]}, "y_train has labels that are not whole numbers"),
        ({"y_train": [0, 2.0**53, 1]}, "y_train has labels that are not whole numbers"),
        ({"y_train": [0, np.nan, 1]}, r"y_train has 1 number that is not finite .*at \[1\]"),
        ({"y_train": [0, np.inf, 1]}, r"y_train has 1 number that is not finite .*at \[1\]"),
        ({"y_test": np.eye(3)}, r"y_test is float64 of shape \(3, 3\).*argmax"),
        ({"y_test": ["a", "b", "c"]}, "y_test has the label 'a', which no training"),
        ({"y_train": ["a", "\33[2J", "a"]}, r"y_train has a label '\\x1b\[2J'"),
        ({"x_train": np.full((3, 4), 2**53 + 1)}, r"12 integers beyond 2\^53, the first at \[0, 0"),
        ({"x_train": np.full((3, 4), 2**63, np.uint64)}, r"12 integers beyond 2\^53"),
        ({"x_train": np.full((3, 4), -(2**60))}, r"12 integers beyond 2\^53"),
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


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("key", ["x_train", "x_test"])
@pytest.mark.parametrize("dtype", ["f2", "f4", ">f8", "longdouble"])
def test_what_is_not_finite_is_refused_by_name_count_and_place(bad, key, dtype):
    x = {"x_train": np.zeros((600, 2, 3), dtype), "x_test": np.zeros((600, 2, 3), dtype)}
    x[key][555, 1, 2] = bad
    y = {"y_train": np.arange(600) % 2, "y_test": np.arange(600) % 2}
    with pytest.raises(ValueError, match=rf"mine: {key} has 1 number .* at \[555, 1, 2\]"):
        assemble("mine", **x, **y)
    x[key][300:400, 0, 1] = bad
    with pytest.raises(ValueError, match=rf"mine: {key} has 101 numbers .* at \[300, 0, 1\]"):
        assemble("mine", **x, **y)


def test_long_doubles_beyond_float64_are_not_finite():
    x = np.zeros((3, 2), np.longdouble)
    x[1, 1] = np.longdouble("1e400")
    if not np.isfinite(x[1, 1]):
        pytest.skip("long doubles are no wider here")
    with pytest.raises(ValueError, match=r"x_train has 1 number that is not finite.*\[1, 1\]"):
        assemble("mine", x, [0, 1, 0], np.zeros((3, 2)), [0, 1, 0])


# Labels are names


@pytest.mark.parametrize(
    ("y", "names", "numbers"),
    [
        ([1, 2, 3, 1], ("1", "2", "3"), [0, 1, 2, 0]),
        ([[1.0], [2.0], [3.0], [1.0]], ("1", "2", "3"), [0, 1, 2, 0]),
        ([-1, 1, -1, 1], ("-1", "1"), [0, 1, 0, 1]),
        ([2**52, 20240131, 7, 7], ("7", "20240131", "4503599627370496"), [2, 1, 0, 0]),
        (np.array([2**64 - 1, 0, 0, 9], np.uint64), ("0", "9", str(2**64 - 1)), [2, 0, 0, 1]),
        ([10, 9, 9, 10], ("9", "10"), [1, 0, 0, 1]),  # by number, not by letter
        ([True, False, True, True], ("0", "1"), [1, 0, 1, 1]),
        (["dog", "cat", "dog", "\u00e9mu"], ("cat", "dog", "\u00e9mu"), [1, 0, 1, 2]),
        ([b"dog", b"cat", b"cat", b"dog"], ("cat", "dog"), [1, 0, 0, 1]),
    ],
)
def test_labels_are_names_in_their_order(y, names, numbers):
    x = np.eye(4)
    own = assemble("mine", x, y, x[::-1], np.array(y)[::-1])
    assert own.class_names == names and own.classes == len(names)
    assert own.y_train.tolist() == numbers and own.y_test.tolist() == numbers[::-1]
    assert own.y_train.dtype == own.y_test.dtype == np.int64
    assert own.about().count("called") == (names != ("0", "1"))
    part = assemble("mine", x, y, x[:1], np.array(y)[:1])  # not all classes are in the test set
    assert part.y_test.tolist() == numbers[:1]


def test_labels_of_which_half_occur_once_are_measurements():
    x = np.zeros((30, 2))
    for single, refused in ((30, True), (15, True), (14, False)):
        y = np.where(np.arange(30) < single, np.arange(30), 99)
        if refused:
            with pytest.raises(ValueError, match=f"{single} of 30 labels in y_train occur once"):
                assemble("mine", x, y, x, y)
        else:
            assert assemble("mine", x, y, x, y).classes == 15
    assert assemble("mine", x[:10], np.arange(10), x[:10], np.arange(10)).classes == 10


def test_classes_of_another_set_are_found_by_name():
    assert aligned("mine", ("3", "1"), ("1", "2", "3")).tolist() == [2, 0]
    assert aligned("mine", ("0", "2"), ("cat", "dog", "emu")).tolist() == [0, 2]
    for own, known, strange in (
        (("0", "2"), ("1", "2"), "0"),  # where names are numbers, numbers are names
        (("0", "3"), ("a", "b", "c"), "3"),
        (("a", "1"), ("a", "b"), "1"),
        (("d",), ("a",), "d"),
    ):
        with pytest.raises(ValueError, match=f"has the class {strange}, which the network has not"):
            aligned("mine", own, known)
