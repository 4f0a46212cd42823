"""Every hyperparameter and identifier that a hash refuses, in one line that says what to do."""

import math

import numpy as np
import pytest

from minihash.hashes import (
    HASHES,
    Balanced,
    Blocks,
    Compose,
    Dirichlet,
    HashedNets,
    Identity,
    Lookup,
    Modulus,
    Neighborhood,
    Quantile,
    Roast,
    Robe,
    Sparse,
    Toeplitz,
    Uniform,
)

# Valid arguments of every hash; each test below spoils one of them.
VALID = {
    Identity: {"buckets": 5},
    Modulus: {"buckets": 5, "seed": 1, "signed": True},
    Uniform: {"buckets": 5, "seed": 1, "signed": True},
    Balanced: {"buckets": 5, "domain": 9, "seed": 1, "signed": True},
    Quantile: {"buckets": 5, "domain": 9, "alpha": 1.0, "seed": 1, "signed": True},
    Dirichlet: {"buckets": 5, "alpha": 1.0, "seed": 1, "signed": True},
    Neighborhood: {"buckets": 5, "radius": 2, "seed": 1, "signed": True},
    HashedNets: {"buckets": 5, "fan_in": 3, "fan_out": 2, "seed": 1, "tag": "W"},
    Sparse: {"buckets": 5, "domain": 9, "seed": 1},
    Lookup: {"buckets": 5, "assignment": [0, 4], "signs": [1, 0]},
    Blocks: {"buckets": 6, "size": 2, "assignment": [0, 2], "signs": [1, 0]},  # test_blocks.py
    Robe: {  # test_blocks.py spoils its sizes and numbers, and those of Roast
        "buckets": 50,
        "block": 4,
        "row": 6,
        "seed": 1,
        "signed": True,
        "numbers": (45007, 1, 2, 3),
    },
    Roast: {
        "buckets": 50,
        "columns": 6,
        "tile": (2, 4),
        "seed": 1,
        "signed": True,
        "numbers": (45007, 1, 2, 3),
    },
    Compose: {"inner": Modulus(5), "outer": Identity(5)},
    Toeplitz: {  # test_toeplitz.py spoils its geometry
        "shape": (2, 5, 5),
        "kernel": (4, 3, 3),
        "stride": (2, 2),
        "padding": (1, 1),
        "dilation": (1, 1),
        "groups": 2,
    },
}
BLOCKS = (Blocks, Robe, Roast)
FIELDS = [
    (cls, name)
    for cls, fields in VALID.items()
    for name in fields
    if (name, cls in BLOCKS) != ("buckets", True)  # the fewest depend on the other fields
]
COUNTS = {
    "buckets": (1, 2**31 - 1),
    "seed": (0, 2**32 - 1),
    "domain": (1, 2**52),
    "radius": (0, 2**31 - 1),
    "fan_in": (1, 2**31 - 1),
    "fan_out": (1, 2**31 - 1),
    "groups": (1, 2**31 - 1),
}


def refused(error: type[Exception], cls: type, **spoiled: object) -> str:
    with pytest.raises(error) as caught:
        cls(**{**VALID[cls], **spoiled})
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_every_hash_is_covered():
    assert set(VALID) == set(HASHES.values())
    for cls, fields in VALID.items():
        assert set(fields) == set(cls.__dataclass_fields__), "a field without a test of its refusal"


@pytest.mark.parametrize(("cls", "name"), [(c, n) for c, n in FIELDS if n in COUNTS])
def test_counts(cls, name):
    low, high = COUNTS[name]
    for value in (low - 1, high + 1, -(2**70), 2**70):
        message = refused(ValueError, cls, **{name: value})
        assert name in message and str(value) in message and str(low) in message
    for value in (1.0, "1", None, True, [1], np.float64(1), math.nan):
        message = refused(TypeError, cls, **{name: value})
        assert name in message and repr(value) in message
    for value in (low, low + 1):
        assert getattr(cls(**{**VALID[cls], name: value} | unbounded(cls)), name) == value


def unbounded(cls: type) -> dict:
    """What must change with `buckets` for the rest to stay valid."""
    return {"assignment": [0, 0]} if cls is Lookup else {}


@pytest.mark.parametrize(("cls", "name"), [(c, n) for c, n in FIELDS if n in COUNTS])
def test_numpy_integers_are_kept_as_python_integers(cls, name):
    value = VALID[cls][name]
    built = cls(**{**VALID[cls], name: np.int16(value)})
    assert type(getattr(built, name)) is int
    assert built == cls(**VALID[cls])
    ids = np.arange(2)
    np.testing.assert_array_equal(built.bucket(ids), cls(**VALID[cls]).bucket(ids))


