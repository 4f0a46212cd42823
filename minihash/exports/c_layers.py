"""Layers in C: a function `static void NAME(const float *x, float *y)` of one example.

Each is the forward equation of the layer of this name, in evaluation; batch norm is a factor and a
summand for each feature, made in Python.
"""

import math
from collections.abc import Callable

import numpy as np

from minihash.exports.c_hashes import Unwritten
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
from minihash.layers.layer import Layer

Shape = tuple[int, ...]
EACH = {
    ELU: "x[k] > 0 ? x[k] : expm1f(x[k])",
    ReLU: "x[k] > 0 ? x[k] : 0",
    Tanh: "tanhf(x[k])",
    Sigmoid: "x[k] > 0 ? 1 / (1 + expf(-x[k])) : expf(x[k]) / (1 + expf(x[k]))",
}


def body(
    layer: Layer,
    shape: Shape,
    params: dict[str, np.ndarray],
    weight: Callable[[object], str],
    arrays: Callable[[np.ndarray], str],
) -> tuple[str | None, Shape]:
    """The statements of the function, and the shape of y; None for a layer that changes nothing.

    shape: of x, without the batch. weight: of a virtual weight, the name of the function that reads
    it. arrays: of an array, its name.
    Raises Unwritten for a layer that has no C.

    >>> body(ReLU(), (3,), {}, str, str)
    ('for (int k = 0; k < 3; k++) y[k] = x[k] > 0 ? x[k] : 0;', (3,))
    """
    kind, size = type(layer), math.prod(shape)
    if kind in (Flatten, Reshape, Dropout):
        new = {Flatten: (size,), Dropout: shape}
        return None, layer.shape if isinstance(layer, Reshape) else new[kind]
    if kind in EACH:
        return f"for (int k = 0; k < {size}; k++) y[k] = {EACH[kind]};", shape
    if kind is Dense:
        return _dense(layer, shape, weight)
    if kind in (BatchNorm1d, BatchNorm2d):
        return _norm(layer, shape, params, arrays)
    if kind is Conv2d:
        return _convolution(layer, shape, weight)
    if kind in (MaxPool2d, AveragePool2d):
        return _pool(layer, shape)
    if kind is GlobalAveragePool:
        area = size // shape[0]
        return (
            f"for (int c = 0; c < {shape[0]}; c++) {{\n    float s = 0;\n"
            f"    for (int k = 0; k < {area}; k++) s += x[c * {area} + k];\n"
            f"    y[c] = s / {area};\n}}"
        ), shape[:1]
    raise Unwritten(f"the layer {kind.__name__} has no C: export an mlp or a cnn")


def _first(bias: object, weight: Callable, index: str) -> str:
    return f"{weight(bias)}({index})" if bias is not None else "0"


def _dense(layer: Dense, shape: Shape, weight: Callable) -> tuple[str, Shape]:
    name = weight(layer.weight)  # refuses what is under no hash
    fan_out, fan_in = layer.weight.shape
    rows = math.prod(shape) // fan_in
    down, along = layer.weight.strides
    return (
        f"for (int t = 0; t < {rows}; t++)\n"
        f"    for (uint32_t o = 0; o < {fan_out}u; o++) {{\n"
        f"        float s = {_first(layer.bias, weight, 'o')};\n"
        f"        for (uint32_t i = 0; i < {fan_in}u; i++)\n"
        f"            s += x[t * {fan_in} + (int)i] * {name}"
        f"((uint64_t)o * {down}u + (uint64_t)i * {along}u);\n"
        f"        y[t * {fan_out} + (int)o] = s;\n    }}"
    ), (*shape[:-1], fan_out)


def _norm(layer: object, shape: Shape, params: dict, arrays: Callable) -> tuple[str, Shape]:
    part = {k: params[f"{layer.name}.{k}"].astype(np.float64) for k in
            ("gamma", "beta", "running_mean", "running_var")}  # fmt: skip
    factor = part["gamma"] / np.sqrt(part["running_var"] + layer.eps)
    summand = part["beta"] - factor * part["running_mean"]
    a, b = (arrays(v.astype(np.float32)) for v in (factor, summand))
    area = math.prod(shape) // layer.features
    index = "k" if area == 1 else f"k / {area}"
    size = math.prod(shape)
    return f"for (int k = 0; k < {size}; k++) y[k] = {a}[{index}] * x[k] + {b}[{index}];", shape


def _convolution(layer: Conv2d, shape: Shape, weight: Callable) -> tuple[str, Shape]:
    name = weight(layer.weight)
    _, height, width = shape
    steps = [f"(uint64_t){i} * {s}u" for i, s in zip("ocij", layer.weight.strides, strict=True)]
    out, depth, kh, kw = layer.weight.shape
    oh, ow = layer.windows.outputs((height, width))
    (sh, sw), (ph, pw), (dh, dw) = layer.stride, layer.padding, layer.dilation
    group = out // layer.groups
    return (
        f"for (int o = 0; o < {out}; o++)\n"
        f"    for (int p = 0; p < {oh}; p++)\n"
        f"        for (int q = 0; q < {ow}; q++) {{\n"
        f"            float s = {_first(layer.bias, weight, '(uint64_t)o')};\n"
        f"            for (int c = 0; c < {depth}; c++)\n"
        f"                for (int i = 0; i < {kh}; i++)\n"
        f"                    for (int j = 0; j < {kw}; j++) {{\n"
        f"                        int u = p * {sh} - {ph} + i * {dh};\n"
        f"                        int v = q * {sw} - {pw} + j * {dw};\n"
        f"                        if (u < 0 || u >= {height} || v < 0 || v >= {width}) continue;\n"
        f"                        int from = o / {group} * {depth} + c;\n"
        f"                        s += x[(from * {height} + u) * {width} + v]\n"
        f"                             * {name}({' + '.join(steps)});\n"
        f"                    }}\n"
        f"            y[(o * {oh} + p) * {ow} + q] = s;\n        }}"
    ), (out, oh, ow)


def _pool(layer: MaxPool2d | AveragePool2d, shape: Shape) -> tuple[str, Shape]:
    channels, height, width = shape
    oh, ow = layer.windows.outputs((height, width))
    (kh, kw), (sh, sw), (ph, pw) = layer.size, layer.stride, layer.padding
    largest = isinstance(layer, MaxPool2d)
    start, last = ("-INFINITY", "s") if largest else ("0", f"s / {kh * kw}")
    taken = "if (x[at] > s) s = x[at];" if largest else "s += x[at];"
    return (
        f"for (int c = 0; c < {channels}; c++)\n"
        f"    for (int p = 0; p < {oh}; p++)\n"
        f"        for (int q = 0; q < {ow}; q++) {{\n"
        f"            float s = {start};\n"
        f"            for (int i = 0; i < {kh}; i++)\n"
        f"                for (int j = 0; j < {kw}; j++) {{\n"
        f"                    int u = p * {sh} - {ph} + i, v = q * {sw} - {pw} + j;\n"
        f"                    if (u < 0 || u >= {height} || v < 0 || v >= {width}) continue;\n"
        f"                    int at = (c * {height} + u) * {width} + v;\n"
        f"                    {taken}\n"
        f"                }}\n"
        f"            y[(c * {oh} + p) * {ow} + q] = {last};\n        }}"
    ), (channels, oh, ow)
