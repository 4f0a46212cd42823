"""The contract of what reads a virtual weight (see core/__init__.py)."""

import numpy as np

from minihash.checks import index_array
from minihash.core.door import batch_of, check_matrix, floats, table_of
from minihash.core.registry import get_backend
from minihash.weights import VirtualWeight


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
    return module.gather(table_of(table, w, module), w)


def scatter_add(dV: np.ndarray, w: VirtualWeight, backend: str | None = None) -> np.ndarray:
    """The adjoint of `gather`: dtable[k] = sum of sign * dV over the identifiers in bucket k.

    dV: float, w.shape. Returns dtable (buckets,), in dV's dtype. Raises as `gather` does.

    >>> from minihash.hashes import Modulus
    >>> scatter_add(np.array([[1.0, 2.0], [3.0, 4.0]]), VirtualWeight((2, 2), Modulus(3)))
    array([5., 2., 3.])
    """
    module = get_backend(backend)
    return module.scatter_add(floats(dV, "dV", w.shape, module), w)


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
    check_matrix(w)
    rows = index_array(rows, "rows", w.shape[0])
    E = module.gather_rows(table_of(table, w, module), w, rows.reshape(-1))
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
    check_matrix(w)
    rows = index_array(rows, "rows", w.shape[0])
    dE = floats(dE, "dE", (*rows.shape, w.shape[1]), module)
    return module.scatter_add_rows(dE.reshape(rows.size, w.shape[1]), rows.reshape(-1), w)


def matmul(
    x: np.ndarray,
    table: np.ndarray,
    w: VirtualWeight,
    backend: str | None = None,
    b: np.ndarray | None = None,
) -> np.ndarray:
    """y = x V^T + b, without building V.

    x: float (batch, fan_in); table: (buckets,); b: (fan_out,) or None, all of one dtype;
    w.shape = (fan_out, fan_in). Returns y (batch, fan_out). Raises as `gather` does.

    >>> from minihash.hashes import Modulus
    >>> w = VirtualWeight((2, 2), Modulus(3))
    >>> matmul(np.array([[1.0, 10.0]]), np.array([1.0, 2.0, 3.0]), w, b=np.array([0.5, 0.0]))
    array([[21.5, 13. ]])
    """
    module = get_backend(backend)
    table = table_of(table, w, module)
    x = batch_of(x, "x", 1, table, w, module)
    if b is not None:
        b = floats(b, "b", w.shape[:1], module, table.dtype)
    return module.matmul(x, table, w, b)


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
    table = table_of(table, w, module)
    x, dy = batch_of(x, "x", 1, table, w, module), batch_of(dy, "dy", 0, table, w, module)
    if len(x) != len(dy):
        raise ValueError(
            f"x and dy must have one batch size, got {len(x)} and {len(dy)}; "
            "pass the x that the forward pass saw"
        )
    return module.matmul_backward(dy, x, table, w, need_dx)