def test_numpy_integers_at_the_top_do_not_overflow():
    top = Neighborhood(np.int32(2**31 - 1), np.int32(2**31 - 1), np.uint32(2**32 - 1))
    assert top == Neighborhood(2**31 - 1, 2**31 - 1, 2**32 - 1)
    assert top.bucket([3]) == Neighborhood(2**31 - 1, 2**31 - 1, 2**32 - 1).bucket([3])
    assert HashedNets(5, 2, 2, np.uint32(2**32 - 1)).bucket([3]) < 5


with_alpha = pytest.mark.parametrize("cls", [Dirichlet, Quantile])


@with_alpha
@pytest.mark.parametrize("alpha", [0, 0.0, -1.0, -math.inf, math.nan, 1e-310])
def test_alpha_out_of_range(cls, alpha):
    assert "alpha" in refused(ValueError, cls, alpha=alpha)


@with_alpha
@pytest.mark.parametrize("alpha", ["1", None, True, [1.0], 1j])
def test_alpha_that_is_no_number(cls, alpha):
    assert "alpha" in refused(TypeError, cls, alpha=alpha)


@with_alpha
def test_alpha_of_any_real_type(cls):
    valid = VALID[cls]
    for alpha in (2, np.float32(2), np.int64(2), np.float64(2)):
        assert cls(**valid | {"alpha": alpha}) == cls(**valid | {"alpha": 2.0})
        assert type(cls(**valid | {"alpha": alpha}).alpha) is float


@with_alpha
def test_too_many_buckets_for_a_dirichlet_table(cls):
    assert "uniform" in refused(ValueError, cls, buckets=2**30 + 1)


@pytest.mark.parametrize("tag", ["w", "", "WB", None, 1, b"W"])
def test_tag(tag):
    assert repr(tag) in refused(ValueError, HashedNets, tag=tag)


@pytest.mark.parametrize("cls", [cls for cls in VALID if "signed" in VALID[cls]])
@pytest.mark.parametrize("signed", ["no", 1, None, 0.0])
def test_signed(cls, signed):
    assert "signed" in refused(TypeError, cls, signed=signed)


@pytest.mark.parametrize("name", ["assignment", "signs"])
def test_lookup_arrays(name):
    for values in ([0.0, 1.0], "01", None if name == "assignment" else 1, [[0, 1]]):
        assert name in refused(TypeError, Lookup, **{name: values})
    low = 0 if name == "assignment" else -1
    for values in ([low - 1, 0], [0, 5], np.array([0, 2**63], np.uint64)):
        message = refused(ValueError, Lookup, **{name: values})
        assert name in message and str(low) in message
    assert "2" in refused(ValueError, Lookup, signs=[1, 1, 1])


def test_lookup_keeps_a_copy_that_nobody_writes():
    assignment, signs = np.array([0, 4]), np.array([1, -1])
    hash_ = Lookup(5, assignment, signs)
    assignment[:], signs[:] = 1, 0
    assert (hash_.bucket([0, 1]).tolist(), hash_.sign([0, 1]).tolist()) == ([0, 4], [1, -1])
    for kept in (hash_.assignment, hash_.signs):
        with pytest.raises(ValueError, match="read-only"):
            kept[0] = 1


def test_lookups_are_equal_by_content():
    plain = Lookup(5, [0, 4])
    assert plain == Lookup(5, np.array([0, 4], np.uint8)) == Lookup(5, [0, 4], [1, 1])
    assert hash(plain) == hash(Lookup(5, [0, 4], [1, 1]))
    for other in (Lookup(6, [0, 4]), Lookup(5, [0, 3]), Lookup(5, [0]), Lookup(5, [0, 4], [1, 0])):
        assert plain != other
    assert plain != Identity(5) and plain != "lookup"


def test_compose():
    for name in ("inner", "outer"):
        for value in (5, None, Modulus, "modulus"):
            assert name in refused(TypeError, Compose, **{name: value})
    assert "5" in refused(ValueError, Compose, outer=Identity(4))
    assert "5" in refused(ValueError, Compose, outer=Lookup(2, [0, 1]))


@pytest.mark.parametrize("cls", VALID)
def test_identifiers(cls):
    hash_ = cls(**VALID[cls])
    outside = [-1, 2**64, -(2**63)] + ([hash_.domain] if hash_.domain < 2**64 else [])
    for method in (hash_.bucket, hash_.sign):
        for i in outside:
            for ids in (i, [0, i], [[i]]):
                with pytest.raises(ValueError, match=f"0 .. {hash_.domain - 1}") as caught:
                    method(ids)
                assert "\n" not in str(caught.value) and str(i) in str(caught.value)
        for ids in (
            0.5,
            [0.0],
            ["0"],
            [True],
            "0",
            None,
            np.zeros(2),
            np.zeros(2, bool),
            [0, None],
        ):
            with pytest.raises(TypeError, match="integers") as caught:
                method(ids)
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cls", VALID)
def test_hashes_are_frozen(cls):
    hash_ = cls(**VALID[cls])
    with pytest.raises(AttributeError):
        setattr(hash_, next(iter(VALID[cls])), 3)
