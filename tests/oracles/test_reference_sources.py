"""The loops of sources against PyTorch, and SciPy's cosine transform."""

import numpy as np
import pytest
import torch
from scipy.fft import idctn

from reference import sources as loops

RNG = np.random.default_rng(0)
BUCKET, SIGN = [2, 0, 2, 1], [1, -1, -1, 1]


def hypernetwork(z, W, B, U, C):
    a = torch.einsum("idm,stm->stid", W, z) + B
    V = torch.einsum("qd,stid->stiq", U, a) + C
    return V.permute(0, 2, 1, 3).reshape(z.shape[0] * len(W), -1)


def rows(E):
    return torch.tensor(SIGN)[:, None] * E[BUCKET]


def product(*factors):
    return torch.stack(factors).prod(0)


CASES = {
    "low_rank": (torch.matmul, (4, 2), (2, 3)),
    "entrywise": (product, (4, 2), (4, 2), (4, 2)),
    "hypernetwork": (hypernetwork, (2, 3, 2), (4, 3, 2), (4, 3), (5, 3), (5,)),
}


@pytest.mark.parametrize("name", CASES)
def test_loops_are_pytorchs(name):
    f, *shapes = CASES[name]
    forward, backward = getattr(loops, name), getattr(loops, f"{name}_backward")
    compare(f, forward, backward, [RNG.standard_normal(shape) for shape in shapes])


def compare(f, forward, backward, parts):
    leaves = [torch.tensor(part, requires_grad=True) for part in parts]
    V = f(*leaves)
    dV = RNG.standard_normal(tuple(V.shape))
    V.backward(torch.tensor(dV))
    assert np.allclose(forward(*parts), V.detach().numpy(), rtol=1e-12, atol=1e-13)
    for found, leaf in zip(backward(dV, *parts), leaves, strict=True):
        assert np.allclose(found, leaf.grad.numpy(), rtol=1e-12, atol=1e-13)


def test_rows_are_pytorchs():
    compare(
        rows,
        lambda E: loops.rows(E, BUCKET, SIGN),
        lambda dV, E: [loops.rows_backward(dV, len(E), BUCKET, SIGN)],
        [RNG.standard_normal((3, 2))],
    )


def test_sums_and_multiples():
    a, b, c = RNG.standard_normal((3, 2, 4))
    assert np.allclose(loops.total(a, b, c), a + b + c, rtol=1e-14)
    assert (loops.scaled(a, 0.3) == 0.3 * a).all()


@pytest.mark.parametrize("f", [1, 2, 5])
def test_kernels_of_cosines_are_scipys_and_the_backward_pass_its_adjoint(f):
    where = {j: [(j1, j - j1) for j1 in range(f) if 0 <= j - j1 < f] for j in range(2 * f - 1)}
    bands = [RNG.standard_normal((3, len(entries))) for entries in where.values()]
    C = np.zeros((3, f, f))
    for band, entries in zip(bands, where.values(), strict=True):
        for k, (j1, j2) in enumerate(entries):
            C[:, j1, j2] = band[:, k]
    V = loops.cosine(*bands)
    expected = idctn(C, axes=(1, 2), norm="ortho").reshape(3, -1)
    assert np.allclose(V, expected, rtol=1e-12, atol=1e-13)
    dV = RNG.standard_normal(V.shape)
    dbands = loops.cosine_backward(dV, *bands)
    inner = sum((d * band).sum() for d, band in zip(dbands, bands, strict=True))
    assert np.isclose(inner, (dV * V).sum(), rtol=1e-12)
    # Orthonormal: the backward pass undoes the forward one.
    for found, band in zip(loops.cosine_backward(V, *bands), bands, strict=True):
        assert np.allclose(found, band, rtol=1e-12, atol=1e-13)


def test_numbers_of_a_gaussian_are_normal():
    V = loops.gaussian(4000, 2.0, 5)
    assert abs(V.mean()) < 0.1 and abs(V.std() - 2) < 0.1
    assert abs((V**4).mean() / V.var() ** 2 - 3) < 0.4
