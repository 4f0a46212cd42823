"""Level 4: batches, optimisers, schedules, penalties, and whole training steps.

A training step here is Dense, activation and BatchNorm layers under the softmax cross-entropy.
"""

from typing import Any

import numpy as np

from reference import optimisers, penalties
from reference.balls import adam, backward, ball, cross_entropy_backward, forward, sgd
from reference.builders import arbnet, initial_parameters
from reference.cases.numbers import U32, U64, Json, balls, lists, places, real, whole
from reference.data import float32
from reference.training import batches, epoch_order

LAYOUT = {
    "optimiser, schedule, penalty, network, training": "in the notation of section 29",
    "gradients": "of w, one for each step; w_after: w after each step",
    "rates": "of epochs 0, 1, ... by their accuracies, or of updates",
    "before, after, length": "w before and after the optimiser's step, whose length is given",
    "params, x, labels": "of `train`: examples as the network reads them",
    "params_after": "after the last step, or before the first",
}
PENALTY = ("value", "gradients_of", "shrunk")
OPTIMISERS: list[tuple[str, Json, Any, Json]] = [
    ("rate taken as its square", {"type": "SGD"}, sgd, {}),
    (
        "velocity times the rate of another step; dampening",
        {"type": "SGD", "momentum": 0.9},
        sgd,
        {"momentum": 0.9},
    ),
    (
        "Nesterov's step",
        {"type": "SGD", "momentum": 0.5, "nesterov": True},
        sgd,
        {"momentum": 0.5, "nesterov": True},
    ),
    (
        "decay after the momentum",
        {"type": "SGD", "momentum": 0.9, "weight_decay": 0.25},
        sgd,
        {"momentum": 0.9, "weight_decay": 0.25},
    ),
    ("no correction of the first moments", {"type": "Adam"}, adam, {}),
    (
        "eps inside the root",
        {"type": "Adam", "beta1": 0.5, "beta2": 0.75, "eps": 0.125},
        adam,
        {"beta1": 0.5, "beta2": 0.75, "eps": 0.125},
    ),
]


def documents() -> dict[str, dict[str, Any]]:
    """The files of this module by name.

    >>> sorted(documents())
    ['optimisers', 'training']
    """
    document = {"level": 4, "layout": LAYOUT}
    steps = {"section": "14. Optimisers", "answers": ["w_after", "rates", *PENALTY]}
    steps |= {"groups": [lists(g) for g in [*of_optimisers(), *of_schedules(), *of_penalties()]]}
    whole_runs = {"section": "28. A run", "answers": ["batches", "params_after"]}
    whole_runs |= {"groups": [lists(g) for g in [*of_batches(), *of_builders(), *of_runs()]]}
    return {"optimisers": document | steps, "training": document | whole_runs}


def of_optimisers() -> list[Json]:
    """Three steps of each.

    >>> len(of_optimisers()) == len(OPTIMISERS)
    True
    """
    found = []
    for k, (catches, spec, loop, options) in enumerate(OPTIMISERS):
        start, gradients = real((5,), 700 + k), real((3, 5), 710 + k)
        w, memory, after = ball(start, U64), {}, []
        for t, g in enumerate(gradients, 1):
            w, memory = loop(w, ball(g, U64), memory, t, 0.125, **options)
            after.append(w)
        asked = {"op": "optimiser", "catches": catches, "dtype": "float64", "optimiser": spec}
        asked |= {"rate": 0.125, "w": start, "gradients": gradients}
        asked["w_after"] = [b.mid.tolist() for b in after]
        found.append(asked | {"within": {"w_after": [b.rad.tolist() for b in after]}})
    return found


def of_schedules() -> list[Json]:
    """Plateau and Decay.

    >>> [group["op"] for group in of_schedules()]
    ['rates', 'rates']
    """
    accuracies = [0.5, 0.5, 0.4, 0.5, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6, 0.7]
    plateau = {"type": "Plateau", "patience": 4, "factor": 0.5}
    rates = optimisers.plateau_rates(accuracies, 1.0, 4, 0.5)
    decayed = [optimisers.decayed_rate(0.1, 1e-4, t) for t in range(5)]
    asked = {"op": "rates", "catches": "a count of epochs that a drop does not start again"}
    asked |= {"schedule": plateau, "rate": 1.0, "accuracies": accuracies, "rates": rates}
    other = {"op": "rates", "catches": "decay by epochs, or from the first update on"}
    other |= {"schedule": {"type": "Decay", "decay": 1e-4}, "rate": 0.1, "updates": 5}
    bound = {"rates": [4 * U64 * rate for rate in decayed]}
    return [asked, other | {"rates": decayed, "within": bound}]


