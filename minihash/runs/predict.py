"""What `minihash predict` is given -> stored examples, as the network's standardiser takes them.

    index     an example of the test set
    .npy      one example or a batch of them, in the units of the training data (units.py)
    .csv      a row an example, numbers alone, in these units too; a first row of names is passed
    image     any that Pillow reads, made as large and as grey as the data set's images, its white
              what is white in the training data
    -         one of the last three, through standard input: its first bytes tell which

Digits of MNIST are bright on dark; a scan is dark on bright, and is to be inverted.
"""

import io
import math
import re
import shutil
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import numpy as np

from minihash.data import Dataset
from minihash.data.damage import opened
from minihash.data.npy import read_npy
from minihash.data.pictures import read_picture
from minihash.runs.examples import BATCH, Classifier

PIPE = "standard input"


def indexed(model: Classifier, data: Dataset, index: int) -> tuple[np.ndarray, int]:
    """Example number `index` of the test set, (1, features), and its label.

    Raises ValueError if there is none.
    """
    model.check(data)
    if not 0 <= index < len(data.x_test):
        raise ValueError(
            f"the test set of {data.name} has examples 0 .. {len(data.x_test) - 1}, got {index}: "
            "choose one of them"
        )
    return data.x_test[index : index + 1], int(data.y_test[index])


def of_file(model: Classifier, path: Path, invert: bool = False) -> np.ndarray:
    """The examples of a file, (examples, features).

    Raises FileNotFoundError, ValueError for what the network does not take, ImportError for a
    picture without Pillow.
    """
    read = {".npy": read_npy, ".csv": read_rows}.get(path.suffix.lower())
    if read is None:
        return image(model, path, invert)
    if invert:
        raise ValueError(f"--invert is for an image file, got {path}: leave it out")
    return array(model, read(path), str(path))


def read_rows(path: Path) -> np.ndarray:
    """The rows of a .csv file, (rows, columns): int64 if all are whole numbers, else float64.

    Raises ValueError for anything but numbers, FileNotFoundError without the file.
    """
    told = "is no table of numbers ({}): give a row an example, with commas between its numbers"
    with opened(path, told) as file, io.TextIOWrapper(file, "utf-8-sig") as text:
        first = text.readline()
        separator = max(",;\t", key=first.count)
        header = re.search(r"[^\d\s.,;+-]", re.sub(r"\d[eE]|nan|inf", "", first)) is not None
        if not header:
            text.seek(0)
        lines = (line for line in text if line.strip())
        if (line := next(lines, None)) is None:
            raise ValueError("no row")
        x = np.loadtxt(chain([line], lines), delimiter=separator, ndmin=2, comments=None)
    whole = np.abs(x).max() <= 2**53 and np.array_equal(x, np.floor(x))
    return x.astype(np.int64) if whole else x


@contextmanager
def piped(stream: BinaryIO) -> Iterator[Path]:
    """What comes through a stream, as a file whose name ends as its first bytes ask for.

    Raises ValueError for an empty one, and names it instead of the file in what is raised within.
    """
    with TemporaryDirectory(prefix="minihash-") as folder:
        path = Path(folder, PIPE)
        with open(path, "wb") as file:
            shutil.copyfileobj(stream, file)
        with open(path, "rb") as file:
            start = file.read(1000)
        if not start:
            raise ValueError(f"{PIPE} is empty: expected an .npy file, an image or rows of numbers")
        if start.startswith(np.lib.format.MAGIC_PREFIX):
            path = path.rename(path.with_suffix(".npy"))
        elif re.fullmatch(rb"[\t\n\r -~]+", start) and not re.match(rb"P[1-7]\s|/\*", start):
            path = path.rename(path.with_suffix(".csv"))  # text, and no picture that is written so
        try:
            yield path
        except ValueError as error:
            raise ValueError(str(error).replace(str(path), PIPE)) from error


def array(model: Classifier, x: np.ndarray, name: str) -> np.ndarray:
    """The examples of an array, one or a batch of them, as (examples, features).

    Raises ValueError, which names it, for one that holds anything else.
    """
    shape, features, units = model.shape, model.features, model.known_units
    if units.channels_last and x.shape[-3:] == (*shape[1:], shape[0]):
        x = np.moveaxis(x, -1, -3)
    known = (shape, (features,), (1, *shape[-2:]))
    if (x.shape not in known and x.shape[1:] not in known) or x.size == 0:
        raise ValueError(
            f"{name} has shape {x.shape}: expected one example {shape} or ({features},), or a "
            "batch of them"
        )
    if x.dtype.kind not in "buif":
        raise ValueError(f"{name} holds {x.dtype}: expected numbers")
    x = x if x.shape[1:] in known else x[None]
    return units.bring(x, name, len(shape) > 1).reshape(-1, features)


def image(model: Classifier, path: Path, invert: bool = False) -> np.ndarray:
    """An image file as one example, (1, features).

    Warns if it seems to need `invert`. Raises ImportError without Pillow, FileNotFoundError,
    ValueError for what is no image or if the network does not take images.
    """
    shape, units = model.shape, model.known_units
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[0] not in (1, 3)):
        raise ValueError(
            f"the network takes examples of shape {shape}, which are no images: give an .npy file, "
            "or the index of an example"
        )
    colour = len(shape) == 3 and shape[0] == 3
    pixels, white = read_picture(path, *shape[-2:], colour)
    if white:
        pixels = units.picture(pixels, white, str(path))
    else:  # floats, which mean what those of the training set do
        pixels = units.bring(pixels.astype(np.float32), str(path), True)
    if invert and not units.white:
        raise ValueError(
            f"the training data ({units}) do not say what white is: leave out --invert"
        )
    white = units.white or math.nan
    if invert:
        pixels = white - pixels
    usual = float(np.mean(model.standardiser.mean)) * model.standardiser.peak / white
    if not colour and 0 < usual < 0.4 and pixels.mean() > white * 0.6:
        warnings.warn(
            f"{path} is bright (mean {pixels.mean() / white:.2f}), what the network learnt from is "
            f"dark ({usual:.2f}): try {'without' if invert else 'with'} --invert",
            stacklevel=2,
        )
    return pixels.reshape(1, -1)


def predictions(
    model: Classifier, given: Iterable[tuple[str, np.ndarray]]
) -> Iterator[tuple[str, int, dict]]:
    """For each example of each input (its name, and x (examples, features)): the name, the number
    of the example in it, and its label, class, and the probability of each class.

    Inputs are asked for one by one, and examples are computed in batches, whatever input they are
    of. Raises ValueError if a probability is not finite, as those of a run that diverged are.
    """
    rows = ((name, k, row) for name, x in given for k, row in enumerate(x))
    while batch := list(islice(rows, BATCH)):
        p = model.probabilities(np.stack([row for _, _, row in batch]))
        if not np.isfinite(p).all():
            raise ValueError(
                "the network answers with what is no number: its training has diverged"
            )
        for (name, k, _), row in zip(batch, p, strict=True):
            label = int(row.argmax())
            found = {"label": label, "class": model.class_names[label]}
            yield name, k, found | {"probabilities": row.tolist()}
