"""Refusals at the door: what was expected, what came, what to do."""

import math
from typing import Any

import numpy as np

F4, F8 = np.dtype(np.float32), np.dtype(np.float64)
FLOATS = [np.dtype(order + kind) for kind in ("f4", "f8") for order in "<>"]


def on_device(x: object) -> bool:
    """Whether x is an array in the memory of a GPU (the second name: of Numba's simulator)."""
    return hasattr(x, "__cuda_array_interface__") or hasattr(x, "__cuda_ndarray__")


def as_numba(x: Any) -> Any:
    """An array on a device as Numba's, wherever it comes from; nothing is copied."""
    if hasattr(x, "__cuda_ndarray__"):
        return x
    from numba import cuda

    return cuda.as_cuda_array(x)


def on_host(x: Any) -> np.ndarray:
    return x.copy_to_host() if type(x) is not np.ndarray and on_device(x) else x


def copied(x: np.ndarray) -> np.ndarray:
    """A copy of a C-contiguous array, where that is."""
    if not on_device(x):
        return x.copy()
    from numba import cuda

    copy = cuda.device_array(x.shape, x.dtype)
    copy.copy_to_device(x)
    return copy


def float_array(
    x: np.ndarray,
    name: str,
    shape: tuple[int | None, ...] | None,
    dtype: np.dtype | None = None,
    device: bool = False,
) -> np.ndarray:
    """`x` as a C-contiguous float32 or float64 array of native byte order; itself where it is one.

    shape: the sizes it must have, None for any (None alone: any shape). dtype: the one it must be.
    device: whether it may lie in the memory of a GPU; then it is returned as Numba's, still there.
    Raises TypeError for another dtype or place, ValueError for another shape.

    >>> float_array(np.ones((2, 3)), "x", (None, 3)).shape
    (2, 3)
    """
    if ready(x, shape, dtype):
        return x
    far = on_device(x)
    if far and not device:
        raise TypeError(
            f"{name} is in the memory of a GPU, where this cannot be computed; copy it to the host"
        )
    array: Any = as_numba(x) if far else np.asarray(x)
    if array.dtype not in FLOATS or (far and not array.dtype.isnative):
        raise TypeError(
            f"{name} must be float32 or float64, got {array.dtype}; convert it with astype"
        )
    if dtype is not None and array.dtype.itemsize != np.dtype(dtype).itemsize:
        raise TypeError(
            f"{name} must be {np.dtype(dtype)} as the arrays it meets are, got {array.dtype}; "
            "convert one of them with astype"
        )
    if shape is not None and not fits(array.shape, shape):
        sizes = ", ".join("any" if size is None else str(size) for size in shape)
        expected = f"({sizes},)" if len(shape) == 1 else f"({sizes})"
        raise ValueError(
            f"{name} must have shape {expected}, got {array.shape}; reshape it or correct the layer"
        )
    if far:
        if not array.is_c_contiguous():
            raise ValueError(f"{name} must be C-contiguous on the device; pass a copy that is")
        return array
    if array.dtype.isnative and array.flags.c_contiguous:
        return array
    return np.asarray(array, array.dtype.newbyteorder("="), order="C")


def ready(x: Any, shape: tuple[int | None, ...] | None, dtype: np.dtype | None) -> bool:
    """Whether `float_array` has nothing to refuse or to change. A training step asks this a hundred
    times: hence identities where there is one object."""
    if type(x) is not np.ndarray or not ((have := x.dtype) is F4 or have is F8):
        return False
    same = dtype is None or have is dtype or have == dtype
    return same and fits(x.shape, shape) and x.flags.c_contiguous


def fits(have: tuple[int, ...], want: tuple[int | None, ...] | None) -> bool:
    """Whether the sizes of an array are those it must have."""
    if want is None or have == want:
        return True
    if len(have) != len(want):
        return False
    # A loop, which is faster than a generator.
    for w, h in zip(want, have, strict=True):  # noqa: SIM110
        if w is not None and w != h:
            return False
    return True


