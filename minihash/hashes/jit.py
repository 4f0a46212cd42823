"""Numba, if it is there; without it everything works, slower."""

try:
    from numba import njit as _njit
except ImportError:
    _njit = None

HAVE_NUMBA = _njit is not None


def njit(function):
    """`numba.njit` with IEEE division (no exception in the middle of a loop) and without the GIL;
    the function itself where Numba is missing."""
    if _njit is None:
        return function
    return _njit(nogil=True, error_model="numpy")(function)
