"""A folder of pictures: a subfolder a class, called by its name.

    FOLDER/CLASS/*.png                                test examples are those of split.py
    FOLDER/train/CLASS/*.png, FOLDER/test/CLASS/*.png     or val, valid, validation for test
    FOLDER:32x32                                      made as large, if they are of several sizes

All become grey if all are, else colour (pictures.py). Names that begin with a dot, and files whose
ending is no picture's, are left out.
"""

import re
from pathlib import Path

import numpy as np

from minihash.compile.places import expanded
from minihash.data.damage import named_damage
from minihash.data.dataset import Dataset, assemble
from minihash.data.pictures import read_picture
from minihash.data.pillow import opened_picture, suffixes
from minihash.data.split import fifth

TEST = ("test", "val", "valid", "validation")
GREY = re.compile(r"1|L|LA|La|I.*|F.*")
KINDS = {255.0: np.uint8, 65535.0: np.uint16, 0.0: np.float32}  # white -> as they are held


def read_album(folder: str | Path, size: str | None = None) -> Dataset:
    """Read a folder of pictures. size: "ROWSxCOLUMNS" of the examples; else that of all pictures.

    Raises ImportError without Pillow, FileNotFoundError without pictures, ValueError for pictures
    of several sizes or depths, damaged ones, and as `assemble` does.
    """
    folder = expanded(folder)
    test = next((folder / name for name in TEST if (folder / name).is_dir()), None)
    if not (folder / "train").is_dir():
        test = None
    files = _files(folder if test is None else folder / "train")
    names = tuple(sorted({path.parent.name for path in files}))
    parts = [files] if test is None else [files, _files(test)]
    rows, columns, colour = _form(folder, [path for part in parts for path in part], size)
    with named_damage(folder):
        read = [_examples(part, rows, columns, colour) for part in parts]
        examples, white = [x for x, _ in read], read[0][1]
        labels = [_labels(part, names) for part in parts]
        if test is None:
            held = fifth(labels[0], str(folder))
            examples = [examples[0][~held], examples[0][held]]
            labels = [labels[0][~held], labels[0][held]]
    arrays = (examples[0], labels[0], examples[1], labels[1])
    told = {"classes": len(names), "class_names": names, "peak": white or None}
    return assemble(folder.resolve().name, *arrays, **told)


def holds_pictures(folder: Path) -> bool:
    """Whether a folder has subfolders, as an album has."""
    return any(path.is_dir() and path.name[0] != "." for path in folder.iterdir())


def _files(folder: Path) -> list[Path]:
    """The pictures of all classes, in order."""
    endings, found = suffixes(), []
    for place in sorted(folder.iterdir()):
        if not place.is_dir() or place.name.startswith("."):
            continue
        inside = [path for path in sorted(place.iterdir()) if not path.name.startswith(".")]
        if deeper := [path for path in inside if path.is_dir()]:
            raise ValueError(
                f"{deeper[0]} is a folder in that of a class: expected {folder.name}/CLASS/PICTURE"
            )
        pictures = [path for path in inside if path.suffix.lower() in endings]
        if not pictures:
            raise FileNotFoundError(f"{place} holds no pictures: fill it, or drop the folder")
        found += pictures
    if not found:
        raise FileNotFoundError(f"{folder} has no folders of pictures, one a class")
    return found


def _form(folder: Path, files: list[Path], size: str | None) -> tuple[int, int, bool]:
    """Rows and columns of the examples, and whether they have colours."""
    sizes: dict[tuple[int, int], Path] = {}
    colour = False
    for path in files:
        with opened_picture(path) as picture:
            turned = picture.getexif().get(0x0112, 1) > 4  # the camera was held upright
            sizes.setdefault(picture.size[:: -1 if not turned else 1], path)
            colour |= not GREY.fullmatch(picture.mode)
    if size is not None:
        if not (match := re.fullmatch(r"(\d{1,5})x(\d{1,5})", size)):
            raise ValueError(f"{folder}:{size} asks for no size: write it as {folder}:32x32")
        return int(match[1]), int(match[2]), colour
    if len(sizes) > 1:
        (one, first), (other, second) = list(sizes.items())[:2]
        raise ValueError(
            f"{folder} has pictures of several sizes, {first} of {one[0]}x{one[1]} and {second} of"
            f" {other[0]}x{other[1]}: name one to make them of, as {folder}:32x32"
        )
    return *next(iter(sizes)), colour


def _examples(files: list[Path], rows: int, columns: int, colour: bool) -> tuple[np.ndarray, float]:
    """The pictures as they were stored, (count, rows, columns) or (count, 3, rows, columns), and
    their white; 0: not known."""
    x, depth = np.empty(0), None
    for k, path in enumerate(files):
        pixels, white = read_picture(path, rows, columns, colour)
        if depth is None:
            depth = white
            x = np.empty((len(files), *pixels.shape), KINDS.get(white, np.uint16))
        if white != depth:
            raise ValueError(f"{path} has another depth than {files[0]}: save all in 8 bits")
        x[k] = pixels if white == 0 else np.rint(pixels)
    return x, depth or 0.0


def _labels(files: list[Path], names: tuple[str, ...]) -> np.ndarray:
    number = {name: k for k, name in enumerate(names)}
    for path in files:
        if path.parent.name not in number:
            raise ValueError(f"{path.parent} is a class that has no training pictures: add some")
    return np.array([number[path.parent.name] for path in files])
