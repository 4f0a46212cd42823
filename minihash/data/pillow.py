"""Pillow behind the door of damage.py: what it opens is a picture of bounded size, or refused.

Its decoders raise errors of every kind. EPS is left out, as Pillow hands it to another program.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from minihash.data.damage import opened

MOST = 50_000_000  # pixels, at four bytes each and in four copies
NOT = {"EPS"}


@contextmanager
def opened_picture(path: str | Path) -> Iterator[Any]:
    """The picture as Pillow opens it, to be read within this block.

    Raises ImportError without Pillow, FileNotFoundError without the file, and in one line that
    names the file ValueError for what is no picture, or one of more than `MOST` pixels.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}: give an image, an .npy file or an index")
    Image = _image()
    with opened(path, "is no image that Pillow can read ({}): convert it") as file:
        try:
            picture = Image.open(file, formats=[name for name in Image.ID if name not in NOT])
        except Image.UnidentifiedImageError:
            raise ValueError("in none of its formats") from None
        with picture:
            columns, rows = picture.size
            if columns * rows > MOST:
                raise ValueError(
                    f"{path} has {columns} x {rows} pixels: scale it down, to {MOST:,}"
                )
            yield picture


def suffixes() -> set[str]:
    """The endings of pictures' names, as ".png". Raises ImportError without Pillow."""
    image = _image()
    return {ending for ending, name in image.registered_extensions().items() if name not in NOT}


def _image() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError("images need Pillow: pip install 'minihash[image]'") from error
    Image.init()
    return Image
