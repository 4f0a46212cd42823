"""V kept from forward to backward, where that fits a budget of memory: it spares hashing again."""

import os

import numpy as np

from minihash.core.panels import lying, upright
from minihash.weights import VirtualWeight

DEFAULT_BUDGET = 0  # index-free and V-free unless asked
_budget: int | None = None


def room_for(w: VirtualWeight, dtype: np.dtype) -> np.ndarray | None:
    """An array for `matmul` to keep V of w in, if the memory budget allows it and it would help.
    The backward pass that uses it must be of the same backend.

    >>> set_memory_budget(2**20)
    >>> from minihash.hashes import Modulus, Uniform
    >>> room_for(VirtualWeight((200, 784), Uniform(100)), np.float32).shape
    (200, 784)
    >>> room_for(VirtualWeight((20000, 20000), Uniform(100)), np.float32) is None
    True
    >>> set_memory_budget(None)
    """
    if w.hash.run > 1 or w.size * np.dtype(dtype).itemsize > memory_budget():
        return None
    return upright(w, dtype)


def memory_budget() -> int:
    """Bytes up to which a virtual weight is kept from forward to backward."""
    if _budget is not None:
        return _budget
    text = os.environ.get("MINIHASH_MEMORY_BUDGET", str(DEFAULT_BUDGET))
    if not text.isdecimal():
        raise ValueError(
            f"MINIHASH_MEMORY_BUDGET must be a number of bytes, got {text!r}; unset or correct it"
        )
    return int(text)


def set_memory_budget(size: int | None) -> None:
    """Keep virtual weights of at most `size` bytes each from forward to backward (None: the
    default). Results do not depend on it.

    >>> set_memory_budget(0); memory_budget()
    0
    >>> set_memory_budget(None)
    """
    global _budget
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 0):
        raise ValueError(f"the memory budget must be a number of bytes, got {size!r}")
    _budget = size


def checked(kept: np.ndarray | None, table: np.ndarray, w: VirtualWeight) -> np.ndarray | None:
    """`kept`, refused unless `room_for` could have made it for w and this table."""
    if kept is None:
        return None
    if (
        not isinstance(kept, np.ndarray)
        or kept.shape != w.shape
        or kept.dtype != table.dtype
        or not lying(kept, w).flags.c_contiguous
    ):
        raise ValueError(
            f"kept must be an array of shape {w.shape} and dtype {table.dtype}, whose memory is in "
            f"the order of the identifiers, got {getattr(kept, 'shape', kept)} and "
            f"{getattr(kept, 'dtype', type(kept))}; make it with room_for"
        )
    return kept
