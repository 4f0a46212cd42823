"""The oracles of training: optimisers, schedules and whole steps against torch.optim."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reference import losses, network, optimisers, torch_twins

U = 2.0**-53
STEPS = 6
seeds = st.integers(0, 2**32 - 1)


def torch_steps(make, w, gradients):
    leaf = torch_twins.tensor(w).requires_grad_()
    optimiser, after = make([leaf]), []
    for g in gradients:
        leaf.grad = torch_twins.tensor(g)
        optimiser.step()
        after.append(leaf.detach().numpy().copy())
    return after


@given(
    seeds,
    st.sampled_from([1.0, 0.1, 0.003]),
    st.sampled_from([(0.0, False), (0.9, False), (0.9, True), (0.5, True)]),
    st.sampled_from([0.0, 1e-4, 0.3]),
)
def test_sgd_equals_pytorch(seed, rate, momentum_nesterov, weight_decay):
    """Each of the steps rounds at most 8 numbers, none above the largest size seen (times 1 / (1 -
    momentum) in the velocity), and hands its error on enlarged by at most 1 + rate weight_decay."""
    momentum, nesterov = momentum_nesterov
    rng = np.random.default_rng(seed)
    w, gradients = rng.normal(size=5), rng.normal(size=(STEPS, 5))
    expected = torch_steps(
        lambda leaves: torch.optim.SGD(
            leaves, lr=rate, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov
        ),
        w,
        gradients,
    )
    velocity, size = np.zeros(5), 0.0
    for step in range(STEPS):
        w, velocity = optimisers.sgd(
            w, gradients[step], velocity, rate, momentum, weight_decay, nesterov
        )
        size = max(size, abs(w).max(), abs(velocity).max(), abs(gradients).max())
        bound = 8 * U * size * (step + 1) * (2 + rate) ** 2 * (1 + rate * weight_decay) ** step
        assert (abs(w - expected[step]) <= bound).all()


@given(
    seeds,
    st.sampled_from([1e-3, 0.1]),
    st.sampled_from([(0.9, 0.999), (0.5, 0.9), (0.0, 0.99)]),
    st.sampled_from([0.0, 0.01]),
)
def test_adam_equals_pytorch(seed, rate, betas, weight_decay):
    """A move is at most rate mean / sqrt(square) <= rate sqrt(STEPS) 4, rounded about 20 times,
    with 1 - beta^step (at least 1e-3) known to within u / 1e-3."""
    rng = np.random.default_rng(seed)
    w, gradients = rng.normal(size=5), rng.normal(size=(STEPS, 5))
    expected = torch_steps(
        lambda leaves: torch.optim.Adam(leaves, lr=rate, betas=betas, weight_decay=weight_decay),
        w,
        gradients,
    )
    first, second = np.zeros(5), np.zeros(5)
    for step in range(STEPS):
        w, first, second = optimisers.adam(
            w, gradients[step], first, second, step + 1, rate, *betas, weight_decay=weight_decay
        )
        bound = U * (step + 1) * (4 * abs(w).max() + rate * 4 * STEPS**0.5 * (20 + 1e3))
        assert (abs(w - expected[step]) <= bound).all()


@given(st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.5]), max_size=40), st.integers(1, 5))
def test_plateau_equals_pytorch(accuracies, patience):
    """PyTorch waits for more than `patience` epochs, and multiplies anew at each of 40 drops."""
    leaf = torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.SGD([leaf], lr=0.1)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, mode="max", factor=0.1, patience=patience - 1, threshold=0, eps=0
    )
    rates = optimisers.plateau_rates(accuracies, 0.1, patience)
    assert len(rates) == len(accuracies) + 1
    for accuracy, rate in zip(accuracies, rates[1:], strict=True):
        scheduler.step(accuracy)
        expected = optimiser.param_groups[0]["lr"]
        assert abs(rate - expected) <= 3 * 40 * U * expected  # a power is within 2u


def test_plateau_counts_again_after_a_fall_and_keeps_the_best():
    rates = optimisers.plateau_rates([0.5] + [0.4] * 4 + [0.5] * 4 + [0.6], 1.0)
    assert rates == [1.0] * 5 + [0.1] * 4 + [0.1**2] * 2


def test_decay_counts_updates_from_0():
    """The released code's first update has the full rate; after 10,000 at 1e-4 it is half."""
    assert [optimisers.decayed_rate(0.1, 1e-4, step) for step in (0, 10_000)] == [0.1, 0.05]


def dense(name, shape, buckets, rng):
    index, sign = rng.integers(0, buckets, shape), rng.integers(-1, 2, shape)
    return "dense", {"weight": (name, index, sign), "bias": None}


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (
            lambda leaves: torch.optim.SGD(leaves, lr=0.05, momentum=0.9),
            lambda w, g, state, step: optimisers.sgd(w, g, state[0], 0.05, 0.9),
        ),
        (
            lambda leaves: torch.optim.Adam(leaves, lr=0.05),
            lambda w, g, state, step: optimisers.adam(w, g, *state, step + 1, 0.05),
        ),
    ],
    ids=["sgd", "adam"],
)
def test_whole_training_steps_equal_pytorch(make, rule):
    """Three steps of hashed dense, batch norm and dropout. The error may grow with each step by
    what a change of 200 u in the start, the roundings of one pass, is measured to grow to."""
    rng = np.random.default_rng(1)
    plan = [
        dense("table", (5, 4), 6, rng),
        ("elu", {}),
        ("batch_norm", {"gamma": "g", "beta": "b", "mean": "m", "variance": "v"}),
        ("dropout", {"rate": 0.25, "seed": 8}),
        dense("table", (3, 5), 6, rng),
    ]
    start = {"table": rng.normal(size=6), "g": np.ones(5), "b": np.zeros(5)}
    start |= {"m": np.zeros(5), "v": np.ones(5)}
    batches = [(rng.normal(size=(6, 4)), rng.integers(0, 3, 6)) for _ in range(3)]
    expected = torch_twins.train(start, plan, batches, make)
    moved = {name: p * (1 + 1e-7) for name, p in start.items()}
    far = torch_twins.train(moved, plan, batches, make)

    params, states = dict(start), {}
    for step, (x, labels) in enumerate(batches):
        y, inputs, running = network.forward(params, plan, x, step)
        dy = losses.cross_entropy_backward(y, labels)
        _, grads = network.backward(params, plan, inputs, dy, step)
        for name, g in grads.items():
            state = states.get(name, [np.zeros(g.shape), np.zeros(g.shape)])
            params[name], *states[name] = rule(params[name], g, state, step)
        params |= running
        assert sorted(params) == sorted(expected[step])
        for name, p in params.items():
            growth = abs(far[step][name] - expected[step][name]).max() / 1e-7
            bound = 200 * U * (step + 1) * (growth + 1)
            assert (abs(p - expected[step][name]) <= bound).all(), name
