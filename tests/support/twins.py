"""A network of minihash beside its twins in `reference/`, which have its hashes by the loops."""

import numpy as np

from minihash import core
from minihash.layers import BatchNorm1d, Dense, Dropout, Embedding
from reference import torch_twins
from reference.hashes import from_spec
from reference.views import identifier
from tests.support.hash_strategies import spec_of

U = {np.float32: 2.0**-24, np.float64: 2.0**-53}  # unit roundoffs
# Bounds are below this share of the largest result: one that a wrong network would meet is none.
SHARP = {np.float32: 2.0**-5, np.float64: 2.0**-29}


def plan_of(network):
    """The plan, as reference/network.py defines it."""
    plan = []
    for layer in network.layers:
        if isinstance(layer, Dense):
            options = {"weight": reading(layer.weight), "bias": layer.bias and reading(layer.bias)}
            plan.append(("dense", options))
        elif isinstance(layer, Embedding):
            plan.append(("embedding", {"weight": reading(layer.weight)}))
        elif isinstance(layer, BatchNorm1d):
            parts = {"gamma": "gamma", "beta": "beta", "mean": "running_mean"}
            parts |= {"variance": "running_var"}
            plan.append(("batch_norm", {k: f"{layer.name}.{v}" for k, v in parts.items()}))
        elif isinstance(layer, Dropout):
            plan.append(("dropout", {"rate": layer.rate, "seed": layer.seed}))
        else:
            plan.append((type(layer).__name__.lower(), {}))
    return plan


def reading(weight):
    """(table, index, sign): bucket and sign of each identifier, by the loops."""
    hash_function, place = from_spec(spec_of(weight.hash)), (weight.first_id, weight.transposed)
    ids = (identifier(index, weight.shape, *place) for index in np.ndindex(*weight.shape))
    pairs = [hash_function(i) for i in ids]
    index, sign = (np.reshape(column, weight.shape) for column in zip(*pairs, strict=True))
    return weight.table, index, sign


def parameters(network, rng, dtype=np.float64):
    """Random parameters of every array of the network, positive where it is a variance."""
    params = {w.table: 0.5 * rng.normal(size=w.hash.buckets) for w in network.weights()}
    for layer in network.layers:
        for name, (shape, _) in layer.arrays().items():
            params[name] = rng.uniform(0.5, 1.5, shape)
    return {name: array.astype(dtype) for name, array in params.items()}


def autograd(params, plan, x, dy, step=None):
    """(y, dx, gradients, running statistics) by PyTorch in float64."""
    seen = []

    def loss(y, cotangent):
        seen.append(y.detach().numpy())
        return (y * cotangent).sum()

    wide = {name: np.asarray(p, np.float64) for name, p in params.items()}
    x, dy = np.asarray(x, np.float64), np.asarray(dy, np.float64)
    _, _, grads, running = torch_twins.loss_and_gradients(wide, plan, x, dy, step, loss)
    return seen[0], grads.pop("x"), grads, running


def engine(network, params, x, dy, step=None, backend="numpy"):
    """(y, dx, gradients, running statistics) by minihash."""
    with core.use(backend):
        y, caches = network.forward(params, x, step)
        dx, grads = network.backward(params, caches, dy)
    return y, dx, grads, {} if step is None else network.running(params, caches)


def whole_parameters(network, rng):
    """Random tables of small whole numbers."""
    tables = {w.table: w.hash.buckets for w in network.weights()}
    return {name: rng.integers(-8, 9, n).astype(float) for name, n in tables.items()}


def assert_equal(found, expected):
    """y, dx, gradients and running statistics, bit for bit: all numbers are whole."""
    for a, b in zip(found[:2], expected[:2], strict=True):
        np.testing.assert_array_equal(a, b)
    assert found[2].keys() == expected[2].keys() and found[3] == expected[3] == {}
    for name, gradient in found[2].items():
        np.testing.assert_array_equal(gradient, expected[2][name])
