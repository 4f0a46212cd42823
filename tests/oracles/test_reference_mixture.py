"""The mixture prior's oracle: finite differences, EM that never rises, known answers, PyTorch."""

from math import exp, log

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from reference import finite_differences, mixture

U = 2.0**-53


@st.composite
def problems(draw):
    """(weights, kappa, rho, means, gammas, priors, beta): few weights, few components."""
    J, n = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    priors = [(1 + 3 * rng.random(), 2 * rng.random()) for _ in range(J + 1)]
    beta = (1 + 3 * rng.random(), 1 + 3 * rng.random()) if draw(st.booleans()) else None
    weights, rho = rng.uniform(-1, 1, n), rng.normal(size=J)
    means = np.append(0.0, rng.uniform(-1, 1, J))
    return weights, rng.normal(), rho, means, rng.uniform(-1, 2, J + 1), priors, beta


@given(problems())
def test_gradients_are_finite_differences(problem):
    weights, kappa, rho, means, gammas, priors, beta = problem

    def C(w=weights, kappa=kappa, rho=rho, mu=means[1:], gamma=gammas):
        pis = mixture.proportions(float(kappa), list(rho))
        mix = (pis, [0.0, *mu], list(gamma))
        return mixture.objective(list(w), mix, priors, beta)

    mix = (mixture.proportions(kappa, list(rho)), list(means), list(gammas))
    dmu, dgamma, drho, dkappa = mixture.gradients(list(weights), mix, priors, beta)
    dw = [mixture.weight_gradient(w, mix) for w in weights]
    cases = [
        (dw, lambda x: C(w=x), weights),
        (dmu, lambda x: C(mu=x), means[1:]),
        (dgamma, lambda x: C(gamma=x), gammas),
        (drho, lambda x: C(rho=x), rho),
        ([dkappa], lambda x: C(kappa=x[0]), np.array([kappa])),
    ]
    for found, f, x in cases:
        expected, bound = finite_differences.gradient(f, x, 1.0)
        assert (abs(found - expected) <= 2 * bound + 1e-9).all()


@given(problems())
def test_the_objective_is_pytorchs(problem):
    """torch.distributions, whose constants of Gamma and Beta are taken away."""
    weights, kappa, rho, means, gammas, priors, beta = problem
    mix = (mixture.proportions(kappa, list(rho)), list(means), list(gammas))
    d = torch.distributions
    pis, double = torch.tensor(mix[0], dtype=torch.float64), torch.float64
    normal = d.Normal(torch.tensor(means), torch.exp(-torch.tensor(gammas) / 2))
    expected = -d.MixtureSameFamily(d.Categorical(pis), normal).log_prob(torch.tensor(weights))
    expected = float(expected.sum())
    for (a, b), gamma in zip(priors, gammas, strict=True):
        if b > 0:
            lam = torch.tensor(exp(gamma), dtype=double)
            some = d.Gamma(torch.tensor(a, dtype=double), torch.tensor(b, dtype=double))
            at_one = some.log_prob(torch.tensor(1.0, dtype=double))  # -b and the constant
            expected -= float(some.log_prob(lam) - at_one) - b
    if beta is not None:
        some = d.Beta(*(torch.tensor(x, dtype=double) for x in beta))
        halves = float(some.log_prob(torch.tensor(0.5, dtype=double)))
        constant = halves + (beta[0] + beta[1] - 2) * log(2)
        expected -= float(some.log_prob(pis[0])) - constant
    found = mixture.objective(list(weights), mix, priors, beta)
    assert abs(found - expected) <= 1e3 * U * (abs(expected) + 100)


@given(problems(), st.integers(1, 4))
def test_em_never_raises_the_objective(problem, steps):
    weights, kappa, rho, means, gammas, priors, _ = problem
    mix = (mixture.proportions(kappa, list(rho)), list(means), list(gammas))
    C = mixture.objective(list(weights), mix, priors)
    for _ in range(steps):
        mix = mixture.em_step(list(weights), mix, priors)
        before, C = C, mixture.objective(list(weights), mix, priors)
        assert before + 1e3 * U * (abs(before) + 100) >= C
        assert mix[1][0] == 0 and abs(sum(mix[0]) - 1) <= 16 * U


