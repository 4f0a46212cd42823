"""Specs from a file that nobody vouches for: whole when decoded, or refused by a ValueError."""

import copy
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minihash.files.spec import TYPES, decode, encode
from minihash.hashes import Compose, Hash, Identity, Lookup, Modulus, Uniform
from minihash.layers import BatchNorm1d, Dense, Dropout
from minihash.layers.layer import Layer
from minihash.networks.arbnet import arbnet
from minihash.networks.sequential import Sequential
from minihash.weights import VirtualWeight

ARRAYS = {"a": np.arange(3), "floats": np.ones(3), "empty": np.zeros((0, 2)), "": np.array(1)}
NAMES = sorted(TYPES)
FIELDS = sorted({field for cls in TYPES.values() for field in cls.__dataclass_fields__})

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, 1, -1, 2**31, 2**32, 2**63, 2**64, 10**400, 10**4000])
    | st.floats()
    | st.text(max_size=4)
    | st.sampled_from(["inf", "nan", "W", *ARRAYS, *NAMES])
)
keys = st.sampled_from(["type", "float", "array", *FIELDS]) | st.text(max_size=3)


def grown(inner):
    known = st.sampled_from(NAMES)
    things = st.tuples(known, st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5))
    fitting = known.flatmap(
        lambda name: st.fixed_dictionaries(
            {"type": st.just(name)}, optional=dict.fromkeys(TYPES[name].__dataclass_fields__, inner)
        )
    )
    return (
        st.lists(inner, max_size=4)
        | st.dictionaries(keys, inner, max_size=4)
        | things.map(lambda thing: {"type": thing[0], **thing[1]})
        | fitting
        | st.sampled_from(list(ARRAYS)).map(lambda name: {"array": name})
        | st.sampled_from(["inf", "-inf", "nan"]).map(lambda name: {"float": name})
    )


json_values = st.recursive(leaves, grown, max_leaves=12)


def decoded_or_refused(spec):
    """The thing, or None if it is refused: by a ValueError in one line."""
    try:
        return decode(spec, ARRAYS)
    except ValueError as error:
        assert "\n" not in str(error) and len(str(error)) < 500
        return None


@given(json_values)
def test_any_json_is_decoded_or_refused_by_a_value_error(spec):
    decoded_or_refused(spec)


GOOD = [
    *(Sequential((Dense(VirtualWeight((3, 1), Lookup(3, [0, 1, 2])), None),)),),
    *(Compose(Modulus(3), Uniform(4, signed=True)), VirtualWeight((2,), Identity(2), "b")),
    *(BatchNorm1d("n", 3), Dropout(0.5, 7), arbnet((3, 2), "dirichlet", 1.0, alpha=math.inf)),
]


@st.composite
def damaged(draw):
    """The spec of something good, of which a random part is replaced, dropped or renamed."""
    arrays = {}
    spec = copy.deepcopy(encode(draw(st.sampled_from(GOOD)), arrays))
    for _ in range(draw(st.integers(1, 2))):
        part = spec
        while True:
            places = list(part) if isinstance(part, dict) else range(len(part))
            place = draw(st.sampled_from(places))
            inside = part[place]
            if not (isinstance(inside, dict | list) and inside and draw(st.booleans())):
                break
            part = inside
        action = draw(st.sampled_from(["replace", "drop", "rename"]))
        if action == "replace" or isinstance(part, list) or len(part) == 1:
            part[place] = draw(json_values)
        else:
            value = part.pop(place)
            if action == "rename":
                part[draw(keys)] = value
    return spec


@given(damaged())
def test_a_damaged_spec_is_decoded_or_refused_and_what_is_decoded_is_whole(spec):
    thing = decoded_or_refused(spec)
    if isinstance(thing, Sequential):
        for w in thing.weights():
            assert w.size > 0 and w.first_id >= 0 and w.first_id + w.size <= w.hash.domain
    if isinstance(thing, Sequential | VirtualWeight | Hash | Layer):
        arrays = dict(ARRAYS)
        spec = json.loads(json.dumps(encode(thing, arrays)))
        assert decode(spec, arrays) == thing


deep: list = []
for _ in range(100_000):
    deep = [deep]
