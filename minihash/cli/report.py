"""What a network stores, honestly, and how evenly its hashes use it.

Memory counts every byte: tables, other parameters, and whatever arrays a hash keeps beside its
hyperparameters (an index, signs, an alias table), once for each different hash, or another source
of weights. The dense net beside it has a number for each virtual weight instead of tables and
those.
"""

import dataclasses
import math
import textwrap
from pathlib import Path

import numpy as np

from minihash.checks import counted
from minihash.cli import terminal
from minihash.files.spec import coded_form
from minihash.hashes import Lookup
from minihash.networks.storage import balances, counts, tables
from minihash.runs.model import FILE, Model
from minihash.sources import Source, Weight
from minihash.weights import VirtualWeight

LINEAR = 20  # loads that get a line each; beyond, intervals do


def report(model: Model, file: Path) -> dict:
    """All that `minihash inspect` shows, as JSON holds it. file: what holds the model, or the
    folder that it is in."""
    network, itemsize = model.network, next(iter(model.params.values())).itemsize
    count, hashed = counts(network), tables(network)
    found = balances(network)
    hashes = {w.hash for w in network.weights()}
    forms = [coded_form(hash_) for hash_ in hashes if type(hash_) is Lookup]
    memory = {
        "tables": count["stored_weights"] * itemsize,
        "of_hashes": sum(hash_.nbytes for hash_ in hashes)
        + sum(s.nbytes for s in network.sources() if isinstance(s, Source)),
        "other_parameters": count["other_parameters"] * itemsize,
    }
    memory["total"] = sum(memory.values())
    memory["dense"] = (count["virtual_weights"] + count["other_parameters"]) * itemsize
    return {
        "dataset": model.dataset,
        **model.about(),
        "epochs": model.epochs,
        "steps": model.steps,
        "dtype": f"float{8 * itemsize}",
        "layers": [_layer(layer) for layer in network.layers],
        **count,
        "memory": memory,
        "bytes_on_disk": (file / FILE if file.is_dir() else file).stat().st_size,
        "coded_hashes": sum(form.size for form in forms if form is not None),
        "tables": [
            {
                "table": name,
                "hash": describe(hashed[name][0].hash),
                "buckets": balance_.load.size,
                "virtual_weights": sum(w.size for w in hashed[name]),
                "connections": balance_.connections,
                "entropy": balance_.entropy,
                "normalised_entropy": balance_.normalised_entropy,
                "empty": balance_.empty,
                "largest": balance_.largest,
            }
            for name, balance_ in found.items()
        ],
        "histogram": histogram(np.concatenate([b.load for b in found.values()])),
    }


def describe(thing: object) -> str:
    """A hash or layer in one line: its class and hyperparameters, arrays by their shape.

    >>> from minihash.hashes import Lookup
    >>> describe(Lookup(2, [0, 1, 1]))
    'Lookup(buckets=2, assignment=uint8 (3,), signs=None)'
    """
    values = ((f.name, getattr(thing, f.name)) for f in dataclasses.fields(thing))
    text = ", ".join(
        f"{name}={value.dtype} {value.shape}"
        if isinstance(value, np.ndarray)
        else f"{name}={value}"
        for name, value in values
    )
    return f"{type(thing).__name__}({text})"


def _layer(layer: object) -> dict:
    """A layer: its weights with the tables they read, and its other parameters."""
    values = {f.name: getattr(layer, f.name) for f in dataclasses.fields(layer)}
    plain = {name: v for name, v in values.items() if not isinstance(v, Weight | None)}
    weights = {name: v for name, v in values.items() if isinstance(v, Weight)}
    return {
        "layer": type(layer).__name__,
        **plain,
        "weights": [
            {"name": name, "shape": list(w.shape), **_origin(w), "size": w.size}
            for name, w in weights.items()
        ],
        "other_parameters": sum(math.prod(shape) for shape, _ in layer.arrays().values()),
    }


def _origin(w: Weight) -> dict:
    """Where the numbers of a weight are from."""
    if isinstance(w, VirtualWeight):
        return {"table": w.table, "first_id": w.first_id}
    tables_ = dict.fromkeys(part.table for part in w.weights())
    return {"source": type(w).__name__, "tables": list(tables_)}


