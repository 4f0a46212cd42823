"""What `minihash predict` is given -> stored examples, as the network's standardiser takes them.

    index     an example of the test set
    .npy      one example or a batch of them; integers as stored, floats in units of the peak, so
              that pixels go from 0 to 1
    image     any that Pillow reads, made as large and as grey as the data set's images

Digits of MNIST are bright on dark; a scan is dark on bright, and is to be inverted.
"""

import warnings
from pathlib import Path

import numpy as np

from minihash.data import Dataset
from minihash.data.npy import read_npy
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
    shape, features = model.shape, model.features
    known = (shape, (features,), (1, *shape[-2:]))
    if (x.shape not in known and x.shape[1:] not in known) or x.size == 0:
        raise ValueError(
            f"{path} has shape {x.shape}: expected one example {shape} or ({features},), or a "
            "batch of them"
        )
    if x.dtype.kind not in "buif" or not np.isfinite(x).all():
        raise ValueError(f"{path} holds {x.dtype}, or what is not finite: expected finite numbers")
    peak = model.standardiser.peak
    highest = 1 if x.dtype.kind in "bf" else peak
    if peak != 1 and not 0 <= x.min() <= x.max() <= highest:
        raise ValueError(
            f"{path} holds {x.dtype} from {x.min()} to {x.max()}: expected integers from 0 to "
            f"{peak:.0f} or floats from 0 to 1"
        )
    return x.reshape(-1, features) * (peak if x.dtype.kind in "bf" else 1)


def image(model: Classifier, path: Path, invert: bool = False) -> np.ndarray:
    """An image file as one example, (1, features).

    Warns if it seems to need `invert`. Raises ImportError without Pillow, FileNotFoundError,
    ValueError for what is no image or if the network does not take images.
    """
    shape = model.shape
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[0] not in (1, 3)):
        raise ValueError(
            f"the network takes examples of shape {shape}, which are no images: give an .npy file, "
            "or the index of an example"
        )
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}: give an image, an .npy file or an index")
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise ImportError("images need Pillow: pip install 'minihash[image]'") from error
    colour = len(shape) == 3 and shape[0] == 3
    try:
        with Image.open(path) as file:
            picture = ImageOps.exif_transpose(file)
            if picture.has_transparency_data:
                paper = Image.new("RGBA", picture.size, "white")
                picture = Image.alpha_composite(paper, picture.convert("RGBA"))
            picture = picture.convert("RGB" if colour else "L")
            picture = picture.resize(shape[:-3:-1], Image.Resampling.LANCZOS)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} is no image that Pillow can read ({error}): convert it") from None
    pixels = np.asarray(picture, np.float64)
    if invert:
        pixels = 255 - pixels
    usual = float(np.mean(model.standardiser.mean))
    if not colour and usual < 0.4 and pixels.mean() > 255 * 0.6:
        warnings.warn(
            f"{path} is bright (mean {pixels.mean() / 255:.2f}), what the network learnt from is "
            f"dark ({usual:.2f}): try {'without' if invert else 'with'} --invert",
            stacklevel=2,
        )
    if colour:
        pixels = pixels.transpose(2, 0, 1)
    return pixels.reshape(1, -1) * (model.standardiser.peak / 255)


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
