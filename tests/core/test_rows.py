"""Some rows of a virtual weight: gathered and scattered alone, in any shape, and refused.

test_views.py holds them to the loops, to the bit, with views; test_embedding.py to PyTorch.
"""

import numpy as np
import pytest

from minihash.core import gather, gather_rows, matmul, scatter_add, scatter_add_rows
from minihash.hashes import Identity, Lookup, Modulus, Uniform
from minihash.weights import VirtualWeight
from tests.support import core_cases as cc

every_backend = pytest.mark.parametrize("backend", cc.BACKENDS)


@every_backend
def test_rows_of_a_weight_that_no_memory_could_hold(backend):
    """2^48 virtual weights: only what is asked for is made."""
    w = VirtualWeight((2**40, 256), Uniform(1000, 3, True), first_id=2**63)
    rows = np.array([2**40 - 1, 0, 2**33 + 5])
    rng = np.random.default_rng(0)
    table, dE = cc.real(rng, (1000,), float), cc.whole(rng, (3, 256), float)
    lines = [w.rows(int(row), int(row) + 1) for row in rows]
    E = gather_rows(table, w, rows, backend)
    np.testing.assert_array_equal(E, np.vstack([gather(table, line) for line in lines]))
    expected = sum(scatter_add(d[None], line) for d, line in zip(dE, lines, strict=True))
    np.testing.assert_array_equal(scatter_add_rows(dE, rows, w, backend), expected)


@every_backend
@pytest.mark.parametrize("hash_", [Identity(12), Modulus(5), Uniform(5, 1, True)], ids=repr)
def test_rows_may_have_any_shape_dtype_and_layout(backend, hash_):
    w = VirtualWeight((4, 3), hash_)
    rng = np.random.default_rng(6)
    table = cc.whole(rng, (hash_.buckets,), float)
    rows = rng.integers(0, 4, (5, 2, 3))
    dE = cc.whole(rng, (5, 2, 3, 3), float)
    E, dtable = gather_rows(table, w, rows, backend), scatter_add_rows(dE, rows, w, backend)
    np.testing.assert_array_equal(E, cc.gathered(table, w)[rows])
    for same in (rows.astype(np.uint8), rows.astype(">i4"), np.asfortranarray(rows), rows.tolist()):
        np.testing.assert_array_equal(gather_rows(table, w, same, backend), E)
        strided = np.repeat(dE, 2, -1)[..., ::2]
        np.testing.assert_array_equal(scatter_add_rows(strided, same, w, backend), dtable)
    assert gather_rows(table, w, np.array(3), backend).shape == (3,)
    assert gather_rows(table, w, np.zeros((0, 2), int), backend).shape == (0, 2, 3)
    nothing = scatter_add_rows(np.zeros((0, 3)), np.zeros(0, int), w, backend)
    np.testing.assert_array_equal(nothing, np.zeros(hash_.buckets))


@every_backend
@pytest.mark.parametrize("hash_", [Identity(20), Uniform(5, 1, True)], ids=repr)
def test_inputs_are_not_written_and_outputs_are_fresh(backend, hash_):
    w = VirtualWeight((5, 4), hash_)
    rng = np.random.default_rng(6)
    inputs = [cc.whole(rng, (hash_.buckets,), float), rng.integers(0, 5, 7)]
    inputs.append(cc.whole(rng, (7, 4), float))
    before = [a.copy() for a in inputs]
    table, rows, dE = inputs
    first = [gather_rows(table, w, rows, backend), scatter_add_rows(dE, rows, w, backend)]
    for a, b in zip(inputs, before, strict=True):
        np.testing.assert_array_equal(a, b)
    kept = [a.copy() for a in first]
    gather_rows(-table, w, rows[::-1], backend), scatter_add_rows(-dE, rows, w, backend)
    for a, b in zip(first, kept, strict=True):
        np.testing.assert_array_equal(a, b)
        assert not any(np.shares_memory(a, other) for other in inputs)


