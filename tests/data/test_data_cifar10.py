"""CIFAR-10: the published batches in every form, and batches that are not the published ones."""

import hashlib
import io
import os
import pickle
import struct
import tarfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from minihash.data import cifar10, load, read_cifar10

# The published set


@pytest.fixture(scope="module")
def published():
    """The real set and the peak of the memory that Python and NumPy took to load it."""
    root = os.environ.get("MINIHASH_DATA")
    if root is None or not any((Path(root) / "cifar10" / file).exists() for file in ARCHIVES):
        pytest.skip(f"needs cifar10/{ARCHIVES[0]} under the folder MINIHASH_DATA names ({root})")
    tracemalloc.start()
    dataset = load("cifar10")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return dataset, peak


ARCHIVES = ("cifar-10-python.tar.xz", "cifar-10-python.tar.gz", "cifar-10-batches-py")


def test_cifar10_is_the_published_one(published):
    cifar, _ = published
    assert cifar.x_train.shape == (50000, 3072) and cifar.x_test.shape == (10000, 3072)
    assert (cifar.shape, cifar.channels, cifar.classes) == ((3, 32, 32), 3, 10)
    assert cifar.y_train[:10].tolist() == [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]
    assert np.bincount(cifar.y_train).tolist() == [5000] * 10
    assert np.bincount(cifar.y_test).tolist() == [1000] * 10
    to_input = cifar.standardiser()
    assert [round(mean, 5) for mean in to_input.mean] == [0.49140, 0.48216, 0.44653]
    assert [round(std, 5) for std in to_input.std] == [0.24703, 0.24349, 0.26159]


def test_cifar10_is_held_as_bytes_and_never_as_floats(published):
    cifar, peak = published
    assert cifar.x_train.dtype == cifar.x_test.dtype == np.uint8
    stored = 60_000 * 3072
    batch = 31_035_999  # three times: as a pickle, as the bytes in it, as the array made of these
    dictionary = 65 << 20  # what the archive makes its decoder remember
    assert stored < peak < stored + 3.1 * batch + dictionary
    tracemalloc.start()
    to_input = cifar.standardiser()
    assert to_input(cifar.x_train[:128]).shape == (128, 3072)
    assert tracemalloc.get_traced_memory()[1] < 30_000_000
    tracemalloc.stop()


def test_binary_batches_have_the_published_checksums_and_are_the_same_set(published, tmp_path):
    cifar, _ = published
    x = np.concatenate([cifar.x_train, cifar.x_test]).reshape(6, -1, 3072)
    y = np.concatenate([cifar.y_train, cifar.y_test]).astype(np.uint8).reshape(6, -1, 1)
    for part, file in enumerate(cifar10.BINARY):
        (tmp_path / file).write_bytes(np.concatenate([y[part], x[part]], axis=1).tobytes())
    binary = load("cifar10", data_dir=tmp_path)
    for field in ("x_train", "y_train", "x_test", "y_test"):
        assert np.array_equal(getattr(binary, field), getattr(cifar, field))


# Forged sets of four examples a batch


def python2_pickle(x: np.ndarray, y: list[int]) -> bytes:
    """Pickle {"data": x, "labels": y} byte by byte as Python 2 and its NumPy did."""
    dtype = (
        b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNN"
        + 2 * b"J\xff\xff\xff\xff"
        + b"K\x00tb"
    )
    shape = b"M" + struct.pack("<H", x.shape[0]) + b"M" + struct.pack("<H", x.shape[1]) + b"\x86"
    values = b"T" + struct.pack("<I", x.nbytes) + x.tobytes()
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R" + (
        b"(K\x01" + shape + dtype + b"\x89" + values + b"tb"
    )
    labels = b"](" + b"".join(b"K" + bytes([label]) for label in y) + b"e"
    return b"\x80\x02}(U\x04data" + array + b"U\x06labels" + labels + b"u."


@pytest.fixture(params=["python", "binary"])
def forged(request, monkeypatch):
    """Six small batches that the reader takes for the published ones: {file: content}, x, y."""
    rng = np.random.default_rng(11)
    x = rng.integers(0, 256, (6, 4, 3072), np.uint8)
    y = rng.integers(0, 10, (6, 4), np.uint8)
    table = cifar10.PYTHON if request.param == "python" else cifar10.BINARY
    files = {
        file: python2_pickle(x[part], y[part].tolist())
        if request.param == "python"
        else np.concatenate([y[part, :, None], x[part]], axis=1).tobytes()
        for part, file in enumerate(table)
    }
    monkeypatch.setattr(cifar10, "ROWS", 4)
    for file, content in files.items():
        publish(monkeypatch, table, file, content)
    return files, x, y


def publish(monkeypatch, table: dict, file: str, content: bytes) -> None:
    """Make the reader take content for the published one."""
    algorithm = table[file][1]
    digest = hashlib.new(algorithm, content).hexdigest()
    monkeypatch.setitem(table, file, (len(content), algorithm, digest))


