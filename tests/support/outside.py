"""A hash and a layer from outside, as the text of modules that a test writes and imports.

The hash is the README's: blocks of `size` weights, each at a place of the table drawn for it,

    bucket(i) = size * Uniform(blocks)(i div size) + i mod size,    blocks = buckets div size
"""

import importlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from minihash.files.spec import TYPES
from minihash.hashes import HASHES

README = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")
(BLOCKS,) = re.findall(r"```python\n(from dataclasses.*?class Stripes.*?)```", README, re.DOTALL)

SCALE = '''
"""A layer that multiplies by a number."""

from dataclasses import dataclass

import minihash
from minihash.layers.layer import Layer


@minihash.register
@dataclass(frozen=True)
class Scale(Layer):
    """y = factor x."""

    factor: float

    def forward(self, params, x, step=None):
        return x * x.dtype.type(self.factor), ()

    def backward(self, params, cache, dy):
        return dy * dy.dtype.type(self.factor), {}
'''


@contextmanager
def imported(folder: Path, name: str, text: str) -> Iterator[ModuleType]:
    """The module written to `folder` and imported, what it registered known, within this block."""
    known = dict(HASHES), dict(TYPES)
    (folder / f"{name}.py").write_text(text)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop(name, None)
        for table, before in zip((HASHES, TYPES), known, strict=True):
            table.clear()
            table.update(before)
