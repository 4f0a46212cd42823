"""Weights in and out: the named arrays of another framework, as torch.nn names them.

    Linear, Conv1d, Conv2d    P.weight, P.bias          Dense, Conv1d, Conv2d
    BatchNorm1d, 2d           P.weight, P.bias, P.running_mean, P.running_var
    RNN, GRU, LSTM            P.weight_ih_l0, P.weight_hh_l0, P.bias_ih_l0, P.bias_hh_l0, and l1 ...
    Embedding                 P.weight

P is a module's name; conventions of shapes, gates and order are the same on both sides. A file may
have lost the order of its names, as safetensors sorts them: modules are matched by kind, and by
whether they have a bias where layers of a kind differ in that, those of a kind by their names in
natural order, fc2 before fc10. Where names do not follow the layers, say which they are.

A table that a hash reads is the one nearest to the dense weights, sum (V - V')^2 least: of each
bucket the mean of its weights times their signs. Under the identity hash it is the weights.
"""

import io
import json
import os
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from minihash import core
from minihash.data.damage import opened, size_of_member
from minihash.layers import BatchNorm1d, BatchNorm2d, Conv1d, Conv2d, Dense, Embedding
from minihash.layers.layer import Layer
from minihash.layers.recurrent import NAMES, Recurrent
from minihash.networks.sequential import Sequential
from minihash.weights import VirtualWeight

Arrays = dict[str, np.ndarray]
KINDS: dict[type, str] = {Conv1d: "convolution", Conv2d: "convolution", Dense: "matrix"}
KINDS |= {Embedding: "matrix", BatchNorm1d: "norm", BatchNorm2d: "norm", Recurrent: "recurrent"}
OF_NORM = {"weight": "gamma", "bias": "beta", "running_mean": "running_mean"}
OF_NORM |= {"running_var": "running_var"}
DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4"}
MOST = 2**24  # bytes of a header


def from_state(
    network: Sequential,
    state: Mapping[str, np.ndarray],
    names: Sequence[str] | None = None,
    dtype: type = np.float32,
) -> Arrays:
    """The parameters of a network from the arrays of another framework, copied.

    state: by name, as a state_dict of PyTorch has them, floats. names: the modules that belong to
    the layers that have arrays, in their order; "lstm.0" is the first layer of the module lstm.
    Raises ValueError once for all that is missing, left over, or of another shape.

    >>> from minihash.networks.arbnet import arbnet
    >>> net = arbnet((3, 2), hash="identity", norm="none")
    >>> params = from_state(net, {"fc.weight": np.ones((2, 3)), "fc.bias": np.zeros(2)})
    >>> {name: array.tolist() for name, array in params.items()}
    {'table': [1.0, 1.0, 1.0, 1.0, 1.0, 1.0], 'dense1.bias': [0.0, 0.0]}
    """
    found, wanted = modules(state), _layers(network)
    pairs = paired(network, found, names)
    wrong, params = [], {}
    sums: dict[str, list[np.ndarray]] = {}
    used: set[str] = set()
    for place, layer in wanted:
        name = pairs.get(place)
        parts = found.get(name, {}) if name is not None else {}
        for part, (owner, shape) in _parts(layer).items():
            label = f"{name or type(layer).__name__}.{part}"
            if part not in parts:
                wrong.append(f"{label} is missing")
                continue
            key, array = parts[part]
            used.add(key)
            if array.shape != shape:
                wrong.append(f"{key} has shape {array.shape}, expected {shape}")
            elif isinstance(owner, VirtualWeight):
                dense = np.asarray(array, dtype)
                sign = core.gather(np.ones(owner.hash.buckets, dtype), owner)
                total, load = (core.scatter_add(a, owner) for a in (dense, sign))
                known = sums.setdefault(owner.table, [0 * total, 0 * load])
                sums[owner.table] = [known[0] + total, known[1] + load]
            else:
                params[owner] = np.array(array, dtype)
    extra = [k for k in state if k not in used and not k.endswith("num_batches_tracked")]
    wrong += [f"{key} is left over" for key in extra]
    if wrong:
        shown = "; ".join(wrong[:6]) + ("; ..." if len(wrong) > 6 else "")
        raise ValueError(f"the arrays do not fit the network: {shown}")
    tables = {name: total / np.maximum(load, 1) for name, (total, load) in sums.items()}
    return {name: tables.get(name, params.get(name)) for name in network.init(0, dtype)}


