"""A formula as text: statements of a language whose expressions are written as C's are.

A step that is used once stands where it is used, in brackets; one that is used more often has a
name. C and Python differ in how they write constants, casts, and the assignment.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from minihash.exports.formula import Formula


@dataclass(frozen=True)
class Language:
    """How it writes a constant, the cast of a text to a kind, and that a name of a kind is a text;
    and the operators that it writes in another way."""

    constant: Callable[[np.generic], str]
    cast: Callable[[str, str], str]
    assign: Callable[[str, str, str], str]
    operators: dict[str, str]


def written(
    formula: Formula,
    language: Language,
    inputs: tuple[str, ...],
    arrays: Callable[[np.ndarray], str],
) -> tuple[list[str], list[str]]:
    """(statements, the texts of the results). inputs: their names. arrays: of an array, its name.

    >>> from minihash.exports.c_hashes import C
    >>> from minihash.exports.formula import of_hash
    >>> from minihash.hashes import Uniform
    >>> written(of_hash(Uniform(7)), C, ("i",), str)
    ([], ['((uint64_t)xxh32(i, 3021600962u) * 7u) >> 32u'])
    """
    uses, texts, statements = formula.uses(), [], []
    for k, step in enumerate(formula.steps):
        if step.op == "input":
            texts.append(inputs[k])
            continue
        operands = [
            texts[v]
            if isinstance(v, int)
            else arrays(v)
            if isinstance(v, np.ndarray)
            else language.constant(v)
            for v in step.operands
        ]
        if step.op == "cast":
            text = language.cast(step.kind, operands[0])
        elif step.op == "[]":
            text = f"{operands[0]}[{operands[1]}]"
        elif step.op == "xxh32":
            text = f"xxh32({', '.join(operands)})"
        else:
            operator = language.operators.get(step.op, step.op)
            text = f" {operator} ".join(operands)
        if uses[k] > 1:
            name = f"{'abcdefghjlmnopqrstuvwyz'[len(statements) % 23]}{len(statements) // 23 or ''}"
            statements.append(language.assign(step.kind, name, text))
            texts.append(name)
        elif k in formula.results or step.op in ("cast", "[]", "xxh32"):
            texts.append(text)
        else:
            texts.append(f"({text})")
    return statements, [texts[k] for k in formula.results]
