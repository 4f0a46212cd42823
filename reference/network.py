"""A whole network as loops: layers one after another, gradients added up by the parameter's name.

`params` is one flat dict of arrays. A `plan` is a list of (kind, options), one a layer:

    ("dense", {"weight": (name, index, sign), "bias": (name, index, sign) or None})
    ("embedding", {"weight": (name, index, sign)})
    ("elu", {}), ("relu", {}), ("tanh", {}), ("sigmoid", {})
    ("batch_norm", {"gamma": name, "beta": name, "mean": name, "variance": name})
    ("dropout", {"rate": rate, "seed": seed})

name is a key of `params`; index and sign are integer arrays of the virtual weight's shape: V = sign
params[name][index]; those of a view are transposed, and weights of one name are tied. `step` is the
number of the training step, or None in evaluation.
"""

from typing import Any

import numpy as np

from reference import activations, batch_norm, layers
from reference.core import gather, numbers, scatter_add
from reference.embedding import embedding_backward, embedding_forward

Plan = list[tuple[str, dict[str, Any]]]
Params = dict[str, np.ndarray]
ACTIVATIONS = {
    "elu": (activations.elu, activations.elu_backward),
    "relu": (activations.relu, activations.relu_backward),
    "tanh": (activations.hyperbolic_tangent, activations.hyperbolic_tangent_backward),
    "sigmoid": (activations.sigmoid, activations.sigmoid_backward),
}


def virtual(params: Params, weight: tuple[str, np.ndarray, np.ndarray]) -> np.ndarray:
    """V = sign params[name][index].

    >>> virtual({"table": np.array([5.0, 7.0])}, ("table", np.array([1, 1]), np.array([1, -1])))
    array([ 7., -7.])
    """
    name, index, sign = weight
    return gather(params[name], _entry(index, sign), np.shape(index))


def forward(
    params: Params, plan: Plan, x: np.ndarray, step: int | None = None
) -> tuple[np.ndarray, list[np.ndarray], Params]:
    """(y, the input of every layer, the new running statistics of a training step by name).

    >>> forward({}, [("relu", {})], np.array([[-1.0, 2.0]]))[0]
    array([[0., 2.]])
    """
    x, inputs, running = numbers(x), [], {}
    for kind, options in plan:
        inputs.append(x)
        if kind == "dense":
            bias = options["bias"]
            b = None if bias is None else virtual(params, bias)
            y = layers.dense_forward(_rows(x), virtual(params, options["weight"]), b)
            x = y.reshape(*x.shape[:-1], y.shape[1])
        elif kind == "embedding":
            x = embedding_forward(x.astype(int), virtual(params, options["weight"]))
        elif kind == "batch_norm":
            gamma, beta = params[options["gamma"]], params[options["beta"]]
            stored = params[options["mean"]], params[options["variance"]]
            if step is not None:
                new = batch_norm.batch_norm_running(x, *stored)
                running[options["mean"]], running[options["variance"]] = new
            statistics = stored if step is None else None
            x = batch_norm.batch_norm_forward(x, gamma, beta, statistics)
        elif kind == "dropout":
            x = _dropout(x, options, step)
        else:
            x = ACTIVATIONS[kind][0](x)
    return x, inputs, running


def backward(
    params: Params,
    plan: Plan,
    inputs: list[np.ndarray],
    dy: np.ndarray,
    step: int | None = None,
) -> tuple[np.ndarray, Params]:
    """(dx, gradients by the parameters' names, summed over everything that reads one name); dx is
    None if the first layer is an embedding.

    >>> backward({}, [("relu", {})], [np.array([[-1.0, 2.0]])], np.array([[5.0, 5.0]]))[0]
    array([[0., 5.]])
    """
    grads: Params = {}
    dy = numbers(dy)

    def add(name: str, gradient: np.ndarray) -> None:
        grads[name] = grads[name] + gradient if name in grads else gradient

    for (kind, options), x in zip(reversed(plan), reversed(inputs), strict=True):
        if kind == "dense":
            V = virtual(params, options["weight"])
            dx, dV, db = layers.dense_backward(_rows(dy), _rows(x), V)
            dy = dx.reshape(x.shape)
            for weight, gradient in ((options["weight"], dV), (options["bias"], db)):
                if weight is not None:
                    name, index, sign = weight
                    add(name, scatter_add(gradient, _entry(index, sign), len(params[name])))
        elif kind == "embedding":
            name, index, sign = options["weight"]
            dV = embedding_backward(dy, x.astype(int), len(index))
            add(name, scatter_add(dV, _entry(index, sign), len(params[name])))
            dy = None
        elif kind == "batch_norm":
            stored = params[options["mean"]], params[options["variance"]]
            statistics = stored if step is None else None
            gamma = params[options["gamma"]]
            dy, dgamma, dbeta = batch_norm.batch_norm_backward(dy, x, gamma, statistics)
            add(options["gamma"], dgamma)
            add(options["beta"], dbeta)
        elif kind == "dropout":
            dy = _dropout(dy, options, step)
        else:
            dy = ACTIVATIONS[kind][1](dy, x)
    return dy, grads


def _rows(x: np.ndarray) -> np.ndarray:
    """(batch, ..., features) -> (positions, features)."""
    return x.reshape(-1, x.shape[-1])


def _entry(index: np.ndarray, sign: np.ndarray):
    """The hash whose bucket and sign of identifier e are the row-major entries e of two arrays."""
    index, sign = np.asarray(index).reshape(-1), np.asarray(sign).reshape(-1)
    return lambda e: (int(index[e]), int(sign[e]))


def _dropout(x: np.ndarray, options: dict[str, Any], step: int | None) -> np.ndarray:
    if step is None:
        return x
    mask = layers.dropout_mask(x.shape, options["rate"], options["seed"], step)
    return layers.dropout(x, mask, options["rate"])
