"""What `minihash predict` is given -> stored examples, as the network's standardiser takes them.

    index     an example of the test set
    .npy      one example or a batch of them, in the units of the training data (units.py)
    image     any that Pillow reads, made as large and as grey as the data set's images, its white
              what is white in the training data

Digits of MNIST are bright on dark; a scan is dark on bright, and is to be inverted.
"""

import math
import warnings
from pathlib import Path

import numpy as np

from minihash.data import Dataset
from minihash.data.npy import read_npy
from minihash.data.pictures import read_picture
from minihash.runs.examples import Classifier


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


def array(model: Classifier, path: Path) -> np.ndarray:
    """The examples of an .npy file, (examples, features).

    Raises FileNotFoundError, ValueError for one that holds anything else.
    """
    x = read_npy(path)
    shape, features, units = model.shape, model.features, model.known_units
    if units.channels_last and x.shape[-3:] == (*shape[1:], shape[0]):
        x = np.moveaxis(x, -1, -3)
    known = (shape, (features,), (1, *shape[-2:]))
    if (x.shape not in known and x.shape[1:] not in known) or x.size == 0:
        raise ValueError(
            f"{path} has shape {x.shape}: expected one example {shape} or ({features},), or a "
            "batch of them"
        )
    if x.dtype.kind not in "buif":
        raise ValueError(f"{path} holds {x.dtype}: expected numbers")
    x = x if x.shape[1:] in known else x[None]
    return units.bring(x, str(path), len(shape) > 1).reshape(-1, features)


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


def predictions(model: Classifier, x: np.ndarray) -> list[dict]:
    """For each example of x (examples, features): label, class, and the probability of each class.

    Raises ValueError if a probability is not finite, as those of a run that diverged are.
    """
    p = model.probabilities(x)
    if not np.isfinite(p).all():
        raise ValueError("the network answers with what is no number: its training has diverged")
    return [
        {
            "label": int(row.argmax()),
            "class": model.class_names[row.argmax()],
            "probabilities": row.tolist(),
        }
        for row in p
    ]
