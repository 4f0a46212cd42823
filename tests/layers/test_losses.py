"""Softmax cross-entropy and mean squared error against PyTorch's autograd and the loops.

Cross-entropy, with c = ELEMENTARY, e = 2 u, M = max |z| (z <= 0), all sums in float64 (g = gamma):

    z             e / 2 M                          the rounding of logits - max
    s             (c + M / 2) e + g, relatively    exp(z), then a sum of positive terms
    loss          log(s) - z[label]: (c + M) e + (g + 2 e64) (1 + M + log(classes))
    dlogits       p = exp(z) / s: (2 c + M + 2) e p, then - 1 and / batch: 3/2 e of what is there
"""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from minihash.layers import Distillation, mean_squared_error, softmax_cross_entropy
from minihash.layers.distillation import lessons
from reference import losses as loops
from tests.support.bounds import ELEMENTARY as C
from tests.support.bounds import assert_within, autograd, eps, gamma, total_eps
from tests.support.strategies import dtypes, frozen, layouts, real, sizes

E64 = eps(np.float64)


def both(bound, dtype):
    return bound(eps(dtype)) + bound(E64)


@st.composite
def logits_and_labels(draw):
    batch, classes, dtype = draw(sizes), draw(sizes), draw(dtypes)
    logits = draw(real((batch, classes), dtype, draw(st.sampled_from([1.0, 30.0, 3000.0]))))
    labels = draw(st.lists(st.integers(0, classes - 1), min_size=batch, max_size=batch))
    integer = draw(st.sampled_from([np.int64, np.uint8, np.dtype(">i4")]))
    return logits, frozen(np.array(labels, integer))


@given(logits_and_labels())
def test_cross_entropy_is_pytorchs_and_the_loops(case):
    logits, labels = case
    loss, cache = softmax_cross_entropy.forward(logits, labels)
    dlogits = softmax_cross_entropy.backward(cache)
    assert type(loss) is float and dlogits.dtype == logits.dtype
    assert softmax_cross_entropy.backward(cache).tobytes() == dlogits.tobytes()
    batch, classes = logits.shape
    target = torch.tensor(labels.astype(np.int64))
    by_torch = autograd(lambda z: functional.cross_entropy(z, target), 1.0, logits)
    by_loops = loops.cross_entropy(logits, labels), [loops.cross_entropy_backward(logits, labels)]
    wide = logits.astype(np.float64)
    largest = (wide.max(1) - wide.min(1)).max()
    p = loops.softmax(logits)
    onehot = np.eye(classes)[labels.astype(int)]
    sums = (gamma(batch + classes + 2, E64) + 2 * E64) * (1 + largest + np.log(classes))
    for expected, (expected_dlogits,) in (by_torch, by_loops):
        # the loops and PyTorch take the largest logit away and add it again
        bound = both(lambda e: (C + largest) * e, logits.dtype) + 2 * sums
        bound += 2 * E64 * abs(wide).max()
        assert_within(loss, expected, bound)
        slopes = both(
            lambda e: e * (2 * C + largest + 2) * p + 1.5 * e * (p + onehot), logits.dtype
        )
        assert_within(dlogits, expected_dlogits, slopes / batch + np.finfo(logits.dtype).tiny)


