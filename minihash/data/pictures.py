"""A picture in any format that Pillow reads -> numbers, with what white is among them.

    8 bits, fewer, palettes     0 to 255, as Pillow has it; what is transparent lies on white paper
    16 bits of grey             0 to 65535; of a TIFF that says so, fewer: 12 bits are 0 to 4095
    floats, 32-bit integers     as they are: no file says which of them is white

Pillow's own way from the last two to 8 bits clips at 255, and is not taken.
"""

from pathlib import Path
from typing import Any

import numpy as np

from minihash.data.pillow import opened_picture

BITS = 258  # the tag of TIFF that says how many


def read_picture(
    path: str | Path, rows: int, columns: int, colour: bool
) -> tuple[np.ndarray, float]:
    """The picture as floats (rows, columns) or (3, rows, columns), and white; 0: not known.

    It is turned as its camera was held, and made as large (Lanczos). Raises ImportError without
    Pillow, FileNotFoundError, ValueError for what is no picture.
    """
    with opened_picture(path) as file:
        from PIL import Image, ImageOps

        picture = ImageOps.exif_transpose(file)
        if picture.mode[:1] in ("I", "F"):
            white = _white(file, picture.mode)
            picture = _wide(picture, white)
        else:
            white = 255.0
            if picture.has_transparency_data:
                paper = Image.new("RGBA", picture.size, "white")
                picture = Image.alpha_composite(paper, picture.convert("RGBA"))
            picture = picture.convert("RGB" if colour else "L")
        picture = picture.resize((columns, rows), Image.Resampling.LANCZOS)
    pixels = np.asarray(picture, np.float64)
    if white:
        pixels = np.clip(pixels, 0, white)  # Lanczos swings beyond an edge
    if pixels.ndim == 3:
        pixels = pixels.transpose(2, 0, 1)
    return (np.stack([pixels] * 3) if colour and pixels.ndim == 2 else pixels), white


def _white(file: Any, mode: str) -> float:
    """What is white in a picture of one wide channel; 0: not known."""
    tags = getattr(file, "tag_v2", {})
    if mode.startswith("I;16"):
        return 2.0 ** tags.get(BITS, (16,))[0] - 1
    # of these two formats, 16 bits that Pillow has widened
    return 65535.0 if mode == "I" and file.format in ("PNG", "PPM") else 0.0


def _wide(picture: Any, white: float) -> Any:
    """The picture in Pillow's floats, which it resizes without clipping."""
    from PIL import Image

    grey = np.asarray(picture)
    clear = picture.info.get("transparency")
    if white and isinstance(clear, int):
        grey = np.where(grey == clear, white, grey)
    return Image.fromarray(grey.astype(np.float32), "F")
