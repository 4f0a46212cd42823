"""Level 3: layers and losses, forward and backward.

A layer is written as files have it (section 29). Whole numbers where no function but sums, products
and comparisons is taken: equal to the bit. Otherwise answers have the radii of balls.py.
"""

from typing import Any

import numpy as np

from reference import activations, layers, losses, pooling
from reference.balls import ELEMENTARY, Ball, backward, ball, cross_entropy_backward, forward
from reference.cases.hash_groups import spec
from reference.cases.numbers import (
    U32,
    Json,
    balls,
    buckets,
    free,
    lists,
    real,
    virtual,
    weight,
    whole,
)
from reference.convolution import convolution_backward, convolution_forward
from reference.core import scatter_add
from reference.embedding import embedding_backward, embedding_forward
from reference.hashes import from_spec
from reference.layers import dense_backward, dense_forward

LAYOUT = {
    "layer": "in the notation of section 29",
    "params": "its arrays by name",
    "mode": "train or eval; step: of training, from 0",
    "x, dy": "input, and the gradient of the output",
    "y, dx, grads": "answers: output, gradients of the input and of arrays by name",
    "running": "the new running statistics of a training step, by name",
    "logits, labels, target": "of a loss, whose answers are loss and dlogits",
}
ANSWERS = ["y", "dx", "grads", "running"]
TABLES = {"ELU": "elu", "ReLU": "relu", "Tanh": "hyperbolic_tangent", "Sigmoid": "sigmoid"}


def documents() -> dict[str, dict[str, Any]]:
    """The files of this module by name.

    >>> sorted(documents())
    ['layers', 'losses']
    """
    groups = [*dense(), *of_activations(), *norms(), *images(), *others()]
    document = {"level": 3, "layout": LAYOUT}
    of_layers = {"op": "layer", "section": "7. Dense", "answers": ANSWERS}
    of_losses = {
        "op": "loss",
        "section": "11. Softmax cross-entropy",
        "answers": ["loss", "dlogits"],
    }
    return {
        "layers": document | of_layers | {"groups": [lists(group) for group in groups]},
        "losses": document | of_losses | {"groups": [lists(group) for group in of_the_losses()]},
    }


def case(catches: str, layer: Json, params: Json, x: np.ndarray, dy: np.ndarray) -> Json:
    """The question.

    >>> case("", {"type": "ReLU"}, {}, [1.0], [1.0])["mode"]
    'train'
    """
    asked = {"catches": catches, "dtype": "float32", "layer": layer, "params": params}
    return asked | {"mode": "train", "step": 0, "x": x, "dy": dy}


def to_table(w: Json, grad: np.ndarray) -> np.ndarray:
    """The gradient of the table that w reads."""
    return scatter_add(grad, from_spec(w["hash"]), buckets(w), w["first_id"])


def dense() -> list[Json]:
    """Dense layers: whole numbers, a table that weights and bias share, positions.

    >>> len(dense())
    3
    """
    shared = spec("Uniform", buckets=4, seed=1, signed=True)
    cases = [
        (
            "a bias that is added twice, or not summed over the batch",
            weight((3, 5), shared),
            free((3,), "bias"),
        ),
        (
            "the gradient of a table that weights and bias share",
            weight((3, 5), shared),
            weight((3,), shared, 15),
        ),
        ("a bias where there is none", weight((2, 4), spec("Modulus", buckets=3)), None),
    ]
    found = []
    for k, (catches, w, b) in enumerate(cases):
        fan_out, fan_in = w["shape"]
        params = {w["table"]: whole((buckets(w),), 400 + k, 5)}
        if b:
            params.setdefault(b["table"], whole((buckets(b),), 410 + k, 5))
        x, dy = whole((4, fan_in), 420 + k), whole((4, fan_out), 430 + k)
        V = virtual(w, params[w["table"]])
        vector = virtual(b, params[b["table"]]) if b else None
        dx, dV, db = dense_backward(dy, x, V)
        grads = {w["table"]: to_table(w, dV)}
        if b:
            own = to_table(b, db)
            grads[b["table"]] = grads[b["table"]] + own if b["table"] in grads else own
        layer = {"type": "Dense", "weight": w, "bias": b}
        answer = {"y": dense_forward(x, V, vector), "dx": dx, "grads": grads}
        found.append(case(catches, layer, params, x, dy) | answer)
    return found


