"""The oracles of layers and losses: loops against PyTorch, exact arithmetic and finite differences.

u = 2^-53. Two float64 evaluations of one expression, each with at most `roundings` / 2 roundings
whose results are at most `magnitude`, differ by at most roundings u magnitude.
"""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from reference import (
    activations,
    batch_norm,
    core,
    layers,
    losses,
    torch_twins,
)

U = 2.0**-53
seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 5)


def near(actual, expected, magnitude, roundings):
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    assert (abs(actual - expected) <= roundings * U * np.asarray(magnitude)).all(), (
        actual,
        expected,
    )


def autograd(f, dy, *inputs):
    """f of the inputs and its vector-Jacobian products with dy, by PyTorch."""
    leaves = [torch_twins.tensor(x).requires_grad_() for x in inputs]
    y = f(*leaves)
    y.backward(torch_twins.tensor(dy))
    return y.detach().numpy(), [leaf.grad.numpy() for leaf in leaves]


def fractions(rng, shape):
    numbers = [
        Fraction(int(a), int(b)) for a, b in rng.integers(1, 99, (np.prod(shape, dtype=int), 2))
    ]
    return np.array(numbers, dtype=object).reshape(shape)


def random_lookup(rng, size, buckets):
    """A hash with few buckets and all three signs, and its arrays."""
    index, sign = rng.integers(0, buckets, size), rng.integers(-1, 2, size)
    return (lambda i: (int(index[i]), int(sign[i]))), index, sign


@given(seeds, sizes, sizes, sizes, sizes)
def test_gather_and_scatter_add_are_adjoint_exactly(seed, rows, columns, buckets, first):
    rng = np.random.default_rng(seed)
    hash_function, _, _ = random_lookup(rng, first + rows * columns, buckets)
    table, dV = fractions(rng, (buckets,)), fractions(rng, (rows, columns))
    V = core.gather(table, hash_function, (rows, columns), first)
    dtable = core.scatter_add(dV, hash_function, buckets, first)
    assert (dV * V).sum() == (dtable * table).sum()


@given(seeds, sizes, sizes, sizes, sizes)
def test_matmul_and_its_adjoint_are_exact_in_fractions(seed, batch, fan_in, fan_out, buckets):
    rng = np.random.default_rng(seed)
    hash_function, index, sign = random_lookup(rng, 3 + fan_out * fan_in, buckets)
    x, dy = fractions(rng, (batch, fan_in)), fractions(rng, (batch, fan_out))
    table, shape = fractions(rng, (buckets,)), (fan_out, fan_in)
    V = (table[index] * sign)[3:].reshape(shape)
    assert (core.matmul(x, table, hash_function, shape, 3) == x @ V.T).all()
    dx, dtable = core.matmul_backward(dy, x, table, hash_function, shape, 3)
    assert (dx == dy @ V).all()
    expected = np.array([Fraction(0)] * buckets, dtype=object)
    np.add.at(expected, index[3:], sign[3:] * (dy.T @ x).reshape(-1))
    assert (dtable == expected).all()


@given(seeds, sizes, sizes, sizes, sizes)
def test_a_virtual_weight_is_pytorchs_indexing(seed, batch, fan_in, fan_out, buckets):
    """Integer-valued floats: equality to the bit."""
    rng = np.random.default_rng(seed)
    hash_function, index, sign = random_lookup(rng, fan_out * fan_in, buckets)
    index, sign = index.reshape(fan_out, fan_in), sign.reshape(fan_out, fan_in)
    x, dy, table = (
        rng.integers(-9, 9, s).astype(float) for s in ((batch, fan_in), (batch, fan_out), buckets)
    )

    def twin(x, table):
        return torch_twins.dense(x, torch_twins.virtual_weight(table, index, sign))

    y, (dx, dtable) = autograd(twin, dy, x, table)
    shape = (fan_out, fan_in)
    assert (core.matmul(x, table, hash_function, shape) == y).all()
    found = core.matmul_backward(dy, x, table, hash_function, shape)
    assert (found[0] == dx).all() and (found[1] == dtable).all()


@given(seeds, sizes, sizes, sizes)
def test_dense_equals_pytorch(seed, batch, fan_in, fan_out):
    rng = np.random.default_rng(seed)
    x, V = rng.normal(size=(batch, fan_in)), rng.normal(size=(fan_out, fan_in))
    b, dy = rng.normal(size=fan_out), rng.normal(size=(batch, fan_out))
    y, (dx, dV, db) = autograd(torch_twins.dense, dy, x, V, b)
    near(layers.dense_forward(x, V, b), y, abs(x) @ abs(V).T + abs(b), 2 * (fan_in + 2))
    found = layers.dense_backward(dy, x, V)
    near(found[0], dx, abs(dy) @ abs(V), 2 * (fan_out + 1))
    near(found[1], dV, abs(dy).T @ abs(x), 2 * (batch + 1))
    near(found[2], db, abs(dy).sum(0), 2 * (batch + 1))


