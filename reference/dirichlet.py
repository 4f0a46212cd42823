"""The two integer tables of the Dirichlet hash, from (buckets n, alpha, seed).

    p ~ Dirichlet(alpha, ..., alpha):  p_k = G_k / sum G,  G_k ~ Gamma(alpha), independent
    G = Gamma(alpha + 1) U^(1/alpha), kept as a logarithm: alpha = 1e-3 does not underflow
    w_k = floor(2^32 G_k / max G), integers; then Walker's alias table of w / sum w, exactly

Every float operation is one IEEE float64 operation in the order written, never fused, and `log` and
`exp` are spelt out below: the tables are the same integers on every machine and in every language.

Sources: ArbNets (arXiv 2312.08401), eqs. 8-9; Gamma(alpha + 1) by G. Marsaglia & W. W. Tsang, "A
simple method for generating gamma variables", ACM TOMS 26 (2000); the alias table by A. J. Walker,
ACM TOMS 3 (1977).
"""

from functools import lru_cache
from math import floor, frexp, ldexp, sqrt

from reference.streams import stream, u

LN2 = 0.6931471805599453


def log(x: float) -> float:
    """Logarithm of a positive, normal x: log(m 2^e) = 2 artanh((m - 1) / (m + 1)) + e log 2.

    >>> log(1.0), log(2.0) == LN2
    (0.0, True)
    """
    m, e = frexp(x)
    if m < 0.7071067811865476:
        m, e = 2 * m, e - 1
    s = (m - 1) / (m + 1)
    z = s * s
    p = 1 / 25
    for k in range(23, 0, -2):
        p = p * z + 1 / k
    return (2 * s) * p + e * LN2


def exp(x: float) -> float:
    """Exponential of x <= 0 (x below -100 counts as -100): exp(x) = 2^k exp(x - k log 2).

    >>> exp(0.0), exp(-LN2)
    (1.0, 0.5)
    """
    x = max(x, -100.0)
    k = floor(x / LN2 + 0.5)
    r = x - k * LN2
    p = 1.0
    for j in range(14, 0, -1):
        p = 1 + (r * p) / j
    return ldexp(p, k)


def log_gamma_draw(k: int, alpha: float, seed: int) -> float:
    """The logarithm of bucket k's Gamma(alpha) variable, alpha > 0 and finite.

    >>> log_gamma_draw(0, 0.001, seed=0) < 0
    True
    """
    gamma_stream = stream(seed, "gamma")

    def uniform(counter: int) -> float:
        return u(gamma_stream, k + 2**32 * counter)

    d = (alpha + 1) - 1 / 3
    q = 1 / sqrt(9 * d)
    attempt = 0
    while True:
        x = 2 * uniform(3 * attempt + 1) - 1
        y = 2 * uniform(3 * attempt + 2) - 1
        s = x * x + y * y
        if s < 1:
            g = x * sqrt((-2 * log(s)) / s)  # a standard normal number, by Marsaglia's polar method
            v = 1 + q * g
            if v > 0:
                v = (v * v) * v
                if log(uniform(3 * attempt + 3)) < (0.5 * g) * g + d * ((1 - v) + log(v)):
                    return log(d * v) + log(uniform(0)) / alpha
        attempt += 1


def weights(buckets: int, alpha: float, seed: int) -> list[int]:
    """Integers w_k in [0, 2^32], in proportion to the drawn probabilities; the largest is 2^32.

    >>> max(weights(8, 0.5, seed=0)) == 2**32
    True
    """
    draws = [log_gamma_draw(k, alpha, seed) for k in range(buckets)]
    largest = max(draws)
    return [floor(exp(draw - largest) * 2**32) for draw in draws]


def alias_table(w: list[int]) -> tuple[list[int], list[int]]:
    """Walker's alias table (threshold, alias) of the probabilities w_k / sum w, all uint32.

    Item k has mass w_k n, each of the n columns room for W = sum w. One sweep fills the columns of
    the light items (mass <= W) from the heavy ones, both in increasing order; a heavy item that has
    become light is filled from the next heavy one.

    >>> alias_table([3, 1])
    ([0, 2147483648], [0, 0])
    """
    n, total = len(w), sum(w)
    mass = [w_k * n for w_k in w]
    light = iter([k for k in range(n) if mass[k] <= total])
    heavy = iter([k for k in range(n) if mass[k] > total])

    def quant(part: int) -> int:
        return min(floor(float(part) / float(total) * 2**32), 2**32 - 1)

    threshold, alias = [0] * n, list(range(n))
    i, j = next(light, None), next(heavy, None)
    if j is None:
        return threshold, alias
    rest = mass[j]
    while True:
        if rest > total:  # exact integers: a light item is then always left
            threshold[i], alias[i] = quant(mass[i]), j
            rest -= total - mass[i]
            i = next(light, None)
        else:
            following = next(heavy, None)
            if following is None:
                return threshold, alias
            threshold[j], alias[j] = quant(rest), following
            rest = mass[following] - (total - rest)
            j = following


@lru_cache(maxsize=64)
def tables(buckets: int, alpha: float, seed: int) -> tuple[list[int], list[int]]:
    """(threshold, alias) of the Dirichlet hash, derived once.

    >>> tables(1, 0.5, 0)
    ([0], [0])
    """
    return alias_table(weights(buckets, float(alpha), seed))
