"""A classifier as one script of Python that needs NumPy alone, as small as its tables.

    predict(x)              x (n, ...) in the units of the training data -> logits (n, classes)
    python SCRIPT FILE      FILE.npy, or FILE.npz with the array x_test or x: a class a line

Arrays stand in it in base 85. Weights are gathered as it is loaded, by the hash's own arithmetic
(formula.py); layers are the functions of numpy_layers.py.
"""

import base64
import inspect
import textwrap
from collections.abc import Callable

import numpy as np

from minihash.exports import numpy_layers as of
from minihash.exports.formula import of_hash, of_xxh32
from minihash.exports.steps import Affine, Arrays, Step, scaling, steps, title
from minihash.exports.text import Language, written
from minihash.hashes import Hash, HashedNets, Identity, hashednets
from minihash.hashes.xxh32 import xxh32_columns
from minihash.layers import (
    ELU,
    AveragePool2d,
    Conv2d,
    Dense,
    GlobalAveragePool,
    MaxPool2d,
    ReLU,
    Reshape,
    Sigmoid,
    Tanh,
)
from minihash.runs.examples import Classifier
from minihash.weights import VirtualWeight

PYTHON = Language(
    constant=lambda value: f"{value.dtype.str[1:]}({int(value)})",
    cast=lambda kind, text: f"{text}.astype({kind})",
    assign=lambda kind, name, text: f"{name} = {text}",
    operators={},
)
FUNCTIONS: dict[type, Callable] = {Dense: of.dense, Affine: of.affine, Conv2d: of.convolution}
FUNCTIONS |= {MaxPool2d: of.largest, AveragePool2d: of.average, GlobalAveragePool: of.mean}
FUNCTIONS |= {ELU: of.elu, ReLU: of.relu, Tanh: of.tanh, Sigmoid: of.sigmoid}
WINDOWED = (Conv2d, MaxPool2d, AveragePool2d)
HEAD = '''
import base64
import sys

import numpy as np

u1, u2, u4, u8, i1 = np.uint8, np.uint16, np.uint32, np.uint64, np.int8
f4, f8 = np.float32, np.float64
CLASSES = {classes}


def array(kind, text):
    """The numbers that a text in base 85 holds."""
    return np.frombuffer(base64.b85decode("".join(text.split())), kind)
'''
WEIGHT = '''
def weight(table, hash, first, shape):
    """V[id] = sign(id) table[bucket(id)], with identifiers first, first + 1 ... row by row"""
    bucket, sign = hash(np.arange(np.prod(shape), dtype=u8) + u8(first))
    return np.where(sign, sign * table[bucket], f4(0)).reshape(shape)
'''
KEYED = """
U32 = np.uint32
PRIME1, PRIME2, PRIME3, PRIME4 = map(U32, (2654435761, 2246822519, 3266489917, 668265263))
"""
MAIN = '''
def predict(x):
    """x (n, ...), {features} numbers each, in the units of training -> logits (n, {outputs}).

    The class of an example is the one with the largest; the name of class k is CLASSES[k]."""
    x = np.asarray(x)
    if x.ndim < 2 or x[:1].size != {features} * len(x[:1]):
        raise ValueError(f"x must be (n, ...), {features} numbers each, got shape {{x.shape}}")
    x = x.reshape(len(x), {features})
    parts = [network(x[k : k + 500]) for k in range(0, len(x), 500)]
    return np.concatenate(parts or [np.empty((0, {outputs}), f4)])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: python {{sys.argv[0]}} FILE.npy, or FILE.npz with the array x_test or x")
    x = np.load(sys.argv[1], allow_pickle=False)
    if not isinstance(x, np.ndarray):
        x = x["x_test" if "x_test" in x.files else "x"]
    for k in predict(x).argmax(axis=1):
        print(CLASSES[k])
'''