def to_state(network: Sequential, params: Arrays, names: Sequence[str] | None = None) -> Arrays:
    """The arrays of a network as torch.nn names them, in full: what `from_state` takes.

    names: of the layers that have arrays; by default their places, as a torch.nn.Sequential of the
    same layers has them.

    >>> from minihash.networks.arbnet import arbnet
    >>> net = arbnet((3, 2))
    >>> {name: array.shape for name, array in to_state(net, net.init()).items()}
    {'0.weight': (2, 3), '0.bias': (2,), '2.weight': (2,), '2.bias': (2,), '2.running_mean': (2,), \
'2.running_var': (2,)}
    """
    layers = _layers(network)
    names = [str(place) for place, _ in layers] if names is None else list(names)
    found: Arrays = {}
    for name, (_, layer) in zip(names, layers, strict=True):
        base, _, level = name.rpartition(".") if isinstance(layer, Recurrent) else (name, "", "")
        if not level.isdigit() or not base:
            base, level = name, "0"
        for part, (owner, _) in _parts(layer).items():
            if isinstance(owner, VirtualWeight):
                array = core.gather(params[owner.table], owner)
            else:
                array = params[owner].copy()
            suffix = f"_l{level}" if isinstance(layer, Recurrent) else ""
            found[f"{base}.{part}{suffix}"] = array
    return found


def read_state(path: str | os.PathLike) -> Arrays:
    """The arrays of a file by name: .npz, or safetensors of any origin; nothing is unpickled.

    Raises ValueError for another file, or one that is damaged.
    """
    path = Path(path)
    kind = ".npz" if path.suffix == ".npz" else "safetensors"
    with opened(path, f"is no {kind} file of arrays, or damaged ({{}})") as file:
        return _of_npz(file, path) if kind == ".npz" else _of_safetensors(file.read(), path)


def _of_npz(file: BinaryIO, path: Path) -> Arrays:
    with zipfile.ZipFile(file) as archive:
        for member in archive.namelist():
            size_of_member(archive, member, path)
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _of_safetensors(data: bytes, path: Path) -> Arrays:
    if data.startswith((b"PK\x03\x04", b"\x80\x02")):
        raise ValueError(
            f"{path} is a pickle or an archive of PyTorch, which could run code when loaded: save "
            "its state_dict by safetensors.torch.save_file, or its arrays by numpy.savez"
        )
    n = int.from_bytes(data[:8], "little")
    if not 2 <= n <= min(len(data) - 8, MOST):
        raise ValueError("its header does not fit it")
    header, body, found = json.loads(data[8 : 8 + n]), data[8 + n :], {}
    header.pop("__metadata__", None)
    for name, entry in header.items():
        if entry["dtype"] not in DTYPES:
            raise ValueError(f"{name} is {entry['dtype']}, expected one of {', '.join(DTYPES)}")
        begin, end = entry["data_offsets"]
        if not 0 <= begin <= end <= len(body):
            raise ValueError(f"{name} lies beyond its end")
        flat = np.frombuffer(body[begin:end], DTYPES[entry["dtype"]])
        found[name] = flat.reshape(entry["shape"]).copy()
    return found


def state_bytes(state: Mapping[str, np.ndarray], form: str) -> bytes:
    """A file of these arrays, as other programs read it: "safetensors" or "npz".

    >>> data = state_bytes({"fc.weight": np.ones((1, 2), np.float32)}, "safetensors")
    >>> data[8:71].decode()
    '{"fc.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}'
    """
    arrays = {name: np.ascontiguousarray(array) for name, array in state.items()}
    if form == "npz":
        np.savez(file := io.BytesIO(), **arrays)
        return file.getvalue()
    codes = {np.dtype(dtype): code for code, dtype in DTYPES.items()}
    header, body, end = {}, [], 0
    for name, array in arrays.items():
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        begin, end = end, end + array.nbytes
        offsets = {"data_offsets": [begin, end]}
        header[name] = {"dtype": codes[little.dtype], "shape": list(array.shape)} | offsets
        body.append(little.tobytes())
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *body])