@every_backend
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_no_connection_is_zero_whatever_the_table_holds(backend, bad):
    w = VirtualWeight((2, 2), Lookup(3, [0, 1, 2, 1], [0, 1, -1, 1]))
    rows = np.array([1, 0, 0])
    E = gather_rows(np.array([bad, 2, 3]), w, rows, backend)
    np.testing.assert_array_equal(E, [[-3, 2], [0, 2], [0, 2]])
    dE = np.array([[1.0, 2], [bad, 4], [8, 16]])
    np.testing.assert_array_equal(scatter_add_rows(dE, rows, w, backend), [0, 22, -1])


# Refusals.

W = VirtualWeight((4, 3), Uniform(5), "T")
TABLE, ROWS, DE = np.ones(5), np.array([3, 0]), np.ones((2, 3))
REFUSED = {
    "row beyond": (
        gather_rows,
        (TABLE, W, np.array([0, 4])),
        ValueError,
        r"0 \.\. 3, got 0 \.\. 4",
    ),
    "row below": (gather_rows, (TABLE, W, np.array([-1])), ValueError, r"0 \.\. 3, got -1"),
    "rows of floats": (
        gather_rows,
        (TABLE, W, np.array([1.0])),
        TypeError,
        "integers, got float64",
    ),
    "rows of booleans": (gather_rows, (TABLE, W, np.array([True])), TypeError, "got bool"),
    "table too small": (gather_rows, (TABLE[:4], W, ROWS), ValueError, r"'T' must .* got \(4,\)"),
    "table of integers": (gather_rows, (np.ones(5, int), W, ROWS), TypeError, "int64"),
    "weight of a vector": (
        *(gather_rows, (TABLE, VirtualWeight((4,), Uniform(5)), ROWS)),
        *(ValueError, r"\(4,\)"),
    ),
    "dE of another width": (scatter_add_rows, (DE[:, :2], ROWS, W), ValueError, r"\(2, 2\)"),
    "dE of more rows": (scatter_add_rows, (np.ones((3, 3)), ROWS, W), ValueError, r"\(3, 3\)"),
    "dE of integers": (scatter_add_rows, (DE.astype(int), ROWS, W), TypeError, "int64"),
    "row beyond, backward": (scatter_add_rows, (DE, ROWS + 1, W), ValueError, r"got 1 \.\. 4"),
    "x of the weight itself": (matmul, (np.ones((2, 3)), TABLE, W.T), ValueError, r"\(any, 4\)"),
}


@every_backend
@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_at_the_door(backend, case, monkeypatch):
    function, arguments, error, message = REFUSED[case]

    def kernel(*_: object) -> None:
        raise AssertionError("a kernel saw bad input")

    for name in ("gather_rows", "scatter_add_rows", "matmul"):
        monkeypatch.setattr(f"minihash.core.{backend}.{name}", kernel)
    with pytest.raises(error, match=message) as caught:
        function(*arguments, backend=backend)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("view", "error", "message"),
    [
        (lambda: W.rows(2, 5), ValueError, r"stop of rows must lie in 1 \.\. 4, got 5"),
        (lambda: W.rows(2, 2), ValueError, r"start of rows must lie in 0 \.\. 1, got 2"),
        (lambda: W.rows(-1, 2), ValueError, "start of rows must lie .* got -1"),
        (lambda: W.rows(0.0, 2), TypeError, "start of rows must be an integer"),
        (lambda: W.T.rows(0, 2), ValueError, r"take the rows of the weight itself, then \.T"),
        (lambda: VirtualWeight((), Uniform(5)).rows(0, 1), ValueError, "rows need a weight"),
        (lambda: VirtualWeight((2, 3), Uniform(5), transposed=1), TypeError, "transposed must be"),
        # A table that is too small for a view of it.
        (
            lambda: VirtualWeight((4, 3), Identity(11), "T"),
            ValueError,
            r"shape \(4, 3\) .* needs identifiers up to 11, but Identity is defined up to 10; ",
        ),
        (
            lambda: VirtualWeight((2, 3), Identity(11), "T", first_id=6),
            ValueError,
            "needs identifiers up to 11, but Identity is defined up to 10; ",
        ),
    ],
)
def test_what_is_no_view_is_refused(view, error, message):
    with pytest.raises(error, match=message) as caught:
        view()
    assert "\n" not in str(caught.value)
