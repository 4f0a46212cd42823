"""The loops of convolution and pooling: PyTorch's on integers, adjoint exactly in fractions."""

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reference import convolution, pooling, torch_twins

seeds = st.integers(0, 2**32 - 1)


def fractions(rng, shape):
    pairs = rng.integers(1, 99, (int(np.prod(shape)), 2)).tolist()
    return np.array([Fraction(a, b) for a, b in pairs] + [None], object)[:-1].reshape(shape)


def autograd(f, dy, *inputs):
    """f of the inputs and its vector-Jacobian products with dy, by PyTorch."""
    leaves = [torch_twins.tensor(x).requires_grad_() for x in inputs]
    y = f(*leaves)
    y.backward(torch_twins.tensor(dy))
    return y.detach().numpy(), [leaf.grad.numpy() for leaf in leaves]


@st.composite
def geometries(draw):
    """(x's shape, V's shape, options): a convolution of images that fits."""

    def pair(low, high):
        return [draw(st.integers(low, high)) for _ in range(2)]

    groups, taps, stride = draw(st.integers(1, 2)), pair(1, 3), pair(1, 3)
    padding, dilation = pair(0, 2), pair(1, 2)
    spans = [(k - 1) * d + 1 - 2 * p for k, d, p in zip(taps, dilation, padding, strict=True)]
    sizes = [max(1, span) + more for span, more in zip(spans, pair(0, 3), strict=True)]
    depth, width = pair(1, 2)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return (
        (draw(st.integers(1, 2)), depth * groups, *sizes),
        (width * groups, depth, *taps),
        options,
    )


@given(geometries(), seeds)
def test_convolution_is_pytorchs(geometry, seed):
    (x_shape, V_shape, options), rng = geometry, np.random.default_rng(seed)
    x, V, b = (rng.integers(-9, 10, s).astype(float) for s in (x_shape, V_shape, V_shape[:1]))
    y = convolution.convolution_forward(x, V, b, **options)
    dy = rng.integers(-9, 10, y.shape).astype(float)

    def twin(x, V, b):
        return torch_twins.convolution(x, V, b, *options.values())

    expected, gradients = autograd(twin, dy, x, V, b)
    np.testing.assert_array_equal(y, expected)
    found = convolution.convolution_backward(dy, x, V, **options)
    for gradient, exact in zip(found, gradients, strict=True):
        np.testing.assert_array_equal(gradient, exact)


@given(geometries(), seeds)
def test_convolution_is_linear_in_both_and_its_gradients_adjoint_exactly(geometry, seed):
    (x_shape, V_shape, options), rng = geometry, np.random.default_rng(seed)
    x, V = fractions(rng, x_shape), fractions(rng, V_shape)
    y = convolution.convolution_forward(x, V, None, **options)
    dy = fractions(rng, y.shape)
    dx, dV, db = convolution.convolution_backward(dy, x, V, **options)
    assert (dy * y).sum() == (dx * x).sum() == (dV * V).sum()
    assert db.sum() == dy.sum()


@given(st.booleans(), geometries(), seeds)
def test_pools_are_pytorchs_and_adjoint(average, geometry, seed):
    (x_shape, V_shape, options), rng = geometry, np.random.default_rng(seed)
    size, stride = [k + 2 * p for k, p in zip(V_shape[2:], options["padding"], strict=True)], [2, 1]
    where = size, stride, options["padding"]
    x_shape = *x_shape[:2], *(n + 4 for n in x_shape[2:])
    x = rng.integers(-3, 4, x_shape) * float(np.prod(size))
    f = pooling.average_pool if average else pooling.max_pool
    twin = torch_twins.average_pool if average else torch_twins.max_pool
    y = f(x, *where)
    dy = rng.integers(-9, 10, y.shape) * float(np.prod(size))
    expected, (dx,) = autograd(lambda x: twin(x, *where), dy, x)
    np.testing.assert_array_equal(y, expected)
    if average:
        found = pooling.average_pool_backward(dy, x.shape, *where)
    else:
        found = pooling.max_pool_backward(dy, x, *where)
    np.testing.assert_array_equal(found, dx)
    assert (dy * y).sum() == (found * x).sum()  # a maximum is linear around x


def test_global_averages_are_adjoint_exactly():
    rng = np.random.default_rng(0)
    x, dy = fractions(rng, (2, 3, 2, 5)), fractions(rng, (2, 3))
    dx = pooling.global_average_backward(dy, x.shape)
    assert (dy * pooling.global_average(x)).sum() == (dx * x).sum()
    rows = pooling.positions_as_examples(x)
    assert rows.shape == (20, 3) and rows[7].tolist() == x[0, :, 1, 2].tolist()
