"""What numbers mean is said by the training set; what comes later is brought to it, or refused."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minihash.data import Units, assemble
from minihash.data.units import MANY, units_of

RNG = np.random.default_rng(0)
SHAPE = (60, 8, 8)
BYTES = RNG.integers(0, 256, SHAPE, np.uint8)
BYTES[0, 0, :2] = 0, 255
SIXTEEN = RNG.integers(0, 17, SHAPE)
SIXTEEN[0, 0, :2] = 0, 16
FORMS = {  # of training sets: dtype and what white is
    "bytes": (BYTES, 255.0),
    "dark bytes": (BYTES // 4, 255.0),
    "bytes to 16": (SIXTEEN.astype(np.uint8), 16.0),
    "ones": (BYTES // 128, 1.0),
    "bool": (BYTES > 128, 1.0),
    "uint16": (BYTES.astype(np.uint16) * 257, 65535.0),
    "12 bits": (BYTES.astype(np.uint16) * 16, 4080.0),
    "int64 to 16": (SIXTEEN, 16.0),
    "int64": (BYTES.astype(np.int64), 255.0),
    "float64 to 16": (SIXTEEN.astype(np.float64), 16.0),
    "float64 to 255": (BYTES.astype(np.float64), 255.0),
    "float32": (BYTES.astype(np.float32) / 255, 1.0),
    "float64": (BYTES / 255, 1.0),
    "float64 to 65535": (BYTES * 257.0, 65535.0),
    "float64 below 0": (BYTES / 127.5 - 1, 0.0),
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("pictures", [True, False])
def test_an_example_of_the_training_set_is_itself(name, pictures):
    x, white = FORMS[name]
    units = units_of(x)
    assert (units.dtype, units.low, units.high) == (x.dtype.name, x.min(), x.max())
    assert units.white == white
    blank = np.full_like(x[:1], x.min())
    for part in (x, x[:1], x[3:4], blank):
        assert units.bring(part, "x", pictures) is part
    assert units.bring(x, "x", pictures, every=True) is x


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("dtype", ["float64", "int64", "float32"])
def test_a_row_saved_in_a_wider_dtype_is_the_row(name, dtype):
    x = FORMS[name][0]
    units = units_of(x)
    row = x[1:2].astype(dtype)
    if np.array_equal(row, x[1:2]) and not (x.max() == 1 and dtype == "int64" and not units.whole):
        assert units.bring(row, "x", True) is row


SCALED = {  # training set, what comes, what it is in the training set's units
    "8 bits for floats": ("float64", BYTES, BYTES / 255),
    "8 bits for float32": ("float32", BYTES, BYTES.astype(np.float32) / np.float32(255)),
    "16 bits for bytes": ("bytes", BYTES.astype(np.uint16) * 257, BYTES),
    "16 bits for floats": ("float64", BYTES.astype(np.uint16) * 257, BYTES / 255),
    "bool for ones": ("ones", BYTES > 128, BYTES > 128),
    "floats that are bytes": ("bytes", BYTES.astype(np.float64), BYTES),
    "bytes that are floats": ("float64 to 255", BYTES, BYTES),
    "bytes as they are held": ("float64 to 16", SIXTEEN.astype(np.uint8), SIXTEEN),
    "integers for floats": ("float64 to 16", SIXTEEN.astype(np.int32), SIXTEEN),
}


@pytest.mark.parametrize("case", SCALED)
def test_another_scale_is_converted_where_the_file_says_it(case):
    name, x, expected = SCALED[case]
    units = units_of(FORMS[name][0])
    found = units.bring(x, "x", True)
    assert np.array_equal(found, expected)
    if found.dtype.kind == "f" and units.dtype in ("float32", "float64") and found is not x:
        assert found.dtype == units.dtype
    assert units.bring(found, "x", True) is found  # what has been brought is at home


REFUSED = {  # training set, what comes
    "8 bits for floats to 16": ("float64 to 16", BYTES),  # 16 may be white, or not
    "floats to 1 for bytes": ("bytes", BYTES / 255),
    "ones as floats for bytes": ("bytes", (BYTES // 128).astype(np.float64)),
    "white as floats for bytes": ("bytes", np.ones(SHAPE)),
    "floats to 16 for bytes": ("bytes", SIXTEEN / 3),
    "floats to 1 for floats to 16": ("float64 to 16", SIXTEEN / 16),
    "floats to 255 for floats to 1": ("float64", BYTES.astype(np.float64)),
    "floats below 0": ("float64", BYTES / 127.5 - 1),
    "integers to 255 for floats": ("float64", BYTES.astype(np.int64)),
    "integers to 255 for 16": ("int64 to 16", BYTES.astype(np.int64)),
    "bytes to 255 for 16": ("bytes to 16", BYTES),
    "dark bytes or 16": ("int64 to 16", SIXTEEN.astype(np.uint8) * 2),
    "dark 16 bits or bytes": ("bytes", BYTES.astype(np.uint16)),
    "ones of 8 bits or of floats": ("float64", BYTES // 128),
    "greys for ones": ("ones", BYTES),
    "bool for bytes": ("bytes", BYTES > 128),
    "8 bits for 16": ("uint16", BYTES),
}
SETS = {  # what a row may be, and a whole test set cannot: as dark as that
    "bool for bytes": (BYTES > 128) * 255.0,
    "8 bits for 16": BYTES * 257.0,
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_certain_is_refused_in_one_line(case):
    name, x = REFUSED[case]
    units = units_of(FORMS[name][0])
    with pytest.raises(ValueError, match=r"x\.npy holds .* from .* to .*expected.*save") as caught:
        units.bring(x, "x.npy", True)
    message = str(caught.value)
    assert "\n" not in message and str(units) in message and x.dtype.name in message


def test_nothing_is_a_scale_in_a_table():
    table = units_of(BYTES / 255)
    x = BYTES.astype(np.int64)
    assert table.bring(BYTES, "x") is BYTES and table.bring(x, "x") is x
    counts = units_of(SIXTEEN)
    with pytest.raises(ValueError, match="in units that cannot be told"):
        counts.bring(SIXTEEN / 16, "x")
    assert counts.bring(BYTES, "x") is BYTES  # a table may have an outlier


def test_a_whole_test_set_is_no_small_part_of_the_scale():
    units = units_of(BYTES.astype(np.float64))
    small, few = BYTES // 16 * 1.0, np.ones((1, 8, 8))
    assert units.bring(small, "x", True) is small and units.bring(few, "x", True, every=True) is few
    with pytest.raises(ValueError, match="from 0 to 15, in units"):
        units.bring(small, "x", True, every=True)
    dark = BYTES // 10 * 1.0
    assert units.bring(dark, "x", True, every=True) is dark


def test_counts_may_have_a_rare_large_one():
    """Of examples of two axes that are no pictures, in one part or the other."""
    counts = RNG.poisson(2.0, SHAPE)
    rare = counts.copy()
    rare[7, 3, 3] = 12 * counts.max()
    for train, test in ((counts, rare), (rare, counts)):
        assert units_of(train).bring(test, "x", True, every=True) is test
    assert units_of(counts).bring(rare[7:8], "x", True)[0, 3, 3] == rare[7, 3, 3]


def test_long_doubles_are_float64_here():
    x = np.array([[0.25, 1.0]], np.longdouble)
    assert units_of(x) == Units("float64", 0.25, 1.0, 0.625, False, 1.0)
    assert assemble("mine", x, [0], x, [0]).x_test.dtype == np.float64


def test_a_few_whole_floats_show_nothing():
    few, many = np.ones((1, MANY - 1)), np.ones((1, MANY))
    assert not units_of(few).whole and units_of(many).whole
    assert units_of(few.astype(int)).whole
    many[0, 0] = 0.5
    assert not units_of(many).whole


def test_units_of_old_files_take_numbers_as_they_are():
    units = Units("", -math.inf, math.inf, 0.0, False, 1.0)
    for x, _ in FORMS.values():
        assert units.bring(x, "x", True) is x
    assert units.picture(BYTES, 255.0, "x").max() == 1.0
    with pytest.raises(ValueError, match="not finite"):
        units.bring(np.array([[np.nan]]), "x")


def test_a_picture_without_white_has_no_place():
    with pytest.raises(ValueError, match=r"do not say what white is: give an \.npy"):
        units_of(FORMS["float64 below 0"][0]).picture(BYTES, 255.0, "x.png")


@pytest.mark.parametrize(
    "fields",
    [
        {"dtype": "object"},
        {"dtype": 8},
        {"low": "a"},
        {"low": 2.0},
        {"high": math.nan},
        {"mean": "a"},
        {"white": -1.0},
        {"white": math.inf},
        {"whole": "yes"},
        {"channels_last": 1},
    ],
)
def test_fields_that_are_no_units_are_refused(fields):
    good = {"dtype": "uint8", "low": 0.0, "high": 1.0, "mean": 0.5, "whole": True, "white": 1.0}
    assert Units(**good).high == 1.0
    with pytest.raises(ValueError, match=r"number|whether"):
        Units(**(good | fields))


DTYPES = ("bool", "uint8", "int8", "uint16", "int64", "float16", "float32", "float64")


@given(st.data(), st.sampled_from(DTYPES), st.sampled_from(DTYPES), st.booleans(), st.booleans())
def test_a_number_is_itself_or_scaled_or_refused(data, one, other, pictures, every):
    def drawn(dtype: str) -> np.ndarray:
        kind = np.dtype(dtype).kind
        most = {"b": 1, "u": 255, "i": 127, "f": 300}[kind]
        low = data.draw(st.sampled_from([0, -most if kind in "if" else 0]))
        high = data.draw(st.sampled_from([1, most // 10 + 1, most]))
        real = st.floats(low, high, width=16) if kind == "f" else st.integers(low, high)
        return data.draw(
            hnp.arrays(dtype, (3, 2, 2), elements=st.booleans() if most == 1 else real)
        )

    units, x = units_of(drawn(one)), drawn(other)
    try:
        found = units.bring(x, "x", pictures, every=every)
    except ValueError as error:
        assert one != other or (pictures and x.max() > 12 * units.high) or x.min() < -units.high / 4
        assert str(error).startswith("x holds") and "\n" not in str(error)
    else:
        scale = {"bool": 1, "uint8": 255, "uint16": 65535}.get(other)
        assert found is x or np.allclose(found, x * units.white / scale, rtol=1e-3)
        assert found is x or (pictures and one != other and units.white in (1, 255, 65535))


Y = np.arange(60) % 3


@pytest.mark.parametrize("case", [*SCALED, *REFUSED])
def test_a_test_set_is_brought_to_the_training_sets_units(case):
    name, x = (SCALED.get(case) or REFUSED[case])[:2]
    train = FORMS[name][0]
    if case in SCALED or case in SETS:
        data = assemble("mine", train, Y, x, Y)
        expected = SETS[case] if case in SETS else SCALED[case][2]
        assert np.array_equal(data.x_test, expected.reshape(60, 64))
        assert np.array_equal(data.x_train, train.reshape(60, 64))
    else:
        with pytest.raises(ValueError, match="mine: x_test holds"):
            assemble("mine", train, Y, x, Y)
