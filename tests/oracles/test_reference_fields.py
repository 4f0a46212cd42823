"""Section 29 of the specification: the fields of each type, their defaults and ranges."""

import dataclasses
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

from minihash import VirtualWeight
from minihash.files.spec import TYPES, encode
from minihash.hashes import Identity, Modulus
from minihash.training.optimisers import SGD

README = (Path(__file__).resolve().parents[2] / "reference" / "README.md").read_text("utf-8")
SECTION = README.partition("\n## 29. Fields\n")[2].partition("\n## ")[0]
# Of fields that are no numbers: something that will do.
W = VirtualWeight((2, 3), Modulus(4))
GIVEN = {
    "name": "n",
    "optimiser": SGD(),
    "tables": ("a", "b"),
    "weight": W,
    "hash": Modulus(2),
    "height": 3,
    "alpha": 1.0,
    "radius": 1,
}
GIVEN |= {"strength": 1.0, "max_norm": 1.0, "decay": 0.1, "rate": 0.5, "features": 2}
GIVEN |= {"buckets": 200, "columns": 3, "fan_in": 2, "fan_out": 2, "domain": 9, "shape": (2, 3)}
GIVEN |= {"assignment": np.zeros(1, np.uint8)}
# What else a number needs.
BESIDE = {("SGD", "dampening"): {"momentum": 0.9}}
UNSHARED = {"weight": VirtualWeight((2, 3), Identity(6)), "slope": 1.0}
BESIDE |= {("GrOWL", name): UNSHARED for name in ("strength", "slope", "part")}


def described():
    """(type, field, default as JSON or None, range or None, later) of every field in the table."""
    for line in re.findall(r"^\| (.+) \|$", SECTION, re.MULTILINE)[2:]:
        types, fields = line.split(" | ")
        names = types.split(", ")
        for text in fields.split("; ") if fields != "none" else []:
            own = re.fullmatch(r"of (\w+), (.+)", text)
            for name in [own[1]] if own else names:
                found = re.fullmatch(
                    r"(\w+)(?: = (.+?))?(?:: (\S+) (\.\.[.<]) (\S+))?( \(.+\))?",
                    own[2] if own else text,
                )
                span = found.group(3, 4, 5) if found[4] else None
                yield name, found[1], found[2], span, found[6] == " (later)"


ALL = list(described())
RANGES = [(name, field, span) for name, field, _, span, _ in ALL if span]


def test_every_type_and_field_is_there_in_order():
    written = {name: [] for name in re.findall(r"\b[A-Z]\w+", SECTION)}
    for name, field, *_ in ALL:
        written[name].append(field)
    for name, cls in TYPES.items():
        assert written[name] == [field.name for field in dataclasses.fields(cls)], name


@pytest.mark.parametrize("name, field, default, later", [(n, f, d, x) for n, f, d, _, x in ALL])
def test_defaults_are_those_of_the_engine(name, field, default, later):
    (found,) = (f for f in dataclasses.fields(TYPES[name]) if f.name == field)
    assert bool(found.metadata.get("later")) == later
    if found.default is not dataclasses.MISSING:
        assert default == json.dumps(encode(found.default, {}))
    elif found.default_factory is not dataclasses.MISSING:
        made = found.default_factory()
        assert default.startswith(type(made).__name__)
        assert default.endswith("0.9") == (made == SGD(momentum=0.9))
    else:
        assert default is None


@pytest.mark.parametrize("name, field, span", RANGES, ids=lambda value: str(value))
def test_ranges_are_those_of_the_engine(name, field, span):
    low, kind, high = float(span[0]), span[1], float(span[2])
    types = {f.name: f.type for f in dataclasses.fields(TYPES[name])}
    whole = types[field] in (int, "int")

    def make(value):
        cls = TYPES[name]
        value = int(value) if whole and math.isfinite(value) else value
        required = [f.name for f in dataclasses.fields(cls) if f.default is dataclasses.MISSING]
        given = {key: GIVEN[key] for key in required if key in GIVEN} | BESIDE.get(
            (name, field), {}
        )
        return cls(**(given | {field: value}))

    def below(value):
        return value - 1 if whole else math.nextafter(value, -math.inf)

    inside = [low, *([high] if kind == "..." and (whole or high < math.inf) else [])]
    for value in inside:
        assert getattr(make(value), field) == value
    outside = [below(low), math.nan]
    outside += [high] if kind == "..<" else [high + 1 if whole else math.nextafter(high, math.inf)]
    for value in outside:
        if kind == "..." and high == math.inf and value == math.inf:
            continue  # an infinite alpha is allowed
        with pytest.raises((TypeError, ValueError)):
            make(value)
