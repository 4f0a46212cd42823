"""Data sets: real digits with the package, readers for the published ones, nothing else needed.

    load("digits")                                    embedded: 5,000 digits of MNIST
    load("mnist", data_dir="~/data")                  from a folder, or MINIHASH_DATA, or the cache
    load("cifar10", download=True)                    fetched once, checked, kept in the cache
    load("mine.npz"), load("mine.csv"), load("pets")  one's own arrays, table, pictures (own.py)

`dataset.py` is what a set is, `units.py` and `labels.py` what its numbers and labels mean,
`standardiser.py` how numbers become inputs; a reader a format: `idx.py`, `cifar10.py`, `npz.py`,
`csv.py`, `album.py`, `larochelle.py`, `text.py`, `npy.py` for one array and `pictures.py` for one
picture, all of them through the door of `damage.py`. `split.py` holds out test examples, `own.py`
knows files by their names and `catalogue.py` the published sets, which `folders.py` and
`download.py` find; `digits/` holds the embedded digits and where they come from.
Nothing here imports the network.
"""

from minihash.data.album import read_album
from minihash.data.catalogue import NAMES, TEXTS, load, load_text
from minihash.data.cifar10 import read_cifar10
from minihash.data.csv import read_csv
from minihash.data.dataset import Dataset, assemble
from minihash.data.folders import cache_folder
from minihash.data.idx import read_idx, read_mnist
from minihash.data.larochelle import read_convex, read_rectangles
from minihash.data.npz import read_npz
from minihash.data.standardiser import Standardiser, fit_standardiser
from minihash.data.text import Text, read_text
from minihash.data.units import Units

__all__ = [
    "NAMES",
    "TEXTS",
    "Dataset",
    "Standardiser",
    "Text",
    "Units",
    "assemble",
    "cache_folder",
    "fit_standardiser",
    "load",
    "load_text",
    "read_album",
    "read_cifar10",
    "read_convex",
    "read_csv",
    "read_idx",
    "read_mnist",
    "read_npz",
    "read_rectangles",
    "read_text",
]
