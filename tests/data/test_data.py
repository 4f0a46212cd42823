"""Data sets: the embedded digits, the facts of the published sets, where they are looked for.

Facts of the published sets are those of their authors' pages or were counted when the files were
checked against the published checksums. A test of a set that is not at hand is skipped and says so.
"""

import gzip
import hashlib
import os
import re
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import minihash.data
from minihash.data import load, load_text, read_idx
from minihash.data.catalogue import CATALOGUE
from minihash.data.idx import PARTS

DIGITS = Path(minihash.data.__file__).parent / "digits"
MNIST_TRAIN = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
MNIST_TEST = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def published(folder: str, file: str) -> Path:
    """The path of a published file under MINIHASH_DATA; skips without it."""
    root = os.environ.get("MINIHASH_DATA")
    if root is None or not (Path(root) / folder / file).is_file():
        pytest.skip(f"needs {folder}/{file} under the folder MINIHASH_DATA names ({root})")
    return Path(root) / folder / file


def mnist_folder() -> Path:
    for part in PARTS:
        file = published("mnist", f"{part}.gz")
    return file.parent


# The embedded digits


def test_embedded_digits_are_500_of_each_class_in_at_most_1_1_megabytes():
    digits = load()
    assert digits.x_train.shape == (4000, 784) and digits.x_test.shape == (1000, 784)
    assert digits.x_train.dtype == digits.x_test.dtype == np.uint8
    assert np.bincount(digits.y_train).tolist() == [400] * 10
    assert np.bincount(digits.y_test).tolist() == [100] * 10
    assert (digits.classes, digits.shape, digits.channels, digits.features) == (
        10,
        (28, 28),
        1,
        784,
    )
    assert digits.class_names == tuple("0123456789")
    assert sum(file.stat().st_size for file in DIGITS.iterdir()) <= 1_100_000


def test_embedded_files_are_those_of_their_provenance():
    rows = re.findall(
        r"\| `(\S+\.gz)` \| (\d+) \| `(\w{64})` \|", (DIGITS / "README.md").read_text()
    )
    assert sorted(name for name, _, _ in rows) == sorted(f"{part}.gz" for part in PARTS)
    for name, size, sha256 in rows:
        assert (DIGITS / name).stat().st_size == int(size)
        assert hashlib.sha256(gzip.decompress((DIGITS / name).read_bytes())).hexdigest() == sha256


def test_embedded_digits_are_mnist_training_digits_to_the_byte():
    folder = mnist_folder()
    label_of = dict(
        zip(
            (x.tobytes() for x in read_idx(folder / f"{PARTS[0]}.gz")),
            read_idx(folder / f"{PARTS[1]}.gz"),
            strict=True,
        )
    )
    held_out = {x.tobytes() for x in read_idx(folder / f"{PARTS[2]}.gz")}
    digits = load()
    embedded = [x.tobytes() for x in np.concatenate([digits.x_train, digits.x_test])]
    labels = np.concatenate([digits.y_train, digits.y_test])
    assert len(set(embedded)) == 5000
    assert [label_of[x] for x in embedded] == labels.tolist()
    assert held_out.isdisjoint(embedded)


def test_embedded_files_are_remade_by_the_recipe_of_their_readme(tmp_path, monkeypatch):
    folder = mnist_folder()
    recipe = re.search(r"```python\n(.*?)```", (DIGITS / "README.md").read_text(), re.S)[1]
    (tmp_path / "mnist").symlink_to(folder.resolve())
    monkeypatch.chdir(tmp_path)
    exec(compile(recipe, "README.md", "exec"), {})
    for part in PARTS:
        made = gzip.decompress((tmp_path / f"{part}.gz").read_bytes())
        assert made == gzip.decompress((DIGITS / f"{part}.gz").read_bytes())


# Published sets


def test_mnist_is_the_published_one():
    mnist = load("mnist", data_dir=mnist_folder())
    assert mnist.x_train.shape == (60000, 784) and mnist.x_test.shape == (10000, 784)
    assert mnist.x_train.dtype == np.uint8
    assert np.bincount(mnist.y_train).tolist() == MNIST_TRAIN
    assert np.bincount(mnist.y_test).tolist() == MNIST_TEST
    to_input = mnist.standardiser()
    assert round(to_input.mean[0], 5) == 0.13066 and round(to_input.std[0], 5) == 0.30811


def test_rectangles_are_the_published_ones():
    published("larochelle2007", "rectangles.zip")
    tracemalloc.start()
    rect = load("rectangles")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 51_200 * 785 + 51_200 * 16 + 40_000_000  # nothing like the text's 643 MB
    assert rect.x_train.shape == (1200, 784) and rect.x_test.shape == (50000, 784)
    assert np.bincount(rect.y_train).tolist() == [589, 611]
    assert np.bincount(rect.y_test).tolist() == [25015, 24985]
    images = np.concatenate([rect.x_train, rect.x_test]).reshape(-1, 28, 28)
    assert set(np.unique(images)) == {0, 1} and (rect.peak, rect.shape) == (1.0, (28, 28))
    height, width = images.any(axis=2).sum(axis=1), images.any(axis=1).sum(axis=1)
    taller = np.concatenate([rect.y_train, rect.y_test])
    assert np.array_equal(height > width, taller == 1) and not np.any(height == width)