def histogram(load: np.ndarray) -> list[tuple[int, int, int]]:
    """(lowest load, highest load, buckets with such a load), in order, without gaps.

    A line a load if there are few different ones; equal intervals if the largest is within ten
    times the smallest; otherwise intervals that double, since a few buckets may hold nearly all.

    >>> histogram(np.array([0, 1, 1, 3])), histogram(np.array([0, 1, 5, 100]))[:4]
    ([(0, 0, 1), (1, 1, 2), (2, 2, 0), (3, 3, 1)], [(0, 0, 1), (1, 1, 1), (2, 3, 0), (4, 7, 1)])
    """
    low, high = int(load.min()), int(load.max())
    if high - low < LINEAR:
        edges = list(range(low, high + 2))
    elif high <= 10 * low or high < 100:
        step = math.ceil((high - low + 1) / LINEAR)
        edges = list(range(low, high + step + 1, step))
    else:
        edges = [0, *(2**k for k in range(high.bit_length() + 1))]
    at = np.searchsorted(edges, load, side="right") - 1
    found = np.bincount(at, minlength=len(edges) - 1).tolist()
    lines = [(a, b - 1, n) for a, b, n in zip(edges, edges[1:], found, strict=False)]
    while len(lines) > 1 and lines[-1][2] == 0:
        lines.pop()
    while len(lines) > 1 and lines[0][2] == 0:
        lines.pop(0)
    return lines


def pages(about: dict, columns: int, blocks: bool) -> str:
    """A `report` as text of so many columns."""
    far = f"{counted(about['epochs'], 'epoch')}, {counted(about['steps'], 'step')}"
    trained = f"trained on {terminal.plain(about['dataset'])}: {far}"
    if "units" in about:
        means = "1 mean and deviation" if about["means"] == 1 else f"{about['means']:,} of both"
        trained += f"\nexamples: {terminal.plain(about['units'])}; {means}"
    return "\n\n".join(
        (
            trained,
            _layers(about),
            _memory(about),
            _tables(about, columns),
            _histogram(about, columns, blocks),
        )
    )


def _layers(about: dict) -> str:
    rows = [("layer", "shape", "numbers", "from")]
    for layer in about["layers"]:
        kind, first = layer["layer"], True
        for w in layer["weights"]:
            shape = " x ".join(map(str, w["shape"]))
            if "source" in w:
                source = f"{w['source']} of {', '.join(w['tables'])}"
            else:
                source = f"{w['table']}, identifiers from {w['first_id']:,}"
            rows.append((kind if first else f"  {w['name']}", shape, w["size"], source))
            first = False
        if first:
            count = layer["other_parameters"] or ""
            rows.append((kind, layer.get("features", ""), count, layer.get("name", "")))
    return terminal.table(rows, "<>><")


def _memory(about: dict) -> str:
    memory = about["memory"]
    share = memory["total"] / memory["dense"]
    rows = [
        ("memory", "numbers", "bytes", ""),
        ("tables", about["stored_weights"], memory["tables"], about["dtype"]),
        ("kept by hashes", "", memory["of_hashes"], "indices, alias tables, fixed factors"),
        ("other parameters", about["other_parameters"], memory["other_parameters"], ""),
        ("total", "", memory["total"], f"{share:.1%} of the dense net"),
        (
            "the dense net",
            "",
            memory["dense"],
            f"{about['virtual_weights']:,} weights and the others",
        ),
        ("the file", "", about["bytes_on_disk"], _coded(about)),
    ]
    return terminal.table(rows, "<>><")


def _coded(about: dict) -> str:
    coded = about["coded_hashes"]
    return f"of them {coded:,} are hashes, as gaps and codewords" if coded else ""


def _tables(about: dict, columns: int) -> str:
    rows = [("table", "buckets", "weights", "entropy", "of ln n", "empty", "largest load")]
    for t in about["tables"]:
        entropy = (f"{t['entropy']:.4f}", f"{t['normalised_entropy']:.4f}")
        rows.append(
            (t["table"], t["buckets"], t["virtual_weights"], *entropy, t["empty"], t["largest"])
        )
    hashes = [terminal.plain(f"{t['table']}: {t['hash']}") for t in about["tables"]]
    lines = [textwrap.fill(line, columns, subsequent_indent="  ") for line in hashes]
    return "\n".join((terminal.table(rows, "<>>>>>>"), *lines))


def _histogram(about: dict, columns: int, blocks: bool) -> str:
    lines = about["histogram"]
    loads = [f"{low:,}" if low == high else f"{low:,}-{high:,}" for low, high, _ in lines]
    counts_ = [f"{count:,}" for _, _, count in lines]
    room = columns - 4 - max(map(len, ["load", *loads])) - max(map(len, ["buckets", *counts_]))
    most = max(count for _, _, count in lines)
    bars = [terminal.bar(count / most, max(room, 10), blocks) for _, _, count in lines]
    rows = [("load", "buckets", ""), *zip(loads, counts_, bars, strict=True)]
    return terminal.table(rows, ">><")
