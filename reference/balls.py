"""How far a whole network may be from its exact result: midpoint-radius arithmetic.

A ball holds the exact value of an expression and every floating-point evaluation of it with unit
roundoff u in which no operation takes more than ROUNDINGS roundings. Radii propagate by the rules
of each operation, so a bound is derived anew for the numbers at hand. Balls that share a cause are
taken as independent, which makes a radius larger than need be, never smaller (to first order in u).

`forward`, `backward`, the loss and the optimisers are those of `reference/`, on balls, with the
plans of reference/network.py.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reference.layers import dropout_mask

ROUNDINGS = 3  # one of the operation, one of the midpoint, one for another order of factors
ELEMENTARY = 8  # exp, expm1, tanh: within 4 ulp in NumPy's vectorised form


@dataclass(frozen=True)
class Ball:
    """mid - rad .. mid + rad, entry by entry, for evaluations with unit roundoff u."""

    mid: np.ndarray
    rad: np.ndarray
    u: float

    def rounded(self, mid, rad, terms=1, size=None):
        """The ball of a result with propagated error `rad`; size: sum of |terms| if it is a sum."""
        size = abs(mid) + rad if size is None else size
        return Ball(mid, rad + (terms + ROUNDINGS) * self.u * size, self.u)

    def _other(self, other):
        return other if isinstance(other, Ball) else ball(other, self.u)

    def __add__(self, other):
        other = self._other(other)
        return self.rounded(self.mid + other.mid, self.rad + other.rad)

    def __neg__(self):
        return Ball(-self.mid, self.rad, self.u)

    def __sub__(self, other):
        return self + -self._other(other)

    def __mul__(self, other):
        other = self._other(other)
        rad = abs(self.mid) * other.rad + self.rad * abs(other.mid) + self.rad * other.rad
        return self.rounded(self.mid * other.mid, rad)

    __radd__, __rmul__ = __add__, __mul__

    def __truediv__(self, other):
        other = self._other(other)
        least = np.maximum(abs(other.mid) - other.rad, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            mid = self.mid / other.mid
            return self.rounded(mid, (self.rad + abs(mid) * other.rad) / least)

    def __matmul__(self, other):
        a, b = abs(self.mid) + self.rad, abs(other.mid) + other.rad
        rad = a @ b - abs(self.mid) @ abs(other.mid)
        return self.rounded(self.mid @ other.mid, rad, self.mid.shape[-1], a @ b)

    @property
    def T(self):
        return Ball(self.mid.T, self.rad.T, self.u)

    def sum(self):
        """The sum over the batch."""
        size = (abs(self.mid) + self.rad).sum(0)
        return self.rounded(self.mid.sum(0), self.rad.sum(0), len(self.mid), size)

    def sqrt(self):
        mid = np.sqrt(self.mid)
        low = np.sqrt(np.maximum(self.mid - self.rad, 0))
        return self.rounded(mid, np.maximum(mid - low, np.sqrt(self.mid + self.rad) - mid))

    def map(self, f: Callable, lipschitz=1.0):
        """An elementwise f whose slope is at most `lipschitz`; computed from numbers up to 1."""
        mid = f(self.mid)
        return self.rounded(mid, self.rad * lipschitz, ELEMENTARY, abs(mid) + 1)

    def gather(self, index, sign):
        return Ball(self.mid[index] * sign, self.rad[index] * abs(sign), self.u)

    def scatter_add(self, index, sign, buckets):
        """The adjoint of `gather`, in any order of additions."""
        mid, rad, size = (np.zeros(buckets) for _ in range(3))
        np.add.at(mid, index, self.mid * sign)
        np.add.at(rad, index, self.rad * abs(sign))
        np.add.at(size, index, (abs(self.mid) + self.rad) * abs(sign))
        return self.rounded(mid, rad, index.size, size)


def ball(array, u):
    """The array itself: it is exact."""
    mid = np.asarray(array, np.float64)
    return Ball(mid, np.zeros(mid.shape), u)


def elu(x):
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def elu_slope(x):
    return np.exp(np.minimum(x, 0))


ACTIVATIONS = {
    "elu": (elu, elu_slope),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), lambda x: 1 / (2 + np.exp(x) + np.exp(-x))),
}


def forward(params, plan, x, step=None):
    """(y, what `backward` needs, the new running statistics by name)."""
    caches, running = [], {}
    for kind, options in plan:
        if kind == "dense":
            V = _virtual(params, options["weight"])
            caches.append((x, V))
            x = x @ V.T
            if options["bias"] is not None:
                x = x + _virtual(params, options["bias"])
        elif kind == "batch_norm":
            parts = ("gamma", "beta", "mean", "variance")
            gamma, beta, mean, var = (params[options[part]] for part in parts)
            n = len(x.mid)
            if step is not None:
                old, mean = mean, x.sum() * (1 / n)
                running[options["mean"]] = old * 0.9 + mean * 0.1
            centred = x - mean
            if step is not None:
                old, var = var, (centred * centred).sum() * (1 / n)
                running[options["variance"]] = old * 0.9 + var * (0.1 * n / (n - 1))
            r = x._other(1.0) / (var + 1e-5).sqrt()
            caches.append((centred * r, r))
            x = centred * r * gamma + beta
        elif kind == "dropout":
            kept = 1.0
            if step is not None:
                kept = dropout_mask(x.mid.shape, options["rate"], options["seed"], step)
                kept = kept / (1 - options["rate"])
            caches.append(kept)
            x = x * kept
        else:
            caches.append(x)
            x = x.map(ACTIVATIONS[kind][0])
    return x, caches, running


def backward(params, plan, caches, dy, step=None):
    """(dx, gradients by name)."""
    grads = {}

    def add(name, gradient):
        grads[name] = grads[name] + gradient if name in grads else gradient

    for (kind, options), cache in zip(reversed(plan), reversed(caches), strict=True):
        if kind == "dense":
            x, V = cache
            for weight, dV in ((options["weight"], dy.T @ x), (options["bias"], dy.sum())):
                if weight is not None:
                    name, index, sign = weight
                    add(name, dV.scatter_add(index, sign, len(params[name].mid)))
            dy = dy @ V
        elif kind == "batch_norm":
            x_hat, r = cache
            dgamma, dbeta = (dy * x_hat).sum(), dy.sum()
            add(options["gamma"], dgamma)
            add(options["beta"], dbeta)
            if step is not None:
                dy = dy - (dbeta + x_hat * dgamma) * (1 / len(x_hat.mid))
            dy = dy * r * params[options["gamma"]]
        elif kind == "dropout":
            dy = dy * cache
        else:
            dy = dy * cache.map(ACTIVATIONS[kind][1])
    return dy, grads


def _virtual(params, weight):
    name, index, sign = weight
    return params[name].gather(index, sign)


def cross_entropy_backward(logits, labels):
    """The gradient of the mean loss in the logits: (softmax - one-hot) / batch. A change of the
    logits by at most e changes the softmax by a factor of at most exp(2 e)."""
    z = logits.mid - logits.mid.max(1, keepdims=True)
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    e = logits.rad + logits.u * (abs(logits.mid) + abs(z))
    p = logits.rounded(p, p * np.expm1(2 * e.max(1, keepdims=True)), p.shape[1] + ELEMENTARY)
    return (p - np.eye(p.mid.shape[1])[labels]) * (1 / len(labels))


def sgd(w, g, state, t, rate, momentum=0.0, weight_decay=0.0, nesterov=False):
    """(w', state') of step t = 1, 2, ...; state {} at first."""
    g = g + w * weight_decay
    v = state["v"] * momentum + g if state else g
    return w - (g + v * momentum if nesterov else v) * rate, {"v": v}


def adam(w, g, state, t, rate, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    """(w', state') of step t = 1, 2, ...; state {} at first. The factors 1 - beta^t are known to
    within 4 u / (1 - beta)."""
    g = g + w * weight_decay
    m, v = g * (1 - beta1), g * g * (1 - beta2)
    if state:
        m, v = state["m"] * beta1 + m, state["v"] * beta2 + v
    first, second = (Ball(1 - b**t, 4 * w.u / (1 - b), w.u) for b in (beta1, beta2))
    return w - m * rate / first / ((v / second).sqrt() + eps), {"m": m, "v": v}
