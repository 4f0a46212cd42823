"""Refusals at the door: what was expected, what came, what to do."""

import numpy as np


def float_array(x: np.ndarray, name: str, shape: tuple[int | None, ...]) -> np.ndarray:
    """`x` as a C-contiguous float32 or float64 array of native byte order; itself where it is one.

    shape: the sizes it must have, None for any.
    Raises TypeError for another dtype, ValueError for another shape.

    >>> float_array(np.ones((2, 3)), "x", (None, 3)).shape
    (2, 3)
    """
    array = np.asarray(x)
    if array.dtype.kind != "f" or array.dtype.itemsize not in (4, 8):
        raise TypeError(
            f"{name} must be float32 or float64, got {array.dtype}; convert it with astype"
        )
    if array.ndim != len(shape) or any(
        want not in (None, have) for want, have in zip(shape, array.shape, strict=True)
    ):
        expected = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(
            f"{name} must have shape ({expected}), got {array.shape}; reshape it or correct the layer"
        )
    return np.ascontiguousarray(array, array.dtype.newbyteorder("="))