def of_penalties() -> list[Json]:
    """Values, gradients and steps, on numbers whose roots are whole.

    >>> [group["penalty"]["type"] for group in of_penalties()]
    ['L2', 'L1', 'WeightDecay', 'GroupLasso', 'SoftTie']
    """
    w, after, s, length = whole((6,), 720), whole((6,), 721), 0.5, 0.25
    given = {"op": "penalty", "dtype": "float64", "length": length}
    rows = np.array([[2.0, -2.0, 2.0, 2.0], [0.0] * 4, [4.0, 4.0, 4.0, -4.0]])
    groups = [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    flat = rows.reshape(-1)
    of_rows = {"type": "VirtualWeight", "shape": [3, 4], "table": "w"}
    of_rows |= {"hash": {"type": "Identity", "buckets": 12}, "first_id": 0, "transposed": False}
    on = {"strength": s, "tables": ["w"]}
    pair = {"a": w, "b": after}
    tie, other = (penalties.squared_distance_gradient(w, after, s)[k] for k in (0, 1))
    cases = [
        (
            "a gradient without the half",
            {"type": "L2"} | on,
            {"w": w},
            {"w": after},
            penalties.l2(w, s),
            {"w": penalties.l2_gradient(w, s)},
            {},
        ),
        (
            "a sign that is kept below the threshold",
            {"type": "L1"} | on,
            {"w": w},
            {"w": after},
            penalties.l1(w, s),
            {},
            {"w": penalties.l1_prox(after, length, s)},
        ),
        (
            "decay of w after the step",
            {"type": "WeightDecay"} | on,
            {"w": w},
            {"w": after},
            0.0,
            {},
            {"w": penalties.decayed(w, after, length, s)},
        ),
        (
            "the root of a group's size; 0 / 0 of a group of zeros",
            {"type": "GroupLasso", "strength": s, "weight": of_rows},
            {"w": flat},
            {"w": flat},
            penalties.group_lasso(flat, groups, s),
            {},
            {"w": penalties.group_lasso_prox(flat, groups, length, s)},
        ),
        (
            "gradients of one sign",
            {"type": "SoftTie", "strength": s, "tables": ["a", "b"]},
            pair,
            pair,
            penalties.squared_distance(w, after, s),
            {"a": tie, "b": other},
            {},
        ),
    ]
    return [
        given
        | {"catches": catches, "penalty": penalty, "before": before, "after": then}
        | {"value": value, "gradients_of": gradients, "shrunk": shrunk}
        for catches, penalty, before, then, value, gradients, shrunk in cases
    ]


def of_batches() -> list[Json]:
    """Batches of an order.

    >>> [len(group["batches"]) for group in of_batches()]
    [3, 3, 1]
    """
    found = []
    for count, size, catches in (
        (10, 4, "a last batch that is dropped"),
        (10, 3, "an example left alone"),
        (1, 4, "one example in all"),
    ):
        order = epoch_order(count, 0, 5)
        asked = {"op": "batches", "catches": catches, "order": order, "batch_size": size}
        found.append(asked | {"batches": batches(order, size)})
    return found


def network(norm: str = "batch") -> Json:
    """A small ArbNet.

    >>> len(network()["layers"])
    6
    """
    return arbnet((4, 5, 3), {"type": "Uniform", "signed": True}, 0.4, seed=11, norm=norm)


def of_builders() -> list[Json]:
    """First parameters.

    >>> [group["op"] for group in of_builders()]
    ['initial_parameters']
    """
    values = initial_parameters(network(), 11)
    params = {name: [float32(v) for v in table] for name, table in values.items()}
    asked = {
        "op": "initial_parameters",
        "catches": "a bound by one matrix, or biases that are drawn",
    }
    asked |= {"dtype": "float32", "network": network(), "seed": 11, "params_after": params}
    return [asked]


def of_runs() -> list[Json]:
    """One step, and ten without batch norm: through its quotients radii would grow too large.

    >>> [group["steps"] for group in of_runs()]
    [1, 10]
    """
    found = []
    x, labels, rate = real((12, 4), 730), [k % 3 for k in range(12)], 0.125
    for steps, norm, catches in (
        (1, "batch", "any slip of a whole step"),
        (10, "none", "a velocity that is lost, or a step that repeats the last"),
    ):
        net = network(norm)
        plan = planned(net)
        start = {n: np.array([*map(float32, v)]) for n, v in initial_parameters(net, 11).items()}
        params, memory = {name: ball(v, U32) for name, v in start.items()}, {}
        for t in range(1, steps + 1):
            logits, caches, running = forward(params, plan, ball(x, U32), t - 1)
            _, grads = backward(params, plan, caches, cross_entropy_backward(logits, labels), t - 1)
            for name, g in grads.items():
                own = memory.get(name, {})
                params[name], memory[name] = sgd(params[name], g, own, t, rate, momentum=0.5)
            params |= running
        asked = {"op": "train", "catches": catches, "dtype": "float32", "network": net}
        asked |= {"optimiser": {"type": "SGD", "momentum": 0.5}, "rate": rate, "params": start}
        asked |= {"x": x, "labels": labels, "steps": steps}
        own = balls(params)
        found.append(asked | {"within": {"params_after": own.pop("within")}, "params_after": own})
    return found


def planned(net: Json) -> list:
    """The network as reference/network.py plans it.

    >>> [kind for kind, _ in planned(network("none"))]
    ['dense', 'elu', 'dense']
    """
    plan: list = []
    for layer in net["layers"]:
        if layer["type"] == "Dense":
            pair = {part: layer[part] for part in ("weight", "bias")}
            plan.append(("dense", {part: (w["table"], *places(w)) for part, w in pair.items()}))
        elif layer["type"] == "BatchNorm1d":
            keys = {"gamma": "gamma", "beta": "beta", "mean": "running_mean"}
            keys["variance"] = "running_var"
            plan.append(("batch_norm", {p: f"{layer['name']}.{k}" for p, k in keys.items()}))
        else:
            plan.append((layer["type"].lower(), {}))
    return plan
