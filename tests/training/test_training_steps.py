"""Every step of a run against torch.optim behind PyTorch's autograd, within radii of balls.py."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from minihash import core
from minihash.training import Training, start, steps
from minihash.training.optimisers import SGD, Adam
from minihash.training.schedules import Constant
from reference import balls, torch_twins
from reference import training as loops
from tests.support.training_cases import examples, small_network, to_input
from tests.support.twins import SHARP, U, plan_of

COUNT, BATCH, SEED = 25, 12, 4  # batches of 12 and 13: the last example is not left alone
OPTIMISERS = {
    "plain": (SGD(), {"lr": 0.1}),
    "momentum": (SGD(0.9), {"lr": 0.1, "momentum": 0.9}),
    "nesterov": (SGD(0.5, 0.0, True), {"lr": 0.1, "momentum": 0.5, "nesterov": True}),
    "decay": (SGD(0.9, 0.01), {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
    "adam": (Adam(), {"lr": 0.01}),
    "adam-decay": (
        Adam(0.5, 0.9, 1e-6, 0.1),
        {"lr": 0.01, "betas": (0.5, 0.9), "eps": 1e-6, "weight_decay": 0.1},
    ),
}
# The names of one memory: ours, torch.optim's, that of balls.py.
MEMORIES = [
    ("momentum", "momentum_buffer", "v"),
    ("first_moment", "exp_avg", "m"),
    ("second_moment", "exp_avg_sq", "v"),
]


def run_of(name, backend, dtype, epochs):
    """(the states before and after each step, the batches by the loops)."""
    optimiser, options = OPTIMISERS[name]
    x, labels = examples(COUNT)
    training = Training(epochs, BATCH, options["lr"], optimiser, Constant(), SEED)
    network = small_network()
    with core.use(backend):
        states = [start(network, training, dtype)]
        states += [state for state, _ in steps(network, training, states[0], x, labels, to_input)]
    orders = [loops.epoch_order(COUNT, epoch, SEED) for epoch in range(epochs)]
    order = [batch for epoch in orders for batch in loops.batches(epoch, BATCH)]
    assert len(states) == len(order) + 1 == 2 * epochs + 1
    return states, [(to_input(x[batch], np.float64), labels[batch]) for batch in order]


def torch_optimiser(name, leaves):
    optimiser, options = OPTIMISERS[name]
    kind = torch.optim.SGD if isinstance(optimiser, SGD) else torch.optim.Adam
    return kind(leaves, **options)


def torch_step(name, plan, state, x, labels):
    """The new parameters, running statistics and memories by torch.optim, from a state of ours."""
    params = {key: np.asarray(p, np.float64) for key, p in state.params.items()}
    _, _, grads, running = torch_twins.loss_and_gradients(params, plan, x, labels, state.step)
    leaves = torch_twins.tensors(params)
    for key, leaf in leaves.items():
        leaf.grad = torch_twins.tensor(grads[key]) if key in grads else None
    optimiser = torch_optimiser(name, list(leaves.values()))
    for ours, theirs, _ in MEMORIES:
        for key, leaf in leaves.items():
            if f"{ours}.{key}" in state.optimiser:
                memory = torch_twins.tensor(state.optimiser[f"{ours}.{key}"]).double()
                optimiser.state[leaf][theirs] = memory
                optimiser.state[leaf]["step"] = torch.tensor(float(state.step))
    optimiser.step()
    new = {key: leaf.detach().numpy() for key, leaf in leaves.items()} | running
    for ours, theirs, _ in MEMORIES:
        for key, leaf in leaves.items():
            if f"{ours}.{key}" in state.optimiser:
                new[f"{ours}.{key}"] = optimiser.state[leaf][theirs].numpy()
    return new


def ball_step(name, plan, params, memories, x, labels, step):
    """(the new parameters and running statistics, the new memories), on balls."""
    u = params["table"].u
    y, caches, running = balls.forward(params, plan, balls.ball(x, u), step)
    dlogits = balls.cross_entropy_backward(y, labels)
    _, grads = balls.backward(params, plan, caches, dlogits, step)
    optimiser, options = OPTIMISERS[name]
    options = {key: value for key, value in options.items() if key not in ("lr", "betas")}
    if isinstance(optimiser, Adam):
        options |= {"beta1": optimiser.beta1, "beta2": optimiser.beta2}
    rule = balls.sgd if isinstance(optimiser, SGD) else balls.adam
    new, rate = {}, OPTIMISERS[name][1]["lr"]
    for key, g in grads.items():
        memory = memories.get(key, {})
        new[key], memory = rule(params[key], g, memory, step + 1, rate, **options)
        memories = memories | {key: memory}
    return params | new | running, memories


def radii(name, plan, state, x, labels, u):
    """The radius of each array after a step, by our names."""
    params = {key: balls.ball(p, u) for key, p in state.params.items()}
    memories = {}
    for ours, _, short in MEMORIES:
        for key in params:
            if f"{ours}.{key}" in state.optimiser:
                memory = balls.ball(state.optimiser[f"{ours}.{key}"], u)
                memories.setdefault(key, {})[short] = memory
    new, memories = ball_step(name, plan, params, memories, x, labels, state.step)
    radii = {key: ball.rad for key, ball in new.items()}
    for key, memory in memories.items():
        radii |= {
            f"{ours}.{key}": memory[short].rad for ours, _, short in MEMORIES if short in memory
        }
    return radii


@pytest.mark.parametrize(
    ("name", "backend", "dtype"),
    [(name, backend, np.float64) for name in OPTIMISERS for backend in ("numpy", "numba")]
    # Adam divides small gradients by their size: in float32 their error is all that is left.
    + [(name, "numpy", np.float32) for name in OPTIMISERS if "adam" not in name],
)
def test_each_step_equals_torch_optim(name, backend, dtype):
    """From the run's own state, in three epochs: parameters, statistics and memories."""
    if core.backends()[backend]:
        pytest.skip(core.backends()[backend])
    states, data = run_of(name, backend, dtype, epochs=3)
    plan = plan_of(small_network())
    for number, (before, after) in enumerate(pairwise(states)):
        assert (before.step, after.step) == (number, number + 1)
        expected = torch_step(name, plan, before, *data[number])
        small, large = (
            radii(name, plan, before, *data[number], u) for u in (U[np.float64], U[dtype])
        )
        found = after.params | {k: v for k, v in after.optimiser.items() if k != "step"}
        assert found.keys() == expected.keys()
        assert before.params.keys() == after.params.keys()
        for key, array in found.items():
            bound = small[key] + large[key]
            assert array.dtype == dtype
            assert (abs(array - expected[key]) <= bound).all(), (number, key)
            assert bound.max() <= SHARP[dtype] * max(1, abs(array).max()), (number, key)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_run_of_three_steps_equals_torch_optim(name):
    """From one start, each on its own; radii grow a thousandfold from step to step."""
    states, data = run_of(name, "numpy", np.float64, epochs=2)
    plan, data = plan_of(small_network()), data[:3]
    optimiser = lambda leaves: torch_optimiser(name, leaves)  # noqa: E731
    expected = torch_twins.train(states[0].params, plan, data, optimiser)
    params = {key: balls.ball(p, U[np.float64]) for key, p in states[0].params.items()}
    memories = {}
    for step, (x, labels) in enumerate(data):
        params, memories = ball_step(name, plan, params, memories, x, labels, step)
        for key, array in states[step + 1].params.items():
            assert (abs(array - expected[step][key]) <= 2 * params[key].rad).all(), (step, key)
            assert params[key].rad.max() < 1e-3
