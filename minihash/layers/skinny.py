"""Products of few rows with one matrix, again and again.

BLAS packs the matrix anew in each call, which for few rows takes about as long as the product. It
has kernels without packing for small products, so that a matrix cut into panels is up to twice as
fast: x W = [x W_1, x W_2, ...]. The cut depends on the sizes alone.
"""

import numpy as np

SMALL = 10**6  # multiplications up to which OpenBLAS does not pack
NARROW = 16  # columns below which a panel is not worth its call


def panels(W: np.ndarray, rows: int) -> np.ndarray:
    """W (fan_in, fan_out) cut for x of `rows` rows: (panels, fan_in, width), contiguous.

    >>> panels(np.zeros((256, 1024)), 16).shape
    (8, 256, 128)
    """
    fan_in, fan_out = W.shape
    widest = min(SMALL // max(rows * fan_in, 1), fan_out)
    fitting = [width for width in range(NARROW, widest + 1) if fan_out % width == 0]
    width = max(fitting, default=fan_out)
    cut = W.reshape(fan_in, fan_out // width, width).transpose(1, 0, 2)
    return np.ascontiguousarray(cut)


def in_panels(y: np.ndarray, cut: np.ndarray) -> np.ndarray:
    """y (rows, fan_out), contiguous, as (panels, rows, width): where np.matmul(x, cut) is to go for
    y = x W, x (rows, fan_in) and W cut by `panels`.

    >>> x, W, y = np.ones((4, 32)), np.ones((32, 64)), np.empty((4, 64))
    >>> cut = panels(W, 4)
    >>> _ = np.matmul(x, cut, out=in_panels(y, cut))
    >>> bool((y == 32).all())
    True
    """
    return y.reshape(len(y), len(cut), cut.shape[2]).transpose(1, 0, 2)
