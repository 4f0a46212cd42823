"""Deliberate bugs in exported models."""

from tests.mutants.mutant import Mutant

FORMULA = "tests/exports/test_formula.py -k "
MODEL = "tests/exports/test_exported.py -k "
EXPORT_MUTANTS = [
    Mutant(
        "exports/formula.py",
        "((other, self) if swapped else (self, other))",
        "(self, other)",
        "a constant minus an identifier, the other way round",
        FORMULA + "formulas_are_the_hashes",
    ),
    Mutant(
        "exports/formula.py",
        "(x // n[0], x % n[0])",
        "(x % n[0], x // n[0])",
        "quotient and remainder exchanged",
        FORMULA + "to_the_bit and numpy and robe",
    ),
    Mutant(
        "exports/formula.py",
        "return value if value.kind == kind else",
        "return value if value.kind >= kind else",
        "identifiers that are never cut to 32 bits",
        FORMULA + "formulas_are_the_hashes",
    ),
    Mutant(
        "exports/text.py",
        'texts.append(f"({text})")',
        "texts.append(text)",
        "no brackets",
        FORMULA + "formulas_are_the_hashes",
    ),
    Mutant(
        "exports/steps.py",
        "beta - factor * mean",
        "beta - mean",
        "a mean that is not scaled",
        MODEL + "every_layer and numpy",
    ),
    Mutant(
        "exports/steps.py",
        'f"{name}.{part}", core.gather',
        "part, core.gather",
        "weights of all layers in one table",
        MODEL + "dense_form and dirichlet and numpy",
    ),
    Mutant(
        "exports/steps.py",
        "if kind in (*SAME, Dropout, BatchNorm1d, BatchNorm2d):",
        "if isinstance(layer, (*SAME, Dropout, BatchNorm1d, BatchNorm2d)):",
        "a layer from outside taken for its base",
        MODEL + "no_such_form and numpy",
    ),
    Mutant(
        "exports/numpy.py",
        "dtype=u8) + u8(first))",
        "dtype=u8))",
        "every weight from identifier 0 on, in NumPy",
        FORMULA + "to_the_bit and numpy and robe",
    ),
    Mutant(
        "exports/numpy_layers.py",
        "::down, ::along, ::i, ::j",
        "::along, ::down, ::j, ::i",
        "strides of the axes exchanged",
        MODEL + "every_layer and numpy",
    ),
    Mutant(
        "exports/onnx.py",
        "np.uint64(w.first_id)",
        "np.uint64(0)",
        "every weight from identifier 0 on, in ONNX",
        FORMULA + "to_the_bit and onnx and robe",
    ),
    Mutant(
        "exports/onnx.py",
        "layer.windows.padding * 2",
        "np.repeat(layer.windows.padding, 2).tolist()",
        "paddings axis by axis, where ONNX has beginnings and then ends",
        MODEL + "every_layer and onnx",
    ),
    Mutant(
        "exports/onnx.py",
        'signed = self("Mul", V, self.cast("f4", *sign))',
        "signed = V",
        "signs that only cut connections",
        FORMULA + "to_the_bit and onnx and lookup",
    ),
    Mutant(
        "exports/c.py",
        'lines = [f"i += {w.first_id}u;"] * (w.first_id > 0) + lines',
        "",
        "every weight from identifier 0 on, in C",
        FORMULA + "to_the_bit and robe-c",
    ),
    Mutant(
        "exports/c_layers.py",
        "o / {group} * {depth} + c",
        "o / {group} + c",
        "channels of the wrong group",
        MODEL + "every_layer and c",
    ),
]
