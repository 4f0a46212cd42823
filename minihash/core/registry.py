"""The backends, and which of them computes.

The backend is the argument of a call, else the one set by `use`, else MINIHASH_BACKEND, else numba
where it is installed, else numpy. `cuda` is only ever taken when asked for. A backend is a module
with a function for each operation of the contract, and `available`; `register` adds one.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from types import ModuleType

OPERATIONS = (
    *("gather", "scatter_add", "gather_rows", "scatter_add_rows", "matmul", "matmul_backward"),
    *("column_sum", "add", "convolve", "convolve_backward", "recur", "recur_backward"),
)
BACKENDS: dict[str, str] = {
    name: f"minihash.core.{name}" for name in ("numba", "numpy", "cuda")
}  # the best comes first
_loaded: dict[str, ModuleType] = {}
_chosen: ContextVar[str | None] = ContextVar("backend", default=None)


def get_backend(name: str | None = None) -> ModuleType:
    """The backend called `name`, or the one that is set or best.

    Raises ValueError for a name that is unknown or cannot be used here (the message says why).

    >>> get_backend("numpy").__name__
    'minihash.core.numpy'
    """
    name = name or _chosen.get() or os.environ.get("MINIHASH_BACKEND")
    if not name:
        return next(backend for backend in map(_load, BACKENDS) if not backend.available())
    if name not in BACKENDS:
        raise ValueError(f"the backend must be one of {', '.join(BACKENDS)}, got {name!r}")
    backend = _load(name)
    if why := backend.available():
        raise ValueError(f"the backend {name} cannot be used here: {why}")
    return backend


def _load(name: str) -> ModuleType:
    if name not in _loaded:
        _loaded[name] = import_module(BACKENDS[name])
    return _loaded[name]


def backends() -> dict[str, str]:
    """Every backend, and why it cannot be used here (empty: it can)."""
    return {name: _load(name).available() for name in BACKENDS}


@contextmanager
def use(name: str | None) -> Iterator[None]:
    """Take the backend called `name` within this block (None: leave the choice as it is).

    >>> with use("numpy"):
    ...     get_backend().__name__
    'minihash.core.numpy'
    """
    if name is not None:
        get_backend(name)
    token = _chosen.set(name or _chosen.get())
    try:
        yield
    finally:
        _chosen.reset(token)


def register(name: str, module: str) -> None:
    """Let `name` mean the backend in the module of this name; it is taken only when asked for.

    Raises ValueError if the name is taken, or the module lacks an operation of the contract.
    """
    if name in BACKENDS and BACKENDS[name] != module:
        raise ValueError(f"the name {name!r} means the backend {BACKENDS[name]}; choose another")
    backend = import_module(module)
    missing = [f for f in (*OPERATIONS, "available") if not callable(getattr(backend, f, None))]
    if missing:
        raise ValueError(
            f"the backend {module} must have every operation of the contract, got none called "
            f"{', '.join(missing)}; write them, or take those of minihash.core.numpy"
        )
    BACKENDS[name] = module
