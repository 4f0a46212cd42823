"""Names for bodies of real numbers: a reading binds them, as they stand they are NumPy's.

A body that is made of these and of arithmetic is read by NumPy, with arrays, and compiled, with
scalars of one dtype: `half`, `one` and `zero` come in that dtype, where a literal would make
float64 of float32. `exp` and `expm1` are for numbers that are not above 0.
"""

from typing import Any

import numpy as np

Real = Any  # an array, as NumPy reads a body; a number, as compilers do

half, one, zero = 0.5, 1.0, 0.0
tanh, exp, expm1, size = np.tanh, np.exp, np.expm1, np.abs
larger, smaller, choose = np.maximum, np.minimum, np.where


def sigmoid(x):
    """1 / (1 + exp(-x)), exact to a few units of roundoff of 1."""
    return half + half * tanh(half * x)