modulus = {"type": "Modulus", "buckets": 3}
nested: dict = modulus
for _ in range(100_000):
    nested = {"type": "Compose", "inner": nested, "outer": modulus}
norm = {"type": "BatchNorm1d", "name": "n", "features": 3}


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"type": None},
        {"type": "object"},
        {"type": "os.system"},
        {"type": ["Modulus"], "buckets": 3},
        {"type": {}, "buckets": 3},
        {"type": 3},
        {"buckets": 3},
        {"type": "Modulus"},
        {**modulus, "colour": 1},
        {**modulus, "self": 1},
        {**modulus, "__class__": "Uniform"},
        {**modulus, "buckets": 0},
        {**modulus, "buckets": -3},
        {**modulus, "buckets": 3.0},
        {**modulus, "buckets": "3"},
        {**modulus, "buckets": True},
        {**modulus, "buckets": [3]},
        {**modulus, "buckets": {"array": "a"}},
        {**modulus, "buckets": 10**4000},
        {**modulus, "seed": 2**32},
        {**modulus, "signed": {"array": "a"}},
        {**modulus, "signed": "no"},
        {**modulus, "signed": []},
        {"type": "Hash"},
        {"type": "Layer"},
        {"float": "1e5"},
        {"float": ["inf"]},
        {"float": None},
        {"array": "missing"},
        {"array": ["a"]},
        {"array": {}},
        {"array": None},
        {"array": "a", "float": "inf"},
        {"type": "Dirichlet", "buckets": 3, "alpha": {"float": "nan"}},
        {"type": "Dirichlet", "buckets": 3, "alpha": 10**400},
        {"type": "Dirichlet", "buckets": 3, "alpha": -1},
        {"type": "Lookup", "buckets": 3, "assignment": {"array": "floats"}},
        {"type": "Lookup", "buckets": 2, "assignment": {"array": "a"}},
        {"type": "Lookup", "buckets": 3, "assignment": {"array": "empty"}},
        {"type": "Lookup", "buckets": 3, "assignment": [[0], [1, 2]]},
        {"type": "Lookup", "buckets": 3, "assignment": [0, None]},
        {"type": "Lookup", "buckets": 3, "assignment": [0, 10**400]},
        {"type": "Compose", "inner": modulus, "outer": 3},
        {"type": "Compose", "inner": modulus, "outer": {"type": "Identity", "buckets": 2}},
        {"type": "VirtualWeight", "shape": [2, 2], "hash": "Modulus"},
        {"type": "VirtualWeight", "shape": [2, -2], "hash": modulus},
        {"type": "VirtualWeight", "shape": [2, 2.5], "hash": modulus},
        {"type": "VirtualWeight", "shape": 4, "hash": modulus},
        {"type": "VirtualWeight", "shape": [2**40, 2**40], "hash": modulus},
        {"type": "VirtualWeight", "shape": [2, 2], "hash": modulus, "table": 3},
        {"type": "VirtualWeight", "shape": [2, 2], "hash": modulus, "first_id": 2**64 - 1},
        {"type": "Dense", "weight": modulus},
        {"type": "Dense", "weight": {"type": "VirtualWeight", "shape": [4], "hash": modulus}},
        {"type": "Sequential", "layers": "ELU"},
        {"type": "Sequential", "layers": None},
        {"type": "Sequential", "layers": 3},
        {"type": "Sequential", "layers": ["ELU"]},
        {"type": "Sequential", "layers": [modulus]},
        {"type": "Sequential", "layers": [norm, norm]},
        {"type": "Sequential", "layers": [{"type": "Sequential", "layers": []}]},
        {**norm, "eps": 10**400},
        {**norm, "momentum": 2},
        {**norm, "features": 0},
        {**norm, "name": None},
        {**norm, "name": {"array": "a"}},
        {"type": "Dropout", "rate": 1},
        {"type": "Dropout", "rate": 10**400},
        {"type": "Dropout", "rate": 0.5, "seed": 0.5},
        deep,
        nested,
    ],
    ids=lambda spec: "deep" if spec is deep or spec is nested else str(spec)[:60],
)
def test_what_is_no_network_is_refused_in_one_line(spec):
    with pytest.raises(ValueError) as caught:
        decode(spec, ARRAYS)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
