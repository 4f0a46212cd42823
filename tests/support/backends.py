"""The backends that tests of layers run on."""

import pytest

from minihash import core
from minihash.core.registry import BACKENDS

ARRAYS = ("numpy", "mixed")


@pytest.fixture(autouse=True, scope="module", params=ARRAYS)
def array_backend(request):
    """The loops over arrays of NumPy's backend and of Numba's, whatever hash is behind them."""
    core.register("mixed", "tests.support.mixed_backend")
    try:
        with core.use(request.param):
            yield request.param
    finally:
        del BACKENDS["mixed"]  # other tests know those of minihash alone