@given(logits_and_labels(), st.data(), st.sampled_from([0.5, 1.0, 4.0]), st.floats(0, 1))
def test_distillation_is_pytorchs_and_the_loops(case, data, T, mix):
    """Errors as above, of the softer softmax too, in float64 from logits that are rounded once."""
    logits, labels = case
    teacher = data.draw(real(logits.shape, logits.dtype, 30.0))
    loss_of = Distillation(T, mix)
    loss, cache = loss_of.forward(logits, lessons(labels, teacher))
    dlogits = loss_of.backward(cache)
    assert type(loss) is float and dlogits.dtype == logits.dtype
    assert loss_of.backward(cache).tobytes() == dlogits.tobytes()
    target, wide = torch.tensor(labels.astype(np.int64)), logits.astype(np.float64)
    soft_target = torch.softmax(torch.tensor(teacher.astype(np.float64)) / T, 1)

    def by_hinton(z):
        soft = functional.cross_entropy(z / T, soft_target)
        return (1 - mix) * functional.cross_entropy(z, target) + mix * T**2 * soft

    arguments = logits, labels, teacher, T, mix
    by_loops = loops.distillation(*arguments), [loops.distillation_backward(*arguments)]
    batch, classes = logits.shape
    largest = max((a.max(1) - a.min(1)).max() for a in (wide, teacher.astype(np.float64)))
    p, r = loops.softmax(logits), loops.softmax(wide / T)
    q, onehot = soft_target.numpy(), np.eye(classes)[labels.astype(int)]
    sums = (gamma(batch + 2 * classes + 9, E64) + 4 * E64) * (1 + largest + np.log(classes))
    sums += 2 * E64 * abs(wide).max()
    for expected, (slopes,) in (autograd(by_hinton, 1.0, logits), by_loops):
        e = total_eps(logits.dtype)  # of a logit less the largest, and so of log r
        bound = (1 - mix + mix * max(T, T**2)) * ((C + 3 * (1 + 1 / T) * largest) * e + 4 * sums)
        assert_within(loss, expected, bound)
        hard = (1 - mix) * e * ((2 * C + largest + 2) * p + 2 * (p + onehot))
        soft = mix * T * e * (2 * C + 3 * (1 + largest / T)) * (q + r)
        assert_within(dlogits, slopes, 2 * (hard + soft) / batch + np.finfo(logits.dtype).tiny)