def _layers(network: Sequential) -> list[tuple[int, Layer]]:
    """The layers that have arrays, with their places."""
    found = [(k, f) for k, f in enumerate(network.layers) if f.weights() or f.arrays()]
    for _, layer in found:
        if _kind(layer) is None:
            raise ValueError(f"a {type(layer).__name__} is no layer of torch.nn")
    return found


def _kind(layer: Layer) -> str | None:
    return next((kind for cls, kind in KINDS.items() if isinstance(layer, cls)), None)


def _parts(layer: Layer) -> dict[str, tuple[VirtualWeight | str, tuple[int, ...]]]:
    """What a layer has, by the name of its part: where it is here, and its shape."""
    if _kind(layer) == "norm":
        return {p: (f"{layer.name}.{own}", (layer.features,)) for p, own in OF_NORM.items()}
    fields = NAMES if isinstance(layer, Recurrent) else ("weight", "bias")
    weights = {name: getattr(layer, name, None) for name in fields}
    for name, w in weights.items():
        if w is not None and not isinstance(w, VirtualWeight):
            raise ValueError(f"the {name} of a {type(layer).__name__} is of {type(w).__name__}")
    return {name: (w, w.shape) for name, w in weights.items() if w is not None}


def modules(state: Mapping[str, np.ndarray]) -> dict[str, dict[str, tuple[str, np.ndarray]]]:
    """module -> part -> (name, array), by the names of modules in natural order; each layer of a
    recurrent module is one of its own.

    >>> [*modules({"fc10.weight": np.ones((2, 2)), "fc9.weight": np.ones((2, 2))})]
    ['fc9', 'fc10']
    """
    found: dict[str, dict] = {}
    for key, array in state.items():
        prefix, _, leaf = key.rpartition(".")
        if leaf == "num_batches_tracked":
            continue
        if level := re.fullmatch(r"((?:weight|bias)_[ih]h)_l(\d+)", leaf):
            prefix, leaf = f"{prefix}.{level[2]}", level[1]
        found.setdefault(prefix, {})[leaf] = key, np.asarray(array)
    return {name: found[name] for name in sorted(found, key=_natural)}


def kind_of(parts: Mapping[str, tuple[str, np.ndarray]]) -> str:
    """What a module is: matrix, convolution, norm, recurrent or other.

    >>> kind_of({"weight": ("fc.weight", np.ones((2, 3)))})
    'matrix'
    """
    if "running_mean" in parts:
        return "norm"
    if "weight_ih" in parts:
        return "recurrent"
    axes = parts["weight"][1].ndim if "weight" in parts else 0
    return "matrix" if axes == 2 else "convolution" if axes > 2 else "other"


def paired(
    network: Sequential, found: Mapping[str, dict], names: Sequence[str] | None = None
) -> dict[int, str]:
    """The module, of those that `modules` has found, of each layer that has arrays, by its place.

    Raises ValueError for another number of names than of layers, and where an embedding and a
    matrix cannot be told apart.
    """
    layers = _layers(network)
    if names is not None:
        if len(names) != len(layers):
            raise ValueError(
                f"names must be {len(layers)}, one a layer that has arrays, got {', '.join(names)}"
            )
        return {place: name for (place, _), name in zip(layers, names, strict=True)}
    biased: dict[str, set[bool]] = {}
    for _, layer in layers:
        biased.setdefault(_kind(layer), set()).add("bias" in _parts(layer))
    alike = {type(layer) for _, layer in layers} & {Embedding, Dense}
    if len(alike) > 1 and len(biased["matrix"]) == 1:
        raise ValueError(
            "an embedding and a matrix without bias look alike: say which module is which, by "
            f"{len(layers)} names, in the order of the layers"
        )

    def queue(kind: str, bias: bool) -> tuple[str, bool]:
        return kind, bias and len(biased.get(kind, ())) > 1

    queues: dict[tuple[str, bool], list[str]] = {}
    for name, parts in found.items():
        queues.setdefault(queue(kind_of(parts), "bias" in parts), []).append(name)
    pairs = {}
    for place, layer in layers:
        if rest := queues.get(queue(_kind(layer), "bias" in _parts(layer))):
            pairs[place] = rest.pop(0)
    return pairs


def _natural(name: str) -> list[tuple[int, int | str]]:
    return [(0, int(t)) if t.isdigit() else (1, t) for t in re.findall(r"\d+|\D+", name)]