def test_em_finds_two_clusters():
    weights = [-0.01, 0.0, 0.01, 0.99, 1.0, 1.01]
    mix = ([0.5, 0.5], [0.0, 0.7], [2.0, 2.0])
    for _ in range(60):
        mix = mixture.em_step(weights, mix, [(1.0, 0.0)] * 2)
    assert abs(mix[1][1] - 1) < 1e-9
    assert abs(exp(-mix[2][1]) - 2e-4 / 3) < 1e-9


def test_the_mode_of_a_component_that_takes_nothing_is_its_priors():
    mix = ([0.999, 0.001], [0.0, 1e6], [4.0, 4.0])
    after = mixture.em_step([0.1, -0.1], mix, [(1.0, 0.0), (250.0, 0.1)])
    assert abs(exp(after[2][1]) - 2490) < 1e-6
    assert after[1][1] == 1e6 and after[0] == [0.999, 0.001]


@given(st.floats(-1, 1), st.floats(-3, 3), st.floats(-1, 1), st.floats(-3, 3))
def test_the_divergence_is_pytorchs_and_symmetric(mu, gamma, other, other_gamma):
    p, q = (
        torch.distributions.Normal(torch.tensor(m, dtype=torch.float64), exp(-g / 2))
        for m, g in ((mu, gamma), (other, other_gamma))
    )
    kl = torch.distributions.kl_divergence
    expected = float(kl(p, q) + kl(q, p))
    found = mixture.divergence(mu, gamma, other, other_gamma)
    assert abs(found - expected) <= 1e3 * U * (1 + abs(expected))
    assert abs(found - mixture.divergence(other, other_gamma, mu, gamma)) <= 1e3 * U * (1 + found)


def test_merging_known_answers():
    mix = ([0.4, 0.2, 0.3, 0.1], [0.0, 1.0, 1.0, 5.0], [0.0, log(4.0), log(4.0), 0.0])
    pis, means, gammas = mixture.merged(mix, 1e-10)  # exact duplicates alone
    assert means == [0.0, 1.0, 5.0] and np.allclose(pis, [0.4, 0.5, 0.1], rtol=4 * U, atol=0)
    assert np.allclose(np.exp(-np.array(gammas)), [1.0, 0.25, 1.0], rtol=16 * U, atol=0)
    pis, means, gammas = mixture.merged(([0.5, 0.25, 0.25], [0.0, 9.0, 9.0], [0.0, 0.0, 2.0]), 99.0)
    variance = (1 + exp(-2)) / 2  # of variances, not of precisions
    assert means == [0.0, 9.0] and abs(exp(-gammas[1]) - variance) <= 8 * U
    assert mixture.merged(([0.5, 0.5], [0.0, 0.5], [0.0, 0.0]), 1.0)[1] == [0.0]  # zero stays zero


def test_rounding_is_by_the_whole_of_the_prior():
    """At the middle of two equal Gaussians pi decides; equal in all, the first."""
    assert mixture.rounded([0.5], ([0.4, 0.6], [0.0, 1.0], [0.0, 0.0])) == ([1], [1.0])
    assert mixture.rounded([0.5], ([0.6, 0.4], [0.0, 1.0], [0.0, 0.0])) == ([0], [0.0])
    assert mixture.rounded([0.5], ([0.5, 0.5], [0.0, 1.0], [0.0, 0.0])) == ([0], [0.0])
    edge = 0.5 + log(0.6 / 0.4)  # pi_0 N(w | 0) = pi_1 N(w | 1)
    near = [edge - 1e-9, edge + 1e-9]
    assert mixture.rounded(near, ([0.6, 0.4], [0.0, 1.0], [0.0, 0.0]))[0] == [0, 1]