ACTIVATIONS = {
    "elu": (activations.elu, activations.elu_backward, functional.elu),
    "relu": (activations.relu, activations.relu_backward, functional.relu),
    "tanh": (
        activations.hyperbolic_tangent,
        activations.hyperbolic_tangent_backward,
        torch.tanh,
    ),
    "sigmoid": (activations.sigmoid, activations.sigmoid_backward, torch.sigmoid),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
@given(
    st.lists(st.floats(-50, 50) | st.sampled_from([0.0, -0.0, 700.0, -800.0]), min_size=1), seeds
)
def test_activations_equal_pytorch(name, entries, seed):
    """Every exp, expm1 and tanh is within 1 ulp = 2u; 1 - tanh^2 and 1 - y lose leading digits."""
    forward, backward, twin = ACTIVATIONS[name]
    x = np.array(entries)
    dy = np.random.default_rng(seed).normal(size=x.shape)
    y, (dx,) = autograd(twin, dy, x)
    tiny = np.finfo(float).tiny
    near(forward(x), y, abs(y) + tiny, 12)
    near(backward(dy, x), dx, abs(dy) * (1 if name == "tanh" else abs(y)) + abs(dx) + tiny, 16)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_keep_nan_and_infinity_as_pytorch_does(name):
    forward, backward, twin = ACTIVATIONS[name]
    x, dy = np.array([np.nan, np.inf, -np.inf]), np.array([0.7, -1.3, 2.1])
    y, (dx,) = autograd(twin, dy, x)
    np.testing.assert_array_equal(forward(x), y)
    found = backward(dy, x)
    np.testing.assert_array_equal(found[1:], dx[1:])
    assert np.isnan(found[0]) == (name != "relu")  # ELU's twin is of two minds, by its vector width


@pytest.mark.parametrize("training", [True, False])
@given(seeds, st.integers(2, 6), sizes)
def test_batch_norm_equals_pytorch(training, seed, batch, features):
    """x is normalised after an error of (batch + 4) u |x| / std, in x and in std alike."""
    rng = np.random.default_rng(seed)
    x, dy = rng.normal(1, 2, (batch, features)), rng.normal(size=(batch, features))
    gamma, beta, mean, variance = (rng.uniform(0.5, 2, features) for _ in range(4))
    twin = torch.nn.BatchNorm1d(features, dtype=torch.float64).train(training)
    twin.running_mean[:], twin.running_var[:] = torch.tensor(mean), torch.tensor(variance)

    def normalise(x, gamma, beta):
        twin.weight, twin.bias = torch.nn.Parameter(gamma), torch.nn.Parameter(beta)
        return torch.func.functional_call(twin, {"weight": gamma, "bias": beta}, x)

    y, (dx, dgamma, dbeta) = autograd(normalise, dy, x, gamma, beta)
    used = batch_norm.batch_statistics(x) if training else (mean, variance)
    statistics = None if training else used
    std = np.sqrt(used[1] + 1e-5)
    xhat = (abs(x) + abs(used[0])).max(0) / std
    error = xhat * (1 + xhat)
    roundings = 8 * (batch + 4)
    near(
        batch_norm.batch_norm_forward(x, gamma, beta, statistics),
        y,
        gamma * error + beta,
        roundings,
    )
    found = batch_norm.batch_norm_backward(dy, x, gamma, statistics)
    size = abs(dy).max(0)
    near(found[0], dx, gamma / std * size * (1 + error) * (1 + xhat) ** 2, 2 * roundings)
    near(found[1], dgamma, size * batch * (error + xhat), roundings)
    near(found[2], dbeta, size * batch, roundings)
    if training:
        new = batch_norm.batch_norm_running(x, mean, variance)
        near(new[0], twin.running_mean, abs(mean) + abs(x).max(0), roundings)
        near(new[1], twin.running_var, variance + 4 * (abs(x) ** 2).max(0) * batch, roundings)


@given(seeds, sizes, sizes, st.floats(0, 0.99), st.integers(0, 2**32 - 1))
def test_dropout_is_its_mask_and_linear(seed, batch, features, rate, step):
    rng = np.random.default_rng(seed)
    x, dy = rng.normal(size=(batch, features)), rng.normal(size=(batch, features))
    mask = layers.dropout_mask(x.shape, rate, seed, step)
    y, (dx,) = autograd(lambda t: torch_twins.dropout(t, mask, rate), dy, x)
    assert (layers.dropout(x, mask, rate) == y).all()
    near(layers.dropout(dy, mask, rate), dx, abs(dx), 4)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_keeps_its_share(rate):
    """10,000 elements: within five standard deviations."""
    kept = layers.dropout_mask((100, 100), rate, seed=0, step=3).mean()
    assert abs(kept - (1 - rate)) < 5 * np.sqrt(rate * (1 - rate) / 10_000)


@given(seeds, sizes, st.integers(2, 6), st.floats(0.1, 100))
def test_cross_entropy_equals_pytorch(seed, batch, classes, size):
    """An exponent is rounded to within u |z|, which is the relative error of its exponential."""
    rng = np.random.default_rng(seed)
    z, labels = rng.normal(size=(batch, classes)) * size, rng.integers(0, classes, batch)
    target = torch.tensor(labels)
    y, (dz,) = autograd(lambda z: functional.cross_entropy(z, target), np.array(0.7), z)
    largest = 1 + abs(z).max()
    near(losses.cross_entropy(z, labels), y, 4 * largest + classes, batch + classes + 8)
    found = 0.7 * losses.cross_entropy_backward(z, labels)
    near(found, dz, largest * (losses.softmax(z) + 1) / batch, 4 * (classes + 4))


@given(seeds, sizes, sizes)
def test_mean_squared_error_equals_pytorch(seed, batch, features):
    rng = np.random.default_rng(seed)
    y, target = rng.normal(size=(2, batch, features))
    loss, (dy,) = autograd(
        lambda y: functional.mse_loss(y, torch.tensor(target)), np.array(-1.3), y
    )
    near(losses.mean_squared_error(y, target), loss, loss, 2 * (y.size + 4))
    near(-1.3 * losses.mean_squared_error_backward(y, target), dy, abs(dy), 10)
