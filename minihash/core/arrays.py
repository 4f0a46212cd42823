"""The contract of what reads arrays that `gather` made, and sums (see core/__init__.py)."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minihash.checks import index_array
from minihash.core.door import floats, images_of, with_features
from minihash.core.registry import get_backend
from minihash.hashes.windows import Windows


def each(body: Callable, *arrays: np.ndarray, backend: str | None = None) -> np.ndarray:
    """y[k] = body(x[k], ...), entry by entry.

    body: a plain function of one or two real numbers, made of arithmetic and the names of
    compile/reals.py. arrays: as many, float, of one shape and dtype, which are those of y. Raises
    TypeError or ValueError for others.

    >>> from minihash.compile.reals import larger, zero
    >>> each(lambda x: larger(x, zero), np.array([-1.0, 2.0]))
    array([0., 2.])
    """
    module = get_backend(backend)
    if len(arrays) not in (1, 2):
        raise ValueError(f"each takes one array or two, got {len(arrays)}; call it again for more")
    x = floats(arrays[0], "the first array", None, module)
    more = [floats(a, "the second array", x.shape, module, x.dtype) for a in arrays[1:]]
    return module.each(body, x, *more)


def column_sum(dy: np.ndarray, backend: str | None = None) -> np.ndarray:
    """db = the sum over the batch of dy (batch, features), in float64, rounded once: (features,).

    >>> column_sum(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([4., 6.])
    """
    module = get_backend(backend)
    return module.column_sum(floats(dy, "dy", (None, None), module))


def normalise(
    x: np.ndarray,
    gamma: np.ndarray,
    beta: np.ndarray,
    eps: float,
    known: tuple[np.ndarray, np.ndarray] | None = None,
    backend: str | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """y = gamma x_hat + beta, x_hat = (x - mean) r, r = 1 / sqrt(var + eps), feature by feature.

    x: float (batch, features, ...); gamma, beta: (features,), of its dtype; known: (mean, var),
    float64 (features,), or None: those of x over the batch and all positions, n of a feature,
    var = sum of (x - mean)^2 / n.
    Returns y and x_hat, of the shape and dtype of x, r (features,) of its dtype, and mean and var
    (known ones: as they came). Raises TypeError or ValueError for other arrays.

    >>> x, one, zero = np.array([[1.0], [3.0]]), np.ones(1), np.zeros(1)
    >>> y, x_hat, r, mean, var = normalise(x, one, zero, 0.0)
    >>> y.ravel(), mean, var
    (array([-1.,  1.]), array([2.]), array([1.]))
    """
    module = get_backend(backend)
    x = with_features(x, "x", module)
    gamma = floats(gamma, "gamma", x.shape[1:2], module, x.dtype)
    beta = floats(beta, "beta", x.shape[1:2], module, x.dtype)
    if known is not None:
        mean, var = known
        wide = x.shape[1:2], module, np.dtype(np.float64)
        known = floats(mean, "the mean", *wide), floats(var, "the variance", *wide)
    return module.normalise(x, gamma, beta, eps, known)


def normalise_backward(
    dy: np.ndarray,
    x_hat: np.ndarray,
    gamma: np.ndarray,
    r: np.ndarray,
    known: bool,
    backend: str | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """dbeta = sum of dy, dgamma = sum of dy x_hat over the batch and all positions, n of a feature;
    dx = gamma r (dy - dbeta / n - x_hat dgamma / n), or, where mean and var were known, gamma r dy.

    dy, x_hat: (batch, features, ...); gamma, r: (features,); one dtype. Returns dx, of the shape of
    dy, dgamma and dbeta (features,). Raises as `normalise` does.

    >>> dy, x_hat, one = np.array([[1.0], [2.0]]), np.array([[-1.0], [1.0]]), np.ones(1)
    >>> dx, dgamma, dbeta = normalise_backward(dy, x_hat, one, one, known=False)
    >>> dx.ravel(), dgamma, dbeta
    (array([0., 0.]), array([1.]), array([3.]))
    """
    module = get_backend(backend)
    x_hat = with_features(x_hat, "x_hat", module)
    dy = floats(dy, "dy", x_hat.shape, module, x_hat.dtype)
    gamma = floats(gamma, "gamma", x_hat.shape[1:2], module, x_hat.dtype)
    r = floats(r, "r", x_hat.shape[1:2], module, x_hat.dtype)
    return module.normalise_backward(dy, x_hat, gamma, r, known)


def cross_entropy(
    logits: np.ndarray, labels: np.ndarray, backend: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """-log p[label] of each example, and p, the softmax of the logits:

        z = logits - max of each row,   s = sum of exp(z) in float64
        -log p[label] = log(s) - z[label],   p = exp(z) / s

    logits: float (batch, classes); labels: integers (batch,), each in 0 .. classes - 1.
    Returns nats, float64 (batch,), and p, of the shape and dtype of logits. Raises TypeError or
    ValueError for others.

    >>> nats, p = cross_entropy(np.zeros((1, 4)), np.array([2]))
    >>> nats.round(4), p
    (array([1.3863]), array([[0.25, 0.25, 0.25, 0.25]]))
    """
    module = get_backend(backend)
    logits = floats(logits, "logits", (None, None), module)
    labels = index_array(labels, "labels", logits.shape[1])
    if labels.shape != logits.shape[:1] or not logits.size:
        raise ValueError(
            f"there must be a label for each of the examples, at least one, got labels of shape "
            f"{labels.shape} and logits of shape {logits.shape}; correct one of them"
        )
    return module.cross_entropy(logits, labels)


def add(one: np.ndarray, other: np.ndarray, backend: str | None = None) -> np.ndarray:
    """one + other, two gradients (entries,) of one table.

    >>> add(np.array([1.0, 2.0]), np.array([10.0, 20.0]))
    array([11., 22.])
    """
    module = get_backend(backend)
    one = floats(one, "one", None, module)
    return module.add(one, floats(other, "other", one.shape, module, one.dtype))


def convolve(
    x: np.ndarray,
    K: np.ndarray,
    B: np.ndarray | None,
    windows: Windows,
    groups: int = 1,
    backend: str | None = None,
) -> np.ndarray:
    """y[b, o, p] = sum over c of o's group and taps t of K[o, c, t] x[b, c, q] + B[o], where tap t
    of the window at p is at q = p stride - padding + t dilation, and x is 0 outside.

    x: float (batch, channels, height, width); K: (out_channels, channels / groups,
    *windows.kernel); B: (out_channels,) or None; one dtype. Returns y (batch, out_channels,
    *windows.outputs((height, width))). Raises TypeError or ValueError for other arrays.

    >>> x, K = np.array([[[[1.0, 2.0, 3.0]]]]), np.array([[[[1.0, 10.0]]]])
    >>> convolve(x, K, None, Windows((1, 2)))
    array([[[[21., 32.]]]])
    """
    module = get_backend(backend)
    x, K = images_of(x, K, windows, groups, module)
    if B is not None:
        B = floats(B, "B", K.shape[:1], module, x.dtype)
    return module.convolve(x, K, B, windows, groups)


def convolve_backward(
    dy: np.ndarray,
    x: np.ndarray,
    K: np.ndarray,
    biased: bool,
    windows: Windows,
    groups: int = 1,
    backend: str | None = None,
    need_dx: bool = True,
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray | None]:
    """dx[b, c, q] = sum over the (o, t, p) that lead to q of K[o, c, t] dy[b, o, p],
    dK[o, c, t] = sum over (b, p) of dy[b, o, p] x[b, c, q], dB[o] = sum over (b, p) of dy[b, o, p].

    dy: of the shape of `convolve`'s y. Returns dx and dK, of the shapes of x and K, and dB
    (out_channels,); dx is None unless `need_dx`, dB unless `biased`. Raises as `convolve` does.

    >>> x, K = np.array([[[[1.0, 2.0, 3.0]]]]), np.array([[[[1.0, 10.0]]]])
    >>> dx, dK, dB = convolve_backward(np.ones((1, 1, 1, 2)), x, K, True, Windows((1, 2)))
    >>> dx.ravel(), dK.ravel(), dB
    (array([ 1., 11., 10.]), array([3., 5.]), array([2.]))
    """
    module = get_backend(backend)
    x, K = images_of(x, K, windows, groups, module)
    shape = (len(x), len(K), *windows.outputs(x.shape[2:]))
    dy = floats(dy, "dy", shape, module, x.dtype)
    return module.convolve_backward(dy, x, K, biased, windows, groups, need_dx)


def recur(
    cell: Any,
    x: np.ndarray,
    state: tuple[np.ndarray, ...],
    lengths: np.ndarray,
    weights: tuple[np.ndarray | None, ...],
    backend: str | None = None,
) -> tuple[np.ndarray, tuple[np.ndarray, ...], tuple]:
    """A recurrent cell through all steps t of sequences of x:

        a_t = V_ih x_t + b_ih,   r_t = V_hh h_{t-1} + b_hh        the cell's gates in a row
        state_t, kept_t = cell.step(a_t, r_t, state_{t-1}),   h_t = state_t[0]

    cell: its equations `step` and `step_back`, how many gates G and states there are, `truncate`
    (layers/recurrent.py). x: float (batch, length, features); state: before the first step, arrays
    (batch, hidden); lengths: integers (batch,): beyond, x is padding, y is 0 and the state stays as
    it is; weights: V_ih (G hidden, features), V_hh (G hidden, hidden), b_ih and b_hh (G hidden,) or
    None.
    Returns y (batch, length, hidden), the state after the last step, and what `recur_backward`
    wants. Raises TypeError or ValueError for other arrays.
    """
    module = get_backend(backend)
    x = floats(x, "x", (None, None, None), module)
    V_hh: Any = weights[1]
    hidden = floats(V_hh, "V_hh", (None, None), module, x.dtype).shape[1]
    rows = cell.gates * hidden
    shapes = {"V_ih": (rows, x.shape[2]), "V_hh": (rows, hidden), "b_ih": (rows,), "b_hh": (rows,)}
    given = zip(weights, shapes.items(), strict=True)
    checked = tuple(
        V if V is None else floats(V, name, shape, module, x.dtype) for V, (name, shape) in given
    )
    state = tuple(floats(s, "a state", (len(x), hidden), module, x.dtype) for s in state)
    lengths = index_array(lengths, "lengths", x.shape[1] + 1)
    y, final, tape = module.recur(cell, x, state, lengths, checked)
    return y, final, (module, y.shape, y.dtype, tape)


def recur_backward(
    cell: Any, tape: tuple, dy: np.ndarray, dfinal: tuple[np.ndarray, ...]
) -> tuple[np.ndarray, tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """Back through all steps, from the gradients dy of y and dfinal of the last state:

        dh_t += dy_t;   da_t, dr_t, dstate_{t-1} = cell.step_back(kept_t, state_{t-1}, dstate_t)
        dh_{t-1} += dr_t V_hh,   dx_t = da_t V_ih
        dV_ih = sum of da_t^T x_t,   dV_hh = sum of dr_t^T h_{t-1},   db_ih, db_hh = sums of da, dr

    tape: `recur`'s, by whose backend this goes. Truncated: at the steps k, 2 k ... (counted from 0)
    no gradient flows on to the state before. What of dy lies in the padding does not matter.
    Returns dx, the gradient of the first state, and (dV_ih, dV_hh, db_ih, db_hh).
    """
    module, shape, dtype, own = tape
    dy = floats(dy, "dy", shape, module, dtype)
    dfinal = tuple(floats(d, "dfinal", (shape[0], shape[2]), module, dtype) for d in dfinal)
    return module.recur_backward(cell, own, dy, dfinal)
