"""A classifier as the steps that every language writes: its input's units, then layer after layer.

    input     z = (x - centre) / scale, group by group, x in the units of the training data
    layers    as they are in evaluation: dropout is none, a batch norm is y = factor x + summand

Each has the shapes of x and y beside it, without the batch. What nobody writes is refused here: by
its exact type, as a class from outside may compute anything.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from minihash import core
from minihash.exports.formula import Unwritten
from minihash.hashes import Identity
from minihash.layers import (
    ELU,
    AveragePool2d,
    BatchNorm1d,
    BatchNorm2d,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool,
    MaxPool2d,
    ReLU,
    Reshape,
    Sigmoid,
    Tanh,
)
from minihash.layers.layer import Layer, Params
from minihash.networks.sequential import Sequential
from minihash.runs.examples import Classifier
from minihash.weights import VirtualWeight

Shape = tuple[int, ...]
SAME = (ELU, ReLU, Tanh, Sigmoid)  # entry by entry


@dataclass(frozen=True, eq=False)
class Affine:
    """y = factor x + summand, feature by feature: float32 (features,) each."""

    factor: np.ndarray
    summand: np.ndarray


@dataclass(frozen=True, eq=False)
class Step:
    """A layer, and the shapes of x and y."""

    layer: Layer | Affine
    x: Shape
    y: Shape


class Arrays:
    """The arrays of a program: each once, under a name."""

    def __init__(self) -> None:
        self.named: dict[str, np.ndarray] = {}
        self._names: dict[int, str] = {}  # by id: its own, while the array is kept

    def __call__(self, values: np.ndarray) -> str:
        """The name of an array.

        >>> arrays, values = Arrays(), np.zeros(3)
        >>> arrays(values), arrays(values), arrays(values.copy())
        ('data0', 'data0', 'data1')
        """
        name = self._names.setdefault(id(values), f"data{len(self.named)}")
        self.named[name] = values
        return name


def steps(model: Classifier, language: str) -> list[Step]:
    """What a classifier does after its input is scaled.

    language: for the errors. Raises Unwritten for another model, layer or source of weights.

    >>> import minihash
    >>> model = minihash.fit(minihash.load("digits"), hidden=(9,), epochs=1)
    >>> [(type(s.layer).__name__, s.x, s.y) for s in steps(model, "C")][:3]
    [('Dense', (784,), (9,)), ('ELU', (9,), (9,)), ('Affine', (9,), (9,))]
    """
    if not isinstance(model, Classifier):
        raise Unwritten(f"only classifiers have {language}, got {type(model).__name__}")
    found, shape = [], (model.features,)
    for layer in model.network.layers:
        for source in layer.sources():
            if type(source) is not VirtualWeight:
                kind = type(source).__name__
                raise Unwritten(f"a weight of {kind} has no {language}: export with --dense")
        new = _shape(layer, shape, language)
        if type(layer) in (BatchNorm1d, BatchNorm2d):
            layer = _affine(layer, model.params)
        if type(layer) in (Flatten, Reshape) and new != shape:
            found.append(Step(Reshape(new), shape, new))
        elif type(layer) not in (Flatten, Reshape, Dropout):
            found.append(Step(layer, shape, new))
        shape = new
    return found


def _shape(layer: Layer, shape: Shape, language: str) -> Shape:
    kind = type(layer)
    if kind is Flatten:
        return (math.prod(shape),)
    if kind is Reshape:
        return layer.shape
    if kind is Dense:
        return (*shape[:-1], layer.weight.shape[0])
    if kind is Conv2d:
        return layer.weight.shape[0], *layer.windows.outputs(shape[1:])
    if kind in (MaxPool2d, AveragePool2d):
        return shape[0], *layer.windows.outputs(shape[1:])
    if kind is GlobalAveragePool:
        return shape[:1]
    if kind in (*SAME, Dropout, BatchNorm1d, BatchNorm2d):
        return shape
    raise Unwritten(f"the layer {kind.__name__} has no {language}: export an mlp or a cnn")


def _affine(layer: BatchNorm1d | BatchNorm2d, params: Params) -> Affine:
    """A batch norm in evaluation, computed in float64."""
    names = ("gamma", "beta", "running_mean", "running_var")
    gamma, beta, mean, var = (params[f"{layer.name}.{k}"].astype(np.float64) for k in names)
    factor = gamma / np.sqrt(var + layer.eps)
    return Affine(*(v.astype(np.float32) for v in (factor, beta - factor * mean)))


def title(model: Classifier) -> str:
    """What the model is, and what x and its classes are: one line, with names that may hold
    anything."""
    x = f"examples of shape {model.shape}, {model.known_units}"
    return f"A network of minihash, trained on {model.dataset}: {x}; {', '.join(model.class_names)}"


def scaling(model: Classifier) -> tuple[np.ndarray, np.ndarray]:
    """(centre, scale) of the input, one number a group, in the dtype that it is computed in: the
    units of the training data, in float64 where a float32 could not tell its numbers apart."""
    to_input = model.standardiser
    dtype = np.float64 if to_input.wide else np.float32
    pair = to_input.mean, to_input.std
    return tuple(np.multiply(v, float(to_input.peak)).astype(dtype) for v in pair)


def dense(model: Classifier) -> Classifier:
    """The same model with every weight of a layer written out, each in a table of its own.

    >>> import minihash
    >>> model = minihash.fit(minihash.load("digits"), hidden=(9,), epochs=1, compression=0.1)
    >>> [p.size for name, p in dense(model).params.items() if name.endswith("weight")]
    [7056, 90]
    """
    layers = list(model.network.layers)
    kept = [name for layer in layers for name in layer.arrays()]
    params = {name: model.params[name] for name in kept}
    for k, layer in enumerate(layers):
        for part, table, values in _weights(f"layer{k + 1}", layer, model.params):
            params[table] = values.reshape(-1)
            weight = VirtualWeight(values.shape, Identity(values.size), table)
            layers[k] = replace(layers[k], **{part: weight})
    return replace(model, network=Sequential(tuple(layers)), params=params)


def _weights(name: str, layer: Layer, params: Params) -> Iterator[tuple[str, str, np.ndarray]]:
    """(field, name of a table, V) of each weight of a layer that is written."""
    dtype = next(iter(params.values())).dtype
    for part in ("weight", "bias") if type(layer) in (Dense, Conv2d) else ():
        w = getattr(layer, part)
        if isinstance(w, VirtualWeight):
            yield part, f"{name}.{part}", core.gather(params[w.table], w)
        elif w is not None:
            yield part, f"{name}.{part}", w.gather(params, dtype)
