"""The answers of minihash itself: an op of a request -> what the engine computes.

A request is JSON as the cases have it; its things are in the notation of files.
"""

import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import numpy as np

from minihash import core
from minihash.files import checkpoint
from minihash.files.header import DTYPES
from minihash.files.spec import decode
from minihash.hashes.xxh32 import U32, scale, stream, unit, xxh32, xxh32_bytes
from minihash.layers import Embedding, mean_squared_error, softmax_cross_entropy
from minihash.layers.dropout import Dropout
from minihash.networks.sequential import Sequential
from minihash.training import Training, batches, start, step
from minihash.training.schedules import Constant

Json = dict[str, Any]
LOSSES = {"cross-entropy": softmax_cross_entropy, "squared-error": mean_squared_error}
OF_LOOKUP = ("assignment", "signs")


def answer(request: Json) -> Json:
    """The answer to a request; {"error": what is wrong} to one that is refused.

    >>> answer({"op": "xxh32", "seed": 0, "bytes": [""]})
    {'hashes': [46947589]}
    """
    op = OPS.get(request["op"])
    if op is None:
        return {"unsupported": True}
    try:
        return op(request)
    except (ValueError, TypeError) as error:
        return {"error": str(error)}


def thing(spec: Json) -> Any:
    """A thing of a spec, whose arrays are lists.

    >>> thing({"type": "Lookup", "buckets": 2, "assignment": [0, 1, 1]}).buckets
    2
    """
    arrays: dict[str, np.ndarray] = {}

    def lifted(value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {key: lifted(entry, key) for key, entry in value.items()}
        if isinstance(value, list):
            if name in OF_LOOKUP:
                arrays[key := f"{name}{len(arrays)}"] = np.array(value)
                return {"array": key}
            return [lifted(entry) for entry in value]
        return value

    return decode(lifted(spec), arrays)


def floats(values: Any, request: Json) -> np.ndarray:
    """An array of the request's dtype."""
    return np.array(values, request.get("dtype", "float64"))


def by_name(values: Json, request: Json) -> dict[str, np.ndarray]:
    """Arrays by name."""
    return {name: floats(entry, request) for name, entry in values.items()}


def lists(value: Any) -> Any:
    """Arrays as nested lists."""
    if isinstance(value, dict):
        return {key: lists(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [lists(entry) for entry in value]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def identifiers(request: Json) -> np.ndarray:
    """Those of a request, uint64."""
    return np.array([int(i) for i in request["identifiers"]], np.uint64)


def _xxh32(q: Json) -> Json:
    if "bytes" in q:
        return {"hashes": [int(xxh32_bytes(bytes.fromhex(b), q["seed"])) for b in q["bytes"]]}
    return {"hashes": lists(xxh32(identifiers(q), U32(q["seed"])))}


def _hash(q: Json) -> Json:
    rule, ids = thing(q["hash"]), identifiers(q)
    return {"buckets": lists(rule.bucket(ids)), "signs": lists(rule.sign(ids))}


def _tables(q: Json) -> Json:
    *_, cells = thing(q["hash"]).constants()
    parts = {"threshold": cells & np.uint64(2**32 - 1), "alias": cells >> np.uint64(32)}
    return {f"{k}_sha256": sha256(v.astype("<u4").tobytes()).hexdigest() for k, v in parts.items()}


def _sign(q: Json) -> Json:
    rule = {"type": "Modulus", "buckets": 1, "seed": q["seed"], "signed": True}
    return {"signs": _hash({"hash": rule, "identifiers": q["identifiers"]})["signs"]}


def _gather(q: Json) -> Json:
    return {"V": lists(core.gather(floats(q["table"], q), thing(q["weight"])))}


def _scatter_add(q: Json) -> Json:
    return {"dtable": lists(core.scatter_add(floats(q["dV"], q), thing(q["weight"])))}


def _matmul(q: Json) -> Json:
    x, table = (floats(q[name], q) for name in ("x", "table"))
    return {"y": lists(core.matmul(x, table, thing(q["weight"])))}


def _matmul_backward(q: Json) -> Json:
    dy, x, table = (floats(q[name], q) for name in ("dy", "x", "table"))
    dx, dtable = core.matmul_backward(dy, x, table, thing(q["weight"]))
    return lists({"dx": dx, "dtable": dtable})


def _gather_rows(q: Json) -> Json:
    rows = np.array(q["rows"])
    return {"E": lists(core.gather_rows(floats(q["table"], q), thing(q["weight"]), rows))}


def _scatter_add_rows(q: Json) -> Json:
    dE, rows = floats(q["dE"], q), np.array(q["rows"])
    return {"dtable": lists(core.scatter_add_rows(dE, rows, thing(q["weight"])))}


def _layer(q: Json) -> Json:
    layer, params, dy = thing(q["layer"]), by_name(q["params"], q), floats(q["dy"], q)
    x = np.array(q["x"]) if isinstance(layer, Embedding) else floats(q["x"], q)
    at = q["step"] if q["mode"] == "train" else None
    y, cache = layer.forward(params, x, at)
    dx, grads = layer.backward(params, cache, dy)
    running = layer.running(params, cache) if at is not None else {}
    return lists({"y": y, "dx": dx, "grads": grads, "running": running})


def _recurrent(q: Json) -> Json:
    layer, params = thing(q["layer"]), by_name(q["params"], q)
    x, dy = floats(q["x"], q), floats(q["dy"], q)
    ends = None if q["lengths"] is None else np.array(q["lengths"])
    state, dstate = (
        layer.from_arrays(tuple(floats(s, q) for s in q[name])) for name in ("state", "dstate")
    )
    y, cache = layer.forward(params, x, state=state, lengths=ends)
    dx, dinitial, grads = layer.backward_state(params, cache, dy, dstate)
    final = layer.state(cache)
    pair = (s if layer.states > 1 else (s,) for s in (final, dinitial))
    found = dict(zip(("final", "dinitial"), pair, strict=True))
    return lists({"y": y, "dx": dx, "grads": grads} | found)


def _loss(q: Json) -> Json:
    loss = LOSSES[q["loss_name"]]
    wanted = np.array(q["labels"]) if "labels" in q else floats(q["target"], q)
    value, cache = loss.forward(floats(q["logits"], q), wanted)
    return lists({"loss": value, "dlogits": loss.backward(cache)})


def _dropout(q: Json) -> Json:
    layer = Dropout(q["rate"], q["seed"])
    y, _ = layer.forward({}, np.ones(q["shape"]), q["step"])
    return {"kept": (y.reshape(-1) != 0).astype(int).tolist()}


def _initial_table(q: Json) -> Json:
    ids = np.arange(q["entries"], dtype=np.uint64)
    values = q["bound"] * (2.0 * unit(ids, stream(q["seed"], f"init/{q['table']}")) - 1.0)
    bits = values.astype(np.float32).view(np.uint32)
    return lists({"values": values, "float32_bits": bits})


def _epoch_order(q: Json) -> Json:
    parts = batches(q["count"], q["count"], q["seed"], q["epoch"])
    return {"order": lists(np.concatenate(parts))}


def _batches(q: Json) -> Json:
    order = np.array(q["order"])
    sizes = [len(part) for part in batches(len(order), q["batch_size"], 0, 0)]
    return {"batches": lists(np.split(order, np.cumsum(sizes)[:-1]))}


def _optimiser(q: Json) -> Json:
    optimiser, params = thing(q["optimiser"]), {"w": floats(q["w"], q)}
    memory, found = optimiser.init(params, ["w"]), []
    for g in q["gradients"]:
        new, memory = optimiser.step(params, {"w": floats(g, q)}, memory, q["rate"])
        params = params | new
        found.append(params["w"])
    return {"w_after": lists(found)}


def _rates(q: Json) -> Json:
    schedule = thing(q["schedule"])
    state, found = schedule.init(), []
    for k in range(q.get("updates", 0)):
        found.append(schedule.rate(q["rate"], state, k))
    for accuracy in q.get("accuracies", ()):
        found.append(schedule.rate(q["rate"], state, len(found)))
        state = schedule.after_epoch(state, accuracy)
    if "accuracies" in q:
        found.append(schedule.rate(q["rate"], state, len(found)))
    return {"rates": found}


def _penalty(q: Json) -> Json:
    penalty = thing(q["penalty"])
    before, after = by_name(q["before"], q), by_name(q["after"], q)
    found = {"value": penalty.value(before), "gradients_of": penalty.gradients(before)}
    return lists(found | {"shrunk": penalty.shrink(before, after, q["length"])})


def _initial_parameters(q: Json) -> Json:
    network: Sequential = thing(q["network"])
    return {"params_after": lists(network.init(q["seed"], np.dtype(q["dtype"]).type))}


def _train(q: Json) -> Json:
    network, params = thing(q["network"]), by_name(q["params"], q)
    x, labels = floats(q["x"], q), np.array(q["labels"])
    plan = Training(1, len(x), q["rate"], thing(q["optimiser"]), Constant())
    state = replace(start(network, plan, x.dtype.type), params=params)
    for _ in range(q["steps"]):
        state = step(network, plan, state, x, labels, q["rate"])
    return {"params_after": lists(state.params)}


def _file_read(q: Json) -> Json:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "file")
        with open(path, "wb") as file:
            file.write(bytes.fromhex(q["file"]))
        spec, arrays = checkpoint.load(path)
    codes = {np.dtype(dtype): code for code, dtype in DTYPES.items()}
    found = {n: [codes[a.dtype], list(a.shape), lists(a.reshape(-1))] for n, a in arrays.items()}
    return {"spec": spec, "arrays": found}


def _file_write(q: Json) -> Json:
    arrays = {
        name: np.array(values, DTYPES[code]).reshape(shape)
        for name, (code, shape, values) in q["arrays"].items()
    }
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "file")
        checkpoint.save(path, q["spec"], arrays)
        with open(path, "rb") as file:
            return {"file": file.read().hex()}


OPS: dict[str, Callable[[Json], Json]] = {
    "xxh32": _xxh32,
    "stream": lambda q: {"streams": [int(stream(q["seed"], name)) for name in q["names"]]},
    "uniform": lambda q: {"uniforms": lists(unit(identifiers(q), U32(q["seed"])))},
    "scale": lambda q: {"scaled": lists(scale(np.array(q["words"], np.uint32), U32(q["n"])))},
    "sign": _sign,
    "hash": _hash,
    "tables": _tables,
    "gather": _gather,
    "scatter_add": _scatter_add,
    "matmul": _matmul,
    "matmul_backward": _matmul_backward,
    "gather_rows": _gather_rows,
    "scatter_add_rows": _scatter_add_rows,
    "layer": _layer,
    "recurrent": _recurrent,
    "loss": _loss,
    "dropout": _dropout,
    "initial_table": _initial_table,
    "epoch_order": _epoch_order,
    "batches": _batches,
    "optimiser": _optimiser,
    "rates": _rates,
    "penalty": _penalty,
    "initial_parameters": _initial_parameters,
    "train": _train,
    "file_read": _file_read,
    "file_write": _file_write,
}