def index_array(x: np.ndarray, name: str, count: int) -> np.ndarray:
    """`x` as a C-contiguous array of intp, refused unless it holds integers in 0 .. count - 1.

    Raises TypeError for another dtype, ValueError for a number out of range.

    >>> index_array(np.array([[2, 0]], np.uint8), "tokens", 3)
    array([[2, 0]])
    """
    if on_device(x):
        raise TypeError(
            f"{name} are in the memory of a GPU, where their range cannot be checked; "
            "copy them to the host"
        )
    array = np.asarray(x)
    if array.size and array.dtype.kind not in "iu":  # [] has no kind
        raise TypeError(f"{name} must be integers, got {array.dtype}; convert them first")
    if array.size and (int(array.min()) < 0 or int(array.max()) >= count):
        raise ValueError(
            f"{name} must lie in 0 .. {count - 1}, got {array.min()} .. {array.max()}; "
            "correct them or enlarge the weight"
        )
    return np.asarray(array, np.intp, order="C")


def parameter(
    params: dict[str, np.ndarray],
    name: str,
    shape: tuple[int, ...] | None,
    dtype: np.dtype | None = None,
    device: bool = False,
) -> np.ndarray:
    """params[name], checked as `float_array` does; ValueError if there is none.

    >>> parameter({"table": np.ones(3)}, "table", (3,))
    array([1., 1., 1.])
    """
    array: Any = params.get(name)
    if ready(array, shape, dtype):
        return array
    if array is None:
        raise ValueError(
            f"params must hold an array {name!r}, got {', '.join(sorted(params)) or 'none'}; "
            "make them with the network's init"
        )
    return float_array(array, f"the parameter {name!r}", shape, dtype, device)


def real_field(record: object, name: str, low: float, high: float, open_end: bool = False) -> None:
    """Refuse a hyperparameter of a frozen dataclass unless it is a finite number in low .. high
    (`open_end`: below high), and keep it as a float: a NumPy scalar would turn float32 arrays that
    it multiplies into float64.

    Raises TypeError or ValueError.

    >>> from types import SimpleNamespace
    >>> record = SimpleNamespace(rate=np.float32(0.5))
    >>> real_field(record, "rate", 0, 1)
    >>> record.rate
    0.5
    """
    value = getattr(record, name)
    where = f"{name} of {type(record).__name__}"
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{where} must be a number, got {value!r}; give a float")
    inside = low <= value < high if open_end else low <= value <= high
    if not inside or not math.isfinite(value):
        end = ")" if open_end or high == math.inf else "]"
        raise ValueError(
            f"{where} must lie in [{low}, {high}{end}, got {value}; choose one in that range"
        )
    object.__setattr__(record, name, float(value))


def check_count(name: str, value: int, low: int, high: int) -> int:
    """`value` as a Python integer, which no sum overflows; refused unless it is in low .. high.

    Raises TypeError for what is no integer, ValueError for one out of range.

    >>> check_count("seed", np.uint8(7), 0, 2**32 - 1)
    7
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be an integer, got {value!r}; round it first")
    if not low <= value <= high:
        raise ValueError(
            f"{name} must lie in {low} .. {high}, got {value}; choose one in that range"
        )
    return int(value)


def check_field(owner: object, name: str, low: int, high: int) -> None:
    """`check_count` of a field of a frozen dataclass, which it keeps as a Python integer."""
    object.__setattr__(owner, name, check_count(name, getattr(owner, name), low, high))


def counted(count: int, thing: str, plural: str = "s") -> str:
    """A count and what is counted, in English. plural: what is appended for it.

    >>> counted(1, "epoch"), counted(1200, "step"), counted(2, "batch", "es")
    ('1 epoch', '1,200 steps', '2 batches')
    """
    return f"{count:,} {thing}{'' if count == 1 else plural}"
