"""Small files that ask for endless time or memory, or make a decoder raise what it likes: each is
refused in one line that names it."""

import errno
import gzip
import io
import struct
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from minihash.data import load, read_cifar10, read_idx, read_rectangles
from minihash.data.damage import named_damage, opened
from minihash.data.npy import read_npy
from tests.data.test_data_formats import npz_bytes
from tests.files.test_hostile_models import promptly

ARRAYS = {
    "x_train": np.eye(4),
    "y_train": np.arange(4),
    "x_test": np.eye(4),
    "y_test": np.arange(4),
}


def refusal(read, path):
    """What is said, within a second or so and without much memory."""
    tracemalloc.start()
    with promptly(5), pytest.raises(ValueError) as caught:
        read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    text = str(caught.value)
    assert "\n" not in text and path.name in text and peak < 2**25
    return text


# Archives of CIFAR-10


def tar(members, path, form):
    """members: (name, size, content)."""
    data = b""
    for name, size, content in members:
        member = tarfile.TarInfo(name)
        member.size = size
        data += member.tobuf(tarfile.GNU_FORMAT) + content
    path.write_bytes(gzip.compress(data + bytes(1024)) if form == "gz" else data + bytes(1024))
    return path


@pytest.mark.parametrize("form", ["tar", "gz"])
@pytest.mark.parametrize(
    "members",
    [
        [("x", 2**60, b"")],
        [("data_batch_1", 2**60, b"")],
        [(f"{k}", 0, b"") for k in range(1000)],
    ],
    ids=["a member to skip", "a batch", "a thousand members"],
)
def test_a_small_archive_is_not_walked_for_ever(tmp_path, form, members):
    path = tar(members, tmp_path / "evil.tar", form)
    assert path.stat().st_size < 2**20
    said = refusal(read_cifar10, path)
    assert "what the published archive does not" in said or "expected 31035704" in said


def test_an_archive_that_unpacks_to_more_than_the_published_one_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr("minihash.data.cifar10.MOST", 2**20)
    path = tar(
        [("x", 2**20 - 9, bytes(2**20)), ("y", 2**20 - 9, bytes(2**20))], tmp_path / "a", "gz"
    )
    assert path.stat().st_size < 2**13
    assert "is larger than the published archive" in refusal(read_cifar10, path)


# IDX


def test_an_idx_header_in_gzip_that_lies_is_refused_before_anything_is_unpacked(tmp_path):
    path = tmp_path / "images"
    path.write_bytes(gzip.compress(struct.pack(">I3I", 0x803, *[2**20] * 3) + bytes(2**26)))
    assert path.stat().st_size < 2**17
    assert "is damaged: at most" in refusal(read_idx, path)


def test_an_idx_file_in_gzip_is_not_unpacked_beyond_what_its_header_says(tmp_path):
    path = tmp_path / "images"
    path.write_bytes(gzip.compress(struct.pack(">I3I", 0x803, 2, 28, 28) + bytes(2**26)))
    assert "more than 1568 bytes of values" in refusal(read_idx, path)


# Zip archives


def directory(path, offset, number):
    """In each entry of the directory of a zip archive, set a number of 32 bits."""
    data = bytearray(path.read_bytes())
    at = data.find(b"PK\1\2")
    while at >= 0:
        data[at + offset : at + offset + 4] = struct.pack("<I", number)
        at = data.find(b"PK\1\2", at + 4)
    path.write_bytes(data)


SIZE, PACKED = 24, 20


@pytest.mark.parametrize(("offset", "number"), [(SIZE, 2**31), (PACKED, 2**31)])
def test_a_zip_directory_that_lies_is_refused(tmp_path, offset, number):
    path = tmp_path / "evil.npz"
    path.write_bytes(npz_bytes(**ARRAYS))
    directory(path, offset, number)
    assert "evil.npz is damaged (" in refusal(load, path)
    path = tmp_path / "rectangles.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in ("train", "test"):
            archive.writestr(f"rectangles_{part}.amat", ("   0.0000000e+00" * 785 + "\n") * 9)
    directory(path, offset, number - number % 12561)
    assert "rectangles.zip is damaged (" in refusal(read_rectangles, path)


def test_a_header_of_an_array_that_never_ends_is_not_read(tmp_path):
    path = tmp_path / "evil.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ARRAYS:
            head = b"\x93NUMPY\2\0" + struct.pack("<I", 2**27) + bytes(2**27)
            archive.writestr(f"{name}.npy", head)
    assert "a header of 134217728 bytes" in refusal(load, path)


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_members_in_other_packings_are_refused_whole_or_damaged(tmp_path, method):
    path = tmp_path / "own.npz"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, array in ARRAYS.items():
            file = io.BytesIO()
            np.save(file, array)
            archive.writestr(f"{name}.npy", file.getvalue())
    assert f"is packed by method {method} of zip" in refusal(load, path)
    data = bytearray(path.read_bytes())
    at = data.index(b"x_train.npy") + len("x_train.npy") + 12
    data[at : at + 40] = b"\xff" * 40
    path.write_bytes(data)
    refusal(load, path)


