"""The backends that tests of layers run on."""

import pytest

from minihash import core

ARRAYS = ("numpy", "mixed")


@pytest.fixture(autouse=True, scope="module", params=ARRAYS)
def array_backend(mixed, request):
    """The loops over arrays of NumPy's backend and of Numba's, whatever hash is behind them."""
    with core.use(request.param):
        yield request.param
