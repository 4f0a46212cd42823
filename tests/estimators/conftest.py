"""Small networks: NumPy computes them before a kernel is compiled."""

import pytest


@pytest.fixture(autouse=True)
def numpy_computes(monkeypatch):
    monkeypatch.setenv("MINIHASH_BACKEND", "numpy")