def of_activations() -> list[Json]:
    """Activations on both sides of 0, at 0, and far out.

    >>> [group["layer"]["type"] for group in of_activations()]
    ['ELU', 'ReLU', 'Tanh', 'Sigmoid']
    """
    x = np.concatenate([[-80.0, -3.0, -0.0, 0.0, 2.0**-20, 3.0, 80.0], real((7,), 440, 4)])
    x, dy = x.reshape(2, 7), real((2, 7), 441)
    catches = {
        "ELU": "exp(x) - 1 for expm1; a slope of 0 at 0",
        "ReLU": "a gradient at 0",
        "Tanh": "a gradient of the input in place of the output",
        "Sigmoid": "an overflow far out",
    }
    found = []
    for name, loop in TABLES.items():
        y = getattr(activations, loop)(x)
        dx = getattr(activations, f"{loop}_backward")(dy, x)
        answer = {"y": y, "dx": dx, "grads": {}}
        if name != "ReLU":
            bound = 2 * ELEMENTARY * U32
            answer["within"] = {
                "y": bound * (abs(y) + 2.0**-30),
                "dx": bound * (abs(dy) + 2.0**-30),
            }
        found.append(case(catches[name], {"type": name}, {}, x, dy) | answer)
    return found


def norms() -> list[Json]:
    """Batch norm in training and in evaluation.

    >>> [group["mode"] for group in norms()]
    ['train', 'eval']
    """
    keys = {"gamma": "gamma", "beta": "beta", "mean": "running_mean", "variance": "running_var"}
    options = {part: f"n.{key}" for part, key in keys.items()}
    params = {name: real((3,), 450 + k) for k, name in enumerate(options.values())}
    params["n.running_var"] = abs(params["n.running_var"]) + 0.5
    x, dy = real((6, 3), 455, 3), real((6, 3), 456)
    layer = {"type": "BatchNorm1d", "name": "n", "features": 3, "eps": 1e-5, "momentum": 0.1}
    plan, inside = [("batch_norm", options)], {n: ball(p, U32) for n, p in params.items()}
    found = []
    for mode, step, catches in (
        ("train", 0, "a variance of N - 1 in the forward pass, or of N in the running one"),
        ("eval", None, "statistics of the batch in evaluation"),
    ):
        y, caches, running = forward(inside, plan, ball(x, U32), step)
        dx, grads = backward(inside, plan, caches, ball(dy, U32), step)
        answer = merged({"y": y, "dx": dx}, {"grads": grads, "running": running})
        found.append(case(catches, layer, params, x, dy) | {"mode": mode} | answer)
    return found


def merged(flat: dict[str, Ball], nested: dict[str, dict[str, Ball]]) -> Json:
    """Answers and bounds, some of them by name."""
    found = balls(flat)
    for key, group in nested.items():
        own = balls(group)
        found["within"][key] = own.pop("within")
        found[key] = own
    return found


def images() -> list[Json]:
    """Convolutions and pooling on whole numbers.

    >>> {group["layer"]["type"] for group in images()} >= {"Conv2d", "MaxPool2d"}
    True
    """
    found = []
    plain = spec("Identity", buckets=3 * 2 * 2 * 3)
    hashed = spec("Uniform", buckets=5, seed=8, signed=True)
    cases = [
        ("a flipped kernel, or height and width exchanged", (3, 2, 2, 3), plain, {}, True),
        (
            "strides exchanged, and padding",
            (3, 2, 2, 3),
            hashed,
            {"stride": [1, 2], "padding": [1, 0]},
            True,
        ),
        ("dilations exchanged", (2, 2, 2, 2), hashed, {"dilation": [2, 1]}, False),
        ("groups that read all channels", (4, 1, 2, 2), hashed, {"groups": 2}, False),
        (
            "kernels that share a table with nobody, counted transposed",
            (2, 2, 3, 3),
            spec("Modulus", buckets=7),
            {"stride": 2, "padding": 2},
            True,
        ),
    ]
    for k, (catches, shape, hash, options, biased) in enumerate(cases):
        w, b = (
            weight(shape, hash, 3 * (hash is hashed)),
            free(shape[:1], "bias") if biased else None,
        )
        params = {"table": whole((buckets(w),), 460 + k)}
        params |= {"bias": whole(shape[:1], 470 + k)} if b else {}
        x, V = whole((2, 2, 5, 6), 480 + k), virtual(w, params["table"])
        y = convolution_forward(x, V, params.get("bias"), **options)
        dy = whole(y.shape, 490 + k)
        dx, dV, db = convolution_backward(dy, x, V, **options)
        grads = {"table": to_table(w, dV)} | ({"bias": db} if b else {})
        layer = {"type": "Conv2d", "weight": w, "bias": b} | options
        found.append(case(catches, layer, params, x, dy) | {"y": y, "dx": dx, "grads": grads})
    x = whole((2, 2, 5, 4), 500)
    for name, loop in (("MaxPool2d", "max_pool"), ("AveragePool2d", "average_pool")):
        for size, stride, padding, catches in (
            ([2, 2], [2, 2], [0, 0], "equal entries: the first of them; windows left over"),
            ([2, 4], [1, 2], [1, 0], "size or stride exchanged; the padding as a candidate"),
        ):
            options = {"size": size, "stride": stride, "padding": padding}
            y = getattr(pooling, loop)(x, size, stride, padding)
            dy = whole(y.shape, 501)
            to = x if name == "MaxPool2d" else x.shape
            dx = getattr(pooling, f"{loop}_backward")(dy, to, size, stride, padding)
            layer = {"type": name} | options
            found.append(case(catches, layer, {}, x, dy) | {"y": y, "dx": dx, "grads": {}})
    x, dy = whole((2, 3, 4, 2), 510), whole((2, 3), 511)
    answer = {"y": pooling.global_average(x), "dx": pooling.global_average_backward(dy, x.shape)}
    layer = {"type": "GlobalAveragePool"}
    found.append(case("a sum for a mean", layer, {}, x, dy) | answer | {"grads": {}})
    return found


