"""From a network of minihash to the plan of its twins in `reference/`, its hashes by the loops."""

import numpy as np

from minihash.layers import BatchNorm1d, Dense, Dropout
from reference.hashes import from_spec
from tests.hash_strategies import spec_of


def plan_of(network):
    """The plan, as reference/network.py defines it."""
    plan = []
    for layer in network.layers:
        if isinstance(layer, Dense):
            options = {"weight": reading(layer.weight), "bias": layer.bias and reading(layer.bias)}
            plan.append(("dense", options))
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
    hash_function = from_spec(spec_of(weight.hash))
    pairs = [hash_function(weight.first_id + e) for e in range(weight.size)]
    index, sign = (np.reshape(column, weight.shape) for column in zip(*pairs, strict=True))
    return weight.table, index, sign


def parameters(network, rng, dtype=np.float64):
    """Random parameters of every array of the network, positive where it is a variance."""
    params = {w.table: 0.5 * rng.normal(size=w.hash.buckets) for w in network.weights()}
    for layer in network.layers:
        for name, (shape, _) in layer.arrays().items():
            params[name] = rng.uniform(0.5, 1.5, shape)
    return {name: array.astype(dtype) for name, array in params.items()}
