"""RECT and CONVEX: two of the sets of Larochelle et al. (2007), used by HashedNets.

28 x 28 images of zeros and ones, two classes:

    rectangles   outline of a rectangle: 1 taller than wide, 0 wider than tall   1,200 + 50,000
    convex       lit region: 1 convex, 0 not                                      8,000 + 50,000

`rectangles.zip` holds text ("amat"): a row an example, 784 pixels and the label, each a field of 16
characters, `   0.0000000e+00` or `   1.0000000e+00`, and a newline. Unpacked it is 643 MB, so it is
decoded as it streams by. `convex.npz` is a NumPy archive; see `minihash.data.npz`. The authors took
the end of each training set for validation: the last 200 rows, and the last 2,000.

Source: H. Larochelle, D. Erhan, A. Courville, J. Bergstra, Y. Bengio, "An Empirical Evaluation of
Deep Architectures on Problems with Many Factors of Variation", ICML 2007;
http://www.iro.umontreal.ca/~lisa/icml2007data/. No licence is stated; cite the paper.
"""

import dataclasses
import zipfile
from pathlib import Path

import numpy as np

from minihash.data.damage import opened, size_of_member
from minihash.data.dataset import Dataset, assemble
from minihash.data.npz import read_npz

SHAPE, FEATURES = (28, 28), 784
FIELD = np.frombuffer(b"   0.0000000e+00", np.uint8)
DIGIT = 3  # where the field says 0 or 1
ROW = np.append(np.tile(FIELD, FEATURES + 1), np.uint8(ord("\n")))
BLOCK = 256  # rows decoded at a time


def locate_rectangles(folder: Path) -> Path | None:
    """Find the archive in a folder; None if it is not there."""
    return _file(folder / "rectangles.zip")


def locate_convex(folder: Path) -> Path | None:
    """Find the archive in a folder; None if it is not there."""
    return _file(folder / "convex.npz")


def _file(path: Path) -> Path | None:
    return path if path.is_file() else None


def read_rectangles(path: str | Path) -> Dataset:
    """Read rectangles.zip: x (1200, 784) and (50000, 784) uint8 zeros and ones.

    Raises FileNotFoundError without the file, ValueError if it is damaged or not of this format.
    """
    path = Path(path)
    arrays = []
    with opened(path) as file, zipfile.ZipFile(file) as archive:
        for part in ("train", "test"):
            rows = _amat(archive, f"rectangles_{part}.amat", path)
            arrays += [rows[:, :FEATURES].reshape(-1, *SHAPE), rows[:, FEATURES]]
    names = ("wider than tall", "taller than wide")
    return assemble("rectangles", *arrays, classes=2, class_names=names)


def read_convex(path: str | Path) -> Dataset:
    """Read convex.npz: x (8000, 784) and (50000, 784) uint8 zeros and ones.

    Raises FileNotFoundError without the file, ValueError if it is damaged or not of this format.
    """
    flat = read_npz(path, "convex", classes=2)
    if flat.shape != (FEATURES,):
        raise ValueError(f"{path} has examples of shape {flat.shape}: expected ({FEATURES},)")
    return dataclasses.replace(flat, shape=SHAPE, class_names=("not convex", "convex"))


def _amat(archive: zipfile.ZipFile, member: str, path: Path) -> np.ndarray:
    """Rows of zeros and ones (rows, 785) uint8."""
    if member not in archive.namelist():
        raise ValueError(f"{path} does not hold {member}: fetch it again")
    count, rest = divmod(size_of_member(archive, member, path), ROW.size)
    if rest or not count:
        raise ValueError(f"{path}: {member} is not made of rows of {ROW.size} bytes")
    values = np.empty((count, FEATURES + 1), np.uint8)
    with archive.open(member) as stream:
        for start in range(0, count, BLOCK):
            block = values[start : start + BLOCK]
            text = np.frombuffer(stream.read(len(block) * ROW.size), np.uint8)
            if text.size != len(block) * ROW.size:
                raise EOFError(f"{member} ends early")
            text = text.reshape(-1, ROW.size)
            block[...] = text[:, DIGIT : -1 : FIELD.size] - FIELD[DIGIT]
            if block.max() > 1 or not _is_blank(text):
                raise ValueError(
                    f"{path}: {member} has a field other than 0 or 1 near row {start + 1}"
                )
    return values


def _is_blank(text: np.ndarray) -> bool:
    """Whether text is that of zeros, but for the digits themselves."""
    differs = text ^ ROW
    differs[:, DIGIT : -1 : FIELD.size] = 0
    return not differs.any()
