"""A classifier as one file of C99: no heap, no library but math.

    int minihash_predict(const minihash_number *x, float *logits);

x is an example in the units of the training data. It is in double where those are wide: a float32
could not tell its numbers apart (standardiser.py). The logits are those of the network; what is
returned is the class. Two buffers of the widest layer are all the memory beside the tables. Floats
are written in hexadecimal, to the bit. Compile with -ffp-contract=off to keep each rounding.

With -DMINIHASH_MAIN the file is a program: examples as numbers on standard input, for each a line
with its class and logits.
"""

import math

import numpy as np

from minihash.exports.c_hashes import KEYS, TYPES, entry, xxh32
from minihash.exports.c_layers import body
from minihash.exports.steps import scaling, steps, title
from minihash.runs.examples import Classifier
from minihash.weights import VirtualWeight

MAIN = """
#ifdef MINIHASH_MAIN
#include <stdio.h>

int main(void) {
    static minihash_number x[MINIHASH_FEATURES];
    static float logits[MINIHASH_CLASSES];
    for (;;) {
        for (int k = 0; k < MINIHASH_FEATURES; k++) {
            double number;
            if (scanf("%lf", &number) != 1) return 0;
            x[k] = (minihash_number)number;
        }
        printf("%d", minihash_predict(x, logits));
        for (int k = 0; k < MINIHASH_CLASSES; k++) printf(" %.9g", (double)logits[k]);
        printf("\\n");
    }
}
#endif
"""


class _Program:
    """The parts of the file as they come: each array, and each virtual weight, once."""

    def __init__(self, params: dict[str, np.ndarray]) -> None:
        self.params, self.data, self.functions = params, [], []
        self.names: dict[object, str] = {}
        self.kept: list[np.ndarray] = []  # while an array lives, its id is its own

    def array(self, values: np.ndarray) -> str:
        """The name of an array of the program."""
        if id(values) not in self.names:
            name = self.names[id(values)] = f"data{len(self.data)}"
            self.kept.append(values)
            kind, flat = TYPES[values.dtype.str[1:]], values.reshape(-1)
            texts = [_number(v, kind) for v in flat.tolist()]
            lines = ",\n    ".join(", ".join(texts[k : k + 8]) for k in range(0, len(texts), 8))
            self.data.append(f"static const {kind} {name}[{flat.size}] = {{\n    {lines}}};")
        return self.names[id(values)]

    def weight(self, w: VirtualWeight) -> str:
        """The name of the function that reads a virtual weight, by position from its first."""
        key = (w.hash, w.table, w.first_id)
        if key not in self.names:
            name = self.names[key] = f"weight{len(self.functions)}"
            lines, (bucket, *sign) = entry(w.hash, self.array)
            lines = [f"i += {w.first_id}u;"] * (w.first_id > 0) + lines
            value = f"{self.array(self.params[w.table])}[{bucket}]"
            if sign:
                lines.append(f"int sign = {sign[0]};")
                value = f"sign ? (float)sign * {value} : 0"
            text = "\n    ".join([*lines, f"return {value};"])
            self.functions.append(f"static float {name}(uint64_t i) {{\n    {text}\n}}")
        return self.names[key]


def _number(value: float, kind: str) -> str:
    """A literal of this type: of floats to the bit."""
    if isinstance(value, int):
        return f"{value}u" if value >= 2**63 else str(value)
    return float(value).hex() + "f" * (kind == "float")


def _told(text: str) -> str:
    """A text that cannot end the comment it stands in."""
    plain = "".join(c if c.isprintable() else " " for c in text)
    return plain.replace("*", " ").replace("/", " ").replace("\\", " ")


def to_c(model: Classifier) -> str:
    """The program of a trained classifier, mlp or cnn.

    Raises ValueError for another model, and for a hash or a layer that has no C.

    >>> import minihash
    >>> model = minihash.fit(minihash.load("digits"), hidden=(9,), epochs=1)
    >>> "int minihash_predict(const minihash_number *x, float *logits)" in to_c(model)
    True
    """
    written = steps(model, "C")
    params = {name: np.asarray(v, np.float32) for name, v in model.params.items()}
    program, functions, calls = _Program(params), [], []
    widest = max(model.features, *(math.prod(step.y) for step in written))
    for step in written:
        text = body(step, program.weight, program.array)
        if text is None:
            continue
        name = f"layer{len(functions)}_{type(step.layer).__name__.lower()}"
        text = text.replace("\n", "\n    ")
        functions.append(f"static void {name}(const float *x, float *y) {{\n    {text}\n}}")
        source, target = ("ab", "ba")[len(calls) % 2]
        calls.append(f"    {name}({source}, {target});")
    last = "ab"[len(calls) % 2]
    centre, scale = scaling(model)
    number = TYPES[centre.dtype.str[1:]]
    width = model.features // len(centre)
    index = "0" if len(centre) == 1 else f"k / {width}" if width > 1 else "k"
    named = program.array(centre), program.array(scale)
    predict = (
        "int minihash_predict(const minihash_number *x, float *logits) {\n"
        f"    static float a[{widest}], b[{widest}];\n    int best = 0;\n"
        f"    for (int k = 0; k < {model.features}; k++)\n"
        f"        a[k] = (float)((x[k] - {named[0]}[{index}]) / {named[1]}[{index}]);\n"
        + "\n".join(calls)
        + f"\n    for (int k = 0; k < {model.outputs}; k++) {{\n"
        f"        logits[k] = {last}[k];\n        if (logits[k] > logits[best]) best = k;\n    }}\n"
        "    return best;\n}"
    )
    head = f"/* {_told(title(model))}. */\n"
    hashes = "\n".join(program.functions)
    calls_of = ("xxh32(" in hashes) * xxh32() + ("key(" in hashes) * KEYS
    return "\n".join(
        [
            head + "#include <math.h>\n#include <stdint.h>\n",
            f"#define MINIHASH_FEATURES {model.features}",
            f"#define MINIHASH_CLASSES {model.outputs}\n",
            f"typedef {number} minihash_number;\n",
            *program.data,
            calls_of,
            *program.functions,
            *functions,
            predict,
            MAIN,
        ]
    )
