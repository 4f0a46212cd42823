"""Arrays at the door: one that is as kernels want it goes through as it is, others are converted or
refused."""

import numpy as np
import pytest

from minihash.checks import fits, float_array
from tests.support.core_cases import DTYPES

every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])


class Subclass(np.ndarray):
    """One that computes in its own way."""

    def __add__(self, other):
        raise AssertionError("a kernel saw a subclass")


@every_dtype
@pytest.mark.parametrize("shape", [(3, 4), (None, 4), (None, None), None])
def test_an_array_as_kernels_want_it_goes_through(dtype, shape):
    x = np.ones((3, 4), dtype)
    assert float_array(x, "x", shape) is x
    assert float_array(x, "x", shape, np.dtype(dtype), device=True) is x


@every_dtype
def test_others_are_converted(dtype):
    x = np.arange(12, dtype=dtype).reshape(3, 4)
    others = {
        "byte order": x.astype(x.dtype.newbyteorder()),
        "columns": np.asfortranarray(x),
        "strides": np.repeat(x, 2, 1)[:, ::2],
        "byte order and strides": np.repeat(x, 2, 0).astype(x.dtype.newbyteorder())[::2],
        "subclass": x.view(Subclass),
    }
    for what, other in others.items():
        y = float_array(other, "x", (3, 4), np.dtype(dtype))
        assert type(y) is np.ndarray, what
        assert y.dtype == x.dtype and y.dtype.isnative and y.flags.c_contiguous, what
        assert y.tolist() == x.tolist(), what


ONES = np.ones((3, 4))
REFUSED = [
    (ONES, (3, 5), None, ValueError, r"^x must have shape \(3, 5\), got \(3, 4\); "),
    (ONES, (None, 5), None, ValueError, r"^x must have shape \(any, 5\), got \(3, 4\); "),
    (ONES, (3,), None, ValueError, r"^x must have shape \(3,\), got \(3, 4\); "),
    (ONES, (3, 4, 1), None, ValueError, r"got \(3, 4\); "),
    (ONES, None, np.dtype("f4"), TypeError, "^x must be float32 .*, got float64; "),
    (ONES.astype("f4"), None, np.dtype("f8"), TypeError, "^x must be float64 .*, got float32; "),
    (ONES.astype(">f4"), None, np.dtype("f8"), TypeError, "^x must be float64 .*, got >f4; "),
    (ONES.astype("e"), None, None, TypeError, "must be float32 or float64, got float16; "),
    (ONES.astype("g"), None, None, TypeError, "must be float32 or float64, got "),
    (ONES.astype("d") + 0j, None, None, TypeError, "got complex128; "),
    (ONES.astype("q"), None, None, TypeError, "got int64; "),
    (ONES.astype("V8"), None, None, TypeError, "must be float32 or float64, got "),
    (None, None, None, TypeError, "got object; "),
]


@pytest.mark.parametrize("x, shape, dtype, error, message", REFUSED)
def test_the_rest_is_refused(x, shape, dtype, error, message):
    with pytest.raises(error, match=message):
        float_array(x, "x", shape, dtype)


def test_sizes_that_fit():
    assert fits((), ()) and fits((0, 3), (None, 3)) and fits((2,), None)
    assert not fits((2, 3), (3, 2)) and not fits((2,), ()) and not fits((), (None,))
