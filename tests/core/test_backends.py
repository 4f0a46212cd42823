"""Which backend runs: argument, `use`, environment, the best; and that NumPy alone does it all."""

import ast
import subprocess
import sys

import numpy as np
import pytest

from minihash import core
from minihash.core import backends, gather, get_backend, matmul, matmul_backward, scatter_add, use
from minihash.hashes import Dirichlet, Modulus, Uniform
from minihash.weights import VirtualWeight

W = VirtualWeight((2, 3), Modulus(3))
TABLE, X, DY = np.arange(3.0), np.ones((1, 3)), np.ones((1, 2))
CALLS = {
    "gather": lambda **how: gather(TABLE, W, **how),
    "scatter_add": lambda **how: scatter_add(np.ones((2, 3)), W, **how),
    "matmul": lambda **how: matmul(X, TABLE, W, **how),
    "matmul_backward": lambda **how: matmul_backward(DY, X, TABLE, W, **how),
}


def name(backend: str | None = None) -> str:
    return get_backend(backend).__name__.removeprefix("minihash.core.")


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    monkeypatch.delenv("MINIHASH_BACKEND", raising=False)


def test_the_best_is_numba():
    assert name() == "numba"
    assert name("") == "numba"


def test_argument_before_use_before_environment_before_best(monkeypatch):
    monkeypatch.setenv("MINIHASH_BACKEND", "numpy")
    assert name() == "numpy"
    with use("numba"):
        assert name() == "numba"
        assert name("numpy") == "numpy"
        with use("numpy"):
            assert name() == "numpy"
            with use(None):
                assert name() == "numpy"
        assert name() == "numba"
    assert name() == "numpy"
    assert name("numba") == "numba"
    monkeypatch.setenv("MINIHASH_BACKEND", "")
    assert name() == "numba"


def test_use_ends_with_an_error():
    with pytest.raises(KeyError), use("numpy"):
        raise KeyError
    assert name() == "numba"


@pytest.mark.parametrize("operation", CALLS)
def test_every_operation_runs_where_it_is_told_to(operation, monkeypatch):
    for backend in ("numpy", "numba"):
        marker = f"{operation} of {backend}"
        module = f"minihash.core.{backend}.{operation}"
        monkeypatch.setattr(module, lambda *_, marker=marker, **__: marker)
    assert CALLS[operation]() == f"{operation} of numba"
    assert CALLS[operation](backend="numpy") == f"{operation} of numpy"
    with use("numpy"):
        assert CALLS[operation]() == f"{operation} of numpy"
    monkeypatch.setenv("MINIHASH_BACKEND", "numpy")
    assert CALLS[operation]() == f"{operation} of numpy"


@pytest.mark.parametrize("unknown", ["torch", "Numba", "numpy ", "numpy_backend", "__init__"])
def test_unknown_backends_are_refused(unknown, monkeypatch):
    def refused(call) -> None:
        with pytest.raises(ValueError, match="numba, numpy, cuda") as caught:
            call()
        assert repr(unknown) in str(caught.value) and "\n" not in str(caught.value)

    for operation in CALLS.values():
        refused(lambda operation=operation: operation(backend=unknown))
    with pytest.raises(ValueError, match="numba, numpy, cuda"), use(unknown):
        pass
    monkeypatch.setenv("MINIHASH_BACKEND", unknown)
    for operation in CALLS.values():
        refused(operation)


def test_every_backend_says_whether_it_can_be_used():
    found = backends()
    assert list(found) == list(core.BACKENDS)
    assert found["numpy"] == found["numba"] == ""
    for backend, why in found.items():
        if why:
            with pytest.raises(ValueError, match=f"{backend} cannot be used here: ") as caught:
                get_backend(backend)
            assert why in str(caught.value) and "\n" not in str(caught.value)


EVERYTHING = """
import math, sys
import numpy as np
from minihash.core import *
from minihash.hashes import *
from minihash.weights import VirtualWeight

def everything():
    \"\"\"Buckets, signs, loads and products of every hash.\"\"\"
    ids = list(range(40)) + [2**32, 2**64 - 1]
    hashes = [
        Modulus(7), Modulus(7, 1, True), Uniform(9, 1), Uniform(9, 1, True), Dirichlet(50, 0.2, 3),
        Dirichlet(50, math.inf), Neighborhood(20, 3, 1, True), Neighborhood(5, 30, 1),
        HashedNets(9, 8, 5), Lookup(4, np.arange(40) % 4, np.arange(40) % 3 - 1),
        Compose(Modulus(12), Uniform(30, 2, True)),
    ]
    for h in hashes:
        inside = [i for i in ids if i < h.domain]
        yield h.bucket(inside).tolist(), h.sign(inside).tolist(), balance(h, 40).load.tolist()
        w = VirtualWeight((5, 8), h)
        rng = np.random.default_rng(0)
        table, x, dy = (rng.integers(-5, 6, s) * 1.0 for s in ((h.buckets,), (3, 8), (3, 5)))
        yield gather(table, w).tolist(), scatter_add(dy.T @ x, w).tolist()
        yield matmul(x, table, w).tolist(), matmul_backward(dy, x, table, w)[0].tolist()
"""

BARE = f"""
import sys, warnings
sys.modules["numba"] = None  # as if it were not installed
warnings.simplefilter("error")
{EVERYTHING}
assert get_backend().__name__.endswith(".numpy")
print(repr((backends()["numba"], list(everything()))))
assert sys.modules["numba"] is None
"""


def test_without_numba_everything_works_and_gives_the_same():
    run = subprocess.run([sys.executable, "-c", BARE], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    why, bare = ast.literal_eval(run.stdout)
    assert "install" in why
    namespace: dict = {}
    exec(EVERYTHING, namespace)
    assert name() == "numba"
    assert list(namespace["everything"]()) == bare


def test_numba_is_refused_by_name_where_it_is_missing(monkeypatch):
    monkeypatch.setattr("minihash.core.numba.available", lambda: "Numba is not installed")
    with pytest.raises(ValueError, match="numba cannot be used here: Numba is not installed"):
        matmul(X, TABLE, W, backend="numba")
    assert name() == "numpy"


def test_sizes_stay_equal_between_backends_at_the_top_of_the_identifiers():
    for hash_ in (Uniform(5, 2, True), Dirichlet(5, 0.7), Modulus(5)):
        w = VirtualWeight((4, 5), hash_, first_id=2**64 - 20)
        table = np.arange(1.0, 6.0)
        np.testing.assert_array_equal(gather(table, w, "numba"), gather(table, w, "numpy"))