def test_of_a_teacher_alone_and_of_labels_alone():
    z = frozen(np.random.default_rng(0).standard_normal((4, 3)))
    labels = np.array([2, 0, 1, 1])
    taught = lessons(labels, z)
    loss, cache = Distillation(mix=0.0).forward(z, taught)
    plain, expected = softmax_cross_entropy.forward(z, labels)
    assert loss == plain
    assert np.array_equal(
        Distillation(mix=0.0).backward(cache), softmax_cross_entropy.backward(expected)
    )
    alone = Distillation(mix=1.0)
    assert not alone.backward(alone.forward(z, taught)[1]).any()  # it answers as the teacher does


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda z: Distillation(0.0), "temperature of Distillation must be positive, got 0; .*"),
        (lambda z: Distillation(mix=1.5), r"mix of Distillation must lie in \[0, 1\], got 1.5; .*"),
        (lambda z: Distillation().forward(z, np.array([0, 1])), "taught must come of lessons, .*"),
        (
            lambda z: Distillation().forward(z, lessons(np.array([0, 1]), np.ones((2, 2)))),
            r"the teacher's logits must have shape \(2, 3\), got \(2, 2\); .*",
        ),
        (lambda z: lessons(np.array([0, 3]), z), r"labels must lie in 0 .. 2, got 0 .. 3; .*"),
    ],
)
def test_distillation_refuses_in_one_line(make, message):
    with pytest.raises((TypeError, ValueError), match=f"^{message}$"):
        make(np.ones((2, 3)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "row",
    [[np.inf, 0, 0], [-np.inf, 0, 0], [-np.inf] * 3, [np.nan, 0, 0], [0, np.nan, 0], [1e30, 0, 0]],
)
@pytest.mark.parametrize("label", [0, 1])
def test_logits_that_are_not_finite_pass_as_in_pytorch(row, label, dtype):
    z = frozen(np.array([row, [0, 1, 2]], dtype))
    leaf = torch.tensor(np.array(z), requires_grad=True)
    expected = functional.cross_entropy(leaf, torch.tensor([label, 2]))
    (slopes,) = torch.autograd.grad(expected, leaf)
    loss, cache = softmax_cross_entropy.forward(z, np.array([label, 2]))
    dlogits = softmax_cross_entropy.backward(cache)
    np.testing.assert_allclose(loss, expected.item(), rtol=20 * eps(dtype))
    np.testing.assert_allclose(dlogits, slopes.numpy(), rtol=0, atol=20 * eps(dtype))


def test_a_confident_float32_loss_is_not_rounded_to_zero():
    loss, _ = softmax_cross_entropy.forward(np.array([[30, 0]], np.float32), np.array([0]))
    exact = np.log1p(np.exp(-30.0))
    assert_within(loss, exact, 2 * E64 + C * eps(np.float32) * exact)


@given(st.data(), dtypes, st.tuples(sizes, sizes))
def test_squared_error_is_pytorchs_and_the_loops(data, dtype, shape):
    y, target = data.draw(real(shape, dtype)), data.draw(real(shape, dtype))
    loss, cache = mean_squared_error.forward(y, target)
    dy = mean_squared_error.backward(cache)
    assert type(loss) is float and dy.dtype == dtype
    fixed = torch.tensor(target.astype(np.float64))
    by_torch = autograd(lambda y: functional.mse_loss(y, fixed), 1.0, y)
    by_loops = (
        loops.mean_squared_error(y, target),
        [loops.mean_squared_error_backward(y, target)],
    )
    tiny = np.finfo(dtype).tiny
    for expected, (expected_dy,) in (by_torch, by_loops):
        # y - target is off by e / 2, so that its square is by e; dy by 2, 2 / size and a product
        sums = 2 * gamma(y.size + 2, E64)
        assert_within(loss, expected, (1.01 * total_eps(dtype) + sums) * expected + tiny)
        assert_within(dy, expected_dy, 2 * total_eps(dtype) * abs(expected_dy) + tiny)


def test_squared_error_of_large_float32_does_not_overflow():
    y = np.full((2, 2), 1e30, np.float32)
    loss, _ = mean_squared_error.forward(y, np.zeros_like(y))
    assert_within(loss, 1e60, 2 * eps(np.float32) * 1e60)


def test_the_layout_of_inputs_does_not_matter():
    z = frozen(np.random.default_rng(0).standard_normal((4, 3)))
    labels = frozen(np.array([2, 0, 1, 1]))
    target = frozen(z + 1)
    plain = softmax_cross_entropy.forward(z, labels), mean_squared_error.forward(z, target)
    for name, other in layouts(z).items():
        same = softmax_cross_entropy.forward(other, labels[::-1].copy()[::-1])
        assert same[0] == plain[0][0], name
        assert mean_squared_error.forward(other, layouts(target)[name])[0] == plain[1][0], name


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.ones((2, 3)), [0, 3], r"labels must lie in 0 .. 2, got 0 .. 3; .*"),
        (np.ones((2, 3)), [-1, 0], r"labels must lie in 0 .. 2, got -1 .. 0; .*"),
        (np.ones((2, 3)), [0.0, 1.0], "labels must be integers, got float64; .*"),
        (np.ones((2, 3)), [True, False], "labels must be integers, got bool; .*"),
        (np.ones((2, 3)), [0], r"labels must have shape \(2,\), .*, got \(1,\); .*"),
        (np.ones((2, 3)), [[0], [1]], r"labels must have shape \(2,\), .*, got \(2, 1\); .*"),
        (np.ones((0, 3)), np.zeros(0, int), "the loss needs at least 1 example, .*"),
        (np.ones((0, 3)), [], "the loss needs at least 1 example, .*"),
        (np.ones((2, 0)), [0, 0], r"labels must lie in 0 .. -1, got 0 .. 0; .*"),
        (np.ones(3), [0], r"logits must have shape \(any, any\), got \(3,\); .*"),
        (np.ones((2, 3), int), [0, 1], "logits must be float32 or float64, got int64; .*"),
    ],
)
def test_cross_entropy_refuses_in_one_line(logits, labels, message):
    with pytest.raises((TypeError, ValueError), match=f"^{message}$"):
        softmax_cross_entropy.forward(logits, np.array(labels))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (np.ones((3, 2)), r"target must have shape \(2, 3\), got \(3, 2\); .*"),
        (np.ones((2, 3), np.float32), "target must be float64 .*, got float32; .*"),
        (np.ones((2, 3), int), "target must be float32 or float64, got int64; .*"),
    ],
)
def test_squared_error_refuses_in_one_line(target, message):
    with pytest.raises((TypeError, ValueError), match=f"^{message}$"):
        mean_squared_error.forward(np.ones((2, 3)), target)
    with pytest.raises(ValueError, match=r"^the loss needs at least 1 element, .*$"):
        mean_squared_error.forward(np.ones((0, 3)), np.ones((0, 3)))
