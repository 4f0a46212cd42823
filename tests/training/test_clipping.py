"""Clipping by norm against PyTorch's clip_grad_norm_ and the loops, and before a step."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minihash.files.spec import decode, encode
from minihash.training.optimisers import SGD, Adam, Clipped, clip_by_norm
from reference import optimisers as loops
from tests.support.bounds import assert_within, eps, total_eps
from tests.support.strategies import cotangent, dtypes, frozen, frozen_dict

SHAPES = st.lists(st.lists(st.integers(0, 5), max_size=3).map(tuple), min_size=1, max_size=4)


def gradients(shapes, dtype, seed, size=1.0):
    return frozen_dict(
        {f"g{k}": cotangent(s, dtype, seed + k) * dtype(size) for k, s in enumerate(shapes)}
    )


def by_torch(grads, max_norm):
    """The clipped gradients and the norm, in float64."""
    leaves = [torch.zeros(g.shape, dtype=torch.float64) for g in grads.values()]
    for leaf, g in zip(leaves, grads.values(), strict=True):
        leaf.grad = torch.tensor(g.astype(np.float64))
    norm = torch.nn.utils.clip_grad_norm_(leaves, max_norm)
    return {k: leaf.grad.numpy() for k, leaf in zip(grads, leaves, strict=True)}, float(norm)


@given(
    SHAPES,
    dtypes,
    st.integers(0, 2**31),
    st.sampled_from([1e-8, 1e-3, 1.0, 1e3]),
    st.sampled_from([0.0, 1e-4, 0.5, 1.0, 7.0, 1e9]),
)
def test_it_is_pytorchs(shapes, dtype, seed, size, max_norm):
    """The sum of n squares in float64 errs by n u, the factor by a few u more; it and the product
    are then rounded to the dtype."""
    grads = gradients(shapes, dtype, seed, size)
    clipped, norm = clip_by_norm(grads, max_norm)
    expected, norm_by_torch = by_torch(grads, max_norm)
    by_loops, norm_by_loops = loops.clip_by_norm(list(grads.values()), max_norm)
    terms = sum(g.size for g in grads.values()) + 8
    assert isinstance(norm, float)
    for other in (norm_by_torch, norm_by_loops):
        assert_within(norm, other, terms * eps(np.float64) * other)
    assert list(clipped) == list(grads)
    for name, g in clipped.items():
        assert g.dtype == dtype and g.flags.writeable
        bound = (terms * eps(np.float64) + 2 * total_eps(dtype)) * abs(expected[name])
        for other in (expected[name], by_loops[list(grads).index(name)]):
            assert_within(g, other, bound + np.finfo(dtype).tiny)


@given(SHAPES, dtypes, st.integers(0, 2**31))
def test_gradients_within_the_norm_are_handed_through_and_others_come_to_it(shapes, dtype, seed):
    grads = gradients(shapes, dtype, seed)
    _, norm = clip_by_norm(grads, 1.0)
    kept, _ = clip_by_norm(grads, norm + 1e-5)
    assert all((kept[name] == g).all() for name, g in grads.items())
    if norm:
        _, clipped = clip_by_norm(clip_by_norm(grads, norm / 3)[0], 1.0)
        largest = norm / 3 / (1 + 1e-6 / norm)
        assert abs(clipped - largest) <= 4 * eps(dtype) * largest


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_gradients_do_not_overflow_and_what_is_not_finite_is_pytorchs(dtype):
    grads = {"a": frozen(np.full(4, 1e30, dtype)), "b": frozen(np.array([2.0], dtype))}
    clipped, norm = clip_by_norm(grads, 1.0)
    assert abs(norm - 2e30) < 1e24 and abs(clipped["a"] - 0.5).max() < 1e-6
    for bad in (np.nan, np.inf, -np.inf):
        grads = {"a": np.array([bad, 1.0], dtype), "b": np.array([2.0], dtype)}
        clipped, norm = clip_by_norm(grads, 1.0)
        expected, norm_by_torch = by_torch(grads, 1.0)
        np.testing.assert_array_equal(norm, norm_by_torch)
        for name, g in clipped.items():
            np.testing.assert_array_equal(g, expected[name])


@pytest.mark.parametrize("optimiser", [SGD(momentum=0.9, weight_decay=0.1), Adam()])
def test_a_clipped_optimiser_steps_with_the_clipped_gradients(optimiser):
    names = ["g0", "g1"]
    params, clipped = gradients([(3,), (2, 2)], np.float32, 5), Clipped(optimiser, 0.7)
    state, twin, other = clipped.init(params, names), optimiser.init(params, names), params
    for seed in range(3):
        grads = gradients([(3,), (2, 2)], np.float32, 9 + seed)
        params, state = clipped.step(params, grads, state, 0.1)
        other, twin = optimiser.step(other, clip_by_norm(grads, 0.7)[0], twin, 0.1)
    for mine, theirs in ((params, other), (state, twin)):
        assert {k: v.tobytes() for k, v in mine.items()} == {
            k: v.tobytes() for k, v in theirs.items()
        }
    assert clipped.gain == optimiser.gain
    assert decode(encode(clipped, {}), {}) == clipped


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Clipped(SGD(), -1.0), r"max_norm of Clipped must lie in \[0, inf\), got -1.0; .*"),
        (lambda: Clipped(SGD(), math.nan), r"max_norm of Clipped must lie in .*, got nan; .*"),
        (lambda: Clipped(SGD(), "1"), "max_norm of Clipped must be a number, got '1'; .*"),
        (lambda: Clipped(0.1, 1.0), "Clipped needs an SGD or an Adam, got 0.1; .*"),
        (lambda: clip_by_norm({}, -1.0), "max_norm must be at least 0, got -1.0; .*"),
        (lambda: clip_by_norm({}, math.nan), "max_norm must be at least 0, got nan; .*"),
        (lambda: clip_by_norm({"w": np.ones(2, int)}, 1.0), "the gradient of 'w' must be float.*"),
    ],
)
def test_what_cannot_be_clipped_is_refused_in_one_line(make, message):
    with pytest.raises((TypeError, ValueError), match=f"^{message}$"):
        make()