class _Script:
    """The parts of the script as they come: each array, hash and weight once."""

    def __init__(self, params: dict[str, np.ndarray]) -> None:
        self.params, self.arrays = params, Arrays()
        self.hashes: dict[Hash, str] = {}
        self.weights: dict[VirtualWeight, str] = {}
        self.functions: list[str] = []
        self.used: dict[Callable, None] = {}  # of numpy_layers

    def hash(self, hash_: Hash) -> str:
        """The name of the function identifiers -> (buckets, signs)."""
        if hash_ not in self.hashes:
            name = self.hashes[hash_] = f"hash{len(self.hashes)}"
            if type(hash_) is HashedNets:
                fields = hash_.buckets, hash_.fan_in, hash_.fan_out, hash_.seed, hash_.tag
                lines, results = [f"bucket, sign = keyed{fields}"], ["bucket[i]", "sign[i]"]
            else:
                lines, results = written(of_hash(hash_), PYTHON, ("i",), self.arrays)
            lines = [*lines, f"return {results[0]}, {(*results, '1')[1]}"]
            self.functions.append(_function(f"{name}(i)", repr(hash_)[:200], lines))
        return self.hashes[hash_]

    def weight(self, w: VirtualWeight | None) -> str:
        """The name of a gathered weight; 0 for none."""
        if w is None:
            return "0"
        if w.transposed:
            return f"{self.weight(w.T)}.T"
        if w not in self.weights:
            table = self.arrays(self.params[w.table])
            if type(w.hash) is Identity:
                text = f"{table}[{w.first_id} : {w.first_id + w.size}].reshape({w.shape})"
            else:
                text = f"weight({table}, {self.hash(w.hash)}, {w.first_id}, {w.shape})"
            self.weights[w] = f"W{len(self.weights)} = {text}"
        return self.weights[w].partition(" ")[0]

    def call(self, step: Step) -> str:
        """y of a layer."""
        layer, kind = step.layer, type(step.layer)
        if kind is Reshape:
            return f"x.reshape(len(x), {', '.join(map(str, step.y))})"
        operands: list[object] = ["x"]
        if kind in (Dense, Conv2d):
            operands += [self.weight(layer.weight), self.weight(layer.bias)]
        if kind is Conv2d:
            bias = f"{operands.pop()}"
            operands += [bias, layer.stride, layer.padding, layer.dilation, layer.groups]
        if kind in (MaxPool2d, AveragePool2d):
            operands += [layer.size, layer.stride, layer.padding]
        if kind is Affine:
            operands += [self.arrays(layer.factor), self.arrays(layer.summand)]
        if kind in WINDOWED:
            self.used[of.windows] = None
        self.used[FUNCTIONS[kind]] = None
        return f"{FUNCTIONS[kind].__name__}({', '.join(map(str, operands))})"

    def sources(self) -> list[str]:
        """Of all functions that are called."""
        texts = [inspect.getsource(function) for function in self.used]
        hashes = "\n\n".join(self.functions)
        if "xxh32(" in hashes:
            lines, (result,) = written(of_xxh32(), PYTHON, ("i", "seed"), self.arrays)
            told = "XXH32 of the 8 little-endian bytes of each identifier."
            texts.append(_function("xxh32(i, seed)", told, [*lines, f"return {result}"]))
        if "keyed(" in hashes:
            keys = (hashednets.rep, hashednets.groups, hashednets.pairs, hashednets.keyed)
            texts += [KEYED, *map(inspect.getsource, (xxh32_columns, *keys))]
        texts += [WEIGHT] * bool(hashes) + self.functions
        return [f"\n{text.strip()}\n" for text in texts]


def _told(text: str) -> str:
    """A text that cannot end the string it stands in."""
    return ascii(text)[1:-1].replace('"', "'")


def _function(head: str, told: str, lines: list[str]) -> str:
    return textwrap.indent("\n".join([f'"""{_told(told)}"""', *lines]), "    ").join(
        [f"def {head}:\n", ""]
    )


def _array(name: str, values: np.ndarray) -> str:
    values = values.reshape(-1)
    kind = values.dtype.newbyteorder("<")
    text = base64.b85encode(values.astype(kind).tobytes()).decode()
    lines = "\n".join(text[k : k + 100] for k in range(0, len(text), 100))
    return f'{name} = array("{kind.str}", """\n{lines}\n""")'


def to_numpy(model: Classifier) -> str:
    """The script of a trained classifier, mlp or cnn.

    Raises ValueError for another model, and for a hash, a weight or a layer that cannot be written.

    >>> import minihash
    >>> model = minihash.fit(minihash.load("digits"), hidden=(9,), epochs=1)
    >>> space = {"__name__": "script"}
    >>> exec(to_numpy(model), space)
    >>> space["predict"](np.zeros((2, 28, 28), np.uint8)).shape
    (2, 10)
    """
    written_steps = steps(model, "NumPy")
    script = _Script({name: np.asarray(v, np.float32) for name, v in model.params.items()})
    centre, scale = scaling(model)
    names, kind = [script.arrays(v) for v in (centre, scale)], centre.dtype.str[1:]
    if 1 < len(centre) < model.features:
        names = [f"np.repeat({name}, {model.features // len(centre)})" for name in names]
    lines = [f"x = ((x.astype({kind}) - {names[0]}) / {names[1]}).astype(f4)"]
    lines += [f"x = {script.call(step)}" for step in written_steps]
    network = _function("network(x)", "logits = layer after layer", [*lines, "return x"])
    sources = script.sources()
    return "\n".join(
        [
            f'"""{_told(title(model))}\n\n{USE}"""',
            HEAD.format(classes=ascii(model.class_names)),
            *sources,
            "",
            *(_array(name, values) for name, values in script.arrays.named.items()),
            *script.weights.values(),
            "",
            f"\n{network}\n",
            MAIN.format(features=model.features, outputs=model.outputs),
        ]
    )


USE = """\
    predict(x)              x (n, ...) in the units of the training data -> logits (n, classes)
    python SCRIPT FILE      FILE.npy, or FILE.npz with the array x_test or x: a class a line
"""
