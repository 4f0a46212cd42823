"""Losses of examples that count differently: PyTorch's autograd, and the loops.

A term of the sum is that of test_losses.py times w <= W, and one rounding of the product: W times
the bounds there, and once more for the products.
"""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from minihash.layers import mean_squared_error, softmax_cross_entropy
from reference import losses as loops
from tests.support.bounds import ELEMENTARY as C
from tests.support.bounds import assert_within, autograd, eps, gamma, total_eps
from tests.support.strategies import dtypes, frozen, real, sizes

E64 = eps(np.float64)
W = 4.0
weights_of = st.sampled_from([0.0, 0.25, 1.0, 3.0, W])  # exact in float32


def drawn(data, batch):
    floats = data.draw(dtypes)
    return frozen(np.array([data.draw(weights_of) for _ in range(batch)], floats))


@given(st.data(), dtypes, sizes, sizes, st.sampled_from([1.0, 30.0]))
def test_weighted_cross_entropy_is_pytorchs_and_the_loops(data, dtype, batch, classes, size):
    logits, weights = data.draw(real((batch, classes), dtype, size)), drawn(data, batch)
    labels = frozen(np.array([data.draw(st.integers(0, classes - 1)) for _ in range(batch)]))
    loss, cache = softmax_cross_entropy.forward(logits, labels, weights)
    dlogits = softmax_cross_entropy.backward(cache)
    assert type(loss) is float and dlogits.dtype == dtype
    target, w = torch.tensor(labels), torch.tensor(weights.astype(np.float64))

    def by_hand(z):
        return (w * functional.cross_entropy(z, target, reduction="none")).mean()

    by_loops = (
        loops.cross_entropy(logits, labels, weights),
        [loops.cross_entropy_backward(logits, labels, weights)],
    )
    largest = np.ptp(logits.astype(np.float64), axis=1).max()
    p, onehot = loops.softmax(logits), np.eye(classes)[labels]
    sums = (gamma(batch + classes + 2, E64) + 2 * E64) * (1 + largest + np.log(classes))
    e = total_eps(dtype)
    bound = (C + largest) * e + 2 * sums + 2 * E64 * abs(logits.astype(np.float64)).max()
    slopes = e * ((2 * C + largest + 2) * p + 2.5 * (p + onehot)) / batch
    for expected, (expected_dlogits,) in (autograd(by_hand, 1.0, logits), by_loops):
        assert_within(loss, expected, W * bound)
        assert_within(dlogits, expected_dlogits, W * (slopes + np.finfo(dtype).tiny))


@given(st.data(), dtypes, st.lists(sizes, min_size=1, max_size=3))
def test_weighted_squared_error_is_pytorchs_and_the_loops(data, dtype, shape):
    y, target = data.draw(real(shape, dtype)), data.draw(real(shape, dtype))
    weights = drawn(data, shape[0])
    loss, cache = mean_squared_error.forward(y, target, weights)
    dy = mean_squared_error.backward(cache)
    assert type(loss) is float and dy.dtype == dtype
    fixed = torch.tensor(target.astype(np.float64))
    w = torch.tensor(weights.astype(np.float64)).reshape(-1, *[1] * (len(shape) - 1))
    by_torch = autograd(lambda y: (w * (y - fixed) ** 2).mean(), 1.0, y)
    by_loops = (
        loops.mean_squared_error(y, target, weights),
        [loops.mean_squared_error_backward(y, target, weights)],
    )
    tiny = W * np.finfo(dtype).tiny
    for expected, (expected_dy,) in (by_torch, by_loops):
        sums = 2 * gamma(y.size + 3, E64)
        assert_within(loss, expected, (1.01 * total_eps(dtype) + sums) * expected + tiny)
        assert_within(dy, expected_dy, 2.5 * total_eps(dtype) * abs(expected_dy) + tiny)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_of_one_change_no_bit(dtype):
    rng = np.random.default_rng(0)
    y, target = rng.standard_normal((2, 7, 3)).astype(dtype)
    for loss_of, wanted in (
        (softmax_cross_entropy, target.argmax(axis=1)),
        (mean_squared_error, target),
    ):
        loss, cache = loss_of.forward(y, wanted)
        again, weighted = loss_of.forward(y, wanted, np.ones(7))
        assert again == loss
        assert loss_of.backward(weighted).tobytes() == loss_of.backward(cache).tobytes()


@pytest.mark.parametrize("loss_of", [softmax_cross_entropy, mean_squared_error])
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(3), r"weights must have shape \(2,\), got \(3,\); .*"),
        (np.ones((2, 1)), r"weights must have shape \(2,\), got \(2, 1\); .*"),
        (np.array([1, 2]), "weights must be float32 or float64, got int64.*"),
    ],
)
def test_other_weights_are_refused(loss_of, weights, message):
    y = np.ones((2, 3))
    labels = np.array([0, 1]) if loss_of is softmax_cross_entropy else y
    with pytest.raises((TypeError, ValueError), match=f"^{message}"):
        loss_of.forward(y, labels, weights)
