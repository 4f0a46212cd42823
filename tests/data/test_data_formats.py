"""The readers of IDX, NumPy archives and rectangles.zip: what they read, what they refuse."""

import gzip
import io
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minihash.data import read_idx, read_mnist, read_npz, read_rectangles
from minihash.data.idx import PARTS, TYPES
from minihash.data.npz import KEYS

IDX_ARRAYS = st.sampled_from([(code, np.dtype(name)) for code, name in TYPES.items()]).flatmap(
    lambda pair: st.tuples(
        st.just(pair[0]), hnp.arrays(pair[1], hnp.array_shapes(min_dims=1, max_dims=4, min_side=0))
    )
)


def idx_bytes(code: int, array: np.ndarray) -> bytes:
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, code, array.ndim]) + sizes + array.tobytes()


def npz_bytes(**arrays) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


# IDX


@given(IDX_ARRAYS, st.booleans())
def test_idx_of_every_type_and_shape_is_read_back(tmp_path_factory, coded, zipped):
    path = tmp_path_factory.getbasetemp() / "values"
    content = idx_bytes(*coded)
    path.write_bytes(gzip.compress(content) if zipped else content)
    array = read_idx(path)
    assert array.dtype == coded[1].dtype.newbyteorder("=") and array.dtype.isnative
    assert array.shape == coded[1].shape and array.flags.writeable
    assert array.tobytes() == coded[1].astype(array.dtype).tobytes()


@given(IDX_ARRAYS, st.booleans(), st.data())
def test_idx_that_is_cut_short_or_too_long_is_refused(tmp_path_factory, coded, zipped, data):
    path = tmp_path_factory.getbasetemp() / "values"
    content = idx_bytes(*coded)
    if data.draw(st.booleans()):
        content += b"\0"
        path.write_bytes(gzip.compress(content) if zipped else content)
    else:
        content = gzip.compress(content) if zipped else content
        path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(ValueError, match=r"is damaged|ends inside its header|is not an IDX file"):
        read_idx(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not an IDX file: it begins with the bytes ''"),
        (b"\x89PNG\r\n", "begins with the bytes '89 50 4e 47'"),
        (bytes([0, 0, 7, 1, 0, 0, 0, 0]), "begins with the bytes '00 00 07 01'"),
        (bytes([0, 0, 8, 0]), "begins with the bytes '00 00 08 00'"),
        (
            bytes([0, 0, 8, 3]) + b"\xff" * 12 + bytes(9),
            "damaged: at most 9 bytes of values where shape",
        ),
    ],
)
def test_idx_header_that_is_wrong_or_lies_is_refused(tmp_path, content, message):
    (tmp_path / "values").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_idx(tmp_path / "values")


def test_mnist_files_of_another_kind_are_refused(tmp_path):
    images, labels = np.zeros((2, 28, 28), np.uint8), np.array([3, 9], np.uint8)
    for part in PARTS:
        (tmp_path / part).write_bytes(idx_bytes(8, images if "images" in part else labels))
    assert read_mnist(tmp_path).y_test.tolist() == [3, 9]
    (tmp_path / PARTS[3]).write_bytes(idx_bytes(8, np.array([3, 10], np.uint8)))
    with pytest.raises(ValueError, match="test labels run from 3 to 10: expected 0 to 9"):
        read_mnist(tmp_path)
    (tmp_path / PARTS[3]).write_bytes(idx_bytes(8, images))
    with pytest.raises(ValueError, match=r"shape \(2, 28, 28\): expected uint8 with 1 dimension"):
        read_mnist(tmp_path)
    (tmp_path / PARTS[3]).unlink()
    with pytest.raises(FileNotFoundError, match="lacks t10k-labels-idx1-ubyte"):
        read_mnist(tmp_path)


# NumPy archives


