"""What the contract refuses, before any kernel: arrays of another dtype, shape or place."""

from types import ModuleType

import numpy as np

from minihash.checks import float_array, on_device, ready
from minihash.hashes.windows import Windows
from minihash.weights import VirtualWeight


def floats(
    x: np.ndarray,
    name: str,
    shape: tuple[int | None, ...] | None,
    module: ModuleType,
    dtype: np.dtype | None = None,
) -> np.ndarray:
    if ready(x, shape, dtype):
        return x
    if type(x) is not np.ndarray and on_device(x) and not getattr(module, "DEVICE", False):
        raise TypeError(
            f"{name} is in the memory of a GPU, where this backend cannot read it; "
            "take the backend cuda or copy it to the host"
        )
    return float_array(x, name, shape, dtype, device=True)


def with_features(x: np.ndarray, name: str, module: ModuleType) -> np.ndarray:
    x = floats(x, name, None, module)
    if x.ndim < 2:
        raise ValueError(
            f"{name} must have shape (batch, features, ...), got {x.shape}; reshape it"
        )
    return x


def table_of(table: np.ndarray, w: VirtualWeight, module: ModuleType) -> np.ndarray:
    return floats(table, f"the table {w.table!r}", (w.hash.buckets,), module)


def batch_of(
    x: np.ndarray, name: str, axis: int, table: np.ndarray, w: VirtualWeight, module: ModuleType
) -> np.ndarray:
    check_matrix(w)
    x = floats(x, name, (None, w.shape[axis]), module)
    if x.dtype != table.dtype:
        raise TypeError(
            f"{name} and the table must have one dtype, got {x.dtype} and {table.dtype}; "
            "convert one of them"
        )
    return x


def check_matrix(w: VirtualWeight) -> None:
    if len(w.shape) != 2:
        raise ValueError(
            f"a product needs a weight of shape (fan_out, fan_in), got {w.shape}; reshape it"
        )


def images_of(
    x: np.ndarray, K: np.ndarray, windows: Windows, groups: int, module: ModuleType
) -> tuple[np.ndarray, np.ndarray]:
    K = floats(K, "K", (None, None, *windows.kernel), module)
    x = floats(x, "x", (None, K.shape[1] * groups, None, None), module, K.dtype)
    if len(K) % groups:
        raise ValueError(
            f"the {len(K)} output channels must be a multiple of the {groups} groups; change one"
        )
    return x, K
