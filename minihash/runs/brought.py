"""Weights that another framework has trained: evaluated as they are, or where a run begins.

What the shapes of a file's arrays say is read off them: the model, its sizes, biases and norms, the
padding of a cnn. What they do not say is never guessed, since a wrong guess ruins every answer and
shows nowhere: how inputs were scaled, the activation, and that norms come after it, as everywhere
here. It has to be told, and `about` tells it again. Under a hash the weights are the nearest ones
that it can give (files/state.py).
"""

import json
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from minihash.data import Dataset, Text
from minihash.files.header import FORMAT, MAX_HEADER
from minihash.files.state import from_state, kind_of, modules, paired, read_state
from minihash.runs.config import Config, check_place
from minihash.runs.examples import OfExamples
from minihash.runs.kinds import KINDS
from minihash.runs.model import Model
from minihash.runs.writer import Writer

CELLS = {1: "rnn", 3: "gru", 4: "lstm"}  # by the number of gates
TO_SAY = {
    "standardise": "how inputs were scaled: --standardise none (bytes are divided by 255, as by "
    "ToTensor), MEAN:STD (and then normalised by these) or channels (by those of this data set)",
    "activation": "the activation: --activation relu, elu, tanh or sigmoid",
    "norm": "where norms stand: --norm batch, if they come after the activation",
}


def is_state(path: str | Path) -> bool:
    """Whether a file is one of another framework: by its ending, or safetensors of others."""
    path = Path(path)
    if not path.is_file() or path.suffix in (".npz", ".pt", ".pth"):
        return path.is_file()  # asked before opening, since opening a pipe waits for a writer
    try:
        with open(path, "rb") as file:
            header = json.loads(file.read(min(int.from_bytes(file.read(8), "little"), MAX_HEADER)))
        return header.get("__metadata__", {}).get("format") != FORMAT
    except (OSError, ValueError, AttributeError):
        return False


