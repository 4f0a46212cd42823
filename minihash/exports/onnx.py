"""A classifier as an ONNX model, as small as its tables: the graph computes the hash itself.

    x       (batch, *shape of an example) in the units of the training data: uint8 for bytes, double
            where a float could not tell its numbers apart, else float
    logits  (batch, classes), float; the class is the one with the largest; the metadata "classes"
            has their names, in JSON

    ids = first_id + Range(0, size)
    V   = sign(ids) Gather(table, bucket(ids))       by the hash's own arithmetic (formula.py)

in standard operators on unsigned integers (opset 18), which wrap as the hash does; each hash, and
XXH32, is a function of the model. Nothing there depends on x: a runtime folds it into matrices as
it loads, and runs as fast as on the dense form. onnxruntime computes with such integers from
version 1.21.
"""

import json
from types import ModuleType

import numpy as np

from minihash.exports.formula import Formula, Unwritten, of_hash, of_xxh32
from minihash.exports.steps import Affine, Arrays, Step, scaling, steps, title
from minihash.hashes import Hash, HashedNets, Identity
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

OPSET, IR = 18, 8
MOST = 2**31 - 2**20  # bytes of arrays: a file has less than 2 GiB
OPERATORS = {"+": "Add", "-": "Sub", "*": "Mul", "//": "Div", "%": "Mod", "&": "BitwiseAnd"}
OPERATORS |= {"|": "BitwiseOr", "^": "BitwiseXor", ">=": "GreaterOrEqual", "<=": "LessOrEqual"}
OPERATORS |= {"<": "Less", ">": "Greater", "==": "Equal"}
TRUTHS = {"&": "And", "|": "Or", "^": "Xor"}
SHIFTS = {"<<": "LEFT", ">>": "RIGHT"}
DTYPES = {"b1": np.bool_, "i8": np.int64, "f4": np.float32} | {
    kind: np.dtype(kind) for kind in ("u1", "u2", "u4", "u8", "i1", "f8")
}
SAME = {ELU: "Elu", ReLU: "Relu", Tanh: "Tanh", Sigmoid: "Sigmoid"}
DOMAIN = "minihash"  # of its functions


def package() -> ModuleType:
    """The package onnx. Raises ImportError that says what to install."""
    try:
        import onnx
    except ImportError as error:
        raise ImportError("ONNX needs the package onnx: pip install 'minihash[onnx]'") from error
    return onnx


class _Nodes:
    """The nodes of a graph, or of a function, as they come."""

    def __init__(self, onnx: ModuleType) -> None:
        self.onnx, self.nodes = onnx, []
        self.constants: dict[tuple, str] = {}

    def __call__(self, op: str, *inputs: str, domain: str = "", **attributes: object) -> str:
        """A new node; the name of its output."""
        return self.several(1, op, *inputs, domain=domain, **attributes)[0]

    def several(self, count: int, op: str, *inputs: str, **attributes: object) -> list[str]:
        """A new node; the names of its outputs."""
        names = [f"{op.lower()}{len(self.nodes)}{'_sign' * k}" for k in range(count)]
        self.nodes.append(self.onnx.helper.make_node(op, inputs, names, **attributes))
        return names

    def constant(self, value: np.ndarray | np.generic) -> str:
        """A few numbers."""
        value = np.asarray(value)
        key = value.dtype.str, value.shape, value.tobytes()
        if key not in self.constants:
            tensor = self.onnx.numpy_helper.from_array(value)
            self.constants[key] = self("Constant", value=tensor)
        return self.constants[key]

    def cast(self, kind: str, name: str) -> str:
        """The same numbers of this kind."""
        to = self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(DTYPES[kind]))
        return self("Cast", name, to=to)

    def formula(self, formula: Formula, inputs: tuple[str, ...], arrays: Arrays) -> list[str]:
        """The results of a formula."""
        names: list[str] = []
        for k, (op, kind, operands) in enumerate(
            (step.op, step.kind, step.operands) for step in formula.steps
        ):
            if op == "input":
                names.append(inputs[k])
                continue
            values = [
                names[v]
                if isinstance(v, int)
                else arrays(v)
                if isinstance(v, np.ndarray)
                else self.constant(v)
                for v in operands
            ]
            if op == "cast":
                names.append(self.cast(kind, *values))
            elif op == "[]":
                names.append(self("Gather", values[0], self.cast("i8", values[1])))
            elif op == "xxh32":
                names.append(self(op, *values, domain=DOMAIN))
            elif op in SHIFTS:
                names.append(self("BitShift", *values, direction=SHIFTS[op]))
            else:
                truths = TRUTHS if kind == "b1" else {}
                names.append(self(truths.get(op, OPERATORS.get(op)), *values))
        return [names[k] for k in formula.results]


