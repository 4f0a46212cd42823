"""Level 2: gather, scatter_add and the products on virtual weights.

On whole numbers every order of the sums gives the same, bit for bit; few buckets, since lost
additions show there and nowhere else. Real numbers come with their bound.
"""

from typing import Any

from reference.balls import ball
from reference.cases.hash_groups import spec
from reference.cases.numbers import (
    U32,
    Json,
    balls,
    buckets,
    lists,
    places,
    real,
    transposed,
    virtual,
    weight,
    whole,
)
from reference.core import product, product_backward
from reference.hashes import from_spec
from reference.views import gather_rows, scatter_add_rows, scatter_add_view

LAYOUT = {
    "weight": "a virtual weight, in the notation of section 29",
    "dtype": "of all numbers; float32 ones are written exactly",
    "x, dy": "(batch, fan_in) and (batch, fan_out)",
    "V, y, dx, dtable, E": "answers; of the weight's shape, like dy, like x, (buckets,), (rows, n)",
    "rows": "numbers of rows",
    "within": "how far each entry may be off",
}


def documents() -> dict[str, dict[str, Any]]:
    """The files of this module by name.

    >>> sorted(documents())
    ['core']
    """
    document = {"level": 2, "section": "6. Virtual weights and their products", "layout": LAYOUT}
    answers = ["V", "y", "dx", "dtable", "E"]
    return {"core": document | {"answers": answers, "groups": [*exact(), *rounded()]}}


def exact() -> list[Json]:
    """Cases of whole numbers, equal to the bit.

    >>> exact()[0]["op"]
    'gather'
    """
    signed = spec("Uniform", buckets=3, seed=5, signed=True)
    masked = spec("Lookup", buckets=2, assignment=[1, 0, 0, 1, 1, 0], signs=[1, 0, -1, 0, 1, -1])
    cases = [
        ("row-major and column-major exchanged", weight((3, 4), spec("Modulus", buckets=5))),
        ("a first identifier that is not used", weight((3, 4), spec("Modulus", buckets=5), 7)),
        (
            "identifiers cut to 32 bits",
            weight((2, 3), spec("Uniform", buckets=4, signed=True), 2**32 - 3),
        ),
        ("a lost sign; lost additions to one bucket", weight((5, 7), signed, 2**33)),
        ("one bucket for all", weight((4, 4), spec("Uniform", buckets=1, signed=True))),
        ("a sign of 0 that is not 0", weight((2, 3), masked)),
        ("a view read as if it were the weight", transposed(weight((3, 4), signed, 2))),
        ("Dirichlet's alias", weight((4, 6), spec("Dirichlet", buckets=4, alpha=0.3, seed=2))),
    ]
    groups: list[Json] = []
    for k, (catches, w) in enumerate(cases):
        n, (fan_out, fan_in) = buckets(w), w["shape"]
        table = whole((n,), 10 * k, 9)
        x, dy, dV = (
            whole(shape, 10 * k + j)
            for j, shape in enumerate([(5, fan_in), (5, fan_out), (fan_out, fan_in)], 1)
        )
        V = virtual(w, table)
        dx, of_V = product_backward(dy, x, V)
        given = {"catches": catches, "dtype": "float32", "weight": w}
        place = w["first_id"], w["transposed"]
        to_table = lambda grad, w=w, n=n, place=place: scatter_add_view(  # noqa: E731
            grad, from_spec(w["hash"]), n, *place
        )
        groups += [
            {"op": "gather", **given, "table": table, "V": V},
            {"op": "scatter_add", **given, "dV": dV, "dtable": to_table(dV)},
            {"op": "matmul", **given, "table": table, "x": x, "y": product(x, V)},
            {"op": "matmul_backward", **given, "table": table, "x": x, "dy": dy}
            | {"dx": dx, "dtable": to_table(of_V)},
        ]
    w, rows = weight((5, 3), signed, 1), [4, 0, 4, 4, 2]
    table, dE, rule = whole((3,), 200, 9), whole((5, 3), 201), from_spec(signed)
    given = {"catches": "a row that comes again, overwritten", "dtype": "float32", "weight": w}
    E = gather_rows(table, rule, (5, 3), rows, 1)
    dtable = scatter_add_rows(dE, rows, rule, 3, (5, 3), 1)
    groups.append({"op": "gather_rows", **given, "table": table, "rows": rows, "E": E})
    groups.append({"op": "scatter_add_rows", **given, "rows": rows, "dE": dE, "dtable": dtable})
    refused = {"dtype": "float32", "weight": weight((2, 3), spec("Identity", buckets=4))}
    refused |= {"table": whole((4,), 1)}
    groups.append(
        {"op": "gather", "catches": "identifiers beyond the table", **refused, "error": "range"}
    )
    return [lists(group) for group in groups]


def rounded() -> list[Json]:
    """Cases of real numbers.

    >>> sorted(rounded()[0]["within"])
    ['y']
    """
    groups = []
    for k, hash in enumerate(
        (
            spec("Uniform", buckets=11, seed=3, signed=True),
            spec("Neighborhood", buckets=9, radius=2),
        )
    ):
        w = weight((6, 20), hash, 5)
        table, x, dy = (
            real(s, 300 + 10 * k + j) for j, s in enumerate([(11 - 2 * k,), (4, 20), (4, 6)])
        )
        index, sign = places(w)
        V = ball(virtual(w, table), U32)
        given = {"dtype": "float32", "weight": w, "table": table, "x": x}
        y = balls({"y": ball(x, U32) @ V.T})
        back = {"dx": ball(dy, U32) @ V}
        back["dtable"] = (ball(dy, U32).T @ ball(x, U32)).scatter_add(index, sign, len(table))
        groups.append({"op": "matmul", "catches": "sums in half precision", **given} | y)
        catches = "a gradient of the table that is a mean, or of V transposed"
        groups.append(
            {"op": "matmul_backward", "catches": catches, **given, "dy": dy} | balls(back)
        )
    return [lists(group) for group in groups]
