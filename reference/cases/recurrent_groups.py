"""Level 3, recurrent layers: sequences of several lengths, states handed in and out, truncation.

On whole numbers the ReLU net is equal to the bit; the others have the radii of recurrent_balls.py.
"""

from typing import Any

import numpy as np

from reference.cases.hash_groups import spec
from reference.cases.numbers import (
    U32,
    Json,
    buckets,
    free,
    lists,
    places,
    real,
    virtual,
    weight,
    whole,
)
from reference.recurrent_balls import recurrent

LAYOUT = {
    "layer": "in the notation of section 29",
    "params": "its arrays by name",
    "x, dy": "(batch, steps, features) and (batch, steps, hidden)",
    "state, dstate": "(h,) or (h, c) at the beginning, and gradients of those at the end",
    "lengths": "how many steps each sequence has",
    "y, dx, grads, final, dinitial": "answers; final: the state at the end; dinitial: the "
    "gradient of the one at the beginning",
}
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


def documents() -> dict[str, dict[str, Any]]:
    """The files of this module by name.

    >>> sorted(documents())
    ['recurrent']
    """
    cases = [
        ("the state before in place of the one after", "RNN", {"nonlinearity": "relu"}, None),
        ("steps beyond a sequence's end", "RNN", {"nonlinearity": "relu"}, [4, 2, 1]),
        (
            "truncation: a boundary one step off",
            "RNN",
            {"nonlinearity": "relu", "truncate": 2},
            None,
        ),
        (
            "a boundary beyond a sequence's end that cuts it",
            "RNN",
            {"nonlinearity": "relu", "truncate": 2},
            [3, 2, 4],
        ),
        ("gradients through tanh", "RNN", {"nonlinearity": "tanh"}, [4, 3, 4]),
        ("the reset gate before the product; z and 1 - z exchanged", "GRU", {}, [4, 4, 2]),
        ("the order of the gates; a state c that is not carried", "LSTM", {}, [1, 4, 3]),
        ("weights of a cell that share a table", "LSTM", {"truncate": 3}, None),
    ]
    groups = [of(k, *case) for k, case in enumerate(cases)]
    document = {"level": 3, "op": "recurrent", "section": "21. Recurrence", "layout": LAYOUT}
    answers = ["y", "dx", "grads", "final", "dinitial"]
    return {"recurrent": document | {"answers": answers, "groups": groups}}


def of(k: int, catches: str, cell: str, options: Json, lengths: list[int] | None) -> Json:
    """One case of 3 sequences of 4 steps, 2 features, 3 units.

    >>> of(0, "", "RNN", {"nonlinearity": "relu"}, None)["within"]
    {}
    """
    exact = options.get("nonlinearity") == "relu"
    make = whole if exact else real
    height, states = 3 * GATES[cell], 1 + (cell == "LSTM")
    if "share" in catches:
        hash = spec("Uniform", buckets=13, seed=4, signed=True)
        ih = weight((height, 2), hash, 0)
        hh = weight((height, 3), hash, height * 2)
    else:
        ih, hh = free((height, 2), "ih"), free((height, 3), "hh")
    weights = {"weight_ih": ih, "weight_hh": hh}
    weights |= {"bias_ih": free((height,), "b_ih"), "bias_hh": free((height,), "b_hh")}
    params: dict[str, np.ndarray] = {}
    for j, w in enumerate(weights.values()):
        params.setdefault(w["table"], make((buckets(w),), 600 + 20 * k + j))
    x, dy = make((3, 4, 2), 610 + 20 * k), make((3, 4, 3), 611 + 20 * k)
    state = [make((3, 3), 612 + 20 * k + s) for s in range(states)]
    dstate = [make((3, 3), 614 + 20 * k + s) for s in range(states)]
    kind = options.get("nonlinearity", cell.lower())
    found = recurrent(
        kind,
        [virtual(w, params[w["table"]]) for w in weights.values()],
        x,
        state,
        dy,
        dstate,
        [4, 4, 4] if lengths is None else lengths,
        0.0 if exact else U32,
        options.get("truncate"),
    )
    grads: dict[str, Any] = {}
    for name, w in weights.items():
        index, sign = places(w)
        own = found[f"d{name}"].scatter_add(index, sign, buckets(w))
        grads[w["table"]] = grads[w["table"]] + own if w["table"] in grads else own
    parts = {
        "y": found["y"],
        "dx": found["dx"],
        "grads": grads,
        "final": [found[f"state{s}"] for s in range(states)],
        "dinitial": [found[f"dstate{s}"] for s in range(states)],
    }
    layer = {"type": cell, **weights, "truncate": None} | options
    asked = {"catches": catches, "dtype": "float32", "layer": layer, "params": params, "x": x}
    asked |= {"dy": dy, "state": state, "dstate": dstate, "lengths": lengths}
    bound = {} if exact else each(parts, "rad")
    return lists(asked | each(parts, "mid") | {"within": bound})


def each(parts: Any, name: str) -> Any:
    """mid or rad of every ball.

    >>> each({}, "mid")
    {}
    """
    if isinstance(parts, dict):
        return {key: each(part, name) for key, part in parts.items()}
    if isinstance(parts, list):
        return [each(part, name) for part in parts]
    return getattr(parts, name).tolist()