class _Graph(_Nodes):
    """With the arrays of the model, and each hash and each virtual weight once."""

    def __init__(self, onnx: ModuleType, params: dict[str, np.ndarray]) -> None:
        super().__init__(onnx)
        self.params, self.arrays = params, Arrays()
        self.weights: dict[VirtualWeight, str] = {}
        self.hashes: dict[Hash, tuple[str, int, list[str]]] = {}
        versions = {"": OPSET, DOMAIN: 1}
        self.opsets = [onnx.helper.make_opsetid(*version) for version in versions.items()]
        self.functions: list = []
        self.function("xxh32", of_xxh32(), ("i", "seed"))

    def function(self, name: str, formula: Formula, inputs: tuple[str, ...]) -> list[str]:
        """Write a function of the model; the names of the arrays that are its last inputs."""
        inner, arrays = _Nodes(self.onnx), Arrays()
        results = inner.formula(formula, inputs, arrays)
        results = [inner("Identity", r) if r in inputs else r for r in results]
        inputs = *inputs, *arrays.named
        made = self.onnx.helper.make_function(
            DOMAIN, name, inputs, results, inner.nodes, self.opsets
        )
        self.functions.append(made)
        return [self.arrays(values) for values in arrays.named.values()]

    def hashed(self, hash_: Hash, ids: str) -> list[str]:
        """The bucket of identifiers and, unless each is +1, their sign."""
        if hash_ not in self.hashes:
            name, formula = f"hash{len(self.hashes)}_{type(hash_).__name__.lower()}", of_hash(hash_)
            arrays = self.function(name, formula, ("i",))
            self.hashes[hash_] = name, len(formula.results), arrays
        name, count, arrays = self.hashes[hash_]
        return self.several(count, name, ids, *arrays, domain=DOMAIN)

    def weight(self, w: VirtualWeight) -> str:
        """V, of the weight's shape."""
        if w not in self.weights:
            self.weights[w] = self._weight(w)
        return self.weights[w]

    def _weight(self, w: VirtualWeight) -> str:
        if w.transposed:
            return self("Transpose", self.weight(w.T))
        table = self.params[w.table]
        if type(w.hash) is Identity:
            return self.arrays(table[w.first_id : w.first_id + w.size].reshape(w.shape))
        if type(w.hash) is HashedNets:
            raise Unwritten("ONNX has no operators for the keys of hashednets: export with --dense")
        zero, size, one = map(self.constant, np.array([0, w.size, 1]))
        ids = self.cast("u8", self("Range", zero, size, one))
        ids = self("Add", ids, self.constant(np.uint64(w.first_id)))
        bucket, *sign = self.hashed(w.hash, ids)
        V = self("Gather", self.arrays(table), self.cast("i8", bucket))
        if sign:
            signed = self("Mul", V, self.cast("f4", *sign))
            V = self("Where", self.cast("b1", *sign), signed, self.constant(np.float32(0)))
        return self.shaped(V, w.shape)

    def shaped(self, name: str, shape: tuple[int, ...]) -> str:
        """The same numbers in another shape; 0: as it is."""
        return self("Reshape", name, self.constant(np.array(shape)))

    def layer(self, step: Step, x: str) -> str:
        """y of a layer."""
        layer, kind = step.layer, type(step.layer)
        if kind is Reshape:
            return self.shaped(x, (0, *step.y))
        if kind in SAME:
            return self(SAME[kind], x)
        if kind is Affine:
            shape = (-1,) + (1,) * (len(step.x) - 1)
            a, b = (self.arrays(v.reshape(shape)) for v in (layer.factor, layer.summand))
            return self("Add", self("Mul", x, a), b)
        if kind is GlobalAveragePool:
            return self.shaped(self("GlobalAveragePool", x), (0, *step.y))
        if kind is Dense:
            y = self("MatMul", x, self("Transpose", self.weight(layer.weight)))
            return self("Add", y, self.weight(layer.bias)) if layer.bias else y
        window = {"strides": layer.windows.stride, "pads": layer.windows.padding * 2}
        if kind is Conv2d:
            window |= {"dilations": layer.dilation, "group": layer.groups}
            weights = [self.weight(w) for w in layer.sources()]
            return self("Conv", x, *weights, **window)
        if kind is AveragePool2d:
            window |= {"count_include_pad": 1}
        op = {MaxPool2d: "MaxPool", AveragePool2d: "AveragePool"}[kind]
        return self(op, x, kernel_shape=layer.size, **window)

    def scaled(self, x: str, model: Classifier) -> str:
        """The input of the network: float (batch, features)."""
        groups = scaling(model)
        kind, count = groups[0].dtype.str[1:], len(groups[0])
        x = self.cast(kind, self("Flatten", x))
        if 1 < count < model.features:
            x = self.shaped(x, (0, count, model.features // count))
            groups = [v[:, None] for v in groups]
        centre, scale = map(self.arrays, groups)
        x = self.cast("f4", self("Div", self("Sub", x, centre), scale))
        return self.shaped(x, (0, model.features))


def to_onnx(model: Classifier) -> bytes:
    """The ONNX file of a trained classifier, mlp or cnn.

    Raises ImportError without the package onnx, ValueError for another model, for a hash, a weight
    or a layer that cannot be written, and for more than ONNX can hold.

    >>> import minihash
    >>> model = minihash.fit(minihash.load("digits"), hidden=(9,), epochs=1)
    >>> len(to_onnx(model)) < len(to_onnx(minihash.exports.dense(model)))
    True
    """
    onnx = package()
    helper = onnx.helper
    written = steps(model, "ONNX")
    params = {name: np.asarray(v, np.float32) for name, v in model.params.items()}
    graph = _Graph(onnx, params)
    wide = scaling(model)[0].dtype == np.float64
    kind = "f8" if wide else "u1" if model.known_units.dtype == "uint8" else "f4"
    last = graph.scaled("x", model)
    for step in written:
        last = graph.layer(step, last)
    graph.nodes[-1].output[0] = "logits"
    size = sum(values.nbytes for values in graph.arrays.named.values())
    if size > MOST:
        raise Unwritten(f"an ONNX file holds {MOST:,} bytes of arrays, got {size:,}: not --dense")
    number = helper.np_dtype_to_tensor_dtype(np.dtype(DTYPES[kind]))
    made = helper.make_graph(
        graph.nodes,
        "minihash",
        [helper.make_tensor_value_info("x", number, ["batch", *model.shape])],
        [helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["batch", model.outputs])],
        [onnx.numpy_helper.from_array(v, name) for name, v in graph.arrays.named.items()],
        doc_string=title(model),
    )
    hashed = bool(graph.hashes)
    file = helper.make_model(
        made,
        functions=graph.functions * hashed,
        opset_imports=graph.opsets[: 1 + hashed],
        ir_version=IR,
        producer_name="minihash",
    )
    helper.set_model_props(file, {"classes": json.dumps(list(model.class_names))})
    return file.SerializeToString()