def lay(place: Path, files: dict[str, bytes], form: str) -> Path:
    """Write files as a folder or as an archive, in an order that is not the published one."""
    members = dict(reversed(files.items())) | {"readme.html": b"<html>"}
    if form == "folder":
        place.mkdir()
        for file, content in members.items():
            (place / file).write_bytes(content)
        return place
    path = place.with_name(f"{place.name}.{form}")
    with tarfile.open(path, "w:" + form.partition(".")[2]) as archive:
        for file, content in members.items():
            member = tarfile.TarInfo(f"cifar-10-batches/{file}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("form", ["folder", "tar", "tar.gz", "tar.xz"])
def test_batches_are_read_from_a_folder_and_from_every_archive(forged, tmp_path, form):
    files, x, y = forged
    dataset = read_cifar10(lay(tmp_path / "cifar", files, form))
    assert np.array_equal(dataset.x_train, x[:5].reshape(20, 3072))
    assert np.array_equal(dataset.y_train, y[:5].reshape(20))
    assert np.array_equal(dataset.x_test, x[5]) and np.array_equal(dataset.y_test, y[5])
    assert dataset.shape == (3, 32, 32) and dataset.class_names[3] == "cat"


def test_the_set_is_found_as_a_folder_before_an_archive(forged, tmp_path):
    files, x, _ = forged
    binary = "data_batch_1.bin" in files
    archive = lay(tmp_path / ("cifar-10-binary" if binary else "cifar-10-python"), files, "tar.xz")
    assert cifar10.locate_cifar10(tmp_path) == archive
    assert np.array_equal(load("cifar10", data_dir=tmp_path).x_test, x[5])
    folder = lay(tmp_path / f"cifar-10-batches-{'bin' if binary else 'py'}", files, "folder")
    assert cifar10.locate_cifar10(tmp_path) == cifar10.locate_cifar10(folder) == folder
    assert cifar10.locate_cifar10(tmp_path / "absent") is None


@pytest.mark.parametrize("form", ["folder", "tar.gz"])
def test_a_tampered_batch_is_refused_before_it_is_opened(forged, tmp_path, monkeypatch, form):
    files, _, _ = forged
    file = list(files)[2]
    changed = bytearray(files[file])
    changed[-2] ^= 1
    opened = []
    for name in ("_unpickled", "_records"):
        decode = getattr(cifar10, name)
        spy = lambda raw, decode=decode: opened.append(raw) or decode(raw)  # noqa: E731
        monkeypatch.setattr(cifar10, name, spy)
    path = lay(tmp_path / "cifar", files | {file: bytes(changed)}, form)
    with pytest.raises(ValueError, match=rf"{file} has (md5|sha256) \w+, .* not opened") as caught:
        read_cifar10(path)
    assert bytes(changed) not in opened and "\n" not in str(caught.value)

    path = lay(tmp_path / "longer", files | {file: files[file] + b"\0"}, form)
    with pytest.raises(ValueError, match=rf"{file} has {len(files[file]) + 1} bytes, expected"):
        read_cifar10(path)


class Hostile:
    """Its pickle, when loaded, makes a folder."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("forged", ["python"], indirect=True)
def test_a_hostile_pickle_never_runs_even_with_the_right_checksum(forged, tmp_path, monkeypatch):
    files, _, _ = forged
    content = pickle.dumps(Hostile(tmp_path / "made"), protocol=2)
    path = lay(tmp_path / "cifar", files | {"data_batch_1": content}, "folder")
    with pytest.raises(ValueError, match="data_batch_1 has"):
        read_cifar10(path)
    publish(monkeypatch, cifar10.PYTHON, "data_batch_1", content)
    with pytest.raises(ValueError, match=r"asks for \w+\.mkdir: refused"):
        read_cifar10(path)
    assert not (tmp_path / "made").exists()
    pickle.loads(content)
    assert (tmp_path / "made").exists()  # it would have


@pytest.mark.parametrize("form", ["folder", "tar"])
def test_absent_batches_are_named(forged, tmp_path, form):
    files, _, _ = forged
    few = dict(list(files.items())[:4])
    names = ", ".join(list(files)[4:])
    with pytest.raises(FileNotFoundError, match=f"lacks {names}: fetch"):
        read_cifar10(lay(tmp_path / "cifar", few, form))
    with pytest.raises(FileNotFoundError, match=r"lacks data_batch_1, .*, test_batch: fetch"):
        read_cifar10(lay(tmp_path / "none", {}, form))
    with pytest.raises(FileNotFoundError, match="absent"):
        read_cifar10(tmp_path / "absent")


@pytest.mark.parametrize("form", ["tar", "tar.gz", "tar.xz"])
def test_a_damaged_archive_is_refused(forged, tmp_path, form):
    files, _, _ = forged
    path = lay(tmp_path / "cifar", files, form)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    # where it ends between two batches, what can be told is that the others are not there
    refusals = ValueError, FileNotFoundError
    with pytest.raises(refusals, match=r"is damaged|lacks .*: fetch the set again") as caught:
        read_cifar10(path)
    assert "\n" not in str(caught.value)
    path.write_bytes(b"not an archive" * 100)
    with pytest.raises(ValueError, match="is damaged"):
        read_cifar10(path)
