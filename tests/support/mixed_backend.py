"""A backend from outside: hashes in NumPy, so that none is compiled; arrays in Numba's loops.

Layers are tested on it and on NumPy's: whatever a kernel's hash is, what meets images and sequences
is compiled once.
"""

from minihash.core.numba import (  # noqa: F401
    add,
    available,
    column_sum,
    convolve,
    convolve_backward,
    cross_entropy,
    each,
    normalise,
    normalise_backward,
    recur,
    recur_backward,
)
from minihash.core.numpy import (  # noqa: F401
    gather,
    gather_rows,
    matmul,
    matmul_backward,
    scatter_add,
    scatter_add_rows,
)
