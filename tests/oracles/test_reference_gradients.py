"""The oracles of backward passes and whole networks: finite differences and PyTorch."""

import numpy as np
import pytest
import torch

from reference import (
    activations,
    batch_norm,
    core,
    finite_differences,
    hashes,
    layers,
    losses,
    network,
    torch_twins,
)

U = 2.0**-53


def near(actual, expected, magnitude, roundings):
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    assert (abs(actual - expected) <= roundings * U * np.asarray(magnitude)).all(), (
        actual,
        expected,
    )


PASSES = {
    "elu": (activations.elu, activations.elu_backward),
    "relu": (activations.relu, activations.relu_backward),
    "tanh": (activations.hyperbolic_tangent, activations.hyperbolic_tangent_backward),
    "sigmoid": (activations.sigmoid, activations.sigmoid_backward),
    "batch norm": (
        lambda x: batch_norm.batch_norm_forward(x, GAMMA, GAMMA),
        lambda dy, x: batch_norm.batch_norm_backward(dy, x, GAMMA)[0],
    ),
    "batch norm, evaluation": (
        lambda x: batch_norm.batch_norm_forward(x, GAMMA, GAMMA, (GAMMA, GAMMA)),
        lambda dy, x: batch_norm.batch_norm_backward(dy, x, GAMMA, (GAMMA, GAMMA))[0],
    ),
    "dense": (
        lambda x: layers.dense_forward(x, WEIGHT.T, WEIGHT[0]),
        lambda dy, x: layers.dense_backward(dy, x, WEIGHT.T)[0],
    ),
    "dense, weight": (
        lambda V: layers.dense_forward(WEIGHT, V),
        lambda dy, V: layers.dense_backward(dy, WEIGHT, V)[1],
    ),
    "cross-entropy": (
        lambda x: losses.cross_entropy(x, [2, 0, 1, 1]),
        lambda dy, x: dy * losses.cross_entropy_backward(x, [2, 0, 1, 1]),
    ),
    "distillation": (
        lambda x: losses.distillation(x, [2, 0, 1, 1], WEIGHT.T, 3.0, 0.75),
        lambda dy, x: dy * losses.distillation_backward(x, [2, 0, 1, 1], WEIGHT.T, 3.0, 0.75),
    ),
    "mean squared error": (
        lambda x: losses.mean_squared_error(x, WEIGHT.T),
        lambda dy, x: dy * losses.mean_squared_error_backward(x, WEIGHT.T),
    ),
}
GAMMA = np.array([0.5, 1.5, 2.5])
WEIGHT = np.random.default_rng(5).normal(size=(3, 4)) * 2


@pytest.mark.parametrize("name", PASSES)
@pytest.mark.parametrize("seed", range(3))
def test_backward_passes_equal_finite_differences(name, seed):
    forward, backward = PASSES[name]
    rng = np.random.default_rng(seed)
    shape = (3, 4) if name == "dense, weight" else (4, 3)
    x = rng.normal(size=shape) + 0.1
    x[abs(x) < 2.0**-10] = 0.5  # away from the kink of the ReLU and of the ELU's second derivative
    dy = rng.normal(size=np.shape(forward(x)))
    dx, bound = finite_differences.gradient(forward, x, dy)
    assert (abs(dx - backward(dy, x)) <= bound).all()
    assert bound.max() < 1e-6
    v, cotangent = rng.normal(size=shape), rng.normal(size=np.shape(forward(x)))
    if name == "dense, weight":  # linear: its adjoint holds for any pair
        gap, terms = finite_differences.adjoint_gap(forward, lambda u: backward(u, x), v, cotangent)
        assert gap <= 20 * U * terms


def small_network(rng):
    """Dense layers that share tables and hashed biases, activations, batch norm and dropout."""

    def weight(name, shape, buckets):
        return name, rng.integers(0, buckets, shape), rng.integers(-1, 2, shape)

    plan = [
        ("dense", {"weight": weight("table", (5, 4), 7), "bias": weight("bias", (5,), 3)}),
        ("elu", {}),
        ("batch_norm", {"gamma": "g", "beta": "b", "mean": "m", "variance": "v"}),
        ("dropout", {"rate": 0.25, "seed": 3}),
        ("dense", {"weight": weight("table", (4, 5), 7), "bias": weight("bias", (4,), 3)}),
        ("tanh", {}),
        ("dense", {"weight": weight("last", (6, 4), 9), "bias": None}),
        ("sigmoid", {}),
        ("dense", {"weight": weight("last", (3, 6), 9), "bias": weight("free", (3,), 3)}),
    ]
    lengths = {"table": 7, "bias": 3, "last": 9, "free": 3, "g": 5, "b": 5, "m": 5, "v": 5}
    params = {name: rng.uniform(0.5, 1.5, length) for name, length in lengths.items()}
    return plan, params, rng.normal(size=(6, 4)), rng.integers(0, 3, 6)


@pytest.mark.parametrize("step", [None, 0, 2])
@pytest.mark.parametrize("seed", range(2))
def test_networks_equal_pytorch_and_finite_differences(step, seed):
    """Backward error analysis: results are those of inputs that are changed by at most 200 u, the
    number of roundings on the longest path, times what such a change is measured to do."""
    plan, params, x, labels = small_network(np.random.default_rng(seed))
    loss, y, grads, running = torch_twins.loss_and_gradients(params, plan, x, labels, step)

    def measured(amount):
        rng = np.random.default_rng(99)
        moved = {k: p * (1 + amount * rng.uniform(-1, 1, p.shape)) for k, p in params.items()}
        return torch_twins.loss_and_gradients(moved, plan, x * (1 + amount), labels, step)

    def sensitivity(pick):
        here = pick((loss, y, grads, running))
        return max(np.max(abs(pick(measured(t)) - here)) for t in (1e-7, -1e-7)) / 1e-7

    found_y, inputs, found_running = network.forward(params, plan, x, step)
    near(found_y, y, sensitivity(lambda r: r[1]), 200)
    near(losses.cross_entropy(found_y, labels), loss, sensitivity(lambda r: r[0]) + loss, 200)
    dx, found = network.backward(
        params, plan, inputs, losses.cross_entropy_backward(found_y, labels), step
    )
    found["x"] = dx
    assert sorted(found) == sorted(set(grads) - {"m", "v"})
    for name in found:
        scale = sensitivity(lambda r, name=name: r[2][name]) + abs(grads[name]).max()
        near(found[name], grads[name], scale, 200)
    assert sorted(found_running) == sorted(running) == ([] if step is None else ["m", "v"])
    for name in running:
        near(
            found_running[name],
            running[name],
            sensitivity(lambda r, name=name: r[3][name]) + 1,
            200,
        )

    def loss_of(table):
        return losses.cross_entropy(
            network.forward(params | {"table": table}, plan, x, step)[0], labels
        )

    dtable, bound = finite_differences.gradient(loss_of, params["table"], 1.0)
    assert (abs(dtable - found["table"]) <= bound).all() and bound.max() < 1e-5


def test_virtual_weights_of_a_plan_are_those_of_the_core():
    rng = np.random.default_rng(0)
    table, shape = rng.normal(size=10), (3, 4)
    pairs = [hashes.uniform(i, 10, seed=4, signed=True) for i in range(12)]
    index, sign = (np.array(column).reshape(shape) for column in zip(*pairs, strict=True))
    V = core.gather(table, lambda i: hashes.uniform(i, 10, seed=4, signed=True), shape)
    assert (network.virtual({"t": table}, ("t", index, sign)) == V).all()
    assert (torch_twins.virtual_weight(torch.tensor(table), index, sign).numpy() == V).all()
