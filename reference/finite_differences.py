"""Derivatives without calculus: central differences against a random cotangent.

For F(x) = <dy, f(x)> with a random dy,

    dF/dx_k ~ D(step) = (F(x + step e_k) - F(x - step e_k)) / (2 step)

D errs by step^2 F3 / 6, F3 the third derivative, and by about u |F| / step of rounding, u = 2^-53.
With F and F3 near 1, both are of size u^(2/3) for step ~ u^(1/3) ~ 2^-17.7; the step here is 2^-16,
a power of two. D(2 step) - D(step) is three times the first error: `gradient` returns it, with the
rounding, as the bound of its own error.
"""

from collections.abc import Callable

import numpy as np

STEP = 2.0**-16
ROUNDINGS = 64  # relative error of one evaluation of f in units of u, over its largest value
UNIT = 2.0**-53


def gradient(
    f: Callable[[np.ndarray], np.ndarray | float], x: np.ndarray, dy: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    """(dx, bound), of x's shape: |dx - J^T dy| <= bound for the Jacobian J of f at x.

    f must be three times differentiable within 2^-15 of x: keep x away from the kink of a ReLU.

    >>> dx, bound = gradient(lambda x: x**2, np.array([3.0]), np.array([5.0]))
    >>> bool(abs(dx[0] - 30) <= bound[0] < 1e-6)
    True
    """
    x, dy = np.asarray(x, np.float64), np.asarray(dy, np.float64)
    dx, bound = np.zeros(x.shape), np.zeros(x.shape)

    def difference(k: tuple[int, ...], step: float) -> tuple[float, float]:
        values, size = [], 0.0
        for shift in (step, -step):
            moved = x.copy()
            moved[k] += shift
            y = np.asarray(f(moved), np.float64)
            values.append(float((dy * y).sum()))
            size += float(abs(dy).sum() * abs(y).max(initial=0.0))
        return (values[0] - values[1]) / (2 * step), ROUNDINGS * UNIT * size / (2 * step)

    for k in np.ndindex(x.shape):
        near, rounding = difference(k, STEP)
        far, _ = difference(k, 2 * STEP)
        dx[k] = near
        bound[k] = abs(far - near) + rounding + abs(x[k]) * UNIT / STEP * abs(near)
    return dx, bound


def adjoint_gap(
    forward: Callable[[np.ndarray], np.ndarray],
    backward: Callable[[np.ndarray], np.ndarray],
    v: np.ndarray,
    u: np.ndarray,
) -> tuple[float, float]:
    """|<u, A v> - <A^T u, v>| of a linear map and its adjoint, and the sum of |terms| of both.

    >>> adjoint_gap(lambda v: 2 * v, lambda u: 2 * u, np.array([3.0]), np.array([5.0]))
    (0.0, 60.0)
    """
    left, right = u * forward(v), backward(u) * v
    return abs(float(left.sum() - right.sum())), float(abs(left).sum() + abs(right).sum())
