"""Layers in C: a function `static void NAME(const float *x, float *y)` of one example.

Each is the forward equation of the layer of this name, in evaluation.
"""

import math
from collections.abc import Callable

import numpy as np

from minihash.exports.steps import Affine, Step
from minihash.layers import (
    ELU,
    Conv2d,
    Dense,
    GlobalAveragePool,
    MaxPool2d,
    ReLU,
    Reshape,
    Sigmoid,
    Tanh,
)

Weights = Callable[[object], str]
EACH = {
    ELU: "x[k] > 0 ? x[k] : expm1f(x[k])",
    ReLU: "x[k] > 0 ? x[k] : 0",
    Tanh: "tanhf(x[k])",
    Sigmoid: "x[k] > 0 ? 1 / (1 + expf(-x[k])) : expf(x[k]) / (1 + expf(x[k]))",
}


def body(step: Step, weight: Weights, arrays: Callable[[np.ndarray], str]) -> str | None:
    """The statements of the function; None for a layer that changes nothing.

    weight: of a virtual weight, the name of the function that reads it. arrays: of an array, its
    name.

    >>> body(Step(ReLU(), (3,), (3,)), str, str)
    'for (int k = 0; k < 3; k++) y[k] = x[k] > 0 ? x[k] : 0;'
    """
    kind, size = type(step.layer), math.prod(step.x)
    if kind is Reshape:
        return None
    if kind in EACH:
        return f"for (int k = 0; k < {size}; k++) y[k] = {EACH[kind]};"
    if kind is Dense:
        return _dense(step, weight)
    if kind is Affine:
        a, b = arrays(step.layer.factor), arrays(step.layer.summand)
        area = size // step.layer.factor.size
        index = "k" if area == 1 else f"k / {area}"
        return f"for (int k = 0; k < {size}; k++) y[k] = {a}[{index}] * x[k] + {b}[{index}];"
    if kind is Conv2d:
        return _convolution(step, weight)
    if kind is GlobalAveragePool:
        area = size // step.x[0]
        return (
            f"for (int c = 0; c < {step.x[0]}; c++) {{\n    float s = 0;\n"
            f"    for (int k = 0; k < {area}; k++) s += x[c * {area} + k];\n"
            f"    y[c] = s / {area};\n}}"
        )
    return _pool(step)


def _first(bias: object, weight: Weights, index: str) -> str:
    return f"{weight(bias)}({index})" if bias is not None else "0"


def _dense(step: Step, weight: Weights) -> str:
    w = step.layer.weight
    fan_out, fan_in = w.shape
    rows = math.prod(step.x) // fan_in
    down, along = w.strides
    return (
        f"for (int t = 0; t < {rows}; t++)\n"
        f"    for (uint32_t o = 0; o < {fan_out}u; o++) {{\n"
        f"        float s = {_first(step.layer.bias, weight, 'o')};\n"
        f"        for (uint32_t i = 0; i < {fan_in}u; i++)\n"
        f"            s += x[t * {fan_in} + (int)i] * {weight(w)}"
        f"((uint64_t)o * {down}u + (uint64_t)i * {along}u);\n"
        f"        y[t * {fan_out} + (int)o] = s;\n    }}"
    )


def _convolution(step: Step, weight: Weights) -> str:
    layer, (_, height, width), (_, oh, ow) = step.layer, step.x, step.y
    name = weight(layer.weight)
    steps = [f"(uint64_t){i} * {s}u" for i, s in zip("ocij", layer.weight.strides, strict=True)]
    out, depth, kh, kw = layer.weight.shape
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
    )


def _pool(step: Step) -> str:
    layer, (channels, height, width), (_, oh, ow) = step.layer, step.x, step.y
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
    )
