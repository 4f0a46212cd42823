"""Standardising: by columns, channels or not at all; nothing is rounded before it is centred."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minihash.data import Standardiser, assemble, fit_standardiser, load
from minihash.networks.arbnet import arbnet
from minihash.training import Training, evaluate, start, steps


def two(x: np.ndarray, y: np.ndarray, **options):
    """Every fourth example to test with."""
    test = np.arange(len(x)) % 4 == 0
    return assemble("mine", x[~test], y[~test], x[test], y[test], **options)


def accuracy(data, by=None) -> float:
    to_input, training = data.standardiser(by), Training(epochs=15, rate=0.05)
    network = arbnet((data.features, 20, data.classes), hash="identity", compression=1.0)
    examples = data.x_train, data.y_train, to_input
    *_, (last, _) = steps(network, training, start(network, training), *examples)
    return evaluate(network, last.params, data.x_test, data.y_test, to_input)[1]


def test_rows_that_one_float32_holds_are_told_apart():
    x = 1e8 + np.arange(4.0)[:, None]
    to_input = fit_standardiser(x, 1, 1.0)
    expected = (np.arange(4) - 1.5) / np.sqrt(1.25)
    assert np.allclose(to_input(x)[:, 0], expected, rtol=2**-23, atol=0)
    whole = x.astype(np.int64)
    assert np.array_equal(fit_standardiser(whole, 1, 1.0)(whole), to_input(x))


def test_a_table_of_a_large_mean_is_learnt():
    rng = np.random.default_rng(0)
    y = np.arange(400) % 2
    x = 1e8 + rng.normal(size=(400, 3)) + 6 * y[:, None]
    assert accuracy(two(x, y)) == 1.0


def test_columns_of_different_units_are_learnt_each_in_its_own():
    rng = np.random.default_rng(1)
    y = np.arange(400) % 2
    x = np.stack([rng.normal(size=400) * 1e6, rng.normal(size=400) + 6 * y], axis=1)
    data = two(x, y)
    assert len(data.standardiser().mean) == 2 and accuracy(data) == 1.0
    assert accuracy(data, "channels") < 0.7


def test_wine_takes_columns():
    datasets = pytest.importorskip("sklearn.datasets")
    wine = datasets.load_wine()
    data = two(wine.data, wine.target)
    assert accuracy(data) >= 43 / 45 and accuracy(data, "channels") < 0.93


@pytest.mark.parametrize("value", [14.62, -14.62, 0.1, 1e-30, 1e30, 0.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_column_is_only_centred(value, dtype):
    x = np.full((1000, 2), value, dtype)
    x[:, 1] = np.arange(1000)
    to_input = fit_standardiser(x, 2, 1.0)
    assert to_input.std[0] == 1.0 and to_input.std[1] > 288
    new = np.array([[14.63, 0.0]])
    assert to_input(new, np.float64)[0, 0] == 14.63 - float(dtype(value))
    assert not to_input(x)[:, 0].any()


@pytest.mark.parametrize("size", [1.0, -1.0, 2.0**40, 2.0**-40])
def test_a_column_is_constant_within_four_places_of_its_mean(size):
    ulp = np.spacing(1.0)
    for places, std in ((8, 1.0), (10, 5 * ulp * abs(size))):  # the deviation is half of these
        x = size * np.array([[1.0], [1.0 + places * ulp]])
        assert fit_standardiser(x, 1, 1.0).std == (std,)


@given(
    hnp.arrays(np.float64, (7, 6), elements=st.floats(-100, 100, width=32)),
    st.sampled_from([1, 2, 3, 6]),
    st.sampled_from([0.0, 1e6, -1e12]),
)
def test_floats_have_the_mean_and_deviation_of_each_group(x, groups, offset):
    x = x + offset
    to_input = fit_standardiser(x, groups, 1.0)
    by_group = x.reshape(7, groups, -1).astype(np.longdouble)
    mean, std = by_group.mean((0, 2)), by_group.std((0, 2))
    u = 2.0**-53
    assert np.all(np.abs(to_input.mean - mean) <= 4 * u * np.abs(x).max() + 60 * u * 200)
    steady = std > 1e-3 * (1 + abs(offset) * 1e-9)
    assert np.allclose(np.array(to_input.std)[steady], std[steady], rtol=1e-9)
    wide = (x - np.repeat(to_input.mean, 6 // groups)) / np.repeat(to_input.std, 6 // groups)
    assert np.array_equal(to_input(x, np.float64), wide)
    assert np.array_equal(to_input(x), wide.astype(np.float32))


@given(hnp.arrays(np.uint8, (5, 6)), st.sampled_from([1, 2, 3, 6]))
def test_a_value_has_the_same_bits_in_every_dtype_and_batch(x, groups):
    for to_input in (fit_standardiser(x, groups), fit_standardiser(x / 1.0, groups, 1.0)):
        for dtype in (np.float32, np.float64):
            y = to_input(x, dtype)
            for other in (np.int64, np.float32, np.float64, np.uint16):
                assert y.tobytes() == to_input(x.astype(other), dtype).tobytes()
            assert y[1:2].tobytes() == to_input(x[1:2], dtype).tobytes()
            assert y.tobytes() == to_input(np.asfortranarray(x), dtype).tobytes()


def test_bytes_have_the_bits_of_arithmetic_in_float32():
    digits = load("digits")
    to_input, x = digits.standardiser(), digits.x_test[:50]
    mean, std = (np.float32(v[0] * 255.0) for v in (to_input.mean, to_input.std))
    assert not to_input.wide
    assert np.array_equal(to_input(x), (x.astype(np.float32) - mean) / std)


@pytest.mark.parametrize(
    ("shape", "by", "groups"),
    [
        ((12,), None, 12),
        ((12,), "channels", 1),
        ((4, 3), None, 1),
        ((4, 3), "columns", 12),
        ((3, 2, 2), None, 3),
        ((3, 2, 2), "columns", 12),
        ((2, 2, 3, 1), None, 1),
    ],
)
def test_the_shape_says_what_has_a_mean_of_its_own(shape, by, groups):
    x = np.random.default_rng(2).normal(size=(40, 12)) * np.arange(1, 13) + 100
    data = two(x.reshape(40, *shape), np.arange(40) % 2)
    to_input = data.standardiser(by)
    assert len(to_input.mean) == len(to_input.std) == groups
    z = to_input(data.x_train, np.float64).reshape(30, groups, -1)
    assert np.allclose(z.mean((0, 2)), 0, atol=1e-12) and np.allclose(z.std((0, 2)), 1)


@pytest.mark.parametrize(
    ("shape", "dtype", "by", "expected"),
    [
        ((4,), np.uint8, None, "for each column (for pictures laid flat, --standardise channels)"),
        ((4,), np.uint8, "columns", "a mean and a deviation for each column"),
        ((4,), np.float64, None, "a mean and a deviation for each column"),
        ((4,), np.float64, "channels", "a mean and a deviation for all numbers"),
        ((2, 2), np.uint8, None, "white is 255; a mean and a deviation for all numbers"),
        ((2, 2, 1), np.uint8, None, "white is 255; a mean and a deviation for each channel"),
        ((2, 2), np.uint8, "none", "white is 255; not standardised"),
    ],
)
def test_what_is_done_is_said(shape, dtype, by, expected):
    x = np.arange(64, dtype=dtype).reshape(16, *shape) * 4
    assert two(x, np.arange(16) % 2).about(by).endswith(expected)


def test_none_leaves_floats_as_they_are_and_bytes_in_units_of_white():
    y = np.arange(8) % 2
    x = np.linspace(-3, 3, 24).reshape(8, 3)
    assert np.array_equal(two(x, y).standardiser("none")(x, np.float64), x)
    x = np.arange(72).reshape(8, 3, 3).astype(np.uint8) * 3
    data = two(x, y)
    assert np.array_equal(
        data.standardiser("none")(data.x_test, np.float64), data.x_test / data.units.white
    )
    with pytest.raises(
        ValueError, match="by one of columns, channels, none, or MEAN:STD, got 'rows'"
    ):
        data.standardiser("rows")


def test_numbers_too_large_for_their_squares_are_refused():
    with pytest.raises(ValueError, match="squares are beyond floats"):
        fit_standardiser(np.array([[1e200], [-1e200]]), 1, 1.0)


@pytest.mark.parametrize(
    "fields",
    [
        {"mean": 1.0},
        {"mean": ()},
        {"mean": (1.0, 2.0)},
        {"mean": (np.nan,)},
        {"mean": ("a",)},
        {"std": (0.0,)},
        {"std": (-1.0,)},
        {"std": (np.inf,)},
        {"peak": "a"},
        {"peak": 0.0},
        {"peak": -255.0},
        {"peak": np.nan},
    ],
)
def test_fields_that_map_nothing_are_refused(fields):
    with pytest.raises(ValueError, match="mean"):
        Standardiser(**({"mean": (0.5,), "std": (0.5,), "peak": 255.0} | fields))


def test_a_mean_and_a_deviation_as_given():
    pictures = load("digits")
    to_input = pictures.standardiser("0.1307:0.3081")
    right = (pictures.x_test[:9] / 255 - 0.1307) / 0.3081
    np.testing.assert_allclose(to_input(pictures.x_test[:9], np.float64), right, rtol=1e-13)
    assert np.array_equal(pictures.standardiser("0:1/255")(pictures.x_test), pictures.x_test)
    x = np.random.default_rng(5).integers(0, 256, (8, 3, 4, 4), np.uint8)
    colours = assemble("colours", x, np.arange(8) % 2, x, np.arange(8) % 2)
    to_input = colours.standardiser("0.5,0.25,0:0.5,1,2")
    right = (x / 255 - np.array([0.5, 0.25, 0])[:, None, None]) / np.array([0.5, 1, 2])[
        :, None, None
    ]
    np.testing.assert_allclose(
        to_input(colours.x_train, np.float64), right.reshape(8, -1), atol=1e-15
    )
    table = two(np.arange(24.0).reshape(12, 2), np.arange(12) % 2)
    assert table.standardiser("1,2:3,4")(np.array([[4.0, 10.0]])).tolist() == [[1, 2]]
    with pytest.raises(ValueError, match="got 2 means"):
        colours.standardiser("0,0:1,1")
    for text in ("1:0", "1:-1", "1,2:1", "a:1", "1:2:3", ":", "inf:1", "0:nan"):
        with pytest.raises(ValueError, match="expected MEAN:STD"):
            colours.standardiser(text)
    assert "as given, 1:2" in colours.about("1:2")


@given(
    hnp.arrays(np.float64, (7, 6), elements=st.floats(-100, 100, width=32)),
    st.lists(st.sampled_from([1, 2, 5]), min_size=7, max_size=7),
    st.sampled_from([1, 2, 6]),
    st.sampled_from([np.float64, np.uint8]),
)
def test_weights_count_as_repetitions_do(x, weights, groups, dtype):
    x = abs(x).astype(dtype)
    once = fit_standardiser(np.repeat(x, weights, axis=0), groups, 1.0)
    weighted = fit_standardiser(x, groups, 1.0, np.array(weights, np.float64))
    for found, expected in ((weighted.mean, once.mean), (weighted.std, once.std)):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
