"""Networks of real numbers against PyTorch's autograd and finite differences.

Every hash, scope and kind of bias of the ArbNet builder, and a network of all layers, within the
radii of tests/balls.py; buckets and signs of every twin come from the loops of reference/hashes.py.
"""

import numpy as np
import pytest

from minihash import core
from minihash.hashes import Identity, Lookup, Neighborhood, Uniform
from minihash.layers import ELU, BatchNorm1d, Dense, Dropout, Sigmoid, Tanh
from minihash.networks.arbnet import arbnet
from minihash.networks.sequential import Sequential
from minihash.weights import VirtualWeight
from reference import balls, finite_differences
from tests.support.strategies import cotangent, frozen, frozen_dict
from tests.support.twins import SHARP, U, autograd, engine, parameters, plan_of

training_or_not = pytest.mark.parametrize("step", [None, 3], ids=["evaluation", "training"])
SIZES, BATCH = (6, 5, 4), 16
HASHES = {
    "identity": {},
    "modulus": {},
    "uniform": {},
    "dirichlet": {"alpha": 0.5},
    "neighborhood": {"radius": 2},
}
ARBNETS = [
    pytest.param(
        {"hash": hash_, "scope": scope, "bias": bias, **options, **signed},
        id="-".join([hash_, scope, bias, *signed]),
    )
    for hash_, options in HASHES.items()
    for scope in ("network", "layer")
    for bias in ("free", "hashed", "none")
    for signed in ({}, {"signed": True})
    if not (hash_ == "identity" and signed)
] + [
    pytest.param({"hash": "hashednets", "scope": "layer", "bias": bias}, id=f"hashednets-{bias}")
    for bias in ("free", "hashed", "none")
]


def assert_near_pytorch(network, dtype, step, backend="numpy", seed=0):
    rng = np.random.default_rng(seed)
    plan, params = plan_of(network), frozen_dict(parameters(network, rng, dtype))
    x = frozen(rng.normal(size=(BATCH, SIZES[0])).astype(dtype))
    y_shape = (BATCH, SIZES[-1])
    dy = cotangent(y_shape, dtype, seed + 1)
    found = engine(network, params, x, dy, step, backend)
    expected = autograd(params, plan, x, dy, step)

    def radii(u):
        balled = {name: balls.ball(p, u) for name, p in params.items()}
        y, caches, running = balls.forward(balled, plan, balls.ball(x, u), step)
        dx, grads = balls.backward(balled, plan, caches, balls.ball(dy, u), step)
        return y, dx, grads, running

    flat = [
        {"y": y, "dx": dx, **grads, **running}
        for y, dx, grads, running in (found, expected, radii(U[dtype]), radii(U[np.float64]))
    ]
    assert all(sorted(results) == sorted(flat[0]) for results in flat)
    for name, result in flat[0].items():
        oracle, bound = flat[1][name], flat[2][name].rad + flat[3][name].rad
        assert result.dtype == dtype and result.shape == oracle.shape
        assert not any(np.shares_memory(result, given) for given in (x, dy, *params.values()))
        assert (abs(result - oracle) <= bound).all(), name
        assert bound.max() <= SHARP[dtype] * max(abs(r).max() for r in flat[1].values()), name


@training_or_not
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("options", ARBNETS)
def test_arbnets_equal_pytorch(options, dtype, step):
    assert_near_pytorch(arbnet(SIZES, compression=0.7, seed=2, **options), dtype, step)


@training_or_not
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_arbnets_equal_pytorch_in_numba(dtype, step):
    pytest.importorskip("numba")
    network = arbnet(SIZES, "uniform", 0.7, bias="hashed", signed=True)
    assert_near_pytorch(network, dtype, step, "numba")


def mixed_network():
    """Every layer there is, two of a kind among them; Dense layers that share tables and hashes."""
    table, pruned = Uniform(9, 3, signed=True), Lookup(4, [0, 1, 2, 3] * 5, [1, -1, 0, 1, 1] * 4)
    bias = Neighborhood(6, 2, 5)
    return Sequential(
        (
            Dense(VirtualWeight((5, 6), table, "shared", 2**33), VirtualWeight((5,), bias, "b")),
            Dropout(0.25, seed=1),
            Tanh(),
            Dense(VirtualWeight((4, 5), table, "shared", 7), VirtualWeight((4,), bias, "b", 3)),
            BatchNorm1d("first", 4),
            Sigmoid(),
            Dense(VirtualWeight((5, 4), pruned, "pruned")),
            Dropout(0.25, seed=2),
            BatchNorm1d("second", 5),
            ELU(),
            Dense(VirtualWeight((4, 5), Identity(20), "last")),
        )
    )


@training_or_not
@pytest.mark.parametrize("seed", range(3))
def test_a_network_of_all_layers_equals_pytorch(seed, step):
    assert_near_pytorch(mixed_network(), np.float64, step, seed=seed)


@training_or_not
@pytest.mark.parametrize("make", [mixed_network, lambda: arbnet(SIZES, "dirichlet", alpha=1.0)])
def test_backward_equals_finite_differences(make, step):
    network, rng = make(), np.random.default_rng(7)
    params, x = parameters(network, rng), rng.normal(size=(6, SIZES[0]))
    dy = rng.normal(size=(6, SIZES[-1]))
    _, dx, grads, _ = engine(network, params, x, dy, step)

    def holds(f, at, gradient):
        expected, bound = finite_differences.gradient(f, at, dy)
        assert (abs(gradient - expected) <= bound).all()
        assert bound.max() < 1e-4 * abs(expected).max()

    with core.use("numpy"):
        holds(lambda x: network.forward(params, x, step)[0], x, dx)
        for name, gradient in grads.items():
            moved = lambda p, name=name: network.forward(params | {name: p}, x, step)[0]  # noqa: E731
            holds(moved, params[name], gradient)
    trained = {w.table for w in network.weights()}
    trained |= {name for layer in network.layers for name in layer.trainable()}
    assert grads.keys() == trained


def test_an_evaluation_sees_examples_one_by_one_and_draws_no_mask():
    network, rng = mixed_network(), np.random.default_rng(3)
    params, x = parameters(network, rng), rng.normal(size=(5, 6))
    exact = {name: balls.ball(p, U[np.float64]) for name, p in params.items()}
    bound = balls.forward(exact, plan_of(network), balls.ball(x, U[np.float64]))[0].rad
    with core.use("numpy"):
        y, _ = network.forward(params, x)
        alone = np.concatenate([network.forward(params, row[None])[0] for row in x])
        steps = [network.forward(params, x, step)[0] for step in (0, 1, 1)]
    assert (abs(y - alone) <= 2 * bound).all() and bound.max() < 1e-9 * abs(y).max()
    assert (steps[0] != y).any() and (steps[0] != steps[1]).any()
    np.testing.assert_array_equal(steps[1], steps[2])
