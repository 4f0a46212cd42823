"""The oracle of the layers' tests, PyTorch's autograd in float64, and how far from it one may be.

u is the unit roundoff, eps = 2 u. Elementary functions (exp, expm1, tanh) are taken to be within
ELEMENTARY eps of the exact value, relatively: NumPy's promise for its vectorised ones. A result in
dtype d with an error bound B(eps_d) differs from the oracle by at most B(eps_d) + B(eps_64).
"""

import numpy as np

ELEMENTARY = 4


def eps(dtype):
    """The distance of 1 from the next float: two unit roundoffs."""
    return float(np.finfo(dtype).eps)


def total_eps(dtype):
    """eps of a result and of the oracle beside it."""
    return eps(dtype) + eps(np.float64)


def gamma(n, unit_eps):
    """gamma_n = n u / (1 - n u): the relative error of n roundings one upon another."""
    return n * unit_eps / 2 / (1 - n * unit_eps / 2)


def assert_within(actual, expected, bound):
    """|actual - expected| <= bound, entry by entry."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, (actual.shape, expected.shape)
    excess = abs(actual.astype(np.float64) - expected) - bound
    assert (excess <= 0).all(), f"{actual}\n{expected}\nabove the bound by {excess.max()}"


def autograd(f, dy, *inputs):
    """y = f(*inputs) and the gradients of <dy, y> in the inputs, in float64."""
    import torch  # what needs no more than bounds runs without it

    leaves = [torch.tensor(np.asarray(x, np.float64), requires_grad=True) for x in inputs]
    y = f(*leaves)
    gradients = torch.autograd.grad(y, leaves, torch.tensor(np.asarray(dy, np.float64)))
    return y.detach().numpy(), [gradient.numpy() for gradient in gradients]
