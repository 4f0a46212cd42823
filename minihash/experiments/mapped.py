"""Data in a file that several processes map, instead of a copy in each.

What is not an array is pickled, arrays apart (PEP 574); their bytes stand in the file, each from a
multiple of 64. The pickle itself goes from process to process and is never read from a file.
"""

import pickle
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

ALIGNED = 64


class Mapped:
    """A thing whose arrays stand in the file at `path`; it can be sent to another process.

    >>> import tempfile
    >>> there = Mapped({"x": np.arange(3)}, Path(tempfile.mkdtemp(), "arrays"))
    >>> there.get()["x"]
    array([0, 1, 2])
    """

    def __init__(self, thing: object, path: Path) -> None:
        buffers: list[pickle.PickleBuffer] = []
        self.path, self.edges = path, [0]
        self.pickled = pickle.dumps(thing, 5, buffer_callback=buffers.append)
        self.sizes = [buffer.raw().nbytes for buffer in buffers]
        with open(path, "wb") as file:
            for buffer, size in zip(buffers, self.sizes, strict=True):
                file.write(buffer.raw())
                file.write(bytes(-size % ALIGNED))
                self.edges.append(file.tell())

    def get(self) -> Any:
        """The thing; its arrays cannot be written to."""
        if not self.edges[-1]:
            return pickle.loads(self.pickled, buffers=[b""] * len(self.sizes))
        whole = np.memmap(self.path, np.uint8, "r")
        parts = [whole[a:b] for a, b in pairwise(self.edges)]
        buffers = [part[:size] for part, size in zip(parts, self.sizes, strict=True)]
        return pickle.loads(self.pickled, buffers=buffers)