def test_convex_is_the_published_one():
    published("larochelle2007", "convex.npz")
    tracemalloc.start()
    convex = load("convex")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 58_000 * 784 + 40_000_000  # nothing like the 364 MB of its float64
    assert convex.x_train.shape == (8000, 784) and convex.x_test.shape == (50000, 784)
    assert convex.x_train.dtype == np.uint8 and (convex.peak, convex.shape) == (1.0, (28, 28))
    assert np.bincount(convex.y_train).tolist() == [3989, 4011]
    assert np.bincount(convex.y_test).tolist() == [25000, 25000]
    assert int(convex.x_train.sum()) == 2_411_902 and int(convex.x_test.sum()) == 15_120_332


def test_tiny_shakespeare_is_the_published_one():
    published("text", "tinyshakespeare.txt")
    text = load_text()
    assert (len(text.train), len(text.validation), len(text.vocabulary)) == (1003854, 111540, 65)
    assert text.decode(text.train[:14]) == "First Citizen:"
    whole = text.decode(np.concatenate([text.train, text.validation]))
    assert hashlib.md5(whole.encode()).hexdigest() == "6fb458f1232090904fb40fe944165e91"


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_pinned_checksums_are_those_of_the_published_files(name):
    for remote in CATALOGUE[name].remotes:
        file = published(CATALOGUE[name].folder, remote.file)
        assert hashlib.sha256(file.read_bytes()).hexdigest() == remote.sha256


# Where they are looked for


def copy_digits(folder: Path) -> Path:
    """The embedded digits, under another roof, as if they were MNIST."""
    folder.mkdir(parents=True)
    for part in PARTS:
        (folder / f"{part}.gz").write_bytes((DIGITS / f"{part}.gz").read_bytes())
    return folder


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """No data folder and an empty cache."""
    monkeypatch.delenv("MINIHASH_DATA", raising=False)
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "cache"))
    return tmp_path


def test_a_folder_is_found_as_itself_or_in_its_parent_by_argument_variable_and_cache(
    nowhere, monkeypatch
):
    folder = copy_digits(nowhere / "data" / "mnist")
    assert len(load("mnist", data_dir=folder).x_train) == 4000
    assert len(load("mnist", data_dir=str(folder.parent)).x_train) == 4000
    with pytest.raises(FileNotFoundError, match="data set mnist was not found"):
        load("mnist")
    for named in (folder, folder.parent):
        monkeypatch.setenv("MINIHASH_DATA", str(named))
        assert len(load("mnist").x_train) == 4000
    monkeypatch.delenv("MINIHASH_DATA")
    copy_digits(minihash.data.cache_folder() / "mnist")
    assert len(load("mnist").x_train) == 4000


def test_data_that_is_nowhere_is_an_error_of_one_line_that_says_where_it_was_sought(
    nowhere, monkeypatch
):
    monkeypatch.setenv("MINIHASH_DATA", str(nowhere / "named"))
    with pytest.raises(FileNotFoundError) as caught:
        load("cifar10")
    message = str(caught.value)
    assert "\n" not in message and "--data-dir" in message and "download=True" in message
    for root in (nowhere / "named", minihash.data.cache_folder()):
        assert str(root) in message and str(root / "cifar10") in message
    # a folder that was named and lacks the set is not made good by another one
    copy_digits(minihash.data.cache_folder() / "mnist")
    with pytest.raises(FileNotFoundError, match=re.escape(str(nowhere / "mnist"))):
        load("mnist", data_dir=nowhere)
    with pytest.raises(FileNotFoundError, match="absent is not a folder"):
        load("mnist", data_dir=nowhere / "absent")


def test_who_has_no_home_can_name_a_folder(nowhere, monkeypatch):
    """Path.home raises for a user whom the system does not know, and asked first it stopped all."""

    def none():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", staticmethod(none))
    copy_digits(nowhere / "cache" / "minihash" / "mnist")
    assert len(load("mnist").x_train) == 4000  # by XDG_CACHE_HOME
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(variable)
    for download in (False, True):
        with pytest.raises(FileNotFoundError, match=r"no home.*--data-dir.*MINIHASH_DATA"):
            load("mnist", download=download)
    folder = nowhere / "cache" / "minihash"
    assert len(load("mnist", data_dir=folder).x_train) == 4000
    monkeypatch.setenv("MINIHASH_DATA", str(folder))
    assert len(load("mnist").x_train) == 4000
    with pytest.raises(FileNotFoundError, match="cifar10 was not found"):
        load("cifar10")


def test_half_a_set_and_an_unknown_name_are_named(nowhere):
    folder = copy_digits(nowhere / "mnist")
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match="lacks t10k-labels-idx1-ubyte"):
        load("mnist", data_dir=nowhere)
    with pytest.raises(ValueError, match="unknown data set 'minst': expected one of digits, mnist"):
        load("minst")
    with pytest.raises(FileNotFoundError, match=r"absent\.npz"):
        load(nowhere / "absent.npz")


def test_importing_the_data_sets_imports_nothing_that_talks_to_a_network():
    code = (
        "import sys, minihash.data; print({'pooch', 'requests', 'http.client'} & set(sys.modules))"
    )
    root = Path(minihash.data.__file__).parents[2]
    run = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert run.stdout.strip() == "set()", run.stderr
