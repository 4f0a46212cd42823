"""A user's own data, named by their path.

FILE.npz                               arrays (npz.py)
FILE.csv, FILE.csv:COLUMN              a table (csv.py)
FOLDER                                 of IDX files (idx.py), or of pictures (album.py)
FOLDER:ROWSxCOLUMNS                    pictures, made of one size
"""

import re
from pathlib import Path

from minihash.compile.places import expanded
from minihash.data.album import holds_pictures, read_album
from minihash.data.csv import read_csv
from minihash.data.dataset import Dataset
from minihash.data.idx import PARTS, locate_mnist, read_mnist
from minihash.data.npz import read_npz

NAME = re.compile(r"(.+\.csv):(.+)|(.+):(\d+x\d+)", re.IGNORECASE | re.DOTALL)


def own_path(name: str | Path) -> Path:
    """The path in the name of one's own data.

    >>> own_path("iris.csv:species").name, own_path("pets:32x32").name, own_path("a.npz").name
    ('iris.csv', 'pets', 'a.npz')
    """
    return _parts(name)[0]


def is_data(name: str | Path) -> bool:
    """Whether a name is that of a file or folder which can be read here, be it there or not."""
    path = own_path(name)
    return path.suffix.lower() in (".npz", ".csv") or path.is_dir()


def read_own(name: str | Path, channels_last: bool | None = None) -> Dataset:
    """Read one's own data. channels_last: as `read_npz` takes it.

    Raises ValueError for a folder that holds neither, and as the readers do.
    """
    path, said = _parts(name)
    if path.suffix.lower() == ".npz":
        return read_npz(path, channels_last=channels_last)
    if path.suffix.lower() == ".csv":
        return read_csv(path, said)
    if said is None and (folder := locate_mnist(path)):
        return read_mnist(folder, path.resolve().name, classes=None)
    if not holds_pictures(path):
        raise FileNotFoundError(
            f"the folder {path} has no data: expected {', '.join(PARTS)}, or a folder of pictures"
            " for each class"
        )
    return read_album(path, said)


def _parts(name: str | Path) -> tuple[Path, str | None]:
    match = NAME.fullmatch(str(name))
    path = (match[1] or match[3]) if match else name
    return expanded(path), (match[2] or match[4]) if match else None
