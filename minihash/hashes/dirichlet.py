"""Dirichlet hash: entries of the table are used with unequal probabilities.

    p ~ symmetric Dirichlet(alpha) over the n entries                       (ArbNets, eq. 8)
    bucket(i) ~ Multinomial(p)                                              (ArbNets, eq. 9)

High alpha: balanced; alpha -> infinity: the uniform hash, bit for bit. Low alpha: few entries serve
nearly all weights.

A draw costs two look-ups at the column c = Uniform(n) of an alias table (Walker 1977):

    bucket(i) = c if coin(i) < threshold[c] else alias[c],    coin from the stream "coin"

The table is derived once, and every machine derives the same integers: p is proportional to gamma
variates (Marsaglia & Tsang 2000), drawn from the stream "gamma" and held as logarithms, so that
alpha = 1e-3 does not underflow; log and exp are spelled out below in operations that IEEE 754
rounds in one way only; and the alias table is built from 32-bit integer weights.

Source: Chang & Lipson, ArbNets, eqs. 8-9.
"""

import math
from dataclasses import dataclass
from numbers import Real

import numpy as np

from minihash.hashes.hash import Hash, Stages, check_buckets
from minihash.hashes.uniform import Uniform
from minihash.hashes.xxh32 import U64, scale, stream, unit, xxh32

MAX_DIRICHLET_BUCKETS = 2**30  # weight * buckets must fit in 63 bits
MIN_ALPHA = 1e-300  # log(u) / alpha stays finite
BLOCK = 2**16  # buckets drawn at once: keeps the temporaries in cache
LOW = U64(0xFFFFFFFF)
LN2 = 0.6931471805599453


@dataclass(frozen=True)
class Dirichlet(Hash):
    """Buckets drawn with Dirichlet(alpha) probabilities; alpha > 0, `math.inf` allowed.

    Raises TypeError or ValueError if alpha is not a positive number. Keeps 8 bytes for each bucket
    (none at infinity).

    >>> Dirichlet(1000, alpha=0.01).bucket([0, 1, 2, 3])
    array([467, 467, 921, 582])
    """

    buckets: int
    alpha: float
    seed: int = 0
    signed: bool = False

    def __post_init__(self) -> None:
        check_buckets(self)
        if isinstance(self.alpha, bool) or not isinstance(self.alpha, Real):
            raise TypeError(f"alpha must be a number, got {self.alpha!r}; try 1.0")
        if not self.alpha >= MIN_ALPHA:
            raise ValueError(f"alpha must be at least {MIN_ALPHA}, got {self.alpha}; try 1.0")
        object.__setattr__(self, "alpha", float(self.alpha))
        if self.buckets > MAX_DIRICHLET_BUCKETS:
            raise ValueError(
                f"buckets of a Dirichlet hash must be at most {MAX_DIRICHLET_BUCKETS}, "
                f"got {self.buckets}; use a uniform hash"
            )

    @staticmethod
    def draw(i, residue, state):
        """The coin and, in the low 32 bits, the column."""
        n, column_seed, coin_seed, _ = state
        return U64(xxh32(i, coin_seed)) << U64(32) | scale(xxh32(i, column_seed), n)

    @staticmethod
    def place(word, state):
        """Of a column, the alias and, in the low 32 bits, the threshold."""
        return state[3][word & LOW]

    @staticmethod
    def pick(word, found):
        column = word & LOW
        other = U64(word >> U64(32) >= found & LOW)
        return column + other * ((found >> U64(32)) - column)

    @property
    def stages(self) -> Stages:
        draw, place, sign = super().stages
        return (Uniform.draw, None, sign) if math.isinf(self.alpha) else (draw, place, sign)

    def constants(self) -> tuple:
        n, column_seed = U64(self.buckets), stream(self.seed, "bucket")
        if math.isinf(self.alpha):
            return n, column_seed
        threshold, alias = alias_table(self.weights())
        cells = alias.astype(np.uint64) << U64(32) | threshold
        return n, column_seed, stream(self.seed, "coin"), cells

    def weights(self) -> np.ndarray:
        """The drawn probabilities as int64 weights, the largest 2^32: p_k = w_k / sum(w).

        >>> Dirichlet(3, alpha=1.0).weights() / 2**32
        array([0.15580042, 1.        , 0.59873195])
        """
        if math.isinf(self.alpha):
            return np.full(self.buckets, 2**32)
        logs = np.empty(self.buckets)
        for start in range(0, self.buckets, BLOCK):
            stop = min(start + BLOCK, self.buckets)
            block = np.arange(start, stop, dtype=np.uint64)
            logs[start:stop] = log_gamma_variates(block, self.alpha, self.seed)
        logs -= logs.max()
        for start in range(0, self.buckets, BLOCK):
            part = logs[start : start + BLOCK]
            part[:] = np.floor(exact_exp(part) * 2.0**32)
        return logs.astype(np.int64)