def choices(given: dict[str, Any]) -> dict[str, Any]:
    """The choices of a run that begins with the weights in the file `given["weights"]`: those that
    are given, and what the file says of others. Without weights they are as given.

    Raises OSError and ValueError as `read_state` does, and ValueError once for all that it does not
    say.
    """
    if given.get("weights") is None:
        if given.get("names") is not None:
            raise ValueError("--names are of a file of weights: name it by --from, or leave it out")
        return given
    found = _modules(given["weights"], given.get("names"))
    of: dict[str, list[dict[str, tuple[int, ...]]]] = {}
    for parts in found.values():
        shapes = {part: array.shape for part, (_, array) in parts.items()}
        of.setdefault(kind_of(parts), []).append(shapes)
    cells, kernels, matrices, norms = (
        of.get(kind, []) for kind in ("recurrent", "convolution", "matrix", "norm")
    )
    read: dict[str, Any] = {}
    if given.get("hash") is None and given.get("compression") is None:
        read["hash"] = "identity"
    if cells:
        shapes = (cells[0].get(name, ()) for name in ("weight_hh", "weight_ih"))
        (rows, hidden, *_), (_, width, *_) = ((*shape, 1, 1) for shape in shapes)
        read |= {"model": CELLS.get(rows // max(hidden, 1), "lstm"), "hidden": (hidden,)}
        read |= {"embedding": width, "layers": len(cells)}
    elif matrices:
        read |= {"model": "mlp", "hidden": tuple(m["weight"][0] for m in matrices[:-1])}
        read["norm"] = "batch" if norms else "none"
        if not any("bias" in m for m in (*matrices, *kernels)):
            read["bias"] = "none"
        if kernels:
            read |= {"model": "cnn", "kernel": kernels[0]["weight"][-1]}
            read["channels"] = tuple(m["weight"][0] for m in kernels)
    else:
        raise ValueError(
            f"{given['weights']} has no weights that are named as torch.nn names those of Linear, "
            f"Conv2d, Embedding, RNN, GRU and LSTM, got {', '.join([*found][:6]) or 'no arrays'}"
        )
    model = given.get("model") or read["model"]
    if model not in (*CELLS.values(), "mlp", "cnn"):
        raise ValueError(f"weights come into an mlp, cnn, rnn, gru or lstm, got {model}")
    unsaid = [] if cells else ["standardise"]
    if not cells and len(matrices) + len(kernels) + len(norms) > 1:
        unsaid.append("activation")
    unsaid += ["norm"] if norms else []
    if unsaid := [TO_SAY[name] for name in unsaid if given.get(name) is None]:
        raise ValueError(f"{given['weights']} does not say {'; nor '.join(unsaid)}")
    weights = str(Path(given["weights"]).absolute())
    return read | {k: v for k, v in given.items() if v is not None} | {"weights": weights}


def bring(config: Config, data: Dataset | Text) -> tuple[Config, Model]:
    """The model of these choices with the weights of their file; the choices, with the padding and
    the modules' names that were found.

    Raises ValueError, once for all that does not fit.
    """
    found = _modules(config.weights, config.names)
    if config.model == "cnn" and config.padding is None:
        config = replace(config, padding=_padding(config, found, data.shape))
    model = KINDS[config.model].model.begun(config, data)
    model.check(data)
    try:
        names = tuple(paired(model.network, found, config.names).values())
        dtype = np.dtype(config.dtype).type
        params = from_state(model.network, read_state(config.weights), config.names, dtype)
    except ValueError as error:
        raise ValueError(f"{config.weights}: {error}") from None
    return replace(config, names=names), replace(model, params=params)


def opened(config: Config, download: bool = False) -> tuple[Model, Dataset | Text, str]:
    """The model as it was brought in, its data set, and what both are taken for.

    Raises as `bring` does, and as `load` of the model.
    """
    kind = KINDS[config.model].model
    check_place(config.dataset, config.data_dir, download)
    own = {name: getattr(config, name) for name in kind.READ}
    data = kind.load(config.dataset, config.data_dir, download, **own)
    config, model = bring(config, data)
    return model, data, about(config, model)


def about(config: Config, model: Model) -> str:
    """What the file was taken for, in a line: all that was told or found."""
    said = f"{config.model} of {', '.join(config.names or ())}"
    if config.compression != 1:
        said += f", projected on {config.hash} at {config.compression}"
    if isinstance(model, Writer):
        known = f"{len(model.vocabulary)} {model.tokens}"
        return f"{said}; tokens are the {known} of {model.dataset}, in increasing order"
    assert isinstance(model, OfExamples)
    said += f"; {config.activation}" if len(config.names or ()) > 1 else ""
    said += ", then batch norms" if config.norm == "batch" else ""
    said += f"; padding {config.padding}" if config.model == "cnn" else ""
    scale, peak = model.standardiser, model.standardiser.peak
    v = "v" if peak == 1 else f"v / {peak:g}"
    if (set(scale.mean), set(scale.std)) == ({0.0}, {1.0}):
        return f"{said}; inputs are {v}"
    mean, std = (_listed(part) for part in (scale.mean, scale.std))
    return f"{said}; inputs are ({v} - mean) / std, mean {mean}, std {std}"


def _listed(values: tuple[float, ...]) -> str:
    shown = ",".join(f"{x:.6g}" for x in values[:4])
    return shown + ",..." * (len(values) > 4)


def _modules(path: str, names: tuple[str, ...] | None) -> dict[str, dict]:
    """The modules of a file, in the order of `names`, if they are given."""
    found = modules(read_state(path))
    return found if names is None else {name: found[name] for name in names if name in found}


def _padding(config: Config, found: dict[str, dict], shape: tuple[int, ...]) -> int:
    """The one that leaves as many numbers as the first matrix takes."""
    name, parts = next((n, p) for n, p in found.items() if kind_of(p) == "matrix")
    fan_in = parts["weight"][1].shape[1]
    for padding in range(config.kernel):
        sides = shape[-2:]
        for _ in config.channels:
            sides = tuple((side + 2 * padding - config.kernel + 1) // 2 for side in sides)
        if len(shape) > 1 and prod(sides) * config.channels[-1] == fan_in:
            return padding
    raise ValueError(
        f"{config.weights}: {name} takes {fan_in} numbers, which convolutions of "
        f"{', '.join(map(str, config.channels))} channels, each halved by pooling, make of no "
        f"image of shape {shape} at any padding: build such a network of layers, in Python "
        "(minihash.exports.from_state)"
    )
