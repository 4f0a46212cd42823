"""Soft weight sharing: a mixture of Gaussians as a prior, trained beside the weights that it draws.

    P = strength C,   C = - sum_i log sum_j pi_j N(w_i | mu_j, 1 / lam_j) + hyperpriors,  j = 0 .. J

    mu_0 = 0 always: what component 0 takes is on its way out
    lam_j = e^gamma_j,    pi_0 = sigmoid(kappa), or fixed,    pi_j = (1 - pi_0) softmax(rho)_j

With r_ij = pi_j N(w_i | j) / sum_k pi_k N(w_i | k), s_ij = lam_j (w_i - mu_j), N_j = sum_i r_ij:

    dC/dw_i     = sum_j r_ij s_ij
    dC/dmu_j    = - sum_i r_ij s_ij                                          j >= 1
    dC/dgamma_j = - 1/2 sum_i r_ij (1 - s_ij (w_i - mu_j)) + (1 - a_j) + b_j lam_j
    dC/drho_j   = - (N_j - softmax(rho)_j sum_{k >= 1} N_k)                  j >= 1
    dC/dkappa   = - (N_0 - pi_0 sum_j N_j) + (1 - a) (1 - pi_0) - (1 - b) pi_0

with Gamma(a_j, b_j) on each precision and, where pi_0 is trained, Beta(a, b) on it: their constants
are left out. The loss is a mean over n examples, so the strength is the papers' tau / n.

On a grid. dC/dw is a function g of one number. It is computed at `POINTS` points a distance h
apart, and interpolated in between; the sums over i are those over the points, each w_i being shared
out between its two neighbours, which is the same interpolation. The error of g is at most
h^2 / 8 max |g''|, where, with r_j as probabilities, g'' = E (s - g)^3 - 3 Cov(s, lam).

Sources: Nowlan & Hinton, Neural Computation 4 (1992); Ullrich, Meeds & Welling, arXiv 1702.04008,
equations 5 to 7. The Gamma is on the precision, as in their code.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from minihash.checks import check_count, parameter, real_field
from minihash.training.penalties.penalty import OnTables, Params

POINTS = 2**14
BOUNDS = -10.0, 14.0  # of gamma: deviations of 150 down to 0.0009, beyond which it is a spike
BLOCK = 2**15  # weights at once, where they are not on the grid
Pair = tuple[float, float]


class Gaussians(NamedTuple):
    """A mixture; component 0 has mean 0. All float64 (J + 1,). gamma: log precisions."""

    log_pi: np.ndarray
    mean: np.ndarray
    gamma: np.ndarray

    def log_joint(self, w: np.ndarray) -> np.ndarray:
        """log pi_j N(w_i | j): (J + 1, n), a row a component.

        >>> mixture = Gaussians(np.log([0.5, 0.5]), np.array([0.0, 1.0]), np.zeros(2))
        >>> mixture.log_joint(np.array([0.0])).T.round(4)
        array([[-1.6121, -2.1121]])
        """
        away = np.subtract.outer(self.mean, w)
        np.square(away, out=away)
        away *= -0.5 * np.exp(self.gamma)[:, None]
        away += (self.log_pi + 0.5 * (self.gamma - math.log(2 * math.pi)))[:, None]
        return away

    def told(self) -> dict[str, list[float]]:
        """Parts, means and deviations, as JSON holds them."""
        numbers = np.exp(self.log_pi), self.mean, np.exp(-self.gamma / 2)
        return {n: x.tolist() for n, x in zip(("pi", "mean", "deviation"), numbers, strict=True)}

    def component(self, w: np.ndarray) -> np.ndarray:
        """The likeliest component of each weight, the first where two are: argmax_j r_ij."""
        found = np.empty(len(w), np.intp)
        for k in range(0, len(w), BLOCK):
            found[k : k + BLOCK] = self.log_joint(w[k : k + BLOCK]).argmax(axis=0)
        return found


@dataclass(frozen=True)
class Mixture(OnTables):
    """-strength log of the prior of all entries of its tables.

    components: J. zero: pi_0, or what it starts with if it is trained under a Beta(*beta).
    deviation: of all components at first; their means start evenly over the range of the weights.
    rates: of means, of gammas, of rhos and kappa, in units of the training's. on_zero, on_others:
    the Gamma of each precision, (1, 0) for none.
    Raises TypeError or ValueError for a number out of range.

    >>> prior = Mixture(1.0, ("W",), components=1, zero=0.5, on_zero=(1, 0), on_others=(1, 0))
    >>> params = {"W": np.array([0.0, 1.0])}
    >>> params |= prior.own(params)
    >>> [params[name].tolist() for name in prior.owned]
    [[0.5], [2.772588722239781, 2.772588722239781], [0.0]]
    >>> prior.gradients(params)["W"].round(4)
    array([-0.9536,  8.0198])
    """

    strength: float
    tables: tuple[str, ...]
    components: int = 16
    zero: float = 0.999
    beta: Pair | None = None
    deviation: float = 0.25
    rates: tuple[float, float, float] = (0.2, 6.0, 6.0)
    on_zero: Pair = (5000.0, 2.0)
    on_others: Pair = (250.0, 0.1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.tables:
            raise ValueError("Mixture must be on a table at least, got none; name one")
        check_count("components of Mixture", self.components, 1, 2**16)
        real_field(self, "zero", 0, 1, open_end=True)
        real_field(self, "deviation", 0, math.inf)
        if self.zero == 0 or self.deviation == 0:
            raise ValueError(
                f"zero and deviation of Mixture must be positive, got {self.zero} and "
                f"{self.deviation}; try 0.999 and 0.25"
            )
        for name in ("rates", "on_zero", "on_others", "beta"):
            values, count = getattr(self, name), 3 if name == "rates" else 2
            if name == "beta" and values is None:
                continue
            fits = isinstance(values, (tuple, list)) and len(values) == count
            if not fits or not all(0 <= value < math.inf for value in values):
                raise ValueError(
                    f"{name} of Mixture must be {count} numbers that are not negative, got "
                    f"{values!r}"
                )
            object.__setattr__(self, name, tuple(values))

    @property
    def owned(self) -> dict[str, float]:
        """The names of its own parameters, and the rate of each."""
        means, gammas, weights = self.rates
        rates = {"means": means, "gamma": gammas, "rho": weights}
        if self.beta is not None:
            rates["kappa"] = weights
        return {f"{self.tables[0]}.mixture.{name}": rate for name, rate in rates.items()}

    def own(self, params: Params) -> Params:
        """Means evenly over the range of the weights, equal deviations, equal parts."""
        tables = [parameter(params, name, None) for name in self.tables]
        low, high = min(w.min() for w in tables), max(w.max() for w in tables)
        J = self.components
        values = [
            np.linspace(low, high, J) if J > 1 else np.array([(low + high) / 2]),
            np.full(J + 1, -2 * math.log(self.deviation)),
            np.zeros(J),
            np.array([math.log(self.zero / (1 - self.zero))]),
        ]
        dtype = tables[0].dtype
        return {name: value.astype(dtype) for name, value in zip(self.owned, values, strict=False)}

    def check(self, params: Params) -> None:
        super().check(params)
        shapes = [(self.components,), (self.components + 1,), (self.components,), (1,)]
        for name, shape in zip(self.owned, shapes, strict=False):
            parameter(params, name, shape)

    def gaussians(self, params: Params) -> Gaussians:
        """The mixture as it is."""
        mean, gamma, rho, *kappa = (params[name].astype(np.float64) for name in self.owned)
        odds = kappa[0] if kappa else np.array([math.log(self.zero / (1 - self.zero))])
        rho = rho - np.logaddexp.reduce(rho)
        log_pi = np.append(-np.logaddexp(0, -odds), rho - np.logaddexp(0, odds))
        return Gaussians(log_pi, np.append(0.0, mean), gamma)

    @property
    def _on_precisions(self) -> tuple[np.ndarray, np.ndarray]:
        pairs = np.array([self.on_zero, *[self.on_others] * self.components], np.float64)
        return pairs[:, 0], pairs[:, 1]

    def value(self, params: Params) -> float:
        """Exact, without the constants of the hyperpriors."""
        mixture, (a, b) = self.gaussians(params), self._on_precisions
        C = float(((1 - a) * mixture.gamma + b * np.exp(mixture.gamma)).sum())
        for w in (params[name].astype(np.float64) for name in self.tables):
            for k in range(0, len(w), BLOCK):
                C -= float(_normalised(mixture.log_joint(w[k : k + BLOCK]))[1].sum())
        if self.beta is not None:
            log_zero, log_rest = mixture.log_pi[0], np.logaddexp.reduce(mixture.log_pi[1:])
            C += (1 - self.beta[0]) * log_zero + (1 - self.beta[1]) * log_rest
        return self.strength * C

    @np.errstate(invalid="ignore", over="ignore")  # a diverged run shows in its loss
    def gradients(self, params: Params) -> Params:
        """On the grid."""
        mixture, tables = self.gaussians(params), [params[name] for name in self.tables]
        low, high = min(w.min() for w in tables), max(w.max() for w in tables)
        if not math.isfinite(high - low):
            return {n: np.full_like(params[n], np.nan) for n in (*self.tables, *self.owned)}
        points, h = np.linspace(low, high, POINTS, dtype=np.float64, retstep=True)
        r = _normalised(mixture.log_joint(points))[0]
        away = np.subtract.outer(-mixture.mean, -points)
        rs = r * away
        rs *= np.exp(mixture.gamma)[:, None]
        slope, mass, grads = self.strength * rs.sum(axis=0), np.zeros(POINTS), {}
        for name, w in zip(self.tables, tables, strict=True):
            grads[name] = _interpolated(w, points, h, slope, mass)
        a, b = self._on_precisions
        N = r @ mass
        away *= rs
        dgamma = (away @ mass - N) / 2 + (1 - a) + b * np.exp(mixture.gamma)
        pi = np.exp(mixture.log_pi)
        own = [-(rs @ mass)[1:], dgamma, pi[1:] / pi[1:].sum() * N[1:].sum() - N[1:]]
        if self.beta is not None:
            more, less = ((1 - c) * p for c, p in zip(self.beta, (1 - pi[0], pi[0]), strict=True))
            own.append(np.array([pi[0] * N.sum() - N[0] + more - less]))
        for name, d in zip(self.owned, own, strict=True):
            grads[name] = (self.strength * d).astype(params[name].dtype)
        return grads

    def shrink(self, before: Params, after: Params, rate: float) -> Params:
        """Its own parameters, as far as their rates take them, gammas within their bounds."""
        new = {n: before[n] + times * (after[n] - before[n]) for n, times in self.owned.items()}
        name = list(self.owned)[1]
        return new | {name: new[name].clip(*BOUNDS)}


def _normalised(log: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """e^log over its sum along the first axis, in the memory of `log`; and the log of that sum. The
    largest is taken out, so that nothing overflows."""
    most = log.max(axis=0)
    log -= most
    np.exp(log, out=log)
    total = log.sum(axis=0)
    log /= total
    return log, most + np.log(total)


def _interpolated(
    w: np.ndarray, points: np.ndarray, h: float, values: np.ndarray, mass: np.ndarray
) -> np.ndarray:
    """What a function that is `values` at the points is at each w, linearly; w is added to `mass`,
    shared out between its neighbours."""
    first, scale = w.dtype.type(points[0]), w.dtype.type(1 / h if h > 0 else 0)
    values = values.astype(w.dtype)
    steps, found = np.diff(values), np.empty_like(w)
    for start in range(0, len(w), BLOCK):
        at = (w[start : start + BLOCK] - first) * scale
        k = np.minimum(at.astype(np.intp), POINTS - 2)
        at -= k
        right = np.bincount(k, at, POINTS)
        mass += np.bincount(k, minlength=POINTS) - right
        mass[1:] += right[:-1]
        at *= steps[k]
        at += values[k]
        found[start : start + BLOCK] = at
    return found
