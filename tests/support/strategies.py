"""Arrays to test with: real or integer-valued, in every memory layout, read-only.

hash_strategies.py has the hashes and virtual weights.
"""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

dtypes = st.sampled_from([np.float32, np.float64])
sizes = st.integers(1, 6)


def examples(n):
    """For a test whose examples are slow, or quick: n of them where others have 40, and as many
    times more in the profile `deep`."""
    return settings(max_examples=n * settings.default.max_examples // 40)


def frozen(array):
    """`array`, which nobody can write to from here on."""
    array.setflags(write=False)
    return array


def frozen_dict(arrays):
    """A dict of which no array can be written to."""
    return {name: frozen(array) for name, array in arrays.items()}


def real(shape, dtype, bound=8.0):
    """Read-only floats in -bound .. bound, zeros and tiny ones among them."""
    width = 8 * np.dtype(dtype).itemsize
    elements = st.floats(-bound, bound, width=width, allow_subnormal=False)
    return hnp.arrays(dtype, shape, elements=elements).map(frozen)


def whole(shape, dtype, bound=9):
    """Read-only integer-valued floats: their sums and products are exact."""
    return hnp.arrays(dtype, shape, elements=st.integers(-bound, bound)).map(frozen)


def cotangent(shape, dtype, seed):
    """A read-only random normal array, for the vector of a vector-Jacobian product."""
    return frozen(np.random.default_rng(seed).standard_normal(shape).astype(dtype))


def layouts(array):
    """The same numbers as `array`, read-only, in memory that is not C-contiguous or not native."""
    padded = np.zeros([2 * n + 1 for n in array.shape], array.dtype)
    strided = padded[tuple(slice(0, 2 * n, 2) for n in array.shape)]
    strided[...] = array
    reversed_ = tuple(slice(None, None, -1) for _ in array.shape)
    swapped = array.astype(array.dtype.newbyteorder())
    fortran = np.asfortranarray(array)
    return {
        name: frozen(other)
        for name, other in {
            "strided": strided,
            "backwards": array[reversed_].copy()[reversed_],
            "byte-swapped": swapped,
            "fortran": fortran.copy(order="F"),
        }.items()
    }
