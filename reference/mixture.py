"""Soft weight sharing: a mixture of Gaussians as a prior of weights, its gradients, EM, rounding.

    C = - sum_i log sum_j pi_j N(w_i | mu_j, 1 / lam_j) + hyperpriors           j = 0 .. J, mu_0 = 0

lam_j = e^gamma_j. pi is (pi_0, (1 - pi_0) softmax(rho)), pi_0 = sigmoid(kappa). A precision has the
prior Gamma(a_j, b_j), pi_0 has Beta(a, b) or none; constants are left out of C.

A mixture is (pi, mu, gamma), lists of J + 1 numbers. Sources: Nowlan & Hinton, Neural Computation 4
(1992); Ullrich, Meeds & Welling, arXiv 1702.04008, equations 5 to 8; EM: Dempster, Laird & Rubin,
JRSS B 39 (1977), with the priors' modes.
"""

from math import exp, log, pi

Mixture = tuple[list[float], list[float], list[float]]
Pairs = list[tuple[float, float]]


def log_sum(terms: list[float]) -> float:
    """log of the sum of e^t. The largest is taken out, since e^t overflows, and all may be 0.

    >>> log_sum([1000.0, 1000.0]) == 1000 + log(2)
    True
    """
    most = max(terms)
    return most + log(sum(exp(t - most) for t in terms))


def proportions(kappa: float, rho: list[float]) -> list[float]:
    """pi: sigmoid(kappa), and what is left of 1 by softmax(rho).

    >>> [round(p, 9) for p in proportions(0.0, [2.0, 2.0 + log(3)])]
    [0.5, 0.125, 0.375]
    """
    zero, all_ = 1 / (1 + exp(-kappa)), log_sum(rho)
    return [zero] + [(1 - zero) * exp(r - all_) for r in rho]


def log_joint(w: float, mixture: Mixture) -> list[float]:
    """log pi_j N(w | mu_j, e^-gamma_j), for each j.

    >>> log_joint(0.0, ([1.0], [0.0], [log(2 * pi)]))
    [0.0]
    """
    found = []
    for p, mu, gamma in zip(*mixture, strict=True):
        found.append(log(p) + (gamma - log(2 * pi)) / 2 - exp(gamma) / 2 * (w - mu) ** 2)
    return found


def responsibilities(w: float, mixture: Mixture) -> list[float]:
    """r_j = pi_j N(w | j) / sum_k pi_k N(w | k).

    >>> [round(r, 9) for r in responsibilities(0.5, ([0.5, 0.5], [0.0, 1.0], [0.0, 0.0]))]
    [0.5, 0.5]
    """
    joint = log_joint(w, mixture)
    total = log_sum(joint)
    return [exp(term - total) for term in joint]


def objective(
    weights: list[float], mixture: Mixture, on_precisions: Pairs, beta: tuple | None = None
) -> float:
    """C.

    >>> round(objective([0.0], ([1.0], [0.0], [0.0]), [(1.0, 0.0)]), 4)  # 1/2 log 2 pi
    0.9189
    """
    C = -sum(log_sum(log_joint(w, mixture)) for w in weights)
    for (a, b), gamma in zip(on_precisions, mixture[2], strict=True):
        C += (1 - a) * gamma + b * exp(gamma)
    if beta is not None:
        zero = mixture[0][0]
        C += (1 - beta[0]) * log(zero) + (1 - beta[1]) * log(1 - zero)
    return C


def weight_gradient(w: float, mixture: Mixture) -> float:
    """dC/dw = sum_j r_j lam_j (w - mu_j).

    >>> round(weight_gradient(0.25, ([0.5, 0.5], [0.0, 1.0], [0.0, 0.0])), 4)  # 0.25 - r_1
    -0.1878
    """
    r, (_, means, gammas) = responsibilities(w, mixture), mixture
    return sum(r[j] * exp(gammas[j]) * (w - means[j]) for j in range(len(r)))


def gradients(
    weights: list[float], mixture: Mixture, on_precisions: Pairs, beta: tuple | None = None
) -> tuple[list[float], list[float], list[float], float]:
    """dC/dmu_j (j >= 1), dC/dgamma_j, dC/drho_j (j >= 1), dC/dkappa.

    >>> dmu, dgamma, *_ = gradients([0.5], ([0.5, 0.5], [0.0, 1.0], [0.0, 0.0]), [(1.0, 0.0)] * 2)
    >>> round(dmu[0], 9), [round(d, 9) for d in dgamma]
    (0.25, [-0.1875, -0.1875])
    """
    pis, means, gammas = mixture
    count = len(pis)
    N, dmean, dgamma = [0.0] * count, [0.0] * count, [0.0] * count
    for w in weights:
        r = responsibilities(w, mixture)
        for j in range(count):
            lam = exp(gammas[j])
            N[j] += r[j]
            dmean[j] -= r[j] * lam * (w - means[j])
            dgamma[j] -= r[j] * (1 - lam * (w - means[j]) ** 2) / 2
    for j, (a, b) in enumerate(on_precisions):
        dgamma[j] += (1 - a) + b * exp(gammas[j])
    rest = sum(pis[1:])
    drho = [-(N[j] - pis[j] / rest * sum(N[1:])) for j in range(1, count)]
    dkappa = -(N[0] - pis[0] * sum(N))
    if beta is not None:
        dkappa += (1 - beta[0]) * (1 - pis[0]) - (1 - beta[1]) * pis[0]
    return dmean[1:], dgamma, drho, dkappa