def test_an_encrypted_archive_is_refused(tmp_path):
    path = tmp_path / "own.npz"
    path.write_bytes(npz_bytes(**ARRAYS))
    data = bytearray(path.read_bytes())
    for magic, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = data.find(magic)
        while at >= 0:
            data[at + flags] |= 1
            at = data.find(magic, at + 4)
    path.write_bytes(data)
    assert "encrypted" in refusal(load, path)


# Arrays


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def headed(shape):
    """16 floats under a header of another shape."""
    head = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head + bytes(128)


BAD_ARRAYS = {
    "an archive": (npz_bytes(**ARRAYS), "begins with the bytes '50 4b"),
    "a header cut short": (npy(np.eye(4))[:40], "is not a readable NumPy array"),
    "nothing": (b"", "begins with the bytes ''"),
    "10^20 values": (headed((10**20,)), f"has 128 bytes of values, its shape ({10**20},)"),
    "10^12 values": (headed((10**12, 1)), "has 128 bytes of values, its shape (1000000000000, 1)"),
    "negative": (headed((-4, -4)), "is no readable .npy file"),
    "no room": (headed((0, 10**30)), "has 128 bytes of values"),
    "no shape": (headed("'4, 4'"), "is not a readable NumPy array"),
    "nested": (headed("(" * 999), "is not a readable NumPy array"),
    "values left over": (npy(np.eye(4)) + b"\0", "has 129 bytes of values"),
    "objects": (npy(np.array([{}], object)), "pickled objects are refused"),
    "dates": (npy(np.array(["2020-01-01"], "M8[s]")), "holds datetime64"),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_what_is_no_array_is_refused(tmp_path, case):
    content, message = BAD_ARRAYS[case]
    path = tmp_path / "rows.npy"
    path.write_bytes(content)
    assert message in refusal(read_npy, path)


@pytest.mark.parametrize("order", "CF")
def test_arrays_are_read_as_numpy_reads_them(tmp_path, order):
    for dtype in ("<f8", ">f4", "u1", ">i2", "?", "f2"):
        array = np.asarray(np.arange(12).reshape(3, 4) % 2, dtype, order=order)
        np.save(tmp_path / "rows.npy", array)
        found = read_npy(tmp_path / "rows.npy")
        assert found.dtype == array.dtype and np.array_equal(found, array)
        assert found.flags.writeable


# The door


def refuse(error):
    with named_damage(Path("own.bin")):
        raise error


@pytest.mark.parametrize(
    "error",
    [
        *(RuntimeError("a\nb"), AttributeError("a"), KeyError("a"), IndexError(), SyntaxError("a")),
        *(struct.error("a"), AssertionError(), NotImplementedError(), OSError("a"), TypeError("a")),
        *(RecursionError("a"), EOFError(), ValueError("of another file"), Warning("a")),
        *(OSError(errno.EINVAL, "Invalid argument"), MemoryError()),
    ],
    ids=repr,
)
def test_whatever_a_decoder_raises_is_one_line_that_names_the_file(error):
    with pytest.raises(ValueError, match=r"^own\.bin (is damaged|asks for more)") as caught:
        refuse(error)
    assert "\n" not in str(caught.value) and caught.value.__cause__ is error


def test_what_the_door_lets_through():
    path = Path("own.bin")
    said = [ValueError("own.bin holds nothing"), FileNotFoundError("own.bin lacks a part")]
    for error in (*said, ImportError("no Pillow"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught, named_damage(path):
            raise error
        assert caught.value is error
    with pytest.raises(OSError, match=r"own\.bin") as caught, named_damage(path):
        raise OSError(errno.EIO, "Input/output error")
    assert caught.value.filename == "own.bin"


def test_an_absent_file_is_what_the_system_says(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, opened(tmp_path / "absent"):
        pass
    assert caught.value.filename == str(tmp_path / "absent")


# Pictures


def test_a_picture_of_too_many_pixels_or_for_another_program_is_refused(tmp_path, monkeypatch):
    Image = pytest.importorskip("PIL.Image", reason="needs Pillow, the extra `image`")
    from minihash.data import pillow
    from minihash.data.pictures import read_picture

    def read(path):
        return read_picture(path, 8, 8, False)

    path = tmp_path / "a.png"
    Image.new("L", (200, 100)).save(path)
    assert read(path)[0].shape == (8, 8)
    monkeypatch.setattr(pillow, "MOST", 19_999)
    assert "has 200 x 100 pixels: scale it down" in refusal(read, path)
    Image.new("L", (9, 9)).save(tmp_path / "b.eps")
    (tmp_path / "b.eps").rename(path)
    assert "is no image that Pillow can read (in none of its formats)" in refusal(read, path)
