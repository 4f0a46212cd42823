"""Room 3: gather, scatter_add, and the products that never build V.

    gather           V = sign * table[bucket]                         table (buckets,) -> w.shape
    scatter_add      dtable[k] = sum of sign * dV over bucket k       w.shape -> (buckets,)
    matmul           y = x V^T                    (batch, fan_in) -> (batch, fan_out)
    matmul_backward  dx = dy V,  dtable = scatter_add(dy^T x)

and, for some of the rows of V,

    gather_rows       E[t] = V[row_t]                                     -> (n, fan_in)
    scatter_add_rows  dtable = scatter_add of dV,  dV[r] = sum of dE[t] over the t with row_t = r

The contract, for every backend:
- float32 and float64; within gamma_n * sum |a||b| of the exact result (n terms, unit roundoff u);
- on integer-valued inputs whose sums stay below 2^24, all backends, thread counts and panel sizes
  agree bit for bit;
- on any input, bit-identical from run to run and for any number of threads;
- results are freshly allocated, inputs are never written;
- bad input is refused here, before any kernel; NaN and infinities propagate;
- V is never held whole.

The backend is the argument `backend`, else the one set by `use`, else MINIHASH_BACKEND, else numba
where it is installed, else numpy. `cuda` is only ever taken when asked for. It takes device arrays
(`__cuda_array_interface__`) as well as NumPy's; where any input is one, so are the results.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from types import ModuleType

import numpy as np

from minihash.checks import float_array, index_array
from minihash.core.threads import get_threads, set_threads
from minihash.weights import VirtualWeight

__all__ = [
    "BACKENDS",
    "backends",
    "gather",
    "gather_rows",
    "get_backend",
    "get_threads",
    "matmul",
    "matmul_backward",
    "scatter_add",
    "scatter_add_rows",
    "set_threads",
    "use",
]

BACKENDS = ("numba", "numpy", "cuda")
_chosen: ContextVar[str | None] = ContextVar("backend", default=None)


def get_backend(name: str | None = None) -> ModuleType:
    """The backend called `name`, or the one that is set or best.

    Raises ValueError for a name that is unknown or cannot be used here (the message says why).

    >>> get_backend("numpy").__name__
    'minihash.core.numpy'
    """
    name = name or _chosen.get() or os.environ.get("MINIHASH_BACKEND")
    if not name:
        return next(b for b in map(_load, BACKENDS) if not b.available())
    if name not in BACKENDS:
        raise ValueError(f"the backend must be one of {', '.join(BACKENDS)}, got {name!r}")
    backend = _load(name)
    if why := backend.available():
        raise ValueError(f"the backend {name} cannot be used here: {why}")
    return backend


def _load(name: str) -> ModuleType:
    return import_module(f"minihash.core.{name}")


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


def gather(table: np.ndarray, w: VirtualWeight, backend: str | None = None) -> np.ndarray:
    """The virtual weight V = sign * table[bucket], in full.

    table: float (buckets,). Returns V of w.shape, in the table's dtype.
    Raises TypeError or ValueError for another dtype or size.

    >>> from minihash.hashes import Modulus
    >>> gather(np.array([1.0, 2.0, 3.0]), VirtualWeight((2, 2), Modulus(3)))
    array([[1., 2.],
           [3., 1.]])
    """
    module = get_backend(backend)
    return module.gather(_table(table, w, module), w)


def scatter_add(dV: np.ndarray, w: VirtualWeight, backend: str | None = None) -> np.ndarray:
    """The adjoint of `gather`: dtable[k] = sum of sign * dV over the identifiers in bucket k.

    dV: float, w.shape. Returns dtable (buckets,), in dV's dtype. Raises as `gather` does.

    >>> from minihash.hashes import Modulus
    >>> scatter_add(np.array([[1.0, 2.0], [3.0, 4.0]]), VirtualWeight((2, 2), Modulus(3)))
    array([5., 2., 3.])
    """
    module = get_backend(backend)
    return module.scatter_add(_floats(dV, "dV", w.shape, module), w)


def gather_rows(
    table: np.ndarray, w: VirtualWeight, rows: np.ndarray, backend: str | None = None
) -> np.ndarray:
    """E[t] = V[rows[t]], without building the rest of V.

    table: float (buckets,); w.shape = (height, width); rows: integers of any shape, each in
    0 .. height - 1. Returns E (*rows.shape, width). Raises as `gather` does, and for other rows.

    >>> from minihash.hashes import Modulus
    >>> w = VirtualWeight((3, 2), Modulus(5))
    >>> gather_rows(np.arange(5.0), w, np.array([2, 0, 2]))
    array([[4., 0.],
           [0., 1.],
           [4., 0.]])
    """
    module = get_backend(backend)
    _matrix(w)
    rows = index_array(rows, "rows", w.shape[0])
    E = module.gather_rows(_table(table, w, module), w, rows.reshape(-1))
    return E.reshape(*rows.shape, w.shape[1])


def scatter_add_rows(
    dE: np.ndarray, rows: np.ndarray, w: VirtualWeight, backend: str | None = None
) -> np.ndarray:
    """The adjoint of `gather_rows`: repeated rows, as all equal buckets, are summed.

    dE: float (*rows.shape, width). Returns dtable (buckets,). Raises as `gather_rows` does.

    >>> from minihash.hashes import Modulus
    >>> w = VirtualWeight((3, 2), Modulus(5))
    >>> scatter_add_rows(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), np.array([2, 0, 2]), w)
    array([11.,  4.,  0.,  0.,  6.])
    """
    module = get_backend(backend)
    _matrix(w)
    rows = index_array(rows, "rows", w.shape[0])
    dE = _floats(dE, "dE", (*rows.shape, w.shape[1]), module)
    return module.scatter_add_rows(dE.reshape(-1, w.shape[1]), rows.reshape(-1), w)


def matmul(
    x: np.ndarray,
    table: np.ndarray,
    w: VirtualWeight,
    backend: str | None = None,
) -> np.ndarray:
    """y = x V^T, without building V.

    x: float (batch, fan_in); table: (buckets,), the same dtype; w.shape = (fan_out, fan_in).
    Returns y (batch, fan_out). Raises as `gather` does.

    >>> from minihash.hashes import Modulus
    >>> w = VirtualWeight((2, 2), Modulus(3))
    >>> matmul(np.array([[1.0, 10.0]]), np.array([1.0, 2.0, 3.0]), w)
    array([[21., 13.]])
    """
    module = get_backend(backend)
    table = _table(table, w, module)
    x = _batch(x, "x", 1, table, w, module)
    return module.matmul(x, table, w)


def matmul_backward(
    dy: np.ndarray,
    x: np.ndarray,
    table: np.ndarray,
    w: VirtualWeight,
    backend: str | None = None,
    need_dx: bool = True,
) -> tuple[np.ndarray | None, np.ndarray]:
    """dx = dy V and dtable = scatter_add(dy^T x), without building V or dV.

    dy: (batch, fan_out); x: (batch, fan_in); table: (buckets,), one dtype.
    need_dx: whether to multiply by V at all; if not, dx is None.
    Returns dx (batch, fan_in) and dtable (buckets,). Raises as `gather` does.

    >>> from minihash.hashes import Modulus
    >>> w = VirtualWeight((2, 2), Modulus(3))
    >>> dx, dtable = matmul_backward(np.ones((1, 2)), np.array([[1.0, 10.0]]), np.ones(3), w)
    >>> dx, dtable
    (array([[2., 2.]]), array([11., 10.,  1.]))
    """
    module = get_backend(backend)
    table = _table(table, w, module)
    x, dy = _batch(x, "x", 1, table, w, module), _batch(dy, "dy", 0, table, w, module)
    if len(x) != len(dy):
        raise ValueError(
            f"x and dy must have one batch size, got {len(x)} and {len(dy)}; "
            "pass the x that the forward pass saw"
        )
    return module.matmul_backward(dy, x, table, w, need_dx)


def _floats(
    x: np.ndarray, name: str, shape: tuple[int | None, ...], module: ModuleType
) -> np.ndarray:
    if hasattr(module, "float_array"):  # the GPU's own, which lets device arrays pass
        return module.float_array(x, name, shape)
    if hasattr(x, "__cuda_array_interface__"):
        raise TypeError(
            f"{name} is in the memory of a GPU, where this backend cannot read it; "
            "take the backend cuda or copy it to the host"
        )
    return float_array(x, name, shape)


def _table(table: np.ndarray, w: VirtualWeight, module: ModuleType) -> np.ndarray:
    return _floats(table, f"the table {w.table!r}", (w.hash.buckets,), module)


def _batch(
    x: np.ndarray, name: str, axis: int, table: np.ndarray, w: VirtualWeight, module: ModuleType
) -> np.ndarray:
    _matrix(w)
    x = _floats(x, name, (None, w.shape[axis]), module)
    if x.dtype != table.dtype:
        raise TypeError(
            f"{name} and the table must have one dtype, got {x.dtype} and {table.dtype}; "
            "convert one of them"
        )
    return x


def _matrix(w: VirtualWeight) -> None:
    if len(w.shape) != 2:
        raise ValueError(
            f"a product needs a weight of shape (fan_out, fan_in), got {w.shape}; reshape it"
        )
