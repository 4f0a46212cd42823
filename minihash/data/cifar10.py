"""CIFAR-10: 32 x 32 colour images of ten classes, 50,000 to train and 10,000 to test.

Both published forms are read, from a folder or straight from a tar archive (.tar, .tar.gz,
.tar.xz), member by member as the archive streams past. Six files of 10,000 examples each:

    python   a Python 2 pickle of {b"data": uint8 (10000, 3072), b"labels": 10,000 ints, ...}
    binary   10,000 records of 3,073 bytes: the label, then the 3,072 values

An example is 1,024 red, 1,024 green and 1,024 blue values, each row-major. A pickle can run code: a
batch is unpickled only after its MD5 was found to be the published one, and then by an unpickler
that can make arrays and nothing else.

Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009;
https://www.cs.toronto.edu/~kriz/cifar.html, "Dataset layout". No licence is stated there; cite it.
"""

import hashlib
import io
import pickle
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from minihash.data.damage import named_damage, opened, regular, unpacked
from minihash.data.dataset import Dataset, assemble

ROWS, SHAPE = 10_000, (3, 32, 32)
FEATURES = 3072
CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
# file: (bytes, algorithm, published digest); five parts to train, then one to test
PYTHON = {
    "data_batch_1": (31035704, "md5", "c99cafc152244af753f735de768cd75f"),
    "data_batch_2": (31035320, "md5", "d4bba439e000b95fd0a9bffe97cbabec"),
    "data_batch_3": (31035999, "md5", "54ebc095f3ab1f0389bbae665268c751"),
    "data_batch_4": (31035696, "md5", "634d18415352ddfa80567beed471001a"),
    "data_batch_5": (31035623, "md5", "482c414d41f54cd18b22e5b47cb7c3cb"),
    "test_batch": (31035526, "md5", "40351d587109b95175f43aff81a1287e"),
}
BINARY = {
    "data_batch_1.bin": (
        30730000,
        "sha256",
        "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    ),
    "data_batch_2.bin": (
        30730000,
        "sha256",
        "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    ),
    "data_batch_3.bin": (
        30730000,
        "sha256",
        "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    ),
    "data_batch_4.bin": (
        30730000,
        "sha256",
        "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    ),
    "data_batch_5.bin": (
        30730000,
        "sha256",
        "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    ),
    "test_batch.bin": (
        30730000,
        "sha256",
        "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
    ),
}
MOST = 2 * 10**8  # bytes of an archive unpacked; the published ones have 186 million
MEMBERS = 50  # files of an archive; the published ones have 9
FETCH = "fetch the set again"
ARCHIVES = tuple(
    f"cifar-10-{form}.tar{ending}" for form in ("python", "binary") for ending in ("", ".gz", ".xz")
)


def locate_cifar10(folder: Path) -> Path | None:
    """Find the batches or an archive of them in a folder; None if there are none.

    A folder of batches wins over an archive, as it is faster to read.
    """
    for files, usual in ((PYTHON, "cifar-10-batches-py"), (BINARY, "cifar-10-batches-bin")):
        for place in (folder, folder / usual):
            if any((place / file).is_file() for file in files):
                return place
    return next((folder / file for file in ARCHIVES if (folder / file).is_file()), None)


def read_cifar10(path: str | Path) -> Dataset:
    """Read a folder of batches, or a tar archive of one.

    Held as bytes: x_train (50000, 3072) uint8. Raises ValueError for a batch that is not, to the
    byte, the published one, and for a damaged archive; FileNotFoundError for absent batches.
    """
    path = Path(path)
    absent = list(PYTHON)
    with named_damage(path):
        for file, size, stream in _batches(path):
            if len(absent) == 6:  # the first batch says which form we read
                form, decode = (PYTHON, _unpickled) if file in PYTHON else (BINARY, _records)
                absent = list(form)
            if file in absent:
                examples, labels = decode(_checked(path, file, size, stream, *form[file]))
                if len(absent) == 6:  # memory is taken once there is something to put into it
                    x = np.empty((6, ROWS, FEATURES), np.uint8)
                    y = np.empty((6, ROWS), np.uint8)
                part = list(form).index(file)
                x[part], y[part] = examples, labels
                del examples, labels  # before the next ones are read
                absent.remove(file)
            if not absent:
                break
    if absent:
        raise FileNotFoundError(f"{path} lacks {', '.join(absent)}: {FETCH}")
    split = 5 * ROWS
    x, y = x.reshape(-1, *SHAPE), y.reshape(-1)
    return assemble("cifar10", x[:split], y[:split], x[split:], y[split:], 10, CLASSES)


def _batches(path: Path) -> Iterator[tuple[str, int, BinaryIO]]:
    """Name, size and content of every batch, the python ones first if a folder holds both."""
    if path.is_dir():
        for file in (*PYTHON, *BINARY):
            if (path / file).is_file():
                with opened(path / file) as stream:
                    yield file, regular(path / file), stream
        return
    with opened(path) as file, unpacked(file) as stream:
        bounded = _Bounded(stream, path)
        with tarfile.open(fileobj=bounded, mode="r|") as archive:
            for count, member in enumerate(archive):
                if count >= MEMBERS or member.size > MOST:  # skipping it would never end
                    raise ValueError(f"{path} holds what the published archive does not: {FETCH}")
                file = member.name.rpartition("/")[2]
                if member.isreg() and (file in PYTHON or file in BINARY):
                    yield file, member.size, archive.extractfile(member)


class _Bounded:
    """A stream that ends with an error beyond `MOST` bytes: little can be packed to be endless."""

    def __init__(self, stream: BinaryIO, path: Path) -> None:
        self.stream, self.path, self.left = stream, path, MOST

    def read(self, size: int) -> bytes:
        data = self.stream.read(size)
        self.left -= len(data)
        if self.left < 0:
            raise ValueError(f"{self.path} is larger than the published archive: {FETCH}")
        return data


def _checked(
    path: Path, file: str, size: int, stream: BinaryIO, expected: int, algorithm: str, digest: str
) -> bytes:
    if size != expected:  # before reading: the size an archive names is the memory we would take
        raise ValueError(f"{path}: {file} has {size} bytes, expected {expected}: fetch it again")
    raw = stream.read(expected)
    found = hashlib.new(algorithm, raw, usedforsecurity=False).hexdigest()
    if found != digest:
        raise ValueError(
            f"{path}: {file} has {algorithm} {found}, the published one has {digest}: it was not"
            " opened; fetch it again"
        )
    return raw


# What an array's pickle asks for. NumPy 2 moved _reconstruct: an array tells where it is now.
_ALLOWED = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
}


class _ArraysOnly(pickle.Unpickler):
    """Makes arrays out of a pickle, and refuses whatever else it asks for."""

    def find_class(self, module: str, name: str):
        if (module, name) not in _ALLOWED:
            raise ValueError(f"a pickled batch asks for {module}.{name}: refused")
        return _ALLOWED[module, name]


def _unpickled(raw: bytes) -> tuple[np.ndarray, np.ndarray]:
    batch = _ArraysOnly(io.BytesIO(raw), encoding="bytes").load()
    return batch[b"data"], batch[b"labels"]


def _records(raw: bytes) -> tuple[np.ndarray, np.ndarray]:
    records = np.frombuffer(raw, np.uint8).reshape(ROWS, 1 + FEATURES)
    return records[:, 1:], records[:, 0]