@pytest.mark.parametrize("keys", ["x_train y_train x_test y_test", "X Y Xtest Ytest"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npz_is_read_under_both_sets_of_names_and_whole_values_become_bytes(tmp_path, keys, order):
    rng = np.random.default_rng(3)
    x = np.asarray(rng.integers(0, 256, (5, 4, 3)).astype(">f8"), order=order)
    y = np.array([[0.0], [2.0], [1.0], [2.0], [0.0]])
    with (tmp_path / "own.npz").open("wb") as file:
        np.savez(file, **dict(zip(keys.split(), (x, y, x[:2], y[:2]), strict=True)))
    own = read_npz(tmp_path / "own.npz")
    assert (own.name, own.classes, own.shape, own.peak) == ("own", 3, (4, 3), 255.0)
    assert own.x_train.dtype == np.uint8 and own.y_train.dtype == np.int64
    assert np.array_equal(own.x_train, x.reshape(5, 12)) and own.y_train.tolist() == [0, 2, 1, 2, 0]
    assert np.array_equal(own.x_test, x[:2].reshape(2, 12)) and own.y_test.tolist() == [0, 2]


@pytest.mark.parametrize("value", [0.5, -1.0, 256.0])
def test_npz_values_that_are_no_bytes_are_kept_as_they_are(tmp_path, value):
    x = np.zeros((300, 2000))  # 4.8 MB: the value comes after several blocks that are bytes
    x[-1, -1] = value
    (tmp_path / "own.npz").write_bytes(
        npz_bytes(x_train=x, y_train=np.arange(300) % 2, x_test=x[-1:], y_test=[1])
    )
    own = read_npz(tmp_path / "own.npz")
    assert own.x_train.dtype == np.float64 and own.peak == 1.0
    assert np.array_equal(own.x_train, x)
    assert (own.units.low, own.units.high) == (x.min(), x.max())


def test_npz_means_what_the_dtype_of_the_file_says(tmp_path):
    x = np.random.default_rng(5).integers(0, 17, (50, 6, 6))
    x[0, 0, :2] = 0, 16
    for dtype in ("uint8", "int32", ">f4", "float64", "bool"):
        stored = (x // 16 if dtype == "bool" else x).astype(dtype)
        y = np.arange(50) % 2
        path = tmp_path / "own.npz"
        path.write_bytes(npz_bytes(x_train=stored, y_train=y, x_test=stored, y_test=y))
        own = read_npz(path)
        assert own.x_train.dtype == np.uint8 and own.units.whole
        assert own.units.dtype == np.dtype(dtype).newbyteorder("=").name
        assert (own.units.high, own.units.white) == ((1, 1) if dtype == "bool" else (16, 16))
        part = (stored / 16).astype("float64") if dtype == "float64" else x / 16.0
        path.write_bytes(npz_bytes(x_train=stored, y_train=y, x_test=part * 1.5, y_test=y))
        with pytest.raises(ValueError, match=r"own: x_test holds float64 from 0 to 1\.5"):
            read_npz(path)


def test_npz_channels_last_are_moved_if_it_is_said(tmp_path):
    x = np.arange(2 * 5 * 6 * 3, dtype=np.uint8).reshape(2, 5, 6, 3)
    path = tmp_path / "own.npz"
    for key in ("x_train", "X"):
        keys = next(keys for keys in KEYS if key in keys)
        path.write_bytes(npz_bytes(**dict(zip(keys, (x, [0, 1], x, [0, 1]), strict=True))))
        with pytest.raises(
            ValueError, match=r"shape \(5, 6, 3\): channels come first.*--channels-l"
        ):
            read_npz(path)
        own = read_npz(path, channels_last=True)
        assert own.shape == (3, 5, 6) and own.channels == 3 and own.units.channels_last
        assert np.array_equal(own.x_test.reshape(2, 3, 5, 6), x.transpose(0, 3, 1, 2))
        assert read_npz(path, channels_last=False).shape == (5, 6, 3)
    for shape in (
        (3, 5, 6),
        (5, 4, 3),
        (6, 5),
    ):  # these come first, these are small, these are grey
        x = np.zeros((2, *shape))
        path.write_bytes(npz_bytes(x_train=x, y_train=[0, 1], x_test=x, y_test=[0, 1]))
        assert read_npz(path).shape == shape
    with pytest.raises(ValueError, match=r"shape \(6, 5\), which have no channels: leave"):
        read_npz(path, channels_last=True)


def test_npz_labels_may_be_texts_and_arrays_are_called_as_in_the_file(tmp_path):
    path = tmp_path / "own.npz"
    x, y = np.eye(4), np.array(["b", "a", "b", "c"])
    path.write_bytes(npz_bytes(X=x, Y=y, Xtest=x, Ytest=y[::-1]))
    own = read_npz(path)
    assert own.class_names == ("a", "b", "c") and own.y_test.tolist() == [2, 1, 0, 1]
    x[3, 3] = np.nan
    path.write_bytes(npz_bytes(X=np.eye(4), Y=y, Xtest=x, Ytest=y))
    with pytest.raises(ValueError, match=r"own: Xtest has 1 number .* at \[3, 3\]"):
        read_npz(path)


def test_npz_that_is_no_data_set_is_refused(tmp_path):
    path = tmp_path / "own.npz"
    x, y = np.ones((3, 2)), np.array([0, 1, 0])
    good = {"x_train": x, "y_train": y, "x_test": x, "y_test": y}
    for arrays, message in (
        ({"x_train": x}, "holds 'x_train.npy': expected the arrays x_train, y_train"),
        ({}, "holds nothing: expected the arrays"),
        (good | {"y_test": np.array([0, {}, 0], object)}, "pickled objects are refused"),
        (good | {"x_test": np.array(["a", "b", "c"])}, "x_test.npy holds <U1: expected numbers"),
        (good | {"y_test": np.array([0, 2, 0])}, "y_test has the label '2', which no training"),
        (good | {"x_test": x[:, :1]}, r"shape \(2,\) and test examples \(1,\)"),
        (good | {"x_train": x[:0], "y_train": y[:0]}, "at least one example"),
    ):
        path.write_bytes(npz_bytes(**arrays))
        with pytest.raises(ValueError, match=message) as caught:
            read_npz(path)
        assert "\n" not in str(caught.value)
    path.write_bytes(npz_bytes(**good)[:-30])
    with pytest.raises(ValueError, match="is damaged"):
        read_npz(path)


@given(st.data())
def test_npz_with_a_flipped_byte_is_read_right_or_refused(tmp_path_factory, data):
    x, y = np.arange(60.0).reshape(10, 6) / 7, np.arange(10) % 3
    path = tmp_path_factory.getbasetemp() / "own.npz"
    content = bytearray(npz_bytes(x_train=x, y_train=y, x_test=x, y_test=y))
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        own = read_npz(path)
    except ValueError as error:
        assert "\n" not in str(error)
    else:  # a byte that the archive does not need: a date, an attribute
        assert np.array_equal(own.x_train, x) and np.array_equal(own.x_test, x)
        assert own.y_train.tolist() == own.y_test.tolist() == y.tolist()


@pytest.mark.filterwarnings("ignore::Warning")  # NumPy's, of headers as old versions wrote them
@given(st.data())
def test_npz_with_a_hostile_array_header_is_refused(tmp_path_factory, data):
    """The archive's own checksums agree here: only the header is wrong."""
    x, y = np.ones((3, 2)), np.array([0, 1, 0])
    member = io.BytesIO()
    np.save(member, x)
    content = bytearray(member.getvalue())
    position = data.draw(st.integers(0, content.index(b"}")))
    content[position] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.getbasetemp() / "own.npz"
    path.write_bytes(npz_bytes(y_train=y, x_test=x, y_test=y))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("x_train.npy", bytes(content))
    try:
        own = read_npz(path)
    except ValueError as error:
        assert "\n" not in str(error)
    else:  # still a header, of another kind of number
        assert own.x_train.shape == (3, 2)


def test_npz_header_that_promises_too_much_is_refused(tmp_path):
    x, y = np.ones((3, 2)), np.array([0, 1, 0])
    path = tmp_path / "own.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in (("x_train", x), ("y_train", y), ("x_test", x), ("y_test", y)):
            member = io.BytesIO()
            np.save(member, array)
            content = member.getvalue()
            if name == "x_train":
                content = content.replace(b"(3, 2), }" + b" " * 12, b"(3, 2000000000000), }")
            archive.writestr(f"{name}.npy", content)
    with pytest.raises(ValueError, match=r"x_train\.npy has 48 bytes of values, its shape"):
        read_npz(path)


# rectangles.zip


def write_rectangles(path, text: str, compression: int = zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for part in ("train", "test"):
            archive.writestr(f"rectangles_{part}.amat", text)


def test_rectangles_rows_are_decoded_and_strange_ones_refused(tmp_path):
    values = np.random.default_rng(4).integers(0, 2, (600, 785))
    text = "".join("".join(f"   {v}.0000000e+00" for v in row) + "\n" for row in values)
    path = tmp_path / "rectangles.zip"
    write_rectangles(path, text)
    rect = read_rectangles(path)
    assert np.array_equal(rect.x_train, values[:, :784])
    assert np.array_equal(rect.y_test, values[:, 784])

    at = 300 * 12561 + 5 * 16  # the sixth field of the 301st row
    for field in ("   2.0000000e+00", "   1.0000000e+01", "  -1.0000000e+00", "   0.5000000e+00"):
        write_rectangles(path, text[:at] + field + text[at + 16 :])
        with pytest.raises(ValueError, match="a field other than 0 or 1 near row 257"):
            read_rectangles(path)
    write_rectangles(path, text[:-1])
    with pytest.raises(ValueError, match="is not made of rows of 12561 bytes"):
        read_rectangles(path)
    write_rectangles(path, text, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[content.index(text[:64].encode()) + 3] ^= 1  # 0 and 1 exchanged: still a good row
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"is damaged .*Bad CRC-32"):
        read_rectangles(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("rectangles_train.amat", text)
    with pytest.raises(ValueError, match=r"does not hold rectangles_test\.amat"):
        read_rectangles(path)
    path.write_bytes(b"no archive")
    with pytest.raises(ValueError, match="is damaged"):
        read_rectangles(path)
