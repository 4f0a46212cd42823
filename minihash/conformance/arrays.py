"""Arrays of another implementation beside those of a virtual weight.

Integers are equal. A sum of n products with unit roundoff u is off by at most gamma_n times the sum
of their sizes, gamma_n = n u / (1 - n u), whatever the order of its additions (Higham, Accuracy and
Stability of Numerical Algorithms, 2002, section 3.1). On whole numbers, whose sums are exact, the
bound is met by equality alone, or nearly: few buckets and small integers show the most.
"""

import math

import numpy as np

from minihash import core
from minihash.weights import VirtualWeight


def check(
    w: VirtualWeight,
    table: np.ndarray | None = None,
    x: np.ndarray | None = None,
    dy: np.ndarray | None = None,
    *,
    index: np.ndarray | None = None,
    sign: np.ndarray | None = None,
    V: np.ndarray | None = None,
    y: np.ndarray | None = None,
    dx: np.ndarray | None = None,
    dtable: np.ndarray | None = None,
) -> None:
    """Hold what another implementation made of a virtual weight to what the specification says.

    w: of shape (fan_out, fan_in) where products are checked. table (buckets,), x (batch, fan_in)
    and dy (batch, fan_out) are what both were given, float32 or float64. index, sign, V: of w's
    shape; y like dy, dx like x, dtable (buckets,): what the other made.
    Raises AssertionError at the first entry that is wrong, by how much and where; ValueError or
    TypeError if something that is needed was not given, or has another shape.

    >>> from minihash.hashes import Modulus
    >>> w = VirtualWeight((2, 3), Modulus(4))
    >>> check(w, index=np.arange(6).reshape(2, 3) % 4, sign=np.ones((2, 3)))
    >>> check(w, np.arange(4.0), np.ones((1, 3)), y=np.array([[3.0, 5.0]]))
    Traceback (most recent call last):
    AssertionError: y[0, 1] is 5.0, expected 4.0 (off by 1, and 1.8e-15 may be)
    """
    ids = w.identifiers() if w.size <= 2**28 else None
    if index is not None or sign is not None:
        if ids is None:
            raise ValueError(f"index and sign of {w.size} identifiers are too many: take w.rows")
        bucket, right = w.hash.bucket(ids), w.hash.sign(ids)
        if index is not None:  # where there is no connection, any bucket will do
            _equal("index", index, np.where(right == 0, index, bucket), ids)
        if sign is not None:
            _equal("sign", sign, right, ids)
    if V is not None:
        _equal("V", V, core.gather(_need("table", table), w, backend="numpy"), ids)
    if y is None and dx is None and dtable is None:
        return
    x = _need("x", x)
    u = np.finfo(x.dtype).eps / 2
    wide = x.astype(np.float64)
    if y is not None or dx is not None:
        weights = core.gather(_need("table", table), w, backend="numpy").astype(np.float64)
    if y is not None:
        _near("y", y, wide @ weights.T, abs(wide) @ abs(weights).T, w.shape[1], u)
    if dx is not None:
        back = _need("dy", dy).astype(np.float64)
        _near("dx", dx, back @ weights, abs(back) @ abs(weights), w.shape[0], u)
    if dtable is not None:
        back = _need("dy", dy).astype(np.float64)
        right = core.scatter_add(back.T @ wide, w, backend="numpy")
        bucket, signs = w.hash.bucket(w.identifiers()), w.hash.sign(w.identifiers())
        size = np.zeros(w.hash.buckets)
        np.add.at(size, bucket, (abs(back).T @ abs(wide)) * abs(signs))
        load = np.bincount(bucket.reshape(-1), minlength=w.hash.buckets).max()
        _near("dtable", dtable, right, size, len(x) + int(load), u)


def _need(name: str, value: np.ndarray | None) -> np.ndarray:
    if value is None:
        raise ValueError(f"{name} is needed for that: give what both implementations were given")
    value = np.asarray(value)
    if value.dtype not in (np.float32, np.float64):
        raise TypeError(f"{name} must be float32 or float64, got {value.dtype}: convert it")
    return value


def _shaped(name: str, found: np.ndarray, right: np.ndarray) -> np.ndarray:
    found = np.asarray(found)
    if found.shape != right.shape:
        raise ValueError(f"{name} has shape {found.shape}, expected {right.shape}")
    return found


def _equal(name: str, found: np.ndarray, right: np.ndarray, ids: np.ndarray | None) -> None:
    found = _shaped(name, found, right)
    wrong = np.argwhere(found != right)
    if len(wrong):
        at = tuple(wrong[0].tolist())
        whose = "" if ids is None else f" (identifier {ids[at]})"
        raise AssertionError(
            f"{_place(name, at)} is {found[at].item()}, expected {right[at].item()}{whose}; "
            f"{len(wrong)} of {right.size} entries differ"
        )


def _near(
    name: str, found: np.ndarray, right: np.ndarray, size: np.ndarray, terms: int, u: float
) -> None:
    found = _shaped(name, found, right)
    gamma = terms * u / (1 - terms * u) if terms * u < 1 else math.inf
    bound = gamma * size + u * abs(right)
    with np.errstate(invalid="ignore"):
        off = abs(found.astype(np.float64) - right)
        wrong = np.argwhere(~((off <= bound) | (found == right)))
    if len(wrong):
        at = tuple(wrong[0].tolist())
        raise AssertionError(
            f"{_place(name, at)} is {found[at].item()}, expected {right[at].item()} "
            f"(off by {off[at]:.2g}, and {bound[at]:.2g} may be)"
        )


def _place(name: str, at: tuple[int, ...]) -> str:
    return f"{name}[{', '.join(map(str, at))}]"