def log_gamma_variates(k: np.ndarray, alpha: float, seed: int) -> np.ndarray:
    """log of one Gamma(alpha) variate for each bucket k (uint64), float64.

    Marsaglia & Tsang's rejection for Gamma(alpha + 1), times U^(1/alpha). Word c of bucket k is the
    hash of the identifier k + 2^32 c, in the stream "gamma".
    """
    words = stream(seed, "gamma")

    def u(buckets: np.ndarray, c: int) -> np.ndarray:
        return unit(buckets + U64(c << 32), words)

    d = (alpha + 1.0) - 1.0 / 3.0
    q = 1.0 / np.sqrt(9.0 * d)
    result = np.empty(k.shape)
    open_ = np.arange(k.size)
    attempt = 0
    while open_.size:
        x = 2.0 * u(k[open_], 3 * attempt + 1) - 1.0
        y = 2.0 * u(k[open_], 3 * attempt + 2) - 1.0
        s = x * x + y * y
        inside = s < 1.0
        at, x, s = open_[inside], x[inside], s[inside]
        g = x * np.sqrt((-2.0 * exact_log(s)) / s)  # a normal variate, by the polar method
        v = 1.0 + q * g
        positive = v > 0.0
        at, g, v = at[positive], g[positive], v[positive]
        v = (v * v) * v
        bound = (0.5 * g) * g + d * ((1.0 - v) + exact_log(v))
        accepted = exact_log(u(k[at], 3 * attempt + 3)) < bound
        at, v = at[accepted], v[accepted]
        result[at] = exact_log(d * v) + exact_log(u(k[at], 0)) / alpha
        still = np.ones(k.size, bool)
        still[open_] = False
        still[at] = True
        open_ = np.flatnonzero(~still) if attempt == 0 else np.setdiff1d(open_, at)
        attempt += 1
    return result


def exact_log(x: np.ndarray) -> np.ndarray:
    """log(x) for x > 0, within 4 ulp, from operations that IEEE 754 rounds in one way only.

    x = m 2^e with m in [sqrt(1/2), sqrt(2)); log m = 2 atanh(s) at s = (m - 1) / (m + 1).

    >>> float(exact_log(np.array(10.0)))
    2.3025850929940455
    """
    m, e = np.frexp(x)
    small = m < 0.7071067811865476
    m = np.where(small, m + m, m)
    e = e - small
    s = (m - 1.0) / (m + 1.0)
    z = s * s
    p = np.full_like(z, 1.0 / 25.0)
    for k in range(23, 0, -2):
        p = p * z + 1.0 / k
    return (2.0 * s) * p + e * LN2


def exact_exp(x: np.ndarray) -> np.ndarray:
    """exp(x) for x <= 0 (below -100: exp(-100)), as reproducible as `exact_log`.

    >>> float(exact_exp(np.array(-1.0)))
    0.36787944117144233
    """
    x = np.maximum(x, -100.0)
    k = np.floor(x / LN2 + 0.5)
    r = x - k * LN2
    p = np.ones_like(r)
    for j in range(14, 0, -1):
        p = 1.0 + (r * p) / j
    return np.ldexp(p, k.astype(np.int32))


def alias_table(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(threshold, alias), both uint32 (n,), of int64 weights (n,) whose sum is positive.

    >>> alias_table(np.array([1, 3]))
    (array([2147483648,          0], dtype=uint32), array([1, 1], dtype=uint32))
    """
    n, total, mass = weights.size, int(weights.sum()), weights * weights.size
    threshold, alias = np.zeros(n, np.uint32), np.arange(n, dtype=np.uint32)
    light, heavy = np.flatnonzero(mass <= total), np.flatnonzero(mass > total)
    if not heavy.size:
        return threshold, alias
    # Columns have room for `total`. What light ones lack is taken from heavy ones, both in
    # increasing order: the sums of either say who gives to whom.
    lacks, spare = limbs(total - mass[light]), limbs(mass[heavy] - total)
    high, low = (np.concatenate([[0], part]) for part in lacks)  # what the first k light ones lack
    given, taken = merged(spare, (high[:-1], low[:-1]))
    filled = light[taken < heavy.size]
    threshold[filled] = share(mass[filled], total)
    alias[filled] = heavy[taken[taken < heavy.size]]
    # A heavy column that has given too much is topped up from the next one.
    kept = (spare[0] - high[given] << 32) + (spare[1] - low[given]) + total
    threshold[heavy[:-1]] = share(kept[:-1], total)
    alias[heavy[:-1]] = heavy[1:]
    return threshold, alias


def share(mass: np.ndarray, total: int) -> np.ndarray:
    """mass / total as a fraction of 2^32, uint32."""
    fraction = np.floor(mass.astype(np.float64) / float(total) * 2.0**32)
    return np.minimum(fraction, 2.0**32 - 1).astype(np.uint32)


def limbs(terms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cumulative sums of int64 terms >= 0, exact beyond 2^63: high and low words of 32 bits."""
    low = np.cumsum(terms & 0xFFFFFFFF)
    return np.cumsum(terms >> 32) + (low >> 32), low & 0xFFFFFFFF


def merged(
    a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Of two increasing sequences, by limbs: how many of b are below each of a, and how many of a
    are at most each of b."""
    size = a[0].size
    second = np.arange(size + b[0].size) >= size
    high, low = (np.concatenate(part) for part in zip(a, b, strict=True))
    order = np.lexsort((second, low, high))
    of_b = np.empty(order.size, np.int64)
    of_b[order] = np.cumsum(second[order])
    place = np.empty(order.size, np.int64)
    place[order] = np.arange(order.size)
    return of_b[:size], place[size:] - of_b[size:] + 1