def em_step(weights: list[float], mixture: Mixture, on_precisions: Pairs) -> Mixture:
    """One step of EM, after which C is no larger; pi_0 and mu_0 stay.

    mu_j = sum_i r_ij w_i / N_j
    lam_j = (N_j / 2 + a_j - 1) / (sum_i r_ij (w_i - mu_j)^2 / 2 + b_j)
    pi_j = (1 - pi_0) N_j / sum_{k >= 1} N_k

    >>> em_step([1.0, 3.0], ([0.5, 0.5], [0.0, 2.0], [9.0, 0.0]), [(1.0, 0.0), (2.0, 1.0)])
    ([0.5, 0.5], [0.0, 2.0], [9.0, 0.0])
    """
    pis, means, gammas = (list(part) for part in mixture)
    r = [responsibilities(w, mixture) for w in weights]
    count = len(pis)
    N = [sum(row[j] for row in r) for j in range(count)]
    for j in range(count):
        if N[j] > 0 and j > 0:
            means[j] = sum(row[j] * w for row, w in zip(r, weights, strict=True)) / N[j]
        spread = sum(row[j] * (w - means[j]) ** 2 for row, w in zip(r, weights, strict=True))
        a, b = on_precisions[j]
        over, under = N[j] / 2 + a - 1, spread / 2 + b
        if over > 0 and under > 0:
            gammas[j] = log(over / under)
    all_ = sum(N[1:])
    if all_ > 0:
        pis[1:] = [(1 - pis[0]) * N[j] / all_ for j in range(1, count)]
    return pis, means, gammas


def divergence(mu: float, gamma: float, other_mu: float, other_gamma: float) -> float:
    """KL(i || j) + KL(j || i) of two Gaussians:

    KL(i || j) = (gamma_i - gamma_j) / 2 + lam_j / 2 (1 / lam_i + (mu_i - mu_j)^2) - 1 / 2

    >>> divergence(0.0, 0.0, 2.0, 0.0)
    4.0
    """
    there = (gamma - other_gamma) / 2 - 0.5
    there += exp(other_gamma) / 2 * (exp(-gamma) + (mu - other_mu) ** 2)
    back = (other_gamma - gamma) / 2 - 0.5
    back += exp(gamma) / 2 * (exp(-other_gamma) + (mu - other_mu) ** 2)
    return there + back


def merged(mixture: Mixture, threshold: float) -> Mixture:
    """The components nearest to each other become one, until no two diverge by less than threshold.

    pi adds, mean and variance are means weighted by pi (equation 8), but that component 0 stays at
    0. Of two pairs as near, the one that comes first by (i, j), i < j, is merged first.

    >>> merged(([0.5, 0.25, 0.25], [0.0, 3.0, 4.0], [0.0, 0.0, 0.0]), 2.0)[:2]
    ([0.5, 0.5], [0.0, 3.5])
    """
    pis, means, gammas = (list(part) for part in mixture)
    while len(pis) > 1:
        pairs = [(i, j) for i in range(len(pis)) for j in range(i + 1, len(pis))]
        far = [divergence(means[i], gammas[i], means[j], gammas[j]) for i, j in pairs]
        least = far.index(min(far))
        if not far[least] < threshold:
            break
        i, j = pairs[least]
        p, q = pis[i], pis[j]
        variance = (p * exp(-gammas[i]) + q * exp(-gammas[j])) / (p + q)
        means[i] = (p * means[i] + q * means[j]) / (p + q) if i > 0 else 0.0
        pis[i], gammas[i] = p + q, -log(variance)
        del pis[j], means[j], gammas[j]
    return pis, means, gammas


def rounded(weights: list[float], mixture: Mixture) -> tuple[list[int], list[float]]:
    """The likeliest component of each weight, the first where two are, and its mean.

    >>> rounded([0.1, 0.8], ([0.5, 0.5], [0.0, 1.0], [0.0, 0.0]))
    ([0, 1], [0.0, 1.0])
    """
    found = []
    for w in weights:
        joint = log_joint(w, mixture)
        found.append(joint.index(max(joint)))
    return found, [mixture[1][j] for j in found]
