"""What a run computes on: told once where Numba cannot be used, quiet where NumPy was asked for."""

import warnings

import pytest

from minihash import core
from minihash.cli import main
from minihash.runs.machine import machine


@pytest.fixture
def missing(monkeypatch):
    monkeypatch.delenv("MINIHASH_BACKEND", raising=False)
    monkeypatch.setattr("minihash.core.numba.available", lambda: "Numba is not installed")


def test_one_line_says_that_numpy_computes_alone(missing, capsys):
    with pytest.warns(UserWarning, match="Numba is not installed: NumPy computes alone"), machine():
        assert core.get_backend().__name__ == "minihash.core.numpy"
    assert main(["backends"]) == 0
    said = capsys.readouterr().err
    assert said.startswith("minihash: warning: the backend numba") and said.count("\n") == 1


def test_who_has_asked_for_numpy_is_told_nothing(missing, monkeypatch):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with machine("numpy"):
            pass
        monkeypatch.setenv("MINIHASH_BACKEND", "numpy")
        with machine():
            pass


def test_nothing_is_told_where_numba_is_there(monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.delenv("MINIHASH_BACKEND", raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with machine():
            assert core.get_backend().__name__ == "minihash.core.numba"
