"""The loops of sources against PyTorch."""

import numpy as np
import pytest
import torch

from reference import sources as loops

RNG = np.random.default_rng(0)


def low_rank(L, R):
    return L @ R


CASES = {"low_rank": (low_rank, (4, 2), (2, 3))}


@pytest.mark.parametrize("name", CASES)
def test_loops_are_pytorchs(name):
    f, *shapes = CASES[name]
    parts = [RNG.standard_normal(shape) for shape in shapes]
    leaves = [torch.tensor(part, requires_grad=True) for part in parts]
    V = f(*leaves)
    dV = RNG.standard_normal(tuple(V.shape))
    V.backward(torch.tensor(dV))
    forward, backward = getattr(loops, name), getattr(loops, f"{name}_backward")
    assert np.allclose(forward(*parts), V.detach().numpy(), rtol=1e-12, atol=1e-13)
    for found, leaf in zip(backward(dV, *parts), leaves, strict=True):
        assert np.allclose(found, leaf.grad.numpy(), rtol=1e-12, atol=1e-13)


def test_numbers_of_a_gaussian_are_normal():
    V = loops.gaussian(4000, 2.0, 5)
    assert abs(V.mean()) < 0.1 and abs(V.std() - 2) < 0.1
    assert abs((V**4).mean() / V.var() ** 2 - 3) < 0.4