def others() -> list[Json]:
    """Embedding and dropout.

    >>> [group["layer"]["type"] for group in others()]
    ['Embedding', 'Dropout', 'Dropout']
    """
    w = weight((6, 3), spec("Uniform", buckets=4, seed=2, signed=True), 9)
    tokens, table = np.array([[5, 0, 5], [2, 5, 1]]), whole((4,), 520, 5)
    dy = whole((2, 3, 3), 521)
    y = embedding_forward(tokens, virtual(w, table))
    grads = {"table": to_table(w, embedding_backward(dy, tokens, 6))}
    asked = case(
        "a token that comes twice", {"type": "Embedding", "weight": w}, {"table": table}, tokens, dy
    )
    found = [asked | {"y": y, "dx": None, "grads": grads}]
    x, dy = whole((3, 8), 522), whole((3, 8), 523)
    layer = {"type": "Dropout", "rate": 0.5, "seed": 7}
    mask = layers.dropout_mask(x.shape, 0.5, 7, 3)
    answer = {"y": layers.dropout(x, mask, 0.5), "dx": layers.dropout(dy, mask, 0.5), "grads": {}}
    asked = case("a mask of another step, or kept without 1 / (1 - rate)", layer, {}, x, dy)
    found.append(asked | {"step": 3} | answer)
    asked = case("dropout in evaluation", layer, {}, x, dy)
    return [*found, asked | {"mode": "eval"} | {"y": x, "dx": dy, "grads": {}}]


def of_the_losses() -> list[Json]:
    """Both losses.

    >>> [group["loss_name"] for group in of_the_losses()]
    ['cross-entropy', 'cross-entropy', 'squared-error']
    """
    found = []
    for k, size in enumerate((3.0, 300.0)):
        z, labels = real((5, 4), 530 + k, size), [3, 0, 1, 1, 2]
        loss, classes = losses.cross_entropy(z, labels), 4
        dz = cross_entropy_backward(ball(z, U32), labels)
        slack = (classes + 2 * ELEMENTARY) * U32 * (1 + abs(z).max() + abs(loss))
        catches = ("a sum over the batch for the mean", "an exponential that overflows")[k]
        asked = {"catches": catches, "dtype": "float32", "loss_name": "cross-entropy"}
        asked |= {"logits": z, "labels": labels, "loss": loss}
        own = balls({"dlogits": dz})
        least = np.array(own["within"]["dlogits"]) + 2.0**-126  # of what may underflow
        own["within"]["dlogits"] = least
        own["within"]["loss"] = slack
        found.append(asked | own)
    y, target = whole((4, 2), 540), whole((4, 2), 541)
    asked = {"catches": "a mean over the batch alone, or half the square", "dtype": "float32"}
    asked |= {"loss_name": "squared-error", "logits": y, "target": target}
    answer = {"loss": losses.mean_squared_error(y, target)}
    answer["dlogits"] = losses.mean_squared_error_backward(y, target)
    return [*found, asked | answer]
