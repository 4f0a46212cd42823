"""ELU, ReLU, tanh and sigmoid: against PyTorch's autograd and the loops, finite or not.

Error budgets in eps, relative to what is named, with c = ELEMENTARY. A product of two numbers or a
sum costs 1/2.

    ELU       y = expm1(x): c |y|             dx = dy (1 + y): (c + 1/2 + 1/2) |dy|
    tanh      y: c |y|                        dx = dy (1 - y^2): (2 c + 1/2 + 1/2 + 1/2) |dy|
    sigmoid   y = n / (1 + z): (c + c + 1) |y|    dx = dy y (1 - y): (2 (2 c + 1) + 3/2) |dy| y
    ReLU      exact
"""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from minihash.layers import ELU, ReLU, Sigmoid, Tanh
from reference import activations
from tests.support.bounds import ELEMENTARY as C
from tests.support.bounds import assert_within, autograd, total_eps
from tests.support.strategies import cotangent, dtypes, frozen, real, sizes

LOOPS = {
    ELU: (activations.elu, activations.elu_backward),
    ReLU: (activations.relu, activations.relu_backward),
    Tanh: (activations.hyperbolic_tangent, activations.hyperbolic_tangent_backward),
    Sigmoid: (activations.sigmoid, activations.sigmoid_backward),
}
TORCH = {ELU: functional.elu, ReLU: torch.relu, Tanh: torch.tanh, Sigmoid: torch.sigmoid}
FORWARD = {ELU: C, ReLU: 0, Tanh: C, Sigmoid: 2 * C + 1}
BACKWARD = {ELU: C + 1, ReLU: 0, Tanh: 2 * C + 1.5, Sigmoid: 2 * (2 * C + 1) + 1.5}

every_activation = pytest.mark.parametrize("activation", TORCH, ids=lambda cls: cls.__name__)


@every_activation
@given(
    data=st.data(),
    dtype=dtypes,
    shape=st.tuples(sizes, sizes),
    bound=st.sampled_from([1.0, 32.0, 2048.0]),
    seed=st.integers(0, 99),
)
def test_it_is_pytorchs_and_the_loops(activation, data, dtype, shape, bound, seed):
    x = data.draw(real(shape, dtype, bound))
    dy = cotangent(shape, dtype, seed)
    layer = activation()
    y, cache = layer.forward({}, x)
    dx, grads = layer.backward({}, cache, frozen(dy))
    assert y.dtype == dx.dtype == dtype and grads == {}
    assert layer.forward({}, x, step=3)[0].tobytes() == y.tobytes()

    loop, loop_backward = LOOPS[activation]
    oracles = [autograd(TORCH[activation], dy, x), (loop(x), [loop_backward(dy, x)])]
    for expected, (expected_dx,) in oracles:
        tiny = np.finfo(dtype).tiny  # where results are subnormal
        assert_within(y, expected, FORWARD[activation] * total_eps(dtype) * abs(expected) + tiny)
        slope = abs(expected) if activation is Sigmoid else 1.0
        assert_within(
            dx, expected_dx, (BACKWARD[activation] * total_eps(dtype) * slope + tiny) * abs(dy)
        )


@every_activation
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_and_infinity_pass_as_in_pytorch(activation, dtype):
    # 64 copies: PyTorch's ELU has two readings of a NaN; ours is that of its vectorised loop.
    special = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, -1e4, 1e4, 1e30, -1e30], dtype)
    x = frozen(np.tile(special, 64))
    layer = activation()
    y, cache = layer.forward({}, x)
    leaf = torch.tensor(np.array(x), requires_grad=True)
    expected = TORCH[activation](leaf)
    np.testing.assert_array_equal(y, expected.detach().numpy())
    for value in (2.0, np.inf, np.nan):
        dy = np.full(x.shape, value, dtype)
        (dx,) = torch.autograd.grad(expected, leaf, torch.tensor(dy), retain_graph=True)
        np.testing.assert_array_equal(layer.backward({}, cache, frozen(dy))[0], dx.numpy())


def test_sigmoid_keeps_its_precision_far_below_zero():
    y, _ = Sigmoid().forward({}, np.array([-80.0, -700.0]))
    expected = np.exp(np.array([-80.0, -700.0]))
    assert_within(y, expected, (3 * C + 1) * total_eps(np.float64) * expected)
