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

from minihash.core.threads import blas_on_one_thread, get_threads, settled

OPERATIONS = (
    *("gather", "scatter_add", "gather_rows", "scatter_add_rows", "matmul", "matmul_backward"),
    *("each", "column_sum", "add", "normalise", "normalise_backward", "cross_entropy"),
    *("convolve", "convolve_backward", "recur", "recur_backward"),
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
        return _load(best())
    if name not in BACKENDS:
        raise ValueError(f"the backend must be one of {', '.join(BACKENDS)}, got {name!r}")
    backend = _load(name)
    if why := backend.available():
        raise ValueError(f"the backend {name} cannot be used here: {why}")
    return backend


def best() -> str:
    """The first backend that can be used here."""
    return next(name for name in BACKENDS if not _load(name).available())


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


class steady:
    """Within this block the environment is not asked again for a backend or a number of threads,
    and BLAS is held to one thread: a training step has some thirty operations."""

    def __enter__(self) -> None:
        name = _chosen.get() or os.environ.get("MINIHASH_BACKEND") or best()
        get_backend(name)
        self.threads, self.blas = settled.set(get_threads()), blas_on_one_thread()
        self.backend = _chosen.set(name)
        self.blas.__enter__()

    def __exit__(self, *_: object) -> None:
        self.blas.__exit__()
        _chosen.reset(self.backend)
        settled.reset(self.threads)


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
